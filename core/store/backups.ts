// Copies of project.db kept in backups/, newest five, made before the schema changes and when a person wishes; each is
// verified.

import Database from 'better-sqlite3';
import { closeSync, fsyncSync, lstatSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { unlinkedPath } from '#core/unlinked.ts';

const KEPT = 5;
/** The number says the order, for a clock may be set back; backups of before there were numbers have none. */
const NAME = /^project-(?:(\d{6,})-)?(\d{4}-\d\d-\d\dT[\d.-]+Z)-v\d+\.db$/;

/** Waits until the file's bytes are on the disk. */
export function syncFile(file: string): void {
  const handle = openSync(file, 'r+');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** The names themselves must reach the disk, too; Windows cannot open a folder, and needs not. */
export function syncFolder(folder: string): void {
  try {
    const handle = openSync(folder, 'r');
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch {
    // whole either way
  }
}

/** The same for all that lies in a folder. */
export function syncTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const place = join(folder, entry.name);
    if (entry.isDirectory()) syncTree(place);
    else if (entry.isFile()) syncFile(place);
  }
  syncFolder(folder);
}

/** A pipe or a link of such a name is no backup. */
const isFile = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false })?.isFile() ?? false;

export interface Named {
  name: string;
  order: number;
  at: number;
}

/** The backups of a project, newest first. */
export function namedBackups(folder: string): Named[] {
  let names: string[];
  try {
    names = readdirSync(unlinkedPath(folder, 'backups'));
  } catch {
    return []; // there is no such folder, or a link stands in its place
  }
  return names
    .flatMap((name): Named[] => {
      const [, order = '0', stamp] = NAME.exec(name) ?? [];
      return stamp === undefined || !isFile(join(folder, 'backups', name))
        ? []
        : [{ name, order: Number(order), at: Date.parse(stamp.replace(/T(\d\d)-(\d\d)-/, 'T$1:$2:')) }];
    })
    .sort((a, b) => b.order - a.order || (a.name < b.name ? 1 : -1));
}

/** File names in backups/, newest first. */
export const listBackups = (folder: string): string[] => namedBackups(folder).map(({ name }) => name);

/** 'bad-file' unless the file is a sound database: all pages, indexes and references. */
export function verifyDatabase(file: string, what: string): void {
  let problem: string;
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true });
    try {
      problem = db.pragma('integrity_check(1)', { simple: true }) as string;
      if (problem === 'ok' && (db.pragma('foreign_key_check') as unknown[]).length > 0)
        problem = 'rows in it refer to rows that are not there';
    } finally {
      db.close();
    }
  } catch (error) {
    problem = (error as Error).message;
  }
  if (problem !== 'ok')
    throw new TastemakerError(
      'bad-file',
      `${what} is damaged: ${problem.replace(/\s+/g, ' ').replace(/\.$/, '')}.`,
      'Nothing was changed; choose another backup, or make one anew.',
    );
}

/**
 * Writes a whole, single-file copy to backups/, verifies it, and removes all but the newest five and `spare`; returns
 * its path.
 */
export function backupDatabase(db: Database.Database, folder: string, spare: string | null = null): string {
  const backups = unlinkedPath(folder, 'backups');
  mkdirSync(backups, { recursive: true });
  const version = db.pragma('user_version', { simple: true }) as number;
  const order = (namedBackups(folder)[0]?.order ?? 0) + 1;
  const stamp = new Date().toISOString().replaceAll(':', '-'); // no colon, for Windows
  const file = join(backups, `project-${String(order).padStart(6, '0')}-${stamp}-v${version}.db`);
  const partial = `${file}.${process.pid}.partial`;
  rmSync(partial, { force: true });
  try {
    db.prepare('VACUUM INTO ?').run(partial);
    verifyDatabase(partial, 'The backup');
    syncFile(partial);
    renameSync(partial, file);
    syncFolder(backups);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
  for (const old of listBackups(folder).slice(KEPT)) if (old !== spare) rmSync(join(backups, old), { force: true });
  return file;
}
