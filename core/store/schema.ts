// Whether a database has the tables that its version says: a file with our mark may still be somebody else's, or say a
// false version.
//
// Definitions are compared word by word: a trigger of a stranger's would take away what is saved, and a view of theirs
// may have no end.

import Database from 'better-sqlite3';
import { join } from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { applyMigrations } from './apply-migrations.ts';
import { APPLICATION_ID } from './header.ts';
import { MIGRATIONS } from './migrations.ts';
import { printable } from './printable.ts';
import { restoreHint } from './project.ts';

interface Part {
  type: string;
  name: string;
  tbl_name: string;
  sql: string | null;
  column: string | null;
}

/**
 * Words of a definition, without comments, quotation marks and breaks: programs and versions of SQLite write them
 * differently.
 */
const wordsOf = (sql: string | null): string =>
  (sql ?? '')
    .replace(/--[^\n]*|\/\*[^]*?\*\//g, ' ')
    .replace(/["'`[\]]/g, '')
    .replace(/\bif not exists\b/gi, ' ')
    .replace(/\s+/g, ' ')
    .replace(/ ?([(),;=<>]) ?/g, '$1')
    .trim()
    .toLowerCase();

/** What SQLite keeps behind a search index, as it likes. */
const BEHIND_AN_INDEX = /^(?:prompts|completions)_text_/;

/** Every part by its kind and name, columns too, and how it is defined; triggers by the table that sets them off. */
function partsOf(db: Database.Database): { defined: Map<string, string>; triggers: { name: string; of: string }[] } {
  const rows = db
    .prepare(`SELECT s.type, s.name, s.tbl_name, s.sql, c.name AS "column" FROM sqlite_schema s
    LEFT JOIN pragma_table_xinfo(s.name) c ON s.type = 'table' WHERE s.name NOT LIKE 'sqlite%'`)
    .all() as Part[];
  const defined = new Map<string, string>();
  for (const { type, name, sql, column } of rows) {
    if (column !== null) defined.set(`${type} ${name}.${column}`, '');
    defined.set(`${type} ${name}`, type === 'table' && BEHIND_AN_INDEX.test(name) ? '' : wordsOf(sql));
  }
  return {
    defined,
    triggers: rows.filter(({ type }) => type === 'trigger').map(({ name, tbl_name }) => ({ name, of: tbl_name })),
  };
}

const expected = new Map<number, Map<string, string>>();

/** What a file of this version has, found by making one in memory. */
function partsOfVersion(version: number): Map<string, string> {
  let parts = expected.get(version);
  if (!parts) {
    const db = new Database(':memory:');
    try {
      applyMigrations(db, version);
      expected.set(version, (parts = partsOf(db).defined));
    } finally {
      db.close();
    }
  }
  return parts;
}

/**
 * What is wrong with the parts of a database that says it is of this version, to follow its name; null where nothing
 * is.
 */
function faultOfParts(db: Database.Database, version: number): string | null {
  const { defined, triggers } = partsOf(db);
  const ours = partsOfVersion(version);
  const parts = [...ours.keys()];
  const columnsFirst = (part: string): string => (part.includes('.') ? `column ${part.split(' ')[1]}` : part);
  const says = `says that it is a file of version ${version}, but`;
  const missing = parts.find((part) => !defined.has(part));
  if (missing !== undefined) return `${says} it lacks the ${columnsFirst(missing)}`;
  const other = parts.find((part) => defined.get(part) !== ours.get(part));
  if (other !== undefined) return `${says} its tables are not (the ${other} is another one)`;
  const foreign = triggers.find(({ name, of }) => !ours.has(`trigger ${name}`) && ours.has(`table ${of}`));
  return foreign
    ? `holds a trigger "${printable(foreign.name)}", which is not Tastemaker's and would change what you save`
    : null;
}

/**
 * 'bad-file' naming the first part that is missing or another one, and for triggers that are not ours; other tables
 * besides are let be.
 */
export function requireOurTables(db: Database.Database, folder: string, version: number): void {
  const fault = faultOfParts(db, version);
  if (fault !== null)
    throw new TastemakerError('bad-file', `${join(folder, 'project.db')} ${fault}.`, restoreHint(folder));
}

/** The same of another file than the project's own, such as a backup: why it is none of this program's, or null. */
export function faultOfDatabase(db: Database.Database): string | null {
  if (db.pragma('application_id', { simple: true }) !== APPLICATION_ID) return 'is a database of another program';
  const version = db.pragma('user_version', { simple: true }) as number;
  if (version < 1) return 'is no project: it states version 0';
  return version > MIGRATIONS.length
    ? `was written by a newer version of Tastemaker (file version ${version})`
    : faultOfParts(db, version);
}
