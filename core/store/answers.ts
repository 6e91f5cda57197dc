// Equal texts are one answer: which completions of a prompt say the same, and the rank they share.
//
// `completions.answer` is a number of the text's normal form, so that SQL can compare texts without reading them; null
// (a
// row that somebody else wrote) is equal to nothing. What is compared is always of one prompt, so that a few dozen
// texts
// would have to meet in 52 bits.

import { createHash } from 'node:crypto';
import type { Rank } from '#core/contract/rankings.ts';
import { normalForm } from '#core/spelling.ts';
import { query } from './project.ts';
import type { Project } from './project.ts';

/** A number from 1 to 2^52: the same for texts that look the same. */
export const answerNumber = (text: string): number =>
  1 + parseInt(createHash('sha256').update(normalForm(text)).digest('hex').slice(0, 13), 16);

/** What SQL compares of the completion `c`; negative where nothing is known. */
export const ANSWER = (c: string): string => `coalesce(${c}.answer, -${c}.id)`;

/** The numbers of completions' texts by their ids. */
export function answersOfCompletions(project: Project, ids: readonly number[]): Map<number, number> {
  const rows = query<{ id: number; answer: number }>(
    project,
    `SELECT c.id, ${ANSWER('c')} AS answer FROM completions c INDEXED BY completions_answers WHERE c.id IN (SELECT value FROM json_each(?))`,
  ).all(JSON.stringify(ids));
  return new Map(rows.map(({ id, answer }) => [id, answer]));
}

/** Completions that say the same, together: in the order of the first of each, which stands for the others. */
export function alike(project: Project, ids: readonly number[]): number[][] {
  const answers = answersOfCompletions(project, ids);
  return [...Map.groupBy(ids, (id) => answers.get(id) ?? -id).values()];
}

/** The completions of its prompt that say what this one says, itself first. */
export function sayingTheSame(project: Project, completionId: number): number[] {
  const others = query<{ id: number }>(
    project,
    `SELECT o.id FROM completions c JOIN completions o ON o.prompt_id = c.prompt_id AND o.answer = c.answer AND o.id <> c.id WHERE c.id = ? ORDER BY o.id`,
  ).all(completionId);
  return [completionId, ...others.map(({ id }) => id)];
}

/** Ranks of answers by what says which are equal: those share the best of their ranks. */
export function tied<K>(ranks: readonly number[], answers: readonly K[]): number[] {
  const best = new Map<K, number>();
  ranks.forEach((rank, i) => best.set(answers[i]!, Math.min(rank, best.get(answers[i]!) ?? Infinity)));
  return answers.map((answer) => best.get(answer)!);
}

/** The same for texts. */
export const tiedWhereEqual = (texts: readonly string[], ranks: readonly number[]): number[] =>
  tied(ranks, texts.map(normalForm));

/** Rankings whose equal texts share one rank: the best of theirs. */
export function tieEqual<R extends { ranks: Rank[] }>(project: Project, rows: readonly R[]): R[] {
  const answers = answersOfCompletions(project, [
    ...new Set(rows.flatMap(({ ranks }) => ranks.map(({ completionId }) => completionId))),
  ]);
  return rows.map((row) => {
    const ranks = tied(
      row.ranks.map(({ rank }) => rank),
      row.ranks.map(({ completionId }) => answers.get(completionId) ?? -completionId),
    );
    return { ...row, ranks: row.ranks.map(({ completionId }, i) => ({ completionId, rank: ranks[i]! })) };
  });
}

/** The rank of each answer is that of all completions of it: `groups` as `alike` gives them. */
export function spread(ranks: readonly Rank[], groups: readonly (readonly number[])[]): Rank[] {
  const given = new Map(ranks.map(({ completionId, rank }) => [completionId, rank]));
  return groups.flatMap((ids) => {
    const rank = Math.min(...ids.map((id) => given.get(id) ?? Infinity));
    return rank === Infinity ? [] : ids.map((completionId) => ({ completionId, rank }));
  });
}
