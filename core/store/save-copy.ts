// Saves what is open as another project: from the open file itself, which may have no name any more.

import Database from 'better-sqlite3';
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { syncTree, verifyDatabase } from './backups.ts';
import { placeAside } from './leftovers.ts';
import { explain } from './project.ts';
import type { Project } from './project.ts';
import { LIVING } from '#core/contract/runs.ts';

const FOLDERS = ['models', 'runs', 'exports'];
/** Files by which a process at work and its project speak: no process works in the copy. */
const OF_A_PROCESS = new Set(['heartbeat.json', 'control', 'asked.jsonl']);

/**
 * Writes the open project into the new folder `to`, whole or not at all, with the models and runs that lie in `from`
 * (null
 * where no folder of it is left). 'bad-argument' where `to` holds something, 'bad-file' where what is open is not
 * sound.
 */
export async function saveCopy(project: Project, to: string, from: string | null): Promise<void> {
  const root = resolve(to);
  if (existsSync(root) && (!statSync(root).isDirectory() || readdirSync(root).length > 0))
    throw new TastemakerError(
      'bad-argument',
      `${root} is there already, and not an empty folder.`,
      'Choose another name, such as mine-saved.tastemaker.',
    );
  if (from !== null && isInside(from, root))
    throw new TastemakerError(
      'bad-argument',
      `${root} lies in the project that is to be saved.`,
      'Choose a place beside the project.',
    );
  let making: string | null = null;
  try {
    mkdirSync(dirname(root), { recursive: true });
    making = placeAside(root);
    const file = join(making, 'project.db');
    await project.db.backup(file);
    verifyDatabase(file, 'What is open');
    endRuns(file);
    for (const name of FOLDERS) {
      mkdirSync(join(making, name));
      const source = from && join(from, name);
      if (source && existsSync(source)) await cp(source, join(making, name), { recursive: true, filter: isCopied });
    }
    syncTree(making);
    if (existsSync(root)) rmdirSync(root);
    renameSync(making, root);
  } catch (error) {
    if (making) rmSync(making, { recursive: true, force: true });
    throw explain(root, error);
  }
}

/** Pipes, sockets and devices are nothing that could be copied, and no part of a project. */
function isCopied(place: string): boolean {
  const stat = lstatSync(place, { throwIfNoEntry: false });
  return (
    stat !== undefined &&
    (stat.isFile() || stat.isDirectory() || stat.isSymbolicLink()) &&
    !OF_A_PROCESS.has(basename(place))
  );
}

function isInside(folder: string, place: string): boolean {
  const within = relative(folder, place);
  return within !== '' && within.split(sep)[0] !== '..' && !isAbsolute(within);
}

/** What was at work belongs to the project that it was copied from. */
function endRuns(file: string): void {
  const db = new Database(file);
  try {
    db.prepare(
      `UPDATE runs SET status = 'failed', ended_at = ?, error = 'It was at work in the project that this one was copied from.' WHERE status IN (SELECT value FROM json_each(?))`,
    ).run(Date.now(), JSON.stringify(LIVING));
  } finally {
    db.close();
  }
}
