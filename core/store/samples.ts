// Samples: completions as a list to filter and sort, with what the reward model and the reference say of them.

import type { Prompt } from '#core/contract/prompts.ts';
import type { RunStatus } from '#core/contract/runs.ts';
import type { SampleFilter, SampleRow, SampleSort } from '#core/contract/samples.ts';
import { hasGold } from './golds.ts';
import { EXCERPT, excerptLength, excerptValues } from './excerpts.ts';
import { query } from './project.ts';
import type { Project, Value } from './project.ts';
import { holdsText } from './search.ts';
import { LIVING } from '#core/contract/runs.ts';

/** Whose scores and whose log-probabilities are meant; null where the project has no such model. */
export interface SampleModels {
  rewardModelId: number | null;
  referenceId: number | null;
}

type Range = readonly [number, number];

/**
 * The columns of `completions` that a list is sorted by; score and KL belong to a model and lie in `measures`, gold in
 * `golds`.
 */
const COLUMN = {
  id: 'c.id',
  length: 'c.tokens',
  repetition: 'c.repetition',
  step: 'c.step',
  logprob: 'c.logprob',
} as const;
const INDEX = {
  id: 'completions_by_id',
  length: 'completions_by_tokens',
  repetition: 'completions_by_repetition',
  step: 'completions_by_step',
  logprob: 'completions_by_logprob',
} as const;
type Measured = 'score' | 'kl';
type Beside = Measured | 'gold';
const isBeside = (sort: SampleSort): sort is Beside => sort === 'score' || sort === 'kl' || sort === 'gold';

interface Condition {
  sql: string;
  values: Value[];
  /** 'column' of the index completions_facets, 'set' of ids, 'text' where the text itself must be read or found */
  on: 'column' | 'set' | 'text';
}

function conditionsOf(filter: SampleFilter, models: Record<Measured, number | null>): Condition[] {
  const list: Condition[] = [];
  const add = (on: Condition['on'], sql: string, ...values: Value[]) => list.push({ sql, values, on });
  const equal = (column: string, value: Value | undefined) =>
    value !== undefined && add('column', `${column} = ?`, value);
  const within = (column: string, range: Range | undefined) =>
    range && add('column', `${column} BETWEEN ? AND ?`, ...range);
  equal('c.prompt_id', filter.promptId);
  equal('c.policy_id', filter.policyId);
  equal('c.run_id', filter.runId);
  if (filter.comingOf !== undefined) {
    equal('c.run_id', filter.comingOf);
    add('column', 'c.policy_id IS NULL');
  }
  equal('c.step', filter.step);
  equal('c.finish', filter.finish);
  within('c.tokens', filter.length);
  within('c.repetition', filter.repetition);
  if (filter.flagged !== undefined)
    add(
      'set',
      `c.id ${filter.flagged ? '' : 'NOT '}IN (SELECT completion_id FROM flags WHERE completion_id IS NOT NULL)`,
    );
  for (const name of ['score', 'kl'] as const)
    if (filter[name])
      add(
        'set',
        `c.id IN (SELECT completion_id FROM measures WHERE model_id = ? AND ${name} BETWEEN ? AND ?)`,
        models[name] ?? -1,
        ...filter[name],
      );
  if (filter.gold) add('set', 'c.id IN (SELECT completion_id FROM golds WHERE gold BETWEEN ? AND ?)', ...filter.gold);
  const text = filter.search === undefined ? null : holdsText('completions', filter.search, 'c.id', 'c.text');
  text?.conditions.forEach((sql, i) => add(sql.startsWith('c.id') ? 'set' : 'text', sql, text.values[i]!));
  return list;
}

const whereOf = (conditions: readonly Condition[]) =>
  conditions.length > 0 ? `WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}` : '';
const valuesOf = (conditions: readonly Condition[]) => conditions.flatMap(({ values }) => values);
const alone = (sql: string, ...values: Value[]): Condition => ({ sql, values, on: 'set' });

/** Completions that pass, found without reading their texts where one index has all that is asked. */
function passing(conditions: readonly Condition[], sorted?: keyof typeof INDEX): string {
  const isOfPrompt = conditions.some(({ sql }) => sql === 'c.prompt_id = ?');
  const isOnlyText = conditions.length === 1 && conditions[0]!.sql.includes('MATCH');
  const index =
    conditions.length === 0
      ? sorted
        ? INDEX[sorted]
        : null
      : isOfPrompt || isOnlyText || conditions.some(({ on }) => on === 'text')
        ? null
        : 'completions_facets';
  return `completions c ${index === null ? '' : `INDEXED BY ${index}`} ${whereOf(conditions)}`;
}

/** Counts that hold as long as nothing in the database changes. */
const counts = new WeakMap<Project, { version: string; known: Map<string, number> }>();

/** Another text whenever something in the database has changed. */
export function versionOf(project: Project): string {
  const { own } = query<{ own: number }>(project, 'SELECT total_changes() AS own').get()!;
  return `${own}/${String(project.db.pragma('data_version', { simple: true }))}`;
}

/** The number that `sql` counts, remembered until the next change of the database. */
export function countOnce(project: Project, sql: string, values: readonly Value[]): number {
  const version = versionOf(project);
  let cache = counts.get(project);
  if (cache?.version !== version) counts.set(project, (cache = { version, known: new Map() }));
  const key = JSON.stringify([sql, values]);
  let count = cache.known.get(key);
  if (count === undefined) cache.known.set(key, (count = query<{ n: number }>(project, sql).get(...values)!.n));
  return count;
}

const pick = (project: Project, sql: string, values: readonly Value[], limit: number, offset: number): number[] =>
  query<{ id: number }>(project, `${sql} LIMIT ? OFFSET ?`)
    .all(...values, limit, offset)
    .map(({ id }) => id);

const countMatching = (project: Project, conditions: readonly Condition[]): number =>
  countOnce(project, `SELECT count(*) AS n FROM ${passing(conditions)}`, valuesOf(conditions));

/**
 * Ids in the order of a column of `completions`; rows without a value come last, equal ones in the order of their ids.
 */
function idsByColumn(
  project: Project,
  conditions: readonly Condition[],
  sort: Exclude<SampleSort, Beside>,
  direction: string,
  offset: number,
  limit: number,
): number[] {
  const order = sort === 'id' ? `c.id ${direction}` : `${COLUMN[sort]} ${direction}, c.id ${direction}`;
  const ids = (list: readonly Condition[], from: string, by: string, skip: number, most: number) =>
    pick(project, `SELECT c.id FROM ${from} ORDER BY ${by}`, valuesOf(list), most, skip);
  if (sort !== 'step') return ids(conditions, passing(conditions, sort), order, offset, limit);
  // only steps may be missing: those with one in their order, then those without by id
  const has = [...conditions, alone('c.step IS NOT NULL')];
  const lacks = [...conditions, alone('c.step IS NULL')];
  const from = (list: readonly Condition[]) =>
    conditions.length === 0 ? `completions c INDEXED BY ${INDEX.step} ${whereOf(list)}` : passing(list);
  const first = countOnce(project, `SELECT count(*) AS n FROM ${from(has)}`, valuesOf(has));
  const some = offset < first ? ids(has, from(has), order, offset, limit) : [];
  return some.length < limit
    ? [...some, ...ids(lacks, from(lacks), `c.id ${direction}`, Math.max(0, offset - first), limit - some.length)]
    : some;
}

/** So many rows may be looked at one by one in the order of the scores; beyond it, all that pass are found first. */
const MOST_LOOKS = 20_000;

/**
 * Where numbers beside the completions lie: the table with the index that orders it, whose rows count, and the values
 * of that.
 */
interface Numbers {
  table: string;
  column: string;
  index: string;
  also: string;
  values: Value[];
}
function numbersFor(project: Project, name: Beside, models: Record<Measured, number | null>): Numbers | null {
  if (name === 'gold')
    return hasGold(project)
      ? { table: 'golds', column: 'gold', index: 'golds_by_gold', also: 'm.gold IS NOT NULL', values: [] }
      : null;
  const id = models[name];
  return id === null
    ? null
    : {
        table: 'measures',
        column: name,
        index: `measures_by_${name}`,
        also: `m.model_id = ? AND m.${name} IS NOT NULL`,
        values: [id],
      };
}

/** Ids in the order of such numbers; those that have none come last. */
function idsByNumbers(
  project: Project,
  conditions: readonly Condition[],
  numbers: Numbers | null,
  direction: string,
  offset: number,
  limit: number,
): number[] {
  if (numbers === null) return idsByColumn(project, conditions, 'id', direction, offset, limit);
  const { column, also } = numbers;
  const total = countMatching(project, conditions);
  const looks = ((offset + limit) * countMatching(project, [])) / Math.max(1, total);
  const table = `${numbers.table} m INDEXED BY ${numbers.index}`;
  const from =
    conditions.length === 0
      ? `${table} WHERE ${also}`
      : looks <= MOST_LOOKS
        ? `${table} CROSS JOIN completions c ON c.id = m.completion_id ${whereOf([...conditions, alone(also)])}`
        : `${table} WHERE m.completion_id IN (SELECT c.id FROM ${passing(conditions)}) AND ${also}`;
  const values = [...valuesOf(conditions), ...numbers.values];
  const ids = pick(
    project,
    `SELECT m.completion_id AS id FROM ${from} ORDER BY m.${column} ${direction}, m.completion_id ${direction}`,
    values,
    limit,
    offset,
  );
  if (ids.length === limit || offset + ids.length === total) return ids;
  const measured =
    ids.length > 0 ? offset + ids.length : countOnce(project, `SELECT count(*) AS n FROM ${from}`, values);
  const none =
    measured === 0
      ? []
      : [alone(`c.id NOT IN (SELECT m.completion_id FROM ${numbers.table} m WHERE ${also})`, ...numbers.values)];
  return [
    ...ids,
    ...idsByColumn(
      project,
      [...conditions, ...none],
      'id',
      direction,
      Math.max(0, offset - measured),
      limit - ids.length,
    ),
  ];
}

type Row = Omit<SampleRow, 'flagged' | 'gold'> & {
  flagged: number;
  facts: string | null;
  run: string | null;
  status: RunStatus | null;
};

/** A row of the list with the facts of its prompt, from which the demo world's gold score is computed. */
export type MeasuredSample = Omit<SampleRow, 'gold'> & { facts: Prompt['facts'] };

/**
 * What a run writes while it trains is by the model that will come out of it: until then it is called by the run. ''
 * where no run is.
 */
const comingModel = (run: string | null, status: RunStatus | null): string =>
  run === null ? '' : `${run} (${LIVING.includes(status!) ? 'running' : status})`;

/**
 * The samples of these ids in this order, long texts cut (`samples.tokens` has a whole one); ids that do not exist are
 * left out. `rank` is from the newest ranking.
 */
export function samplesOf(
  project: Project,
  ids: readonly number[],
  { rewardModelId, referenceId }: SampleModels,
): MeasuredSample[] {
  const length = excerptLength(2 * ids.length);
  const rows = query<Row>(
    project,
    `SELECT c.id, c.prompt_id AS promptId, ${EXCERPT('p.text')} AS prompt, ${EXCERPT('c.text')} AS text, c.policy_id AS policyId, coalesce(o.name, c.writer, '') AS policy, r.name AS run, r.status, c.run_id AS runId, c.step, c.finish,
      c.tokens, c.repetition, c.logprob, p.facts,
      (SELECT m.score FROM measures m WHERE m.completion_id = c.id AND m.model_id = ?) AS score, (SELECT m.kl FROM measures m WHERE m.completion_id = c.id AND m.model_id = ?) AS kl,
      EXISTS (SELECT 1 FROM flags f WHERE f.completion_id = c.id) AS flagged, (SELECT rank FROM ranking_items r WHERE r.completion_id = c.id ORDER BY r.ranking_id DESC LIMIT 1) AS rank
    FROM json_each(?) j CROSS JOIN completions c ON c.id = j.value JOIN prompts p ON p.id = c.prompt_id LEFT JOIN policies o ON o.id = c.policy_id LEFT JOIN runs r ON r.id = c.run_id ORDER BY j.key`,
  ).all(
    ...excerptValues(length),
    ...excerptValues(length),
    rewardModelId ?? -1,
    referenceId ?? -1,
    JSON.stringify(ids),
  );
  return rows.map(({ flagged, facts, run, status, ...row }) => ({
    ...row,
    policy: row.policy || comingModel(run, status),
    flagged: flagged === 1,
    facts: facts === null ? null : (JSON.parse(facts) as Record<string, string>),
  }));
}

/**
 * One page of the completions that pass the filter, and how many there are. Rows without a value to sort by come last
 * in
 * either direction; equal ones go by id, in the same direction. `flagged`, `rank` and so on do not depend on the
 * labeler.
 */
export function pageSamples(
  project: Project,
  filter: SampleFilter,
  sort: SampleSort,
  descending: boolean,
  offset: number,
  limit: number,
  models: SampleModels,
): { total: number; rows: MeasuredSample[] } {
  const by: Record<Measured, number | null> = { score: models.rewardModelId, kl: models.referenceId };
  const conditions = conditionsOf(filter, by);
  const direction = descending ? 'DESC' : 'ASC';
  const total = countMatching(project, conditions);
  const ids =
    offset >= total
      ? []
      : isBeside(sort)
        ? idsByNumbers(project, conditions, numbersFor(project, sort, by), direction, offset, limit)
        : idsByColumn(project, conditions, sort, direction, offset, limit);
  return { total, rows: samplesOf(project, ids, models) };
}
