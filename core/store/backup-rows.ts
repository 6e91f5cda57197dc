// What the backups of a project hold, for a person to choose from; whether one is a project at all.
//
// They lie in the project's folder, which may come from somebody else: nothing is counted in a file that is not ours in
// every definition (a view in the place of a table may have no end), and none is opened with something odd beside it.

import Database from 'better-sqlite3';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { namedBackups } from './backups.ts';
import { faultOfDatabase } from './schema.ts';

/** A backup as a person is shown it; `problem` where it cannot be read or restored. */
export interface Backup {
  name: string;
  at: number;
  bytes: number;
  prompts: number;
  completions: number;
  rankings: number;
  problem: string | null;
}

/**
 * A backup is one file; SQLite would read a log or journal of its name, wherever a link leads or for as long as a pipe
 * is silent.
 */
function refuseBeside(file: string): void {
  for (const beside of ['-wal', '-shm', '-journal'].map((end) => `${file}${end}`))
    if (lstatSync(beside, { throwIfNoEntry: false }))
      throw new TastemakerError(
        'bad-file',
        `${beside} lies beside a backup, which is one file.`,
        'Remove it, then try again.',
      );
}

/** Opens a backup for reading. 'bad-file' where it is none of this program's. */
export function readBackup<T>(file: string, what: string, read: (db: Database.Database) => T): T {
  refuseBeside(file);
  const db = new Database(file, { readonly: true, fileMustExist: true });
  try {
    db.pragma('trusted_schema = OFF');
    db.pragma('cell_size_check = ON');
    const fault = faultOfDatabase(db);
    if (fault !== null)
      throw new TastemakerError(
        'bad-file',
        `${what} ${fault}.`,
        'Nothing was changed; choose another backup, or make one anew.',
      );
    return read(db);
  } finally {
    db.close();
  }
}

/** The backups with what they hold, newest first. */
export function describeBackups(folder: string): Backup[] {
  return namedBackups(folder).map(({ name, at }) => {
    const file = join(folder, 'backups', name);
    const bytes = lstatSync(file, { throwIfNoEntry: false })?.size ?? 0;
    try {
      return readBackup(file, 'It', (db) => {
        const count = (table: string) => db.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number;
        return {
          name,
          at,
          bytes,
          prompts: count('prompts'),
          completions: count('completions'),
          rankings: count('rankings'),
          problem: null,
        };
      });
    } catch (error) {
      const { message } = error as Error;
      return {
        name,
        at,
        bytes,
        prompts: 0,
        completions: 0,
        rankings: 0,
        problem: error instanceof TastemakerError ? message : `It cannot be read: ${message}.`,
      };
    }
  });
}
