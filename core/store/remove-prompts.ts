// Removing prompts with everything that hangs on them, as one event that brings it all back.

import type { PromptWeight } from '#core/contract/prompts.ts';
import { recordEvent } from './events.ts';
import { capture } from './inverse.ts';
import type { Step } from './inverse.ts';
import { query, requireRow, requireThat, transaction } from './project.ts';
import type { Project } from './project.ts';

/** The tables below a prompt, parents first: how to find a row's key from the prompts, whose ids come as JSON. */
const OF_PROMPT = 'prompt_id IN (SELECT value FROM json_each(?))';
const OF_COMPLETION = `completion_id IN (SELECT id FROM completions WHERE ${OF_PROMPT})`;
const OF_ITEM = `item_id IN (SELECT id FROM items WHERE ${OF_PROMPT})`;
const BELOW: readonly [table: Step['table'], key: string, where: string][] = [
  ['prompts', 'id', 'id IN (SELECT value FROM json_each(?))'],
  ['completions', 'id', OF_PROMPT],
  ['items', 'id', OF_PROMPT],
  ['item_completions', 'item_id', OF_ITEM],
  ['rankings', 'id', OF_PROMPT],
  ['ranking_items', 'ranking_id', `ranking_id IN (SELECT id FROM rankings WHERE ${OF_PROMPT})`],
  ['ratings', 'id', OF_COMPLETION],
  ['marks', 'id', OF_COMPLETION],
  ['measures', 'completion_id', OF_COMPLETION],
  ['drafts', 'id', OF_ITEM],
  ['flags', 'id', OF_COMPLETION],
  ['flags', 'id', OF_ITEM],
];

/** An event is one text, which must stay well below the longest that SQLite and Node can hold. */
const LIMIT_BYTES = 200_000_000;

/** How much hangs on these prompts; ids that do not exist weigh nothing. */
export function weighPrompts(project: Project, ids: readonly number[]): PromptWeight {
  const list = JSON.stringify([...new Set(ids)]);
  const count = (table: string) => {
    const parts = BELOW.filter(([name]) => name === table).map(
      ([name, , where]) => `(SELECT count(*) FROM ${name} WHERE ${where})`,
    );
    return query<{ n: number }>(project, `SELECT ${parts.join(' + ')} AS n`).get(...parts.map(() => list))!.n;
  };
  return {
    prompts: count('prompts'),
    completions: count('completions'),
    rankings: count('rankings'),
    ratings: count('ratings'),
    marks: count('marks'),
    flags: count('flags'),
  };
}

/**
 * Removes prompts and all their completions, rankings, marks and so on, all or none. 'bad-data' for an id that does not
 * exist.
 */
export function removePrompts(project: Project, ids: readonly number[]): { removed: number; eventId: number } {
  return transaction(project, () => {
    const weight = weighPrompts(project, ids);
    const unique = [...new Set(ids)];
    for (const id of unique) requireRow(project, 'prompts', id);
    const list = JSON.stringify(unique);
    const { bytes } = query<{ bytes: number }>(
      project,
      `SELECT (SELECT coalesce(sum(length(CAST(text AS BLOB)) + 200), 0) FROM prompts WHERE id IN (SELECT value FROM json_each(?)))
      + (SELECT coalesce(sum(length(CAST(text AS BLOB)) + tokens * 20 + 400), 0) FROM completions WHERE ${OF_PROMPT}) AS bytes`,
    ).get(list, list)!;
    requireThat(
      bytes <= LIMIT_BYTES,
      `${unique.length} prompts with all that hangs on them are too much to remove in one step that can be undone (${Math.round(bytes / 1e6)} MB; the limit is ${LIMIT_BYTES / 1e6} MB).`,
      'Remove a part of them at a time.',
    );
    const steps = BELOW.flatMap(([table, key, where]) =>
      query<{ key: number }>(project, `SELECT DISTINCT ${key} AS key FROM ${table} WHERE ${where} ORDER BY 1`)
        .all(list)
        .map((row) => capture(project, table, row.key)),
    );
    for (const [table, , where] of BELOW.toReversed()) query(project, `DELETE FROM ${table} WHERE ${where}`).run(list);
    return {
      removed: unique.length,
      eventId: recordEvent(project, null, 'prompt.remove', { promptIds: unique, weight }, steps),
    };
  });
}
