// The table of a project's probes as it is now: what each reward model gave to answers as written and as edited. Reads
// what was measured, and measures nothing.

import type { Policy } from '#core/contract/models.ts';
import type { ProbeCell, ProbedModel, ProbedSample, ProbedSamples, ProbeTable } from '#core/contract/probes.ts';
import { applyProbe, PROBE_KINDS, probeKind, probeSentence, readProbe } from '#core/findings/probe-edits.ts';
import type { Probe } from '#core/findings/probe-edits.ts';
import { hardlyMoved, isWrongWay, probeResult } from '#core/findings/probe-result.ts';
import type { ProbedScore } from '#core/findings/probe-result.ts';
import { listPolicies, policyById, policyPath } from '#core/store/policies.ts';
import {
  drawProbeSamples,
  listProbes,
  probeAnswers,
  probedWeights,
  probeSamples,
  probeScores,
  PROBE_SEED,
  requireProbe,
} from '#core/store/probes.ts';
import type { ProbedWeights, ProbeSample, ProbeScore, StoredProbe } from '#core/store/probes.ts';
import type { Project } from '#core/store/project.ts';
import { modelStamp } from './model-stamp.ts';

export interface ReadProbe extends StoredProbe {
  probe: Probe;
}

/** The probes that can be what they should: rows may come from another program. */
export const readProbes = (project: Project): ReadProbe[] =>
  listProbes(project).flatMap((row) => {
    const probe = readProbe(row.kind, row.parameters);
    return 'problem' in probe ? [] : [{ ...row, probe }];
  });

/** What is known of the weights that a model has now; null where nobody has looked since they came. */
export function weightsNow(project: Project, policy: Policy): ProbedWeights | null {
  const known = probedWeights(project).get(policy.id);
  return known?.stamp === modelStamp(policyPath(project, policy)) ? known : null;
}

/** To how many of the answers a probe can be done, of all. */
export function countApplying(project: Project, probe: Probe): { applies: number; of: number } {
  const answers = probeAnswers(project, drawProbeSamples(project));
  return { applies: answers.filter((answer) => applyProbe(probe, answer) !== null).length, of: answers.length };
}

/** How a reward model stands that is not measured whole. */
export type Standing = Pick<ProbedModel, 'state' | 'fault'>;

/** `standing`: of a model that lacks scores. */
export function probeTable(project: Project, standing: (policy: Policy) => Standing): ProbeTable {
  const probes = readProbes(project);
  const answers = probeAnswers(project, probeSamples(project));
  const rewards = listPolicies(project, { kind: 'reward' });
  const models: ProbedModel[] = [];
  const cells: ProbeCell[] = [];
  for (const policy of rewards) {
    const weights = weightsNow(project, policy);
    const scores = weights ? probeScores(project, weights.hash) : [];
    const total = probes.length * answers.length;
    const isWhole = weights !== null && scores.length >= total && answers.length > 0;
    models.push({
      modelId: policy.id,
      name: policy.name,
      ...(isWhole ? { state: 'measured' as const, fault: null } : standing(policy)),
      done: scores.length,
      total,
      notes: weights ? notesOf(weights, answers) : [],
    });
    cells.push(...cellsOf(policy.id, probes, answers, scores));
  }
  return {
    probes: probes.map(({ id, kind, expected, probe }) => ({
      id,
      kind,
      values: { ...probe.values },
      sentence: probeSentence(probe),
      expected,
    })),
    models,
    cells,
    samples: {
      count: answers.length,
      split: answers.some(({ split }) => split === 'train') ? 'train' : 'validation',
      seed: PROBE_SEED,
      writers: writersOf(project, answers),
    },
    kinds: PROBE_KINDS.map((kind) => {
      const { title, fields } = probeKind(kind);
      return { kind, title, fields: Object.entries(fields).map(([name, field]) => ({ name, ...field })) };
    }),
  };
}

function writersOf(project: Project, answers: readonly ProbeSample[]): string[] {
  const names = new Map(listPolicies(project).map(({ id, name }) => [id, `“${name}”`]));
  return [
    ...new Set(answers.map(({ policyId }) => (policyId === null ? 'others' : (names.get(policyId) ?? 'others')))),
  ];
}

/** Floats of these widths hold the weights as they were learnt, or nearly so. */
const FLOATS: ReadonlySet<string> = new Set(['F64', 'F32', 'F16', 'BF16']);

function notesOf({ packing, tokenizer }: ProbedWeights, answers: readonly ProbeSample[]): string[] {
  const others = answers.filter((answer) => answer.tokenizer !== null && answer.tokenizer !== tokenizer).length;
  return [
    ...(others > 0
      ? [
          `It has another tokenizer than wrote ${others === answers.length ? 'the answers' : `${others} of the answers`}: it reads their texts in tokens of its own.`,
        ]
      : []),
    ...(FLOATS.has(packing)
      ? []
      : [
          `Its weights are quantised (${packing}): these are the scores of this file, not of the model it was made of.`,
        ]),
  ];
}

function scored(answers: readonly ProbeSample[], scores: readonly ProbeScore[]): (ProbedScore & { id: number })[] {
  const prompts = new Map(answers.map(({ id, promptId }) => [id, promptId]));
  return scores.flatMap(({ completionId, scores: both }) =>
    both ? [{ ...both, id: completionId, prompt: prompts.get(completionId)! }] : [],
  );
}

function cellsOf(
  modelId: number,
  probes: readonly ReadProbe[],
  answers: readonly ProbeSample[],
  scores: readonly ProbeScore[],
): ProbeCell[] {
  const byProbe = Map.groupBy(scores, ({ probeId }) => probeId);
  return probes.flatMap(({ id: probeId, expected }): ProbeCell[] => {
    const own = byProbe.get(probeId);
    if (!own) return []; // not measured yet
    const both = scored(answers, own);
    const { difference, wrong } = probeResult(both, expected);
    return [{ probeId, modelId, n: both.length, difference, wrong }];
  });
}

/** The answers of a cell. 'bad-data' where there is no such probe or model. */
export function probedSamples(
  project: Project,
  { probeId, modelId }: { probeId: number; modelId: number },
): ProbedSamples {
  const { kind, parameters, expected } = requireProbe(project, probeId);
  const probe = readProbe(kind, parameters);
  const weights = weightsNow(project, policyById(project, modelId));
  const answers = new Map(probeAnswers(project, probeSamples(project)).map((answer) => [answer.id, answer]));
  if ('problem' in probe || !weights) return { samples: [], leftOut: 0 };
  const own = probeScores(project, weights.hash).filter((score) => score.probeId === probeId);
  const both = scored([...answers.values()], own);
  const hardly = hardlyMoved(both);
  const samples = both.flatMap(({ id, original, edited: score }): ProbedSample[] => {
    const { promptId, prompt, text } = answers.get(id)!;
    const edited = applyProbe(probe, { prompt, text });
    if (edited === null) return [];
    const wrong = expected === null ? null : isWrongWay(score - original, expected, hardly);
    return [{ completionId: id, promptId, prompt, text, edited, original, score, wrong }];
  });
  const worst = WORST[expected ?? 'fall'];
  samples.sort((a, b) => worst(b.score - b.original) - worst(a.score - a.original));
  return { samples, leftOut: own.length - samples.length };
}

/** How bad a difference is; of a probe of which nobody said anything a rise is what one looks for. */
const WORST: Readonly<Record<NonNullable<StoredProbe['expected']>, (difference: number) => number>> = {
  rise: (difference) => -difference,
  fall: (difference) => difference,
  same: Math.abs,
};
