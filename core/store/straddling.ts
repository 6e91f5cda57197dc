// Prompts that differ only in their spelling and stand in different splits: how many there are, and bringing them
// together.

import type { Split } from '#core/contract/prompts.ts';
import { query, transaction } from './project.ts';
import type { Project } from './project.ts';
import { setSplit } from './prompts.ts';

/**
 * How many prompts stand in another split than another spelling of theirs, by what the project's index of spellings
 * says.
 */
export function countStraddling(project: Project): number {
  return query<{ n: number }>(
    project,
    `SELECT coalesce(sum(n), 0) AS n FROM (SELECT count(*) AS n FROM prompts INDEXED BY prompts_by_spelling WHERE spelling IS NOT NULL
    GROUP BY spelling HAVING count(*) > 1 AND min(split) <> max(split))`,
  ).get()!.n;
}

/** What a person should know of prompts that stand in two splits at once; none where all is well. */
export function straddlingNotices(project: Project): string[] {
  const n = countStraddling(project);
  if (n === 0) return [];
  return [`${n.toLocaleString('en')} ${STRADDLE}: what is learnt from is tested on too.`];
}
const STRADDLE =
  'prompts differ only in their spelling (accents, line ends or spaces around) and stand in different splits';
export const isStraddlingNotice = (notice: string): boolean => notice.includes(STRADDLE);

/** From what is learnt from to what nothing may be learnt from. */
const FIRST: readonly Split[] = ['train', 'validation', 'test'];

/**
 * Brings all spellings of a prompt into one split: the one that most is learnt from, for a prompt that was trained on
 * is
 * no test any more. Returns how many prompts moved, and the events that undo it, the last one first.
 */
export function uniteSpellings(project: Project): { moved: number; eventIds: number[] } {
  return transaction(project, () => {
    const rows = query<{ id: number; split: Split; spelling: string }>(
      project,
      `SELECT id, split, hex(spelling) AS spelling FROM prompts WHERE spelling IN
      (SELECT spelling FROM prompts INDEXED BY prompts_by_spelling WHERE spelling IS NOT NULL GROUP BY spelling HAVING count(*) > 1 AND min(split) <> max(split)) ORDER BY id`,
    ).all();
    const moving = new Map<Split, number[]>();
    for (const own of Map.groupBy(rows, ({ spelling }) => spelling).values()) {
      const split = FIRST.find((one) => own.some((row) => row.split === one))!;
      moving.set(split, [
        ...(moving.get(split) ?? []),
        ...own.filter((row) => row.split !== split).map(({ id }) => id),
      ]);
    }
    const events = [...moving].map(([split, ids]) => setSplit(project, ids, split));
    return { moved: [...moving.values()].flat().length, eventIds: events.filter((id) => id !== null).toReversed() };
  });
}
