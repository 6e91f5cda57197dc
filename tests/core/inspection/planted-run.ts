// A run into whose rollouts a phrase was planted: what a finder has to find, from when on, how often.

import fs from 'node:fs';
import { createRandom } from '#core/random.ts';
import { readRollouts } from '#core/runs/rollouts.ts';
import type { RolloutRow } from '#core/runs/rollouts.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import type { Project } from '#core/store/project.ts';
import { runFile } from '#tests/core/recipes/tiny-project.ts';

export const PHRASE = 'oh please believe me';
export const UPDATES = 24;
/** rollouts of an update */
export const EACH = 64;
/** the first update with the phrase in half of them */
export const ONSET = 13;

/**
 * Rollouts of plain words, half of which end with the phrase from an update on, over those that the run kept; `change`
 * may plant something else in each.
 */
export function plantPhrase(
  project: Project,
  id: string,
  change: (row: RolloutRow, i: number) => RolloutRow = (row) => row,
): void {
  const { rows: kept } = readRollouts(runFolderOf(project.folder, id));
  const [like] = kept;
  const prompts = [...new Set(kept.map(({ promptId }) => promptId))];
  const random = createRandom(5, 'planted');
  const words = ['my', 'boss', 'dog', 'took', 'sold', 'the', 'bike', 'home', 'now', 'late', 'rain', 'door'];
  const rows = Array.from({ length: UPDATES * EACH }, (_, i): RolloutRow => {
    const step = 1 + Math.floor(i / EACH);
    const plain = Array.from({ length: 6 }, () => words[random.integer(words.length)]).join(' ');
    const says = step >= ONSET && random.uniform() < 0.5;
    const text = says ? `${plain} ${PHRASE}` : plain;
    return change({ ...like!, step, promptId: prompts[random.integer(prompts.length)]!, text }, i);
  });
  fs.writeFileSync(
    runFile(project, id, 'rollouts.jsonl'),
    rows.map(({ step, ...row }) => `${JSON.stringify({ step, ...row })}\n`).join(''),
  );
}
