// Copies of project.db kept in backups/, newest five, made before the schema changes.

import type Database from 'better-sqlite3';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { unlinkedPath } from '#core/unlinked.ts';

const KEPT = 5;

/** Waits until the file's bytes are on the disk. */
export function syncFile(file: string): void {
  const handle = openSync(file, 'r+');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** File names in backups/, newest first. */
export function listBackups(folder: string): string[] {
  const backups = unlinkedPath(folder, 'backups');
  if (!existsSync(backups)) return [];
  return readdirSync(backups).filter((name) => /^project-.*\.db$/.test(name)).sort().reverse();
}

/** Writes a whole, single-file copy to backups/ and removes all but the newest five; returns its path. */
export function backupDatabase(db: Database.Database, folder: string): string {
  const backups = unlinkedPath(folder, 'backups');
  mkdirSync(backups, { recursive: true });
  const version = db.pragma('user_version', { simple: true }) as number;
  const stamp = new Date().toISOString().replaceAll(':', '-'); // sorts by time; no colon, for Windows
  const file = join(backups, `project-${stamp}-v${version}.db`);
  const partial = `${file}.partial`;
  rmSync(partial, { force: true });
  try {
    db.prepare('VACUUM INTO ?').run(partial);
    syncFile(partial);
    renameSync(partial, file);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
  for (const old of listBackups(folder).slice(KEPT)) rmSync(join(backups, old), { force: true });
  return file;
}
