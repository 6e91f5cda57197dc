// When a process was born, as its system says it: by that two processes with the same number are told apart.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a program prints; null where it cannot be asked. */
export type Ask = (program: string, args: readonly string[]) => string | null;

const PATIENCE_MS = 10_000;
const ask: Ask = (program, args) => {
  try {
    return execFileSync(program, args, {
      encoding: 'utf8',
      timeout: PATIENCE_MS,
      windowsHide: true,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
    });
  } catch {
    return null; // there is no such process, or no such program
  }
};

export const isPid = (pid: unknown): pid is number => Number.isSafeInteger(pid) && (pid as number) > 0;

/** Linux: the boot and the tick of it at which the process began; 'ended' of one that nobody has asked how it ended. */
function fromProc(pid: number): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // from field 3 on, counted after the name: man 5 proc
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : `${boot} ${fields[19]}`;
  } catch {
    return null;
  }
}

/** macOS and the other Unixes: "S+ Sun Nov 29 18:40:11 2026". */
export function fromPs(pid: number, asked: Ask = ask): string | null {
  const [, state, born] =
    /^\s*(\S+)\s+(\w{3} \w{3} [ \d]?\d \d\d:\d\d:\d\d \d{4})\s*$/.exec(
      asked('/bin/ps', ['-o', 'stat=,lstart=', '-p', String(pid)]) ?? '',
    ) ?? [];
  return state === undefined || born === undefined ? null : state.startsWith('Z') ? 'ended' : born;
}

/** Windows: hundreds of nanoseconds since 1601. It takes about a second. */
export function fromCim(pid: number, asked: Ask = ask): string | null {
  const powershell = join(
    process.env.SystemRoot ?? 'C:\\Windows',
    'System32',
    'WindowsPowerShell',
    'v1.0',
    'powershell.exe',
  );
  const script = `(Get-CimInstance Win32_Process -Filter "ProcessId=${pid}").CreationDate.ToFileTimeUtc()`;
  return (
    /^\s*(\d{10,})\s*$/.exec(asked(powershell, ['-NoProfile', '-NonInteractive', '-Command', script]) ?? '')?.[1] ??
    null
  );
}

/** Asking takes microseconds; elsewhere a program has to be started for it. */
export const BIRTH_IS_QUICK = process.platform === 'linux';

/** The birth of the living process of this number; null where there is none, or the system does not say. */
export function birthOf(pid: number): string | null {
  if (!isPid(pid)) return null;
  return process.platform === 'linux' ? fromProc(pid) : process.platform === 'win32' ? fromCim(pid) : fromPs(pid);
}

const LEARNT_MS = 60_000;
const learnt = new Map<number, { birth: string | null; at: number }>();

/**
 * The same, not older than a minute where asking takes long: good enough to see whether a process lives, never to end
 * one.
 */
export function recentBirthOf(pid: number): string | null {
  if (BIRTH_IS_QUICK) return birthOf(pid);
  const known = learnt.get(pid);
  if (known && Date.now() - known.at < LEARNT_MS) return known.birth;
  const birth = birthOf(pid);
  learnt.set(pid, { birth, at: Date.now() });
  return birth;
}

/** Whether a process of this number lives, whoever's it is. */
export function isTaken(pid: number): boolean {
  if (!isPid(pid)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // alive, and another user's
  }
}
