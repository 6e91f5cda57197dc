// What labelers said of completions, read a portion at a time for those who take it out of the project.

import type { Extra, Split } from '#core/contract/prompts.ts';
import type { Mark, Rank, Ranking, Rating } from '#core/contract/rankings.ts';
import { query } from './project.ts';
import type { Project, Value } from './project.ts';

export interface JudgementFilter {
  split: Split | null;
  /** null: of every labeler */
  labelerIds: readonly number[] | null;
  /** hidden repeats too */
  repeats: boolean;
}

/** A ranking with the name of its labeler. */
export type Judgement = Pick<
  Ranking,
  | 'id'
  | 'promptId'
  | 'labelerId'
  | 'itemId'
  | 'confidence'
  | 'durationMs'
  | 'note'
  | 'naive'
  | 'repeatOf'
  | 'guidelines'
  | 'createdAt'
  | 'ranks'
  | 'shownOrder'
  | 'extra'
> & { status: 'ranked' | 'none-acceptable'; labeler: string };
/** A completion without its tokens; `writer` is its policy's name, or what the file says that it came from. */
export interface Answered {
  id: number;
  promptId: number;
  text: string;
  writer: string | null;
}
export type NamedRating = Rating & { labeler: string };
export type NamedMark = Mark & { labeler: string };

interface Conditions {
  sql: string;
  values: Value[];
}
const both = (...parts: Conditions[]): Conditions => ({
  sql:
    parts
      .map(({ sql }) => sql)
      .filter(Boolean)
      .join(' AND ') || 'true',
  values: parts.flatMap(({ values }) => values),
});
const oneOf = (column: string, ids: readonly number[] | null): Conditions =>
  ids === null
    ? { sql: '', values: [] }
    : { sql: `${column} IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(ids)] };
const inSplit = (promptId: string, split: Split | null): Conditions =>
  split === null
    ? { sql: '', values: [] }
    : { sql: `EXISTS (SELECT 1 FROM prompts p WHERE p.id = ${promptId} AND p.split = ?)`, values: [split] };
const plain = (sql: string, ...values: Value[]): Conditions => ({ sql, values });

/**
 * Which rankings fit; the unary plus keeps the order of the ids, where an index of labelers would mean sorting anew for
 * every portion.
 */
const fits = ({ repeats, labelerIds, split }: JudgementFilter): Conditions =>
  both(
    plain("r.status <> 'skipped'"),
    plain(repeats ? '' : 'r.repeat_of IS NULL'),
    oneOf('+r.labeler_id', labelerIds),
    inSplit('r.prompt_id', split),
  );

/** How many rankings fit the filter, and how many of those that would are skipped ones or hidden repeats. */
export function countJudgements(
  project: Project,
  { split, labelerIds, repeats }: JudgementFilter,
): { rankings: number; skipped: number; repeats: number } {
  const { sql, values } = both(oneOf('r.labeler_id', labelerIds), inSplit('r.prompt_id', split));
  const all = query<{ rankings: number; skipped: number; repeats: number }>(
    project,
    `SELECT count(*) FILTER (WHERE r.status <> 'skipped') AS rankings,
      count(*) FILTER (WHERE r.status = 'skipped') AS skipped, count(*) FILTER (WHERE r.status <> 'skipped' AND r.repeat_of IS NOT NULL) AS repeats FROM rankings r WHERE ${sql}`,
  ).get(...values)!;
  return repeats ? { ...all, repeats: 0 } : { ...all, rankings: all.rankings - all.repeats };
}

/** The next rankings after one, in id order. */
export function judgementsAfter(project: Project, filter: JudgementFilter, after: number, limit: number): Judgement[] {
  type Row = Omit<Judgement, 'ranks' | 'shownOrder' | 'extra'> & {
    ranks: string;
    shownOrder: string;
    extra: string | null;
  };
  const { sql, values } = both(fits(filter), plain('r.id > ?', after));
  return query<Row>(
    project,
    `SELECT r.id, r.prompt_id AS promptId, r.labeler_id AS labelerId, l.name AS labeler, r.item_id AS itemId, r.status, r.confidence, r.duration_ms AS durationMs,
      r.note, r.naive, r.repeat_of AS repeatOf, r.guidelines, r.created_at AS createdAt, r.shown_order AS shownOrder, r.extra,
      (SELECT json_group_array(json_object('completionId', completion_id, 'rank', rank)) FROM ranking_items WHERE ranking_id = r.id) AS ranks
    FROM rankings r CROSS JOIN labelers l ON l.id = r.labeler_id WHERE ${sql} ORDER BY r.id LIMIT ?`,
  )
    .all(...values, limit)
    .map((row) => ({
      ...row,
      ranks: JSON.parse(row.ranks) as Rank[],
      shownOrder: JSON.parse(row.shownOrder) as number[],
      extra: row.extra === null ? null : (JSON.parse(row.extra) as Extra),
    }));
}

/** The completions of items, by item: what was before a labeler who ranked nothing. */
export function completionsOfItems(project: Project, itemIds: readonly number[]): Map<number, number[]> {
  const rows = query<{ itemId: number; id: number }>(
    project,
    'SELECT item_id AS itemId, completion_id AS id FROM item_completions WHERE item_id IN (SELECT value FROM json_each(?)) ORDER BY item_id, completion_id',
  ).all(JSON.stringify(itemIds));
  return new Map(
    [...Map.groupBy(rows, ({ itemId }) => itemId)].map(([itemId, own]) => [itemId, own.map(({ id }) => id)]),
  );
}

/** Completions by id; ids that do not exist are left out. */
export function answersOf(project: Project, ids: readonly number[]): Map<number, Answered> {
  const rows = query<Answered>(
    project,
    `SELECT c.id, c.prompt_id AS promptId, c.text, coalesce(c.writer, m.name) AS writer
    FROM completions c LEFT JOIN policies m ON m.id = c.policy_id WHERE c.id IN (SELECT value FROM json_each(?))`,
  ).all(JSON.stringify(ids));
  return new Map(rows.map((row) => [row.id, row]));
}

/** Ratings and marks of completions, in id order. */
export function ratingsAndMarks(
  project: Project,
  ids: readonly number[],
  labelerIds: readonly number[] | null,
): { ratings: NamedRating[]; marks: NamedMark[] } {
  const { sql, values } = both(oneOf('j.completion_id', ids), oneOf('+j.labeler_id', labelerIds));
  const from = (table: 'ratings' | 'marks') =>
    `FROM ${table} j JOIN labelers l ON l.id = j.labeler_id WHERE ${sql} ORDER BY j.id`;
  return {
    ratings: query<NamedRating>(
      project,
      `SELECT j.id, j.completion_id AS completionId, j.labeler_id AS labelerId, l.name AS labeler, j.axis, j.value, j.low, j.high ${from('ratings')}`,
    ).all(...values),
    marks: query<NamedMark>(
      project,
      `SELECT j.id, j.completion_id AS completionId, j.labeler_id AS labelerId, l.name AS labeler, j.start, j."end", j.label, j.note ${from('marks')}`,
    ).all(...values),
  };
}

/** Which rankings of the filter hold these completions: by completion, the first ranking of each labeler. */
export function firstRankings(
  project: Project,
  filter: JudgementFilter,
  ids: readonly number[],
): Map<number, Map<number, number>> {
  const { sql, values } = both(fits(filter), oneOf('i.completion_id', ids));
  const rows = query<{ id: number; labelerId: number; rankingId: number }>(
    project,
    `SELECT i.completion_id AS id, r.labeler_id AS labelerId, min(r.id) AS rankingId
    FROM ranking_items i JOIN rankings r ON r.id = i.ranking_id WHERE ${sql} GROUP BY 1, 2 ORDER BY 3`,
  ).all(...values);
  return new Map(
    [...Map.groupBy(rows, ({ id }) => id)].map(([id, own]) => [
      id,
      new Map(own.map(({ labelerId, rankingId }) => [labelerId, rankingId])),
    ]),
  );
}

/** Completions with ratings or marks that are in no ranking of the filter, by prompt. */
export function judgedOutsideRankings(
  project: Project,
  filter: JudgementFilter,
): { promptId: number; ids: number[] }[] {
  const ranked = fits(filter);
  const { sql, values } = both(
    oneOf('j.labeler_id', filter.labelerIds),
    inSplit('c.prompt_id', filter.split),
    plain(
      `NOT EXISTS (SELECT 1 FROM ranking_items i JOIN rankings r ON r.id = i.ranking_id WHERE i.completion_id = c.id AND ${ranked.sql})`,
      ...ranked.values,
    ),
  );
  const rows = query<{ promptId: number; id: number }>(
    project,
    `SELECT DISTINCT c.prompt_id AS promptId, c.id
    FROM (SELECT completion_id, labeler_id FROM ratings UNION ALL SELECT completion_id, labeler_id FROM marks) j JOIN completions c ON c.id = j.completion_id
    WHERE ${sql} ORDER BY 1, 2`,
  ).all(...values);
  return [...Map.groupBy(rows, ({ promptId }) => promptId)].map(([promptId, own]) => ({
    promptId,
    ids: own.map(({ id }) => id),
  }));
}

/** A completion as a row of a table, with what a reward model and the reference say of it. */
export interface ScoredCompletion {
  id: number;
  promptId: number;
  prompt: string;
  split: Split;
  text: string;
  writer: string | null;
  finish: 'stop' | 'length';
  tokens: number;
  logprob: number;
  score: number | null;
  kl: number | null;
  runId: string | null;
  step: number | null;
  /** 1 where somebody has flagged it as broken (D37) */ flagged: number;
}

/** The highest number of a completion; 0 where there is none. */
export const lastCompletion = (project: Project): number =>
  query<{ id: number | null }>(project, 'SELECT max(id) AS id FROM completions').get()!.id ?? 0;

/** The next completions after one, in id order. */
export function completionsAfter(
  project: Project,
  split: Split | null,
  models: { rewardId: number | null; referenceId: number | null },
  after: number,
  limit: number,
): ScoredCompletion[] {
  const { sql, values } = both(
    plain('c.id > ?', after),
    plain(split === null ? '' : 'p.split = ?', ...(split === null ? [] : [split])),
  );
  return query<ScoredCompletion>(
    project,
    `SELECT c.id, c.prompt_id AS promptId, p.text AS prompt, p.split, c.text, coalesce(c.writer, m.name) AS writer, c.finish, c.tokens, c.logprob,
      s.score, k.kl, c.run_id AS runId, c.step, EXISTS (SELECT 1 FROM flags WHERE completion_id = c.id) AS flagged
    FROM completions c CROSS JOIN prompts p ON p.id = c.prompt_id LEFT JOIN policies m ON m.id = c.policy_id
      LEFT JOIN measures s ON s.completion_id = c.id AND s.model_id = ? LEFT JOIN measures k ON k.completion_id = c.id AND k.model_id = ?
    WHERE ${sql} ORDER BY c.id LIMIT ?`,
  ).all(models.rewardId, models.referenceId, ...values, limit);
}
