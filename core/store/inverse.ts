// Rows as they were before a change, written down and put back exactly.

import type { Message } from '#core/contract/prompts.ts';
import { answerNumber, answersOfCompletions, tied } from './answers.ts';
import { refuseHomelessModel } from './policies.ts';
import { insertMany, query, requireThat } from './project.ts';
import type { Project, Value } from './project.ts';
import { spellingOf } from './spelling-key.ts';

/**
 * What an inverse may touch; column names come from here and never from the file, which somebody else may have made.
 */
const TABLES = {
  prompts: {
    key: 'id',
    columns: ['id', 'text', 'text_hash', 'reference', 'split', 'source', 'facts', 'messages', 'extra', 'spelling'],
  },
  completions: {
    key: 'id',
    columns: [
      'id',
      'prompt_id',
      'policy_id',
      'text',
      'token_ids',
      'logprobs',
      'sampling_logprobs',
      'finish',
      'sampling',
      'run_id',
      'step',
      'tokens',
      'logprob',
      'repetition',
      'writer',
      'tokenizer',
      'answer',
    ],
  },
  items: { key: 'id', columns: ['id', 'prompt_id', 'source', 'reason', 'policy_id', 'place', 'created_at'] },
  item_completions: { key: 'item_id', columns: ['item_id', 'completion_id'] },
  rankings: {
    key: 'id',
    columns: [
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
    ],
  },
  ranking_items: { key: 'ranking_id', columns: ['ranking_id', 'completion_id', 'rank'] },
  ratings: { key: 'id', columns: ['id', 'completion_id', 'labeler_id', 'axis', 'value', 'low', 'high'] },
  marks: { key: 'id', columns: ['id', 'completion_id', 'labeler_id', 'start', 'end', 'label', 'note'] },
  measures: {
    key: 'completion_id',
    columns: ['completion_id', 'model_id', 'score', 'logprob', 'kl', 'token_logprobs', 'token_values'],
  },
  policies: { key: 'id', columns: ['id', 'name', 'kind', 'path', 'parent_id', 'run_id', 'created_at'] },
  'measures of a model': {
    table: 'measures',
    key: 'model_id',
    columns: ['completion_id', 'model_id', 'score', 'logprob', 'kl', 'token_logprobs', 'token_values'],
  },
  drafts: {
    key: 'id',
    columns: [
      'id',
      'item_id',
      'labeler_id',
      'ranks',
      'confidence',
      'note',
      'naive',
      'duration_ms',
      'repeat_of',
      'since_event',
    ],
  },
  flags: { key: 'id', columns: ['id', 'labeler_id', 'item_id', 'completion_id', 'created_at'] },
} as const;
type Table = keyof typeof TABLES;
type Row = Record<string, Value>;
/** The table in the database: rows of one may be found by two keys. */
const tableOf = (name: Table): string => (name === 'measures of a model' ? TABLES[name].table : name);
/** What events of before a column was there mean by leaving it out; of all others, null. */
const DEFAULTS: Readonly<Record<string, (row: Record<string, Value>) => Value>> = {
  low: () => 1,
  high: () => 7,
  answer: ({ text }) => answerNumber(text as string),
  spelling: ({ text, messages }) =>
    spellingOf(
      text as string,
      messages === null || messages === undefined ? null : (JSON.parse(messages as string) as Message[]),
    ),
};

/** The rows of `table` whose key (the id; of rows that belong to another row, its id) is `key`, as they were. */
export interface Step {
  table: Table;
  key: number;
  rows: Record<string, Value>[];
}

const quoted = (table: Table) => TABLES[table].columns.map((column) => `"${column}"`).join(', ');

/** The present rows under a key, as a step that would bring them back; none where the row is yet to be made. */
export function capture(project: Project, table: Table, key: number): Step {
  return {
    table,
    key,
    rows: query<Record<string, Value>>(
      project,
      `SELECT ${quoted(table)} FROM ${tableOf(table)} WHERE ${TABLES[table].key} = ?`,
    ).all(key),
  };
}

/** What JSON lacks is spelled out: bytes, infinities and the negative zero. */
const spelled = (value: Value): unknown =>
  value instanceof Uint8Array
    ? { base64: Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64') }
    : typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
      ? { number: Object.is(value, -0) ? '-0' : String(value) }
      : value;

const read = (value: unknown): Value => {
  if (typeof value !== 'object' || value === null) return value as Value;
  return 'base64' in value
    ? Buffer.from(value.base64 as string, 'base64')
    : 'number' in value
      ? Number(value.number)
      : null;
};

const each = <A, B>(row: Record<string, A>, change: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(row).map(([column, value]) => [column, change(value)]));

export const textOf = (steps: readonly Step[]): string =>
  JSON.stringify(steps.map((step) => ({ ...step, rows: step.rows.map((row) => each(row, spelled)) })));

/** The steps of an inverse read from the file; one that names another table is refused. */
export function stepsOf(inverse: string): Step[] {
  const steps = JSON.parse(inverse) as { table: string; key: number; rows: Record<string, unknown>[] }[];
  return steps.map(({ table, key, rows }) => {
    requireThat(
      Object.hasOwn(TABLES, table),
      `The event log names the unknown table "${table}".`,
      'Run the complete check of the project.',
    );
    return { table: table as Table, key, rows: rows.map((row) => each(row, read)) };
  });
}

/** Removes the rows of these keys in one statement (the text index flushes at each), and forgets the keys. */
function removeKeys(project: Project, { table, keys }: { table: Table; keys: number[] }): void {
  if (keys.length > 0)
    query(project, `DELETE FROM ${tableOf(table)} WHERE ${TABLES[table].key} IN (SELECT value FROM json_each(?))`).run(
      JSON.stringify(keys),
    );
  keys.length = 0;
}

/**
 * Puts rows back as they were: what was not there goes (children first), the rest is put in its place (parents first).
 * A row that stays is changed and never deleted on the way, so that nothing which refers to it goes with it.
 */
export function restore(project: Project, steps: readonly Step[]): void {
  const going: { table: Table; keys: number[] } = { table: 'prompts', keys: [] };
  for (const { table, key, rows } of steps.toReversed()) {
    if (table === 'rankings' && rows.length === 0) {
      removeKeys(project, going); // a repeat that goes too is no hindrance
      requireThat(
        !query(project, 'SELECT 1 FROM rankings WHERE repeat_of = ?').get(key),
        `Ranking ${key} was compared with a later one of the same item.`,
        'Take back the later changes first (Ctrl+Z).',
      );
    }
    if (rows.length > 0 && TABLES[table].key === 'id') continue;
    if (going.table !== table) removeKeys(project, going);
    going.table = table;
    going.keys.push(key);
  }
  removeKeys(project, going);
  const coming: { table: Table; rows: Record<string, Value>[] } = { table: 'prompts', rows: [] };
  for (const { table, rows } of steps) {
    if (coming.table !== table) bringBack(project, coming);
    coming.table = table;
    coming.rows.push(...rows);
  }
  bringBack(project, coming);
}

/** Puts rows of one table in their places, many in one statement, and forgets them. */
function bringBack(project: Project, { table, rows }: { table: Table; rows: Record<string, Value>[] }): void {
  const columns: readonly string[] = TABLES[table].columns;
  const update =
    TABLES[table].key === 'id'
      ? `ON CONFLICT (id) DO UPDATE SET ${columns
          .slice(1)
          .map((column) => `"${column}" = excluded."${column}"`)
          .join(', ')}`
      : '';
  // The only draft that can be in the way is the empty one of a hidden repeat that was shown and not touched.
  if (table === 'drafts')
    for (const row of rows)
      query(project, 'DELETE FROM drafts WHERE item_id = ? AND labeler_id = ? AND id <> ?').run(
        row['item_id'] ?? null,
        row['labeler_id'] ?? null,
        row['id'] ?? null,
      );
  for (const row of rows) refuseHomeless(project, table, row);
  insertMany(
    project,
    tableOf(table),
    columns.map((column) => `"${column}"`),
    placed(project, table, rows).map((row) => columns.map((column) => row[column] ?? DEFAULTS[column]?.(row) ?? null)),
    update,
  );
  if (table === 'ranking_items') tieRankings(project, rows);
  rows.length = 0;
}

/** What was said of completions that have gone meanwhile, or by models that have, has no place. */
function placed(project: Project, table: Table, rows: readonly Record<string, Value>[]): readonly Row[] {
  if (tableOf(table) !== 'measures') return rows;
  const completion = query(project, 'SELECT 1 FROM completions WHERE id = ?');
  const model = query(project, 'SELECT 1 FROM policies WHERE id = ?');
  return rows.filter(
    (row) =>
      completion.get(row['completion_id'] ?? null) !== undefined && model.get(row['model_id'] ?? null) !== undefined,
  );
}

/** 'bad-data' where a row would refer to a model or a run that is there no more. */
function refuseHomeless(project: Project, table: Table, row: Row): void {
  if (table === 'policies') refuseHomelessModel(project, row);
  if (table !== 'completions' || (row['policy_id'] ?? null) === null) return;
  requireThat(
    query(project, 'SELECT 1 FROM policies WHERE id = ?').get(row['policy_id']!) !== undefined,
    'The model that wrote some of these answers has been removed since.',
    'Take the removal of the model back first.',
  );
}

/** Ranks of before equal texts were one answer come back tied. */
function tieRankings(project: Project, rows: readonly Record<string, Value>[]): void {
  const number = (row: Record<string, Value>, column: string) => row[column] as number;
  const answers = answersOfCompletions(
    project,
    rows.map((row) => number(row, 'completion_id')),
  );
  const set = query(project, 'UPDATE ranking_items SET rank = ? WHERE ranking_id = ? AND completion_id = ?');
  for (const own of Map.groupBy(rows, (row) => number(row, 'ranking_id')).values()) {
    const ranks = tied(
      own.map((row) => number(row, 'rank')),
      own.map((row) => answers.get(number(row, 'completion_id'))),
    );
    own.forEach(
      (row, i) =>
        ranks[i] !== row['rank'] && set.run(ranks[i]!, number(row, 'ranking_id'), number(row, 'completion_id')),
    );
  }
}
