// The file project.lock: at most one process writes to a project; the lock of a dead process is taken over.

import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname, uptime } from 'node:os';
import { join } from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { openUnlinked, textUnlinked } from '#core/unlinked.ts';
import { BIRTH_IS_QUICK, birthOf, isPid, isTaken } from './process-birth.ts';

/** `birth` tells two processes with the same number apart, where the system says (Linux). */
interface Holder {
  pid: number;
  startedAt: number;
  host: string;
  birth: string | null;
}

/** statfs types of NFS, SMB, SMB2, CIFS, AFS and 9P: SQLite's WAL needs shared memory, which these do not have. */
const NETWORK_TYPES = new Set([0x6969, 0x517b, 0xfe534d42, 0xff534d42, 0x5346414f, 0x01021997]);

/**
 * Whether the folder lies on a network drive, as far as one can tell (Linux by its file system, Windows by \\server).
 */
export function isOnNetworkDrive(folder: string): boolean {
  if (process.platform === 'win32') return folder.startsWith('\\\\');
  if (process.platform !== 'linux') return false;
  try {
    return NETWORK_TYPES.has(statfsSync(folder).type >>> 0);
  } catch {
    return false;
  }
}

function isAlive(holder: Holder, folder: string): boolean {
  if (holder.host !== hostname() && isOnNetworkDrive(folder)) return true; // its process numbers mean nothing here
  return livesStill(holder);
}

/** Whether a process that ran at `startedAt` on this machine still does. Of no use to end one: see runs/control.ts. */
function livesStill(holder: Pick<Holder, 'pid' | 'birth' | 'startedAt'>): boolean {
  if (!isTaken(holder.pid)) return false;
  // The number lives; but is it the same process, or one that was given the number later?
  const birth = ownBirth(holder.pid);
  if (holder.birth !== null && birth !== null) return holder.birth === birth;
  // else dead, or no process at all
  return holder.startedAt > machineStart() && holder.startedAt < Date.now() + CLOCKS_MS;
}

/** How far the clocks of two starts may be apart. */
const CLOCKS_MS = 60_000;

/** When this machine started, a minute earlier for clocks: what a process said before then was another one's. */
export const machineStart = (): number => Date.now() - uptime() * 1000 - 60_000;

/** Opening a project does not start a program for it. */
const ownBirth = (pid: number): string | null => (BIRTH_IS_QUICK ? birthOf(pid) : null);

function parse(text: string | null): Holder | null {
  try {
    const holder = JSON.parse(text ?? '') as Holder;
    return isPid(holder.pid) && typeof holder.startedAt === 'number' ? holder : null;
  } catch {
    return null; // a half-written or foreign file locks nobody out
  }
}

/** The number of the living process that writes to this project, or null. */
export function lockHolder(folder: string): number | null {
  const holder = parse(textUnlinked(join(folder, 'project.lock')));
  return holder && isAlive(holder, folder) ? holder.pid : null;
}

/** Puts `partial` in place as `file` only where there is none yet, whole from its first moment. */
function place(partial: string, file: string): boolean {
  try {
    linkSync(partial, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
  }
  try {
    copyFileSync(partial, file, constants.COPYFILE_EXCL); // a file system without hard links
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * How to give back a lock that we have placed. It is kept open, for the folder may be moved meanwhile: what lies at the
 * path is then not ours to remove, and ours is emptied wherever it is, which locks nobody out.
 */
function letGo(file: string): () => void {
  const handle = openUnlinked(file, 'lock');
  return () => {
    const own = fstatSync(handle, { bigint: true });
    let there: typeof own | undefined;
    try {
      there = statSync(file, { bigint: true, throwIfNoEntry: false });
    } catch {
      // a part of the path is no folder any more
    }
    const isOurs = there?.dev === own.dev && there.ino === own.ino;
    if (!isOurs) ftruncateSync(handle);
    closeSync(handle);
    if (isOurs) rmSync(file, { force: true });
  };
}

/**
 * Takes the lock; returns how to give it back. 'locked' names the living process that has it; 'disk' if it cannot be
 * written.
 */
export function acquireLock(folder: string): () => void {
  const file = join(folder, 'project.lock');
  const mine = JSON.stringify({
    pid: process.pid,
    startedAt: Math.round(Date.now() - process.uptime() * 1000),
    host: hostname(),
    birth: ownBirth(process.pid),
  } satisfies Holder);
  const partial = `${file}.${process.pid}`;
  const aside = `${file}.stale.${process.pid}`;
  try {
    rmSync(partial, { force: true });
    writeFileSync(partial, mine, { flag: 'wx' }); // never through a link of that name
    for (let attempt = 0; attempt < 10; attempt++) {
      if (place(partial, file)) return letGo(file);
      const found = textUnlinked(file);
      const holder = parse(found);
      if (holder && isAlive(holder, folder)) {
        const who = holder.pid === process.pid ? 'this process' : 'another process';
        throw new TastemakerError(
          'locked',
          `The project ${folder} is already open for writing in ${who} (pid ${holder.pid}).`,
          'Close it there first, or open the project for reading only.',
        );
      }
      // Move the stale lock aside rather than delete it: if somebody was quicker and we moved a living lock, put it
      // back.
      try {
        renameSync(file, aside);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
        throw error;
      }
      if (textUnlinked(aside) !== found) place(aside, file);
      rmSync(aside, { force: true });
    }
    throw new TastemakerError(
      'locked',
      `The project ${folder} is being opened by several processes at once.`,
      'Try again.',
    );
  } catch (error) {
    if (error instanceof TastemakerError) throw error;
    throw new TastemakerError(
      'disk',
      `${file} cannot be written (${(error as NodeJS.ErrnoException).code}).`,
      'Allow writing to the project folder and see that the disk has space; or copy the project to a place where you may write, and open the copy.',
    );
  } finally {
    rmSync(partial, { force: true });
  }
}
