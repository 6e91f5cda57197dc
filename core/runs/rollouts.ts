// Reads what a run that tunes a policy kept of its rollouts; good while the run is at work.

import path from 'node:path';
import type { KeptRollout } from '#core/recipes/parts/rollout-log.ts';
import { followRows } from './new-lines.ts';
import type { NewRows } from './new-lines.ts';

export type RolloutRow = KeptRollout & { step: number };

/** Whether a line of rollouts.jsonl has what a rollout has. */
export const isRollout = (row: Partial<RolloutRow>): boolean =>
  Number.isSafeInteger(row.step) &&
  Number.isSafeInteger(row.promptId) &&
  typeof row.text === 'string' &&
  (row.finish === 'stop' || row.finish === 'length') &&
  Array.isArray(row.tokenIds) &&
  row.tokenIds.every((id) => Number.isSafeInteger(id)) &&
  [row.score, row.logprob, row.referenceLogprob].every((value) => Number.isFinite(value));

/** Follows the rollouts of a run as they come. */
export const followRollouts = (runFolder: string): NewRows<RolloutRow> =>
  followRows<RolloutRow>(path.join(runFolder, 'rollouts.jsonl'), isRollout);

const PIECE = 1 << 22; // bytes at a time

/** All that are there now, in the order of updates, and how many lines were none; nothing where the run kept none. */
export function readRollouts(runFolder: string): { rows: RolloutRow[]; damaged: number } {
  const lines = followRollouts(runFolder);
  let all: RolloutRow[] = [];
  for (;;) {
    const { rows, restarted, more } = lines.read(PIECE);
    if (restarted) all = [];
    all = all.concat(rows);
    if (!more) return { rows: all, damaged: lines.damaged() };
  }
}
