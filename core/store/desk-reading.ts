// What the desk asks of the database beside its queues (desk-queues.ts): what was changed when, what may be repeated,
// how a labeler agrees with himself.

import { query } from './project.ts';
import type { Project } from './project.ts';

export const itemIsThere = (project: Project, itemId: number): boolean =>
  query(project, 'SELECT 1 FROM items WHERE id = ?').get(itemId) !== undefined;

export const itemShows = (project: Project, itemId: number, completionId: number): boolean =>
  query(project, 'SELECT 1 FROM item_completions WHERE item_id = ? AND completion_id = ?').get(itemId, completionId) !==
  undefined;

/** Another text whenever items or rankings were added. */
export const tokenOfItems = (project: Project): string =>
  query<{ token: string }>(
    project,
    "SELECT group_concat(seq ORDER BY name) AS token FROM sqlite_sequence WHERE name IN ('items', 'rankings')",
  ).get()!.token;

/** The items that a labeler worked at last, newest first; one may come several times. */
export const itemsVisited = (project: Project, labelerId: number, most: number): number[] =>
  query<{ itemId: number }>(
    project,
    `SELECT detail ->> 'itemId' AS itemId FROM events WHERE labeler_id = ? AND kind IN ('ranking.submit', 'draft.change') ORDER BY id DESC LIMIT ?`,
  )
    .all(labelerId, most)
    .map(({ itemId }) => itemId);

/** Whether anybody ranked an item again in a hidden repeat. */
export const wasRepeated = (project: Project, itemId: number): boolean =>
  query(project, 'SELECT 1 FROM rankings WHERE item_id = ? AND repeat_of IS NOT NULL').get(itemId) !== undefined;

export const rankingIsThere = (project: Project, rankingId: number): boolean =>
  query(project, 'SELECT 1 FROM rankings WHERE id = ?').get(rankingId) !== undefined;

/** What a labeler's draft of an item repeats; undefined where there is no draft. */
export const draftRepeats = (
  project: Project,
  itemId: number,
  labelerId: number,
): { repeatOf: number | null; sinceEvent: number | null } | undefined =>
  query<{ repeatOf: number | null; sinceEvent: number | null }>(
    project,
    'SELECT repeat_of AS repeatOf, since_event AS sinceEvent FROM drafts WHERE item_id = ? AND labeler_id = ?',
  ).get(itemId, labelerId);

/** The item of a hidden repeat that was begun and not submitted; null where there is none. */
export const itemOfBegunRepeat = (project: Project, labelerId: number): number | null =>
  query<{ itemId: number }>(
    project,
    `SELECT d.item_id AS itemId FROM drafts d WHERE d.labeler_id = ? AND d.repeat_of IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM rankings r WHERE r.repeat_of = d.repeat_of) ORDER BY d.id LIMIT 1`,
  ).get(labelerId)?.itemId ?? null;

/** The first of a labeler's own rankings, and the one before his last `distance`; null where there are too few. */
export function rankingsBefore(
  project: Project,
  labelerId: number,
  distance: number,
): { first: number; last: number } | null {
  const idOf = (sql: string) =>
    query<{ id: number }>(
      project,
      `SELECT id FROM rankings INDEXED BY rankings_by_labeler WHERE labeler_id = ? AND repeat_of IS NULL ORDER BY id ${sql}`,
    ).get(labelerId)?.id;
  const [first, last] = [idOf('LIMIT 1'), idOf(`DESC LIMIT 1 OFFSET ${distance}`)];
  return first === undefined || last === undefined ? null : { first, last };
}

/**
 * The first ranking between two that may be repeated: of a labeler, at the desk, not repeated and not being changed;
 * with a model, of an item that it scores. Null where there is none.
 */
export const repeatableBetween = (
  project: Project,
  labelerId: number,
  [from, to]: readonly [number, number],
  modelId: number | null,
): { id: number; itemId: number } | null =>
  query<{ id: number; itemId: number }>(
    project,
    `SELECT r.id, r.item_id AS itemId FROM rankings r INDEXED BY rankings_by_labeler WHERE r.labeler_id = ? AND r.id BETWEEN ? AND ?
    AND r.repeat_of IS NULL AND r.status = 'ranked' AND r.item_id IS NOT NULL AND r.shown_order <> '[]'
    AND (SELECT answers FROM items WHERE id = r.item_id) > 1
    AND NOT EXISTS (SELECT 1 FROM rankings o WHERE o.repeat_of = r.id) AND NOT EXISTS (SELECT 1 FROM drafts d WHERE d.item_id = r.item_id AND d.labeler_id = r.labeler_id)
    ${modelId === null ? '' : `AND EXISTS (SELECT 1 FROM item_scores s WHERE s.item_id = r.item_id AND s.model_id = ${modelId})`} ORDER BY r.id LIMIT 1`,
  ).get(labelerId, from, to) ?? null;

/** What the newest ranking of a labeler repeats; undefined where he has ranked nothing. */
export const lastRepeats = (project: Project, labelerId: number): { repeatOf: number | null } | undefined =>
  query<{ repeatOf: number | null }>(
    project,
    'SELECT repeat_of AS repeatOf FROM rankings WHERE labeler_id = ? ORDER BY id DESC LIMIT 1',
  ).get(labelerId);

export interface SaidOf {
  markId?: number;
  completionId?: number;
  axis?: string;
  itemId?: number;
  flagged?: boolean;
}
/** What a labeler marked, rated and flagged since an event and did not take back. */
export const saidSince = (project: Project, labelerId: number, eventId: number): SaidOf[] =>
  query<{ detail: string }>(
    project,
    `SELECT detail FROM events e WHERE labeler_id = ? AND id > ? AND kind <> 'undo'
    AND coalesce(detail ->> 'of', kind) IN ('mark.add', 'mark.replace', 'rating.set', 'flag.set') AND NOT EXISTS (SELECT 1 FROM events u WHERE u.undoes = e.id)`,
  )
    .all(labelerId, eventId)
    .map(({ detail }) => JSON.parse(detail) as SaidOf);

/** What is done at the desk; rankings that were imported or made by a program are no work of a session. */
const AT_DESK =
  "kind IN ('ranking.submit', 'draft.change', 'flag.set', 'rating.set', 'rating.delete', 'mark.add', 'mark.replace', 'mark.delete', 'undo', 'redo')";
export interface Happened {
  id: number;
  at: number;
  kind: string;
  of: string | null;
  event: number | null;
  rankingId: number | null;
}
const TAKEN = "kind IN ('undo', 'redo')";
const COLUMNS = `id, at, kind, CASE WHEN ${TAKEN} THEN detail ->> 'of' END AS "of", CASE WHEN ${TAKEN} THEN detail ->> 'event' END AS event,
  CASE WHEN kind = 'ranking.submit' OR ${TAKEN} THEN detail ->> 'rankingId' END AS rankingId`;

/** What a labeler did at the desk before an event, newest first. */
export const doneBefore = (project: Project, labelerId: number, eventId: number, most: number): Happened[] =>
  query<Happened>(
    project,
    `SELECT ${COLUMNS} FROM events WHERE labeler_id = ? AND id < ? AND ${AT_DESK} ORDER BY id DESC LIMIT ${most}`,
  ).all(labelerId, eventId);

/** The same since an event, oldest first. */
export const doneSince = (project: Project, labelerId: number, eventId: number): Happened[] =>
  query<Happened>(
    project,
    `SELECT ${COLUMNS} FROM events WHERE labeler_id = ? AND id > ? AND ${AT_DESK} ORDER BY id`,
  ).all(labelerId, eventId);

/** Pairs that a labeler ordered again in a hidden repeat before a time, and how many came out the same. */
export const pairsRepeated = (
  project: Project,
  labelerId: number,
  before: number,
): { pairs: number; same: number | null } =>
  query<{ pairs: number; same: number | null }>(
    project,
    `SELECT count(*) AS pairs, sum(a2.rank < b2.rank) AS same
    FROM rankings r INDEXED BY rankings_repeats JOIN rankings o ON o.id = r.repeat_of AND o.status = 'ranked'
    JOIN ranking_items a ON a.ranking_id = o.id JOIN ranking_items b ON b.ranking_id = o.id AND a.rank < b.rank
    JOIN ranking_items a2 ON a2.ranking_id = r.id AND a2.completion_id = a.completion_id JOIN ranking_items b2 ON b2.ranking_id = r.id AND b2.completion_id = b.completion_id
    WHERE r.labeler_id = ? AND r.repeat_of IS NOT NULL AND r.status = 'ranked' AND r.created_at < ? AND a2.rank <> b2.rank`,
  ).get(labelerId, before)!;

const REPEATS = 'FROM rankings INDEXED BY rankings_repeats WHERE labeler_id = ? AND repeat_of IS NOT NULL';
const REPEATED = { before: 'AND created_at < ?', since: 'AND created_at >= ?' } as const;
/** Hidden repeats that a labeler answered before a time, or since it. */
export const countRepeats = (project: Project, labelerId: number, when: keyof typeof REPEATED, at: number): number =>
  query<{ n: number }>(project, `SELECT count(*) AS n ${REPEATS} ${REPEATED[when]}`).get(labelerId, at)!.n;

/** Items that a labeler skipped, hidden repeats too. */
export function countSkipped(project: Project, labelerId: number): number {
  const count = (sql: string) => query<{ n: number }>(project, sql).get(labelerId)!.n;
  return (
    count(
      "SELECT count(*) AS n FROM rankings INDEXED BY rankings_skipped WHERE labeler_id = ? AND status = 'skipped' AND repeat_of IS NULL AND item_id IS NOT NULL",
    ) + count(`SELECT count(*) AS n ${REPEATS} AND status = 'skipped'`)
  );
}
