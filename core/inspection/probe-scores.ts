// Measures the probes of a project under one of its reward models: scores answers as they were written and as edited,
// as many as are asked for at once.

import { applyProbe } from '#core/findings/probe-edits.ts';
import { openCheckpoint } from '#core/models/checkpoint.ts';
import { packingOf } from '#core/models/packing.ts';
import { hashModel } from '#core/runs/hashes.ts';
import { listCompletions } from '#core/store/completions.ts';
import { openProject } from '#core/store/database.ts';
import { policyById, policyPath } from '#core/store/policies.ts';
import { allProbeScores, drawProbeSamples, probedWeights } from '#core/store/probes.ts';
import type { Probed, ProbedWeights, ProbeScore } from '#core/store/probes.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import type { HeldModel, HeldModels, ModelPlace } from './held-models.ts';
import { modelStamp } from './model-stamp.ts';
import { readProbes } from './probe-table.ts';
import { requireScorer, scoring } from './score-answers.ts';
import { scoreFittingTexts } from './score-texts.ts';
import type { AskedText } from './score-texts.ts';

export interface ProbeQuestion {
  projectFolder: string;
  modelId: number;
  /** texts that are scored now, about */
  most: number;
}

/** What of it is new, and how many scores are still to come. */
export interface ProbeAnswer extends Probed {
  left: number;
}

/** An answer with the edits of it that have no score yet. */
interface Task {
  asked: AskedText;
  completionId: number;
  edits: { probeId: number; text: string | null }[];
  /** its score as it was written, where it is known */
  original: number | null;
}

/** 'bad-argument' where it is no reward model, 'not-finite' where it gives no numbers, and what loading throws. */
export async function probeScores(
  models: HeldModels,
  { projectFolder, modelId, most }: ProbeQuestion,
): Promise<ProbeAnswer> {
  const { place, known } = inProject(projectFolder, (project) => {
    const policy = policyById(project, modelId);
    const place: ModelPlace = { name: policy.name, folder: policyPath(project, policy) };
    return { place, known: probedWeights(project).get(modelId) };
  });
  return scoring(place, async () => {
    const model = await models.of(place);
    requireScorer(model);
    const stamp = modelStamp(place.folder);
    const weights = known?.stamp === stamp ? known : weightsOf(model, modelId, stamp);
    const { samples, tasks } = inProject(projectFolder, (project) => {
      const drawn = drawProbeSamples(project);
      return { samples: drawn, tasks: tasksOf(project, weights, drawn) };
    });
    const now: Task[] = [];
    for (let texts = 0; texts < most && now.length < tasks.length;) {
      const task = tasks[now.length]!;
      now.push(task);
      texts += 1 + task.edits.length;
    }
    const left = tasks.slice(now.length).reduce((sum, { edits }) => sum + edits.length, 0);
    return { weights, samples, scores: await scoresOf(model, now), left };
  });
}

function inProject<T>(folder: string, work: (project: Project) => T): T {
  const project = openProject(folder, { write: false });
  try {
    return work(project);
  } finally {
    project.close();
  }
}

const weightsOf = ({ folder, tokenizer }: HeldModel, modelId: number, stamp: string): ProbedWeights => ({
  modelId,
  stamp,
  hash: hashModel(folder),
  tokenizer: tokenizer.hash,
  packing: packingOf(openCheckpoint(folder)),
});

/** The answers that lack a score under these weights, each with the edits that do. */
function tasksOf(project: Project, { hash }: ProbedWeights, samples: readonly number[]): Task[] {
  const probes = readProbes(project);
  const known = allProbeScores(project, hash);
  const isKnown = new Set(known.map(({ probeId, completionId }) => `${probeId} ${completionId}`));
  const originals = new Map(
    known.flatMap(({ completionId, scores }) => (scores ? [[completionId, scores.original] as const] : [])),
  );
  const completions = listCompletions(project, { ids: samples });
  const prompts = new Map(
    listPrompts(project, { ids: [...new Set(completions.map(({ promptId }) => promptId))] }).map((row) => [
      row.id,
      row,
    ]),
  );
  return completions.flatMap(({ id: completionId, promptId, text, finish }): Task[] => {
    const { text: asked, messages } = prompts.get(promptId)!;
    const edits = probes
      .filter(({ id }) => !isKnown.has(`${id} ${completionId}`))
      .map(({ id, probe }) => ({ probeId: id, text: applyProbe(probe, { prompt: asked, text }) }));
    const original = originals.get(completionId) ?? null;
    const said = { prompt: { text: asked, messages }, text, ended: finish === 'stop' };
    return edits.length > 0 ? [{ completionId, asked: said, edits, original }] : [];
  });
}

async function scoresOf(model: HeldModel, tasks: readonly Task[]): Promise<ProbeScore[]> {
  const isNeeded = ({ edits, original }: Task): boolean => original === null && edits.some(({ text }) => text !== null);
  const unscored = tasks.filter(isNeeded);
  const edited = tasks.flatMap(({ asked, edits }) =>
    edits.flatMap(({ text }) => (text === null ? [] : [{ ...asked, text }])),
  );
  const scores = await scoreFittingTexts(model, [...unscored.map(({ asked }) => asked), ...edited]);
  const originals = new Map(unscored.map((task, i) => [task, scores[i]!]));
  let at = unscored.length;
  return tasks.flatMap((task) =>
    task.edits.map(({ probeId, text }): ProbeScore => {
      const original = task.original ?? originals.get(task) ?? null;
      const score = text === null ? null : scores[at++]!;
      const both = original === null || score === null ? null : { original, edited: score };
      return { probeId, completionId: task.completionId, scores: both };
    }),
  );
}
