// An open project: its cached statements, its transactions, and what SQLite's errors mean in plain words.

import Database from 'better-sqlite3';
import { join } from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import type { ErrorCode } from '#core/errors.ts';
import { listBackups } from './backups.ts';
import { foldLog, requireInPlace } from './whereabouts.ts';

/** `folder` is absolute; `notices` are sentences for the person (such as: network drive, slower but safe). */
export interface Project {
  folder: string;
  name: string;
  write: boolean;
  notices: string[];
  db: Database.Database;
  close(): void;
}

export type Value = string | number | bigint | Uint8Array | null;

/** A prepared statement whose errors are already explained. */
export interface Query<Row> {
  run(...values: Value[]): { changes: number; lastInsertRowid: number | bigint };
  get(...values: Value[]): Row | undefined;
  all(...values: Value[]): Row[];
}

/** SQLite's code (a prefix of it) -> ours, a sentence about the file, and what to do. */
const EXPLAINED: readonly [prefix: string, code: ErrorCode, says: string, hint: string][] = [
  [
    'SQLITE_FULL',
    'disk',
    'cannot be written because the disk is full',
    'Free some space and try again; nothing confirmed was lost.',
  ],
  [
    'SQLITE_READONLY',
    'disk',
    'cannot be written because it is read-only',
    'Allow writing to the folder and its files, or copy the project to where you may write.',
  ],
  [
    'SQLITE_IOERR',
    'disk',
    'could not be read or written by the disk',
    'Check the drive and its connection, then open the project again.',
  ],
  [
    'SQLITE_CANTOPEN',
    'disk',
    'could not be opened',
    'Check that you may read and write the project folder and that the drive is connected.',
  ],
  [
    'SQLITE_BUSY',
    'locked',
    'is being written by another process',
    'Wait for the other process to finish, or close it, and try again.',
  ],
  [
    'SQLITE_LOCKED',
    'locked',
    'is being written by another process',
    'Wait for the other process to finish, or close it, and try again.',
  ],
  ['SQLITE_CORRUPT', 'bad-file', 'is damaged', ''],
  ['SQLITE_NOTADB', 'bad-file', 'is damaged or not a database', ''],
  [
    'SQLITE_CONSTRAINT_FOREIGNKEY',
    'bad-data',
    'refuses the change: it names a row that does not exist, or removes one that others refer to',
    'Check the ids, and remove what refers to them first.',
  ],
  [
    'SQLITE_CONSTRAINT_TRIGGER',
    'bad-data',
    'refuses the change: it removes something that was used since',
    'Remove what was made with it first.',
  ], // ON DELETE RESTRICT
  [
    'SQLITE_CONSTRAINT_TRIGGER',
    'bad-data',
    'refuses the change: it removes a row that others refer to',
    'Remove what refers to it first.',
  ],
  [
    'SQLITE_CONSTRAINT_UNIQUE',
    'bad-data',
    'refuses the change: there is such a row already',
    'Take back the later changes first.',
  ],
];

/** What to do about a damaged file: the newest backup by name, where there is one. */
export function restoreHint(folder: string): string {
  const newest = listBackups(folder)[0];
  return newest
    ? `Nothing was changed; put the newest backup (${join('backups', newest)}) in its place, or a copy of your own.`
    : 'Nothing was changed; put a copy of the project in its place (it has no backup yet).';
}

/** Turns an error of SQLite into one sentence naming the file; anything else comes back as it was. */
export function explain(folder: string, error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const found = EXPLAINED.find(([prefix]) => error.code.startsWith(prefix));
  if (!found) return error;
  const [, code, says, hint] = found;
  return new TastemakerError(code, `${join(folder, 'project.db')} ${says}.`, hint || restoreHint(folder));
}

function explained<T>(project: Project, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!project.write && error instanceof Database.SqliteError && error.code.startsWith('SQLITE_READONLY'))
      throw new TastemakerError(
        'disk',
        `The project "${project.name}" is open for reading only.`,
        'Open it for writing.',
      );
    throw explain(project.folder, error);
  }
}

const cache = new WeakMap<Database.Database, Map<string, Query<unknown>>>();

/** The statement for this SQL, prepared once per connection. */
export function query<Row = unknown>(project: Project, sql: string): Query<Row> {
  let statements = cache.get(project.db);
  if (!statements) cache.set(project.db, (statements = new Map()));
  let found = statements.get(sql);
  if (!found) {
    const statement = explained(project, () => project.db.prepare<Value[], unknown>(sql));
    found = {
      run: (...values) => explained(project, () => confirmed(project, () => statement.run(...values))),
      get: (...values) => explained(project, () => statement.get(...values)),
      all: (...values) => explained(project, () => statement.all(...values)),
    };
    statements.set(sql, found);
  }
  return found as Query<Row>;
}

/** A change that stands by itself is only confirmed where it went into the file that lies in the project's folder. */
function confirmed<T>(project: Project, change: () => T): T {
  if (project.db.inTransaction) return change();
  requireInPlace(project);
  const result = change();
  requireInPlace(project);
  foldLog(project);
  return result;
}

/** All of `work` or none of it (BEGIN IMMEDIATE; a savepoint inside another transaction). `work` must not be async. */
export function transaction<T>(project: Project, work: () => T): T {
  return explained(project, () => confirmed(project, () => project.db.transaction(work).immediate()));
}

/** The same for work that lets others have their turn; nobody else may use the project meanwhile. */
export async function longTransaction<T>(project: Project, work: () => Promise<T>): Promise<T> {
  explained(project, () => {
    requireInPlace(project);
    project.db.exec('BEGIN IMMEDIATE');
  });
  try {
    const result = await work();
    explained(project, () => project.db.exec('COMMIT'));
    requireInPlace(project);
    return result;
  } catch (error) {
    if (project.db.inTransaction) project.db.exec('ROLLBACK'); // a full disk has rolled it back already
    throw explain(project.folder, error);
  }
}

/**
 * Inserts rows, up to 128 a statement; call it inside a transaction. `also` is what follows the values, such as ON
 * CONFLICT.
 * At the start of every statement FTS5 flushes its index, which one by one takes four times as long.
 */
export function insertMany(
  project: Project,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly Value[])[],
  also = '',
): void {
  const one = `(?${', ?'.repeat(columns.length - 1)})`;
  for (let at = 0; at < rows.length;) {
    // powers of two: eight statements to prepare at most
    const count = 2 ** Math.min(7, Math.floor(Math.log2(rows.length - at)));
    query(
      project,
      `INSERT INTO ${table} (${columns.join(', ')}) VALUES ${Array(count).fill(one).join(', ')} ${also}`,
    ).run(...rows.slice(at, at + count).flat());
    at += count;
  }
}

/** Inserts rows of a searched table and returns their new ids in order; call it inside a transaction. */
export function insertRows(
  project: Project,
  table: 'prompts' | 'completions',
  columns: readonly string[],
  rows: readonly (readonly Value[])[],
): number[] {
  const last = query<{ seq: number }>(project, 'SELECT seq FROM sqlite_sequence WHERE name = ?').get(table)?.seq ?? 0;
  insertMany(
    project,
    table,
    ['id', ...columns],
    rows.map((row, i) => [last + 1 + i, ...row]),
  );
  return rows.map((_, i) => last + 1 + i);
}

/**
 * Conditions that apply -> `WHERE ...` and its values; an undefined value leaves its condition out, a list becomes
 * JSON.
 */
export function where(conditions: Record<string, Value | undefined | readonly (string | number)[]>): {
  sql: string;
  values: Value[];
} {
  const parts: string[] = [];
  const values: Value[] = [];
  for (const [condition, value] of Object.entries(conditions)) {
    if (value === undefined) continue;
    const isList = Array.isArray(value);
    parts.push(isList ? `${condition} IN (SELECT value FROM json_each(?))` : `${condition} = ?`);
    values.push(isList ? JSON.stringify(value) : (value as Value));
  }
  return { sql: parts.length > 0 ? `WHERE ${parts.join(' AND ')}` : '', values };
}

const NOUNS = {
  prompts: 'prompt',
  completions: 'completion',
  labelers: 'labeler',
  policies: 'policy',
  runs: 'run',
  rankings: 'ranking',
  ratings: 'rating',
  marks: 'mark',
  items: 'item',
} as const;

/** 'bad-data' naming the id unless the table holds it; null and undefined are let through. */
export function requireRow(project: Project, table: keyof typeof NOUNS, id: number | string | null | undefined): void {
  if (id === null || id === undefined) return;
  if (!query(project, `SELECT 1 FROM ${table} WHERE id = ?`).get(id))
    throw new TastemakerError(
      'bad-data',
      `There is no ${NOUNS[table]} ${id} in the project "${project.name}".`,
      `Use one of the ids that the project lists.`,
    );
}

/** 'bad-data' with this sentence unless the rule holds. */
export function requireThat(holds: boolean, message: string, hint: string): asserts holds {
  if (!holds) throw new TastemakerError('bad-data', message, hint);
}

/**
 * What is read from now on is as of one moment, until the project is closed; where there is no write-ahead log it is
 * not, for a long reader would keep the writer waiting.
 */
export function holdStill(project: Project): void {
  if (project.db.pragma('journal_mode', { simple: true }) === 'wal') project.db.exec('BEGIN');
}
