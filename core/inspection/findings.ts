// Opens a run that tuned a policy and says where it cheated: what it came to say, and where to stop.

import path from 'node:path';
import type { Finding, RunFindings } from '#core/contract/findings.ts';
import { TastemakerError } from '#core/errors.ts';
import { readJsonl } from '#core/formats/jsonl.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import type { Manifest } from '#core/recipes/manifest.ts';
import type { PromptRow } from '#core/recipes/parts/policy-prompts.ts';
import { readRows } from '#core/runs/read-rows.ts';
import { readRollouts } from '#core/runs/rollouts.ts';
import type { RolloutRow } from '#core/runs/rollouts.ts';
import { openProject } from '#core/store/database.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { heldOutLooks, stopBy } from './curve.ts';
import type { HeldModels, ModelPlace } from './held-models.ts';
import { findMeasures, rankedFor } from './measure-findings.ts';
import type { HeldOutAnswer } from './measure-findings.ts';
import { findPhrases } from './phrase-findings.ts';
import { scoring } from './score-answers.ts';

export interface FindingsQuestion {
  projectFolder: string;
  runId: string;
}

/** Answers of the last updates that are looked at, at least where there are so many. */
const NOW = 128;

/** 'bad-argument' where the run kept nothing to look at. */
export async function findings(models: HeldModels, { projectFolder, runId }: FindingsQuestion): Promise<RunFindings> {
  const runFolder = runFolderOf(projectFolder, runId);
  const reward = rewardOf(projectFolder, readManifest(runFolder));
  const { rows: all } = readRollouts(runFolder);
  if (all.length === 0)
    throw new TastemakerError(
      'bad-argument',
      `Run ${runId} has kept no rollouts to look at.`,
      'Runs of before this version kept none, nor does one whose setting keep_rollouts is 0, or that has not sampled yet.',
    );
  const first = all[0]!.step;
  const { now, since } = latestOf(all);
  if (since <= first)
    throw new TastemakerError(
      'bad-argument',
      `Run ${runId} has rollouts of too few updates to compare: ${all.at(-1)!.step - first + 1}.`,
      'Let it go on for some more updates.',
    );
  const heldOut = await heldOutAtStart(runFolder);
  const drawnFirst = all.filter(({ step }) => step === first);
  const start = [...heldOut, ...drawnFirst].map(({ text }) => text);
  const prompts = new Map(
    readJsonl(path.join(runFolder, 'data.jsonl'), (row) => row as PromptRow).rows.map((row) => [row.promptId, row]),
  );
  const { references, ranked } = await asRanked(projectFolder, now, reward.name);
  const found = await scoring(reward, async (): Promise<Finding[]> => {
    const model = await models.of(reward);
    const phrases = await findPhrases(model, { all, now, start, prompts, references });
    const measures = await findMeasures(model, { prompts, now, first: drawnFirst, heldOut, ranked });
    return [...phrases, ...measures].sort((a, b) => rankOf(a) - rankOf(b));
  });
  return {
    findings: found,
    stop: stopBy(await heldOutLooks(runFolder)),
    looked: {
      rollouts: all.length,
      start: start.length,
      now: now.length,
      since,
      until: all.at(-1)!.step,
      reward: reward.name,
    },
    prompts: answeredBy(found, prompts),
  };
}

/** The reward model that the run was trained on. 'bad-argument' of a run that was trained on none. */
function rewardOf(projectFolder: string, { id, config, models }: Manifest): ModelPlace {
  const place = models['reward'];
  if (!place)
    throw new TastemakerError(
      'bad-argument',
      `Run ${id} was trained on no reward model.`,
      'Only runs that a reward model scored can be searched for what it pays for.',
    );
  return { name: String(config['reward'] ?? 'reward'), folder: path.resolve(projectFolder, place.path) };
}

/** Exploits, then what stands out beside phrases, then drift and the rest, and last what does not stand out. */
const rankOf = (finding: Finding): number =>
  finding.kind === 'phrase' ? { exploit: 0, drift: 2, none: 3 }[finding.claim] : finding.found ? 1 : 4;

/** What people would have answered to the prompts of these rows, and what the reward model learnt from. */
async function asRanked(projectFolder: string, rows: readonly RolloutRow[], reward: string) {
  const project = openProject(projectFolder, { write: false });
  try {
    const prompts = listPrompts(project, { ids: [...new Set(rows.map(({ promptId }) => promptId))] });
    const references = new Map(
      prompts.flatMap(({ id, reference }) => (reference === null ? [] : [[id, reference] as const])),
    );
    return { references, ranked: await rankedFor(project, reward) };
  } finally {
    project.close();
  }
}

/**
 * The rollouts of the last updates: whole updates, until there are enough, of few no more than the later half; none of
 * the first update, which they are compared with.
 */
export function latestOf(all: readonly RolloutRow[]): { now: RolloutRow[]; since: number } {
  const first = all[0]!.step;
  let from = Math.max(Math.floor(all.length / 2), all.length - NOW);
  while (from > 0 && all[from - 1]!.step === all[from]!.step) from--;
  while (from < all.length && all[from]!.step === first) from++;
  return { now: all.slice(from), since: all[from]?.step ?? first };
}

/** The prompts that the samples of these findings answer. */
function answeredBy(found: readonly Finding[], prompts: ReadonlyMap<number, PromptRow>): RunFindings['prompts'] {
  const ids = new Set(found.flatMap(({ samples }) => samples.map(({ promptId }) => promptId)));
  return [...ids].map((id) => ({ id, text: prompts.get(id)?.text ?? '' }));
}

/** What the policy answered to held-out prompts before its first update. */
async function heldOutAtStart(runFolder: string): Promise<HeldOutAnswer[]> {
  const isSample = ({ step, promptId, text, finish, tokens }: Partial<HeldOutAnswer & { step: number }>) =>
    step === 0 &&
    Number.isSafeInteger(promptId) &&
    typeof text === 'string' &&
    (finish === 'stop' || finish === 'length') &&
    Number.isSafeInteger(tokens);
  return readRows<HeldOutAnswer>(path.join(runFolder, 'samples.jsonl'), isSample);
}
