// What was in the making when a process died: found by its name, which says whose it was, and swept away at the next
// start.
//
// Everything is made beside its place, under a name with the number of the process that makes it, and renamed when it
// is
// whole. So what bears the number of a process that lives no more is half of something that nobody waits for.

import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isLink } from '#core/unlinked.ts';
import { isTaken } from './process-birth.ts';

/** A project in the making. The groups of these names are the number of the process. */
const PROJECT = /^\..+\.new-(\d+)-\d+$/;
const FOLDER = /\.writing-(\d+)(?:-\d+)*$/;
const FILE = /^\..+\.(\d+)-\d+\.(?:part|tmp)$/;
/**
 * Names of things in the making in a project, by the folder in which they are made: the same name elsewhere may be a
 * person's own.
 */
const MAKING: Readonly<Record<string, readonly RegExp[]>> = {
  // a lock, a database that is to take the place of another
  '': [FILE, /^project\.(?:db|lock)\.(?:[a-z]+\.)?(\d+)$/, /^known-here\.json\.writing-(\d+)$/],
  models: [FOLDER, FILE],
  exports: [/\.writing-(\d+)-\d+-\d+$/, FILE, PROJECT],
  backups: [/\.db\.(\d+)\.partial$/],
  runs: [FOLDER, FILE],
};
/** Backups of before their names said whose they were. */
const NOBODYS = /\.db\.partial$/;
/** The older of two models, put aside while the newer takes its place. */
const PUT_ASIDE = /^(.+)\.replaced-(\d+)$/;
/** Folders in which models are replaced. */
const REPLACED_IN: ReadonlySet<string> = new Set(['models', 'runs']);

let made = 0; // makes the names of one process differ

/** An empty folder beside `place`, to be filled and then renamed to it. */
export function placeAside(place: string): string {
  const aside = join(dirname(place), `.${basename(place)}.new-${process.pid}-${made++}`);
  rmSync(aside, { recursive: true, force: true }); // of an earlier process of our number
  mkdirSync(aside);
  return aside;
}

/**
 * Removes the projects that dead processes left half made in a folder. It is a person's own: nothing else in it is
 * touched.
 */
export function sweepProjects(folder: string): void {
  for (const name of namesIn(folder)) removeDead(folder, name, [PROJECT]);
}

/**
 * Removes what dead processes left half made in a project; of `runs` in the folders in it, their checkpoints and
 * looks. What cannot be removed stays: it is in nobody's way.
 */
export function sweepLeftovers(root: string): void {
  for (const kind of Object.keys(MAKING)) {
    const folder = join(root, kind);
    if (kind === 'runs') for (const run of namesIn(folder)) sweepRun(join(folder, run));
    else sweep(folder, kind);
  }
}

function sweepRun(folder: string): void {
  if (isLink(folder)) return;
  sweep(folder, 'runs');
  sweep(join(folder, 'checkpoints'), 'runs');
  sweep(join(folder, 'looks'), 'runs');
}

/** What lies in a folder; nothing where a link stands in its place, for that leads out of the project. */
function namesIn(folder: string): string[] {
  try {
    return lstatSync(folder).isDirectory() ? readdirSync(folder) : [];
  } catch {
    return []; // not there, or not to be read
  }
}

function sweep(folder: string, kind: string): void {
  for (const name of namesIn(folder)) {
    removeDead(folder, name, MAKING[kind]!);
    const [, whole, by] = (REPLACED_IN.has(kind) && PUT_ASIDE.exec(name)) || [];
    try {
      if (kind === 'backups' && NOBODYS.test(name)) rmSync(join(folder, name), { recursive: true, force: true });
      if (whole === undefined || isTaken(Number(by))) continue;
      if (existsSync(join(folder, whole))) rmSync(join(folder, name), { recursive: true, force: true });
      else renameSync(join(folder, name), join(folder, whole)); // the newer one never came
    } catch {
      // another start is at it, or it may not be written here
    }
  }
}

/** Removes a thing whose name says that a process which lives no more was making it. */
function removeDead(folder: string, name: string, patterns: readonly RegExp[]): void {
  const pid = patterns.map((pattern) => pattern.exec(name)?.[1]).find((found) => found !== undefined);
  if (pid === undefined || isTaken(Number(pid))) return;
  try {
    rmSync(join(folder, name), { recursive: true, force: true });
  } catch {
    // as above
  }
}
