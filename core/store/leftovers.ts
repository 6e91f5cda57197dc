// What was in the making when a process died: found by its name, which says whose it was, and swept away at the next start.
//
// Everything is made beside its place, under a name with the number of the process that makes it, and renamed when it is
// whole. So what bears the number of a process that lives no more is half of something that nobody waits for.

import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isLink } from '#core/unlinked.ts';
import { isTaken } from './process-birth.ts';

/** Names of things in the making; the group is the number of the process. */
const MAKING: readonly RegExp[] = [
  /^\..+\.new-(\d+)-\d+$/, // a project
  /\.writing-(\d+)(?:-\d+)*$/, // a folder of a model
  /^\..+\.(\d+)-\d+\.(?:part|tmp)$/, // a file
  /^project\.(?:db|lock)\.(?:[a-z]+\.)?(\d+)$/, // a lock, a database that is to take the place of another
  /\.db\.(\d+)\.partial$/, // a backup
];
/** Backups of before their names said whose they were. */
const NOBODYS = /\.db\.partial$/;
/** The older of two models, put aside while the newer takes its place. */
const PUT_ASIDE = /^(.+)\.replaced-(\d+)$/;

let made = 0; // makes the names of one process differ

/** An empty folder beside `place`, to be filled and then renamed to it. */
export function placeAside(place: string): string {
  const aside = join(dirname(place), `.${basename(place)}.new-${process.pid}-${made++}`);
  rmSync(aside, { recursive: true, force: true }); // of an earlier process of our number
  mkdirSync(aside);
  return aside;
}

/**
 * Removes what dead processes left half made in these folders below `root`; of `runs` the folders in it and their checkpoints. What cannot be
 * removed stays: it is in nobody's way.
 */
export function sweepLeftovers(root: string, folders: readonly string[] = ['']): void {
  for (const name of folders) {
    const folder = join(root, name);
    if (name === 'runs') for (const run of namesIn(folder)) sweepRun(join(folder, run));
    else sweep(folder);
  }
}

function sweepRun(folder: string): void {
  if (isLink(folder)) return;
  sweep(folder);
  sweep(join(folder, 'checkpoints'));
}

/** What lies in a folder; nothing where a link stands in its place, for that leads out of the project. */
function namesIn(folder: string): string[] {
  try {
    return lstatSync(folder).isDirectory() ? readdirSync(folder) : [];
  } catch {
    return []; // not there, or not to be read
  }
}

function sweep(folder: string): void {
  for (const name of namesIn(folder)) {
    const pid = MAKING.map((pattern) => pattern.exec(name)?.[1]).find((found) => found !== undefined);
    const [, whole, by] = PUT_ASIDE.exec(name) ?? [];
    try {
      if ((pid !== undefined && !isTaken(Number(pid))) || NOBODYS.test(name)) rmSync(join(folder, name), { recursive: true, force: true });
      if (whole === undefined || isTaken(Number(by))) continue;
      if (existsSync(join(folder, whole))) rmSync(join(folder, name), { recursive: true, force: true });
      else renameSync(join(folder, name), join(folder, whole)); // the newer one never came
    } catch {
      // another start is at it, or it may not be written here
    }
  }
}
