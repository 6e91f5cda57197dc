// Rankings: one labeler's ordering of the completions of one prompt, and the comparisons derived from them.

import type { Comparison, Ranking } from '#core/contract/rankings.ts';
import type { Extra, Split } from '#core/contract/prompts.ts';
import { tieEqual } from './answers.ts';
import { recordEvent } from './events.ts';
import { capture } from './inverse.ts';
import type { Step } from './inverse.ts';
import { itemOf } from './items.ts';
import { insertMany, query, requireRow, requireThat, transaction, where } from './project.ts';
import type { Project, Value } from './project.ts';

export type NewRanking = Pick<Ranking, 'promptId' | 'labelerId' | 'status' | 'ranks'> &
  Partial<
    Pick<
      Ranking,
      'confidence' | 'durationMs' | 'shownOrder' | 'note' | 'createdAt' | 'naive' | 'repeatOf' | 'guidelines' | 'extra'
    >
  > & {
    /** left out: the item that holds the ranked completions, where there is one */
    itemId?: number | null;
  };

type Row = Omit<Ranking, 'ranks' | 'shownOrder' | 'extra'> & {
  ranks: string;
  shownOrder: string;
  extra: string | null;
};

const STATUSES: readonly string[] = ['ranked', 'none-acceptable', 'skipped'] satisfies Ranking['status'][];

/** 'bad-data' with the first rule that a ranking breaks. */
export function checkRanking(project: Project, row: NewRanking): void {
  requireRow(project, 'prompts', row.promptId);
  requireRow(project, 'labelers', row.labelerId);
  requireRow(project, 'items', row.itemId);
  requireRow(project, 'rankings', row.repeatOf);
  const of = `The ranking of prompt ${row.promptId}`;
  requireThat(
    STATUSES.includes(row.status),
    `${of} has the unknown status "${row.status}".`,
    `Use one of ${STATUSES.join(', ')}.`,
  );
  requireThat(
    row.status !== 'ranked' || row.ranks.length > 0,
    `${of} ranks nothing.`,
    'Rank at least one completion, or use the status skipped.',
  );
  requireThat(
    row.status !== 'skipped' || row.ranks.length === 0,
    `${of} is skipped but has ranks.`,
    'Leave the ranks of a skipped prompt empty.',
  );
  const promptOf = query<{ promptId: number }>(project, 'SELECT prompt_id AS promptId FROM completions WHERE id = ?');
  for (const id of [...row.ranks.map((item) => item.completionId), ...(row.shownOrder ?? [])]) {
    const owner = promptOf.get(id)?.promptId;
    requireThat(
      owner !== undefined,
      `${of} names completion ${id}, which does not exist.`,
      'Use ids of completions in the project.',
    );
    requireThat(
      owner === row.promptId,
      `${of} names completion ${id}, which belongs to prompt ${owner}.`,
      'Rank completions of one prompt only.',
    );
  }
  const seen = new Set<number>();
  for (const { completionId, rank } of row.ranks) {
    requireThat(
      Number.isSafeInteger(rank) && rank >= 1,
      `${of} gives completion ${completionId} the rank ${rank}.`,
      'Ranks are whole numbers from 1 (best); equal numbers are ties.',
    );
    requireThat(!seen.has(completionId), `${of} names completion ${completionId} twice.`, 'Rank each completion once.');
    seen.add(completionId);
  }
  const { confidence = null, durationMs = null, createdAt = 0 } = row;
  requireThat(
    confidence === null || (Number.isInteger(confidence) && confidence >= 1 && confidence <= 9),
    `${of} has the confidence ${confidence}.`,
    'Confidence is a whole number from 1 to 9, or absent.',
  );
  requireThat(
    durationMs === null || (Number.isFinite(durationMs) && durationMs >= 0),
    `${of} has the duration ${durationMs}.`,
    'Durations are milliseconds from 0.',
  );
  requireThat(
    Number.isSafeInteger(createdAt),
    `${of} has the time ${createdAt}.`,
    'Times are whole milliseconds since 1970.',
  );
}

const COLUMNS = [
  'id',
  'prompt_id',
  'labeler_id',
  'status',
  'confidence',
  'duration_ms',
  'shown_order',
  'note',
  'created_at',
  'item_id',
  'naive',
  'repeat_of',
  'guidelines',
  'confirmed_at',
  'extra',
] as const;

/** A ranking as values of `COLUMNS`. */
function valuesOf(project: Project, row: NewRanking, id: number | null, confirmedAt: number | null): Value[] {
  const itemId =
    row.itemId === undefined
      ? itemOf(
          project,
          row.ranks.length > 0 ? row.ranks.map(({ completionId }) => completionId) : (row.shownOrder ?? []),
        )
      : row.itemId;
  return [
    id,
    row.promptId,
    row.labelerId,
    row.status,
    row.confidence ?? null,
    row.durationMs ?? null,
    JSON.stringify(row.shownOrder ?? []),
    row.note ?? null,
    row.createdAt ?? Date.now(),
    itemId,
    row.naive ?? null,
    row.repeatOf ?? null,
    row.guidelines ?? null,
    confirmedAt,
    row.extra ? JSON.stringify(row.extra) : null,
  ];
}

/**
 * Writes a ranking, in the place of ranking `id` where one is given; the event is the caller's. Equal texts share the
 * best of their ranks. Returns its id.
 */
export function writeRanking(
  project: Project,
  given: NewRanking,
  id: number | null,
  confirmedAt: number | null = null,
): number {
  const [row] = tieEqual(project, [given]) as [NewRanking];
  // Never deleted on the way: hidden repeats refer to it.
  const upsert = query(
    project,
    `INSERT INTO rankings (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')})
    ON CONFLICT (id) DO UPDATE SET ${COLUMNS.slice(1)
      .map((column) => `${column} = excluded.${column}`)
      .join(', ')}`,
  );
  const { lastInsertRowid } = upsert.run(...valuesOf(project, row, id, confirmedAt));
  const written = id ?? Number(lastInsertRowid);
  if (id !== null) query(project, 'DELETE FROM ranking_items WHERE ranking_id = ?').run(id);
  const item = query(project, 'INSERT INTO ranking_items (ranking_id, completion_id, rank) VALUES (?, ?, ?)');
  for (const { completionId, rank } of row.ranks) item.run(written, completionId, rank);
  return written;
}

const detailOf = (id: number, row: NewRanking) => ({
  rankingId: id,
  promptId: row.promptId,
  ...(row.itemId ? { itemId: row.itemId } : {}),
  status: row.status,
  ranks: row.ranks,
});

/** The steps that bring a ranking back as it is now, or that take it away where it is yet to be made. */
export const rankingSteps = (project: Project, id: number): Step[] => [
  capture(project, 'rankings', id),
  capture(project, 'ranking_items', id),
];

/**
 * Adds a ranking and its event; returns its id. 'bad-data' naming the id when a completion does not exist, belongs to
 * another prompt or appears twice, or a rank is not a whole number from 1. Absent `createdAt` is now.
 */
export function addRanking(project: Project, row: NewRanking): number {
  return addRankings(project, [row])[0]!;
}

/**
 * Adds many rankings, all or none, with one event each, or with none where the caller records one for all. Equal texts
 * share the best of their ranks.
 */
export function addRankings(
  project: Project,
  given: readonly NewRanking[],
  { events = true }: { events?: boolean } = {},
): number[] {
  return transaction(project, () => {
    for (const row of given) checkRanking(project, row);
    const rows = tieEqual(project, given);
    // Many a statement: a trigger hangs on the table, and at each statement the text index is flushed.
    const first =
      (query<{ seq: number }>(project, "SELECT seq FROM sqlite_sequence WHERE name = 'rankings'").get()?.seq ?? 0) + 1;
    insertMany(
      project,
      'rankings',
      COLUMNS,
      rows.map((row, i) => valuesOf(project, row, first + i, null)),
    );
    insertMany(
      project,
      'ranking_items',
      ['ranking_id', 'completion_id', 'rank'],
      rows.flatMap(({ ranks }, i) => ranks.map(({ completionId, rank }) => [first + i, completionId, rank])),
    );
    if (events)
      for (const [i, row] of rows.entries())
        recordEvent(project, row.labelerId, 'ranking.add', detailOf(first + i, row), [
          { table: 'rankings', key: first + i, rows: [] },
          { table: 'ranking_items', key: first + i, rows: [] },
        ]);
    return rows.map((_, i) => first + i);
  });
}

/** Puts another ranking in the place of `id`, which keeps its number. */
export function replaceRanking(project: Project, id: number, row: NewRanking): void {
  transaction(project, () => {
    requireRow(project, 'rankings', id);
    checkRanking(project, row);
    const inverse = rankingSteps(project, id);
    requireThat(
      inverse[0]!.rows[0]!['labeler_id'] === row.labelerId,
      `Ranking ${id} belongs to another labeler.`,
      'Replace only a ranking of the same labeler.',
    );
    writeRanking(project, row, id);
    recordEvent(project, row.labelerId, 'ranking.replace', detailOf(id, row), inverse);
  });
}

/** Removes a ranking with its hidden repeats; undo brings them back. */
export function deleteRanking(project: Project, id: number): void {
  transaction(project, () => {
    requireRow(project, 'rankings', id);
    const idsOf = (sql: string) =>
      query<{ id: number }>(project, sql)
        .all(id)
        .map((row) => row.id);
    const repeats = idsOf('SELECT id FROM rankings WHERE repeat_of = ?');
    const inverse = [
      ...[id, ...repeats].flatMap((ranking) => rankingSteps(project, ranking)),
      ...idsOf('SELECT id FROM drafts WHERE repeat_of = ?').map((draft) => capture(project, 'drafts', draft)),
    ];
    query(project, 'DELETE FROM rankings WHERE id = ?').run(id);
    recordEvent(project, inverse[0]!.rows[0]!['labeler_id'] as number, 'ranking.delete', { rankingId: id }, inverse);
  });
}

/** Rankings in id order; each one's `ranks` from best to worst, ties in the order of their ids. */
export function listRankings(
  project: Project,
  filter: { labelerId?: number; promptIds?: readonly number[]; itemId?: number; id?: number } = {},
): Ranking[] {
  const { sql, values } = where({
    id: filter.id,
    item_id: filter.itemId,
    labeler_id: filter.labelerId,
    prompt_id: filter.promptIds,
  });
  return select(project, `${sql} ORDER BY id`, values);
}

/** A labeler's rankings of items, hidden repeats among them, newest first. */
export function newestRankings(
  project: Project,
  labelerId: number,
  limit: number,
  before = Number.MAX_SAFE_INTEGER,
): Ranking[] {
  return select(project, 'WHERE labeler_id = ? AND id < ? AND item_id IS NOT NULL ORDER BY id DESC LIMIT ?', [
    labelerId,
    before,
    limit,
  ]);
}

const select = (project: Project, which: string, values: readonly Value[]): Ranking[] =>
  query<Row>(
    project,
    `SELECT id, prompt_id AS promptId, labeler_id AS labelerId, item_id AS itemId, status, confidence, duration_ms AS durationMs,
      shown_order AS shownOrder, note, naive, repeat_of AS repeatOf, guidelines, extra, created_at AS createdAt,
      (SELECT json_group_array(json_object('completionId', completion_id, 'rank', rank) ORDER BY rank, completion_id)
       FROM ranking_items WHERE ranking_id = rankings.id) AS ranks
    FROM rankings ${which}`,
  )
    .all(...values)
    .map((row) => ({
      ...row,
      ranks: JSON.parse(row.ranks) as Ranking['ranks'],
      shownOrder: JSON.parse(row.shownOrder) as number[],
      extra: row.extra === null ? null : (JSON.parse(row.extra) as Extra),
    }));

/** What a labeler said of an item: the ranking itself, or the hidden repeat of `repeatOf`; of several the newest. */
export function rankingOf(
  project: Project,
  itemId: number,
  labelerId: number,
  repeatOf: number | null,
): Ranking | null {
  const found = query<{ id: number }>(
    project,
    'SELECT id FROM rankings WHERE item_id = ? AND labeler_id = ? AND repeat_of IS ? ORDER BY id DESC LIMIT 1',
  ).get(itemId, labelerId, repeatOf);
  return found ? listRankings(project, { id: found.id })[0]! : null;
}

/** The pairs of the rankings with status "ranked": a lower rank is chosen over a higher one, ties make none. */
export function listComparisons(
  project: Project,
  filter: { labelerId?: number; promptIds?: readonly number[]; split?: Split } = {},
): Comparison[] {
  const { sql, values } = where({
    labeler_id: filter.labelerId,
    prompt_id: filter.promptIds,
    'prompts.split': filter.split,
  });
  const join = filter.split === undefined ? '' : 'JOIN prompts ON prompts.id = prompt_id';
  return query<Comparison>(
    project,
    `SELECT ranking_id AS rankingId, prompt_id AS promptId, labeler_id AS labelerId, chosen_id AS chosenId,
    rejected_id AS rejectedId FROM comparisons ${join} ${sql} ORDER BY ranking_id, chosen_id, rejected_id`,
  ).all(...values);
}

/** How many rankings of each status there are (hidden repeats left out), and how many comparisons they make. */
export function countRankings(
  project: Project,
  filter: { labelerId?: number } = {},
): Record<Ranking['status'] | 'comparisons', number> {
  const { sql, values } = where({ labeler_id: filter.labelerId });
  const counts = { ranked: 0, 'none-acceptable': 0, skipped: 0, comparisons: 0 };
  for (const row of query<{ status: Ranking['status']; n: number }>(
    project,
    `SELECT status, count(*) AS n FROM rankings ${sql ? `${sql} AND` : 'WHERE'} repeat_of IS NULL GROUP BY status`,
  ).all(...values))
    counts[row.status] = row.n;
  counts.comparisons = query<{ n: number }>(project, `SELECT count(*) AS n FROM comparisons ${sql}`).get(...values)!.n;
  return counts;
}
