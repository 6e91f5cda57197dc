// Answers that a policy learnt from come into the project, where they can be ranked, flagged and read token by token.

import path from 'node:path';
import type { SamplingParameters } from '#core/contract/samples.ts';
import { TastemakerError } from '#core/errors.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import type { Manifest } from '#core/recipes/manifest.ts';
import { modelInRole } from '#core/runs/made-models.ts';
import { readRows } from '#core/runs/read-rows.ts';
import { isRollout } from '#core/runs/rollouts.ts';
import type { RolloutRow } from '#core/runs/rollouts.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import { setMeasures } from '#core/store/measures.ts';
import { modelMadeBy } from '#core/store/policies.ts';
import { transaction } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { knownPrompts } from '#core/store/run-completions.ts';
import { runFolderOf } from '#core/store/run-folder.ts';

/** An answer of a run's rollouts. */
export interface WantedAnswer {
  promptId: number;
  update: number;
  text: string;
}

const keyOf = (promptId: number, update: number | null, text: string): string => `${promptId}/${update}/${text}`;

/**
 * The completions that these answers are in the project, in the order in which the run wrote them; those that it has
 * not yet become some, with the score that the run's reward model gave. 'bad-argument' where the run keeps none of
 * them.
 */
export async function takeRollouts(
  project: Project,
  runId: string,
  wanted: readonly WantedAnswer[],
): Promise<number[]> {
  const folder = runFolderOf(project.folder, runId);
  const asked = new Set(wanted.map(({ promptId, update, text }) => keyOf(promptId, update, text)));
  const rows = await readRows<RolloutRow>(
    path.join(folder, 'rollouts.jsonl'),
    (row) => isRollout(row) && asked.has(keyOf(row.promptId!, row.step!, row.text!)),
  );
  const known = knownPrompts(
    project,
    rows.map(({ promptId }) => promptId),
  );
  const found = new Map(
    rows.filter(({ promptId }) => known.has(promptId)).map((row) => [keyOf(row.promptId, row.step, row.text), row]),
  );
  if (found.size === 0)
    throw new TastemakerError(
      'bad-argument',
      `Run ${runId} keeps none of these answers, or their prompts have been removed.`,
      'Look through its rollouts again.',
    );
  return transaction(project, () => taken(project, readManifest(folder), found));
}

function taken(project: Project, manifest: Manifest, found: ReadonlyMap<string, RolloutRow>): number[] {
  const promptIds = [...new Set([...found.values()].map(({ promptId }) => promptId))];
  const there = new Map(
    promptIds
      .flatMap((promptId) => listCompletions(project, { promptId }))
      .filter(({ runId }) => runId === manifest.id)
      .map(({ id, promptId, step, text }) => [keyOf(promptId, step, text), id]),
  );
  const fresh = [...found].filter(([key]) => !there.has(key));
  const ids = addCompletions(
    project,
    fresh.map(([, { promptId, step, text, finish }]) => ({
      promptId,
      policyId: modelMadeBy(project, manifest.id)?.id ?? null,
      text,
      // the log-probabilities of its tokens were not kept one by one
      tokenIds: [],
      logprobs: [],
      samplingLogprobs: [],
      finish,
      sampling: samplingOf(manifest),
      runId: manifest.id,
      step,
    })),
  );
  const rewardId = modelInRole(project, manifest, 'reward');
  if (rewardId !== null)
    setMeasures(
      project,
      fresh.map(([, { score }], i) => ({ completionId: ids[i]!, modelId: rewardId, score })),
    );
  fresh.forEach(([key], i) => there.set(key, ids[i]!));
  return [...found.keys()].map((key) => there.get(key)!);
}

/** As the run's settings have it. */
function samplingOf({ config }: Manifest): SamplingParameters {
  const number = (name: string, otherwise: number) => Number(config[name] ?? otherwise);
  return {
    temperature: number('temperature', 1),
    topK: 0,
    topP: 1,
    maxNew: number('max_new', 0),
    seed: number('sampling_seed', 0) || number('seed', 0),
  };
}
