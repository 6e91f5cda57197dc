// Puts a backup in the place of project.db: verified before, what is there now kept as a backup of its own, whole or
// not at all.

import Database from 'better-sqlite3';
import { constants, copyFileSync, existsSync, lstatSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { refuseOthers } from '#core/regular-file.ts';
import { refuseLink, refuseShared, unlinkedPath } from '#core/unlinked.ts';
import { readBackup } from './backup-rows.ts';
import { backupDatabase, listBackups, syncFile, syncFolder, verifyDatabase } from './backups.ts';
import { acquireLock } from './lock.ts';
import { explain } from './project.ts';

const LOGS = ['-wal', '-shm', '-journal', '-checked'];

/**
 * Restores a backup by its name in backups/; nobody may have the project open for writing. Returns the file that keeps
 * the
 * state of before, null where there was none. 'bad-argument' where there is no such backup, 'bad-file' where it is
 * damaged: then nothing is changed.
 */
export function restoreBackup(folder: string, name: string): string | null {
  const root = resolve(folder);
  const file = join(root, 'project.db');
  if (!listBackups(root).includes(name))
    throw new TastemakerError(
      'bad-argument',
      `There is no backup ${JSON.stringify(name)} in ${join(root, 'backups')}.`,
      'Choose one of those that are listed.',
    );
  for (const place of [file, ...LOGS.map((log) => `${file}${log}`)]) refuseOdd(place);
  const from = unlinkedPath(root, 'backups', name);
  const release = acquireLock(root);
  const coming = `${file}.restoring.${process.pid}`;
  const clear = () => ['', ...LOGS].forEach((end) => rmSync(`${coming}${end}`, { force: true }));
  try {
    clear();
    copyFileSync(from, coming, constants.COPYFILE_EXCL);
    syncFile(coming);
    readBackup(coming, `The backup ${name}`, () => {}); // before it is checked through: a view in it may have no end
    verifyDatabase(coming, `The backup ${name}`);
    const kept = keepPresent(root, name);
    for (const log of LOGS) rmSync(`${file}${log}`, { force: true }); // what they held is in what was kept
    renameSync(coming, file);
    syncFolder(root);
    return kept;
  } catch (error) {
    throw explain(root, error);
  } finally {
    clear();
    release();
  }
}

/**
 * 'bad-file' for what would be read, written or copied elsewhere under a name of the database: a link of either kind, a
 * pipe.
 */
function refuseOdd(place: string): void {
  refuseLink(place);
  const stat = lstatSync(place, { throwIfNoEntry: false });
  if (!stat) return;
  refuseOthers(stat, place);
  refuseShared(place, stat);
}

/** A backup of what is there now; of a file that SQLite cannot read, its bytes. */
function keepPresent(root: string, spare: string): string | null {
  const file = join(root, 'project.db');
  if (!existsSync(file)) return null;
  try {
    const db = new Database(file, { fileMustExist: true, timeout: 5000 });
    try {
      db.pragma('wal_checkpoint(TRUNCATE)');
      return backupDatabase(db, root, spare);
    } finally {
      db.close();
    }
  } catch (error) {
    if (error instanceof Database.SqliteError && !/^SQLITE_(CORRUPT|NOTADB|ERROR|CANTOPEN)/.test(error.code))
      throw error;
    if (error instanceof TastemakerError && error.code !== 'bad-file') throw error;
    if (!(error instanceof Database.SqliteError) && !(error instanceof TastemakerError)) throw error;
  }
  const kept = join(root, 'backups', `damaged-${new Date().toISOString().replaceAll(':', '-')}.db`);
  for (const part of ['', '-wal', '-journal']) {
    if (!existsSync(`${file}${part}`)) continue;
    copyFileSync(`${file}${part}`, `${kept}${part}`, constants.COPYFILE_EXCL);
    syncFile(`${kept}${part}`);
  }
  syncFolder(join(root, 'backups'));
  return kept;
}
