// Whether a database has the tables that its version says: a file with our mark may still be somebody else's, or say a false version.

import Database from 'better-sqlite3';
import { join } from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { applyMigrations } from './apply-migrations.ts';
import { restoreHint } from './project.ts';

/** Tables and views with their columns, indexes and triggers by name. */
function partsOf(db: Database.Database): Set<string> {
  const rows = db.prepare(`SELECT s.type || ' ' || s.name || coalesce('.' || c.name, '') AS part FROM sqlite_schema s
    LEFT JOIN pragma_table_xinfo(s.name) c ON s.type IN ('table', 'view') WHERE s.name NOT LIKE 'sqlite%'`).all() as { part: string }[];
  return new Set(rows.map(({ part }) => part));
}

const expected = new Map<number, Set<string>>();

/** What a file of this version has, found by making one in memory. */
function partsOfVersion(version: number): Set<string> {
  let parts = expected.get(version);
  if (!parts) {
    const db = new Database(':memory:');
    try {
      applyMigrations(db, version);
      expected.set(version, (parts = partsOf(db)));
    } finally {
      db.close();
    }
  }
  return parts;
}

/** 'bad-file' naming the first part that is missing; what is there besides is let be. */
export function requireOurTables(db: Database.Database, folder: string, version: number): void {
  const found = partsOf(db), missing = [...partsOfVersion(version)].find((part) => !found.has(part));
  if (missing === undefined) return;
  const [type, name] = missing.split(' ') as [string, string];
  throw new TastemakerError('bad-file', `${join(folder, 'project.db')} says that it is a file of version ${version}, but it lacks the ${name.includes('.') ? `column ${name}` : `${type} ${name}`}.`, restoreHint(folder));
}
