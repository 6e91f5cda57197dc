// Items: what the ranking desk shows at once, one prompt and the two to nine completions to be ranked together.

import type { Item } from '#core/contract/rankings.ts';
import { query, requireRow, requireThat, transaction } from './project.ts';
import type { Project } from './project.ts';

export type NewItem = Pick<Item, 'promptId' | 'completionIds' | 'source'> & {
  reason?: string | null;
  /** whose samples, where all are of one policy */ policyId?: number | null;
};

type Row = Omit<Item, 'completionIds'> & { completionIds: string };

/** A digit a rank. */
export const MOST_ANSWERS = 9;

/**
 * A list in as few parts of at most nine (or `most`) as will do, of even sizes; none where there is nothing to compare
 * (fewer than `fewest`).
 */
export function partsOf<T>(list: readonly T[], most = MOST_ANSWERS, fewest = 2): T[][] {
  if (list.length < fewest) return [];
  const count = Math.ceil(list.length / most);
  return [...Map.groupBy(list, (_, i) => Math.floor((i * count) / list.length)).values()];
}

/**
 * Where an item stands in the shuffled queue: its id scattered over 32 bits, one to one (the finalizer of MurmurHash3).
 */
export function placeOf(id: number): number {
  let h = id >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Adds an item; returns its id. 'bad-data' unless its completions are two to nine different ones of its prompt. */
export const addItem = (project: Project, row: NewItem): number => addItems(project, [row])[0]!;

/**
 * Adds items, all or none; returns their ids. All in two statements: each one that a trigger hangs on makes the text
 * index
 * flush, so that one statement a row would take a hundred times as long where texts were added just before.
 */
export function addItems(project: Project, rows: readonly NewItem[]): number[] {
  return transaction(project, () => {
    for (const id of new Set(rows.map(({ promptId }) => promptId))) requireRow(project, 'prompts', id);
    const promptOf = query<{ promptId: number }>(project, 'SELECT prompt_id AS promptId FROM completions WHERE id = ?');
    const last =
      query<{ seq: number }>(project, "SELECT seq FROM sqlite_sequence WHERE name = 'items'").get()?.seq ?? 0;
    const items = rows.map((row, i) => {
      const of = `The item of prompt ${row.promptId}`;
      const completionIds = [...new Set(row.completionIds)];
      requireThat(
        completionIds.length >= 2 && completionIds.length <= MOST_ANSWERS,
        `${of} has ${completionIds.length} completions.`,
        `Put two to ${MOST_ANSWERS} completions before a labeler.`,
      );
      for (const id of completionIds) {
        const owner = promptOf.get(id)?.promptId;
        requireThat(
          owner === row.promptId,
          owner === undefined
            ? `${of} names completion ${id}, which does not exist.`
            : `${of} names completion ${id}, which belongs to prompt ${owner}.`,
          'Use completions of one prompt only.',
        );
      }
      return {
        id: last + 1 + i,
        promptId: row.promptId,
        source: row.source,
        reason: row.reason ?? null,
        policyId: row.policyId ?? null,
        place: placeOf(last + 1 + i),
        completionIds,
      };
    });
    const list = JSON.stringify(items);
    query(
      project,
      `INSERT INTO items (id, prompt_id, source, reason, policy_id, place, created_at)
      SELECT value ->> 'id', value ->> 'promptId', value ->> 'source', value ->> 'reason', value ->> 'policyId', value ->> 'place', ? FROM json_each(?) ORDER BY key`,
    ).run(Date.now(), list);
    query(
      project,
      `INSERT INTO item_completions (item_id, completion_id)
      SELECT i.value ->> 'id', c.value FROM json_each(?) i, json_each(i.value, '$.completionIds') c`,
    ).run(list);
    return items.map(({ id }) => id);
  });
}

const SELECT = `SELECT i.id, i.prompt_id AS promptId, i.source, i.reason,
  (SELECT json_group_array(completion_id ORDER BY completion_id) FROM item_completions WHERE item_id = i.id) AS completionIds FROM items i`;
const toItem = (row: Row): Item => ({ ...row, completionIds: JSON.parse(row.completionIds) as number[] });

/** The item of this id, its completions in the order of their ids. 'bad-data' where there is none. */
export function getItem(project: Project, id: number): Item {
  requireRow(project, 'items', id);
  return toItem(query<Row>(project, `${SELECT} WHERE i.id = ?`).get(id)!);
}

/** Items in id order. */
export function listItems(project: Project): Item[] {
  return query<Row>(project, `${SELECT} ORDER BY i.id`).all().map(toItem);
}

/** The smallest item that holds all of these completions (of equal ones the oldest), or null. */
export function itemOf(project: Project, completionIds: readonly number[]): number | null {
  if (completionIds.length === 0) return null;
  const ids = [...new Set(completionIds)];
  return (
    query<{ id: number }>(
      project,
      `SELECT c.item_id AS id FROM item_completions c WHERE c.completion_id IN (SELECT value FROM json_each(?))
    GROUP BY c.item_id HAVING count(*) = ? ORDER BY (SELECT count(*) FROM item_completions a WHERE a.item_id = c.item_id), c.item_id LIMIT 1`,
    ).get(JSON.stringify(ids), ids.length)?.id ?? null
  );
}

/** Takes a completion out of its items; an item that is left with nothing to compare, and was never ranked, goes. */
export function removeFromItems(project: Project, completionId: number): void {
  for (const { id } of query<{ id: number }>(
    project,
    'SELECT item_id AS id FROM item_completions WHERE completion_id = ?',
  ).all(completionId)) {
    query(project, 'DELETE FROM item_completions WHERE item_id = ? AND completion_id = ?').run(id, completionId);
    query(
      project,
      `DELETE FROM items WHERE id = ? AND (SELECT count(*) FROM item_completions WHERE item_id = items.id) < 2
      AND NOT EXISTS (SELECT 1 FROM rankings WHERE item_id = items.id)`,
    ).run(id);
  }
}
