// The file project.lock: at most one process writes to a project; the lock of a dead process is taken over.

import { constants, copyFileSync, linkSync, readFileSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { hostname, uptime } from 'node:os';
import { join } from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { readRegularText } from '#core/regular-file.ts';

/** `birth` tells two processes with the same number apart, where the system says (Linux). */
interface Holder {
  pid: number;
  startedAt: number;
  host: string;
  birth: string | null;
}

/** statfs types of NFS, SMB, SMB2, CIFS, AFS and 9P: SQLite's WAL needs shared memory, which these do not have. */
const NETWORK_TYPES = new Set([0x6969, 0x517b, 0xfe534d42, 0xff534d42, 0x5346414f, 0x01021997]);

/** Whether the folder lies on a network drive, as far as one can tell (Linux by its file system, Windows by \\server). */
export function isOnNetworkDrive(folder: string): boolean {
  if (process.platform === 'win32') return folder.startsWith('\\\\');
  if (process.platform !== 'linux') return false;
  try {
    return NETWORK_TYPES.has(statfsSync(folder).type >>> 0);
  } catch {
    return false;
  }
}

/** What tells two processes with the same number apart; null where the system does not say. */
export function birthOf(pid: number): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // from field 3 on, counted after the name: man 5 proc
    if (fields[0] === 'Z' || fields[0] === 'X') return 'ended'; // dead, and nobody has asked how it ended
    return `${boot} ${fields[19]}`;
  } catch {
    return null;
  }
}

function isAlive(holder: Holder, folder: string): boolean {
  if (holder.host !== hostname() && isOnNetworkDrive(folder)) return true; // its process numbers mean nothing here
  return livesStill(holder);
}

/** Whether a process that ran at `startedAt` on this machine still does. */
export function livesStill(holder: { pid: number; birth: string | null; startedAt: number }): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false; // EPERM: alive, and another user's
  }
  // The number lives; but is it the same process, or one that was given the number later?
  const birth = birthOf(holder.pid);
  if (holder.birth !== null && birth !== null) return holder.birth === birth;
  return holder.startedAt > Date.now() - uptime() * 1000 - 60_000; // before the machine started: dead (a minute for clocks)
}

function parse(text: string | null): Holder | null {
  try {
    const holder = JSON.parse(text ?? '') as Holder;
    return Number.isSafeInteger(holder.pid) && holder.pid > 0 && typeof holder.startedAt === 'number' ? holder : null;
  } catch {
    return null; // a half-written or foreign file locks nobody out
  }
}

const LONGEST = 10_000; // bytes; ours have some hundred

function readText(file: string): string | null {
  try {
    return readRegularText(file, LONGEST);
  } catch {
    return null;
  }
}

/** The number of the living process that writes to this project, or null. */
export function lockHolder(folder: string): number | null {
  const holder = parse(readText(join(folder, 'project.lock')));
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

/** Takes the lock; returns how to give it back. 'locked' names the living process that has it; 'disk' if it cannot be written. */
export function acquireLock(folder: string): () => void {
  const file = join(folder, 'project.lock');
  const mine = JSON.stringify({
    pid: process.pid, startedAt: Math.round(Date.now() - process.uptime() * 1000), host: hostname(), birth: birthOf(process.pid),
  } satisfies Holder);
  const partial = `${file}.${process.pid}`;
  const aside = `${file}.stale.${process.pid}`;
  try {
    writeFileSync(partial, mine);
    for (let attempt = 0; attempt < 10; attempt++) {
      if (place(partial, file))
        return () => {
          if (readText(file) === mine) rmSync(file, { force: true });
        };
      const found = readText(file);
      const holder = parse(found);
      if (holder && isAlive(holder, folder)) {
        const who = holder.pid === process.pid ? 'this process' : 'another process';
        throw new TastemakerError('locked', `The project ${folder} is already open for writing in ${who} (pid ${holder.pid}).`,
          'Close it there first, or open the project for reading only.');
      }
      // Move the stale lock aside rather than delete it: if somebody was quicker and we moved a living lock, put it back.
      try {
        renameSync(file, aside);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
        throw error;
      }
      if (readText(aside) !== found) place(aside, file);
      rmSync(aside, { force: true });
    }
    throw new TastemakerError('locked', `The project ${folder} is being opened by several processes at once.`, 'Try again.');
  } catch (error) {
    if (error instanceof TastemakerError) throw error;
    throw new TastemakerError('disk', `${file} cannot be written (${(error as NodeJS.ErrnoException).code}).`,
      'Allow writing to the project folder and see that the disk has space, or open the project for reading only.');
  } finally {
    rmSync(partial, { force: true });
  }
}
