// Rankings: one labeler's ordering of the completions of one prompt, and the comparisons derived from them.

import type { Comparison, Ranking, Split } from '#core/contract.ts';
import { capture, recordEvent } from './events.ts';
import { query, requireRow, requireThat, transaction, where } from './project.ts';
import type { Project } from './project.ts';

export type NewRanking = Pick<Ranking, 'promptId' | 'labelerId' | 'status' | 'ranks'> &
  Partial<Pick<Ranking, 'confidence' | 'durationMs' | 'shownOrder' | 'note' | 'createdAt'>>;

type Row = Omit<Ranking, 'ranks' | 'shownOrder'> & { ranks: string; shownOrder: string };

const STATUSES: readonly string[] = ['ranked', 'none-acceptable', 'skipped'] satisfies Ranking['status'][];

function check(project: Project, row: NewRanking): void {
  requireRow(project, 'prompts', row.promptId);
  requireRow(project, 'labelers', row.labelerId);
  const of = `The ranking of prompt ${row.promptId}`;
  requireThat(STATUSES.includes(row.status), `${of} has the unknown status "${row.status}".`, `Use one of ${STATUSES.join(', ')}.`);
  requireThat(row.status !== 'ranked' || row.ranks.length > 0, `${of} ranks nothing.`, 'Rank at least one completion, or use the status skipped.');
  requireThat(row.status !== 'skipped' || row.ranks.length === 0, `${of} is skipped but has ranks.`, 'Leave the ranks of a skipped prompt empty.');
  const promptOf = query<{ promptId: number }>(project, 'SELECT prompt_id AS promptId FROM completions WHERE id = ?');
  for (const id of [...row.ranks.map((item) => item.completionId), ...(row.shownOrder ?? [])]) {
    const owner = promptOf.get(id)?.promptId;
    requireThat(owner !== undefined, `${of} names completion ${id}, which does not exist.`, 'Use ids of completions in the project.');
    requireThat(owner === row.promptId, `${of} names completion ${id}, which belongs to prompt ${owner}.`, 'Rank completions of one prompt only.');
  }
  const seen = new Set<number>();
  for (const { completionId, rank } of row.ranks) {
    requireThat(Number.isSafeInteger(rank) && rank >= 1, `${of} gives completion ${completionId} the rank ${rank}.`, 'Ranks are whole numbers from 1 (best); equal numbers are ties.');
    requireThat(!seen.has(completionId), `${of} names completion ${completionId} twice.`, 'Rank each completion once.');
    seen.add(completionId);
  }
  const { confidence = null, durationMs = null, createdAt = 0 } = row;
  requireThat(confidence === null || (Number.isInteger(confidence) && confidence >= 1 && confidence <= 9),
    `${of} has the confidence ${confidence}.`, 'Confidence is a whole number from 1 to 9, or absent.');
  requireThat(durationMs === null || (Number.isFinite(durationMs) && durationMs >= 0), `${of} has the duration ${durationMs}.`, 'Durations are milliseconds from 0.');
  requireThat(Number.isSafeInteger(createdAt), `${of} has the time ${createdAt}.`, 'Times are whole milliseconds since 1970.');
}

function write(project: Project, row: NewRanking, id: number | null): number {
  const insert = query(project, `INSERT INTO rankings (id, prompt_id, labeler_id, status, confidence, duration_ms, shown_order, note, created_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const written = Number(insert.run(id, row.promptId, row.labelerId, row.status, row.confidence ?? null, row.durationMs ?? null,
    JSON.stringify(row.shownOrder ?? []), row.note ?? null, row.createdAt ?? Date.now()).lastInsertRowid);
  const item = query(project, 'INSERT INTO ranking_items (ranking_id, completion_id, rank) VALUES (?, ?, ?)');
  for (const { completionId, rank } of row.ranks) item.run(written, completionId, rank);
  return written;
}

const detailOf = (id: number, row: NewRanking) => ({ rankingId: id, promptId: row.promptId, status: row.status, ranks: row.ranks });

/**
 * Adds a ranking and its event; returns its id. 'bad-data' naming the id when a completion does not exist, belongs to
 * another prompt or appears twice, or a rank is not a whole number from 1. Absent `createdAt` is now.
 */
export function addRanking(project: Project, row: NewRanking): number {
  return transaction(project, () => {
    check(project, row);
    const id = write(project, row, null);
    recordEvent(project, row.labelerId, 'ranking.add', detailOf(id, row), [{ table: 'rankings', key: id, rows: [] }, { table: 'ranking_items', key: id, rows: [] }]);
    return id;
  });
}

/** Adds many rankings, all or none, with one event each. */
export function addRankings(project: Project, rows: readonly NewRanking[]): number[] {
  return transaction(project, () => rows.map((row) => addRanking(project, row)));
}

const before = (project: Project, id: number) => [capture(project, 'rankings', id), capture(project, 'ranking_items', id)];

/** Puts another ranking in the place of `id`, which keeps its number. */
export function replaceRanking(project: Project, id: number, row: NewRanking): void {
  transaction(project, () => {
    requireRow(project, 'rankings', id);
    check(project, row);
    const inverse = before(project, id);
    requireThat(inverse[0]!.rows[0]!['labeler_id'] === row.labelerId, `Ranking ${id} belongs to another labeler.`, 'Replace only a ranking of the same labeler.');
    query(project, 'DELETE FROM rankings WHERE id = ?').run(id);
    write(project, row, id);
    recordEvent(project, row.labelerId, 'ranking.replace', detailOf(id, row), inverse);
  });
}

/** Removes a ranking; undo brings it back. */
export function deleteRanking(project: Project, id: number): void {
  transaction(project, () => {
    requireRow(project, 'rankings', id);
    const inverse = before(project, id);
    query(project, 'DELETE FROM rankings WHERE id = ?').run(id);
    recordEvent(project, inverse[0]!.rows[0]!['labeler_id'] as number, 'ranking.delete', { rankingId: id }, inverse);
  });
}

/** Rankings in id order; each one's `ranks` from best to worst, ties in the order of their ids. */
export function listRankings(project: Project, filter: { labelerId?: number; promptIds?: readonly number[] } = {}): Ranking[] {
  const { sql, values } = where({ labeler_id: filter.labelerId, prompt_id: filter.promptIds });
  return query<Row>(project, `SELECT id, prompt_id AS promptId, labeler_id AS labelerId, status, confidence, duration_ms AS durationMs,
      shown_order AS shownOrder, note, created_at AS createdAt,
      (SELECT json_group_array(json_object('completionId', completion_id, 'rank', rank) ORDER BY rank, completion_id)
       FROM ranking_items WHERE ranking_id = rankings.id) AS ranks
    FROM rankings ${sql} ORDER BY id`)
    .all(...values)
    .map((row) => ({ ...row, ranks: JSON.parse(row.ranks) as Ranking['ranks'], shownOrder: JSON.parse(row.shownOrder) as number[] }));
}

/** The pairs of the rankings with status "ranked": a lower rank is chosen over a higher one, ties make none. */
export function listComparisons(
  project: Project,
  filter: { labelerId?: number; promptIds?: readonly number[]; split?: Split } = {},
): Comparison[] {
  const { sql, values } = where({ labeler_id: filter.labelerId, prompt_id: filter.promptIds, 'prompts.split': filter.split });
  const join = filter.split === undefined ? '' : 'JOIN prompts ON prompts.id = prompt_id';
  return query<Comparison>(project, `SELECT ranking_id AS rankingId, prompt_id AS promptId, labeler_id AS labelerId, chosen_id AS chosenId,
    rejected_id AS rejectedId FROM comparisons ${join} ${sql} ORDER BY ranking_id, chosen_id, rejected_id`).all(...values);
}

/** How many rankings of each status there are, and how many comparisons they make. */
export function countRankings(project: Project, filter: { labelerId?: number } = {}): Record<Ranking['status'] | 'comparisons', number> {
  const { sql, values } = where({ labeler_id: filter.labelerId });
  const counts = { ranked: 0, 'none-acceptable': 0, skipped: 0, comparisons: 0 };
  for (const row of query<{ status: Ranking['status']; n: number }>(project, `SELECT status, count(*) AS n FROM rankings ${sql} GROUP BY status`).all(...values))
    counts[row.status] = row.n;
  counts.comparisons = query<{ n: number }>(project, `SELECT count(*) AS n FROM comparisons ${sql}`).get(...values)!.n;
  return counts;
}
