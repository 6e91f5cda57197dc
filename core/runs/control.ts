// How a run's process is spoken to and heard through files: `control` says what it shall do, heartbeat.json how far it
// is.
//
// Files, so that whoever comes later (a service that was started anew, the command line) can take part.

import fs from 'node:fs';
import path from 'node:path';
import { machineStart } from '#core/store/lock.ts';
import { identityOf, isSigned, signed } from '#core/store/machine-key.ts';
import { isPrintable } from '#core/store/printable.ts';
import { BIRTH_IS_QUICK, birthOf, isPid, isTaken, recentBirthOf } from '#core/store/process-birth.ts';
import { isRunId } from '#core/store/runs.ts';
import {
  appendUnlinked,
  makeFolders,
  makeRunFolder,
  replaceUnlinked,
  textUnlinked,
  unlinkedPath,
} from '#core/unlinked.ts';
import { requireSamePlace } from './run-place.ts';

/** What a run is told; a job obeys between two chunks of its work. */
export type Order = 'run' | 'pause' | 'stop' | 'cancel';
const ORDERS: readonly string[] = ['run', 'pause', 'stop', 'cancel'] satisfies Order[];

export interface Heartbeat {
  pid: number;
  /** tells it from a later process of the same number; null where the system does not say */
  birth: string | null;
  /** what only this machine can say of number and birth in this very folder: no stranger's project has it */
  proof: string;
  /** when the process began and when it last said something, milliseconds since 1970 */
  startedAt: number;
  at: number;
  /** a word for the status line: starting, preparing, training, sampling, paused, ... */
  phase: string;
  /** how far the phase itself is, where it counts */
  part?: { done: number; total: number } | undefined;
  step: number;
  total: number;
  memoryBytes: number;
}

const orderFile = (runFolder: string) => path.join(runFolder, 'control');
const beatFile = (runFolder: string) => path.join(runFolder, 'heartbeat.json');

export function writeOrder(runFolder: string, order: Order): void {
  makeRunFolder(runFolder);
  replaceUnlinked(orderFile(runFolder), order);
}

/** 'run' where nothing, or nothing known, is said. */
export function readOrder(runFolder: string): Order {
  const said = textUnlinked(orderFile(runFolder))?.trim() ?? '';
  return ORDERS.includes(said) ? (said as Order) : 'run';
}

export function writeHeartbeat(runFolder: string, beat: Heartbeat): void {
  try {
    replaceUnlinked(beatFile(runFolder), JSON.stringify(beat));
  } catch {
    // the next one will do; a run does not end because nobody could hear it
  }
}

/** What the process says of itself; null where it says nothing, or what stands there can be no heartbeat. */
export function readHeartbeat(runFolder: string): Heartbeat | null {
  try {
    const beat = JSON.parse(textUnlinked(beatFile(runFolder)) ?? 'null') as Heartbeat | null;
    return beat && isBeat(beat) ? { ...beat, proof: String(beat.proof ?? '') } : null; // 0.1.0 proved nothing
  } catch {
    return null;
  }
}

const isBeat = ({ pid, birth, startedAt, at, phase, step, total, memoryBytes, part }: Heartbeat): boolean =>
  isPid(pid) &&
  (birth === null || isPrintable(birth)) &&
  isPrintable(phase) &&
  [startedAt, at, step, total, memoryBytes, ...(part ? [part.done, part.total] : [])].every(
    (n) => Number.isFinite(n) && n >= 0,
  );

const provenIn = (runFolder: string, { pid, birth }: Pick<Heartbeat, 'pid' | 'birth'>): (string | number)[] => [
  path.basename(runFolder),
  identityOf(runFolder),
  pid,
  birth ?? '',
];

/**
 * The first heartbeat of a process, which it writes itself or whoever started it (who does not wait for a system that
 * is slow to tell the birth).
 */
export function firstBeat(runFolder: string, pid: number): Heartbeat {
  const birth = BIRTH_IS_QUICK || pid === process.pid ? birthOf(pid) : null;
  const now = Date.now();
  return {
    pid,
    birth,
    proof: signed('process', provenIn(runFolder, { pid, birth })),
    startedAt: now,
    at: now,
    phase: 'starting',
    step: 0,
    total: 0,
    memoryBytes: 0,
  };
}

/** Whether the process was started on this machine, in this very folder; it may have ended. */
export function isProven(runFolder: string, beat: Heartbeat): boolean {
  try {
    return isSigned(beat.proof, 'process', provenIn(runFolder, beat));
  } catch {
    return false; // there is no such folder
  }
}

/** For so long a process that cannot be proven counts as at work after its last word. */
const HEARD_MS = 30_000;
const CLOCKS_MS = 5000;

/**
 * The number of the living process that works at a run, or null. One that nothing proves counts while it keeps
 * speaking: so
 * nobody else begins (a job of 0.1.0 may still be at work), and a project that was packed elsewhere has none.
 */
export function livingProcess(runFolder: string): number | null {
  const beat = readHeartbeat(runFolder);
  if (!beat || !isTaken(beat.pid)) return null;
  const proven = isProven(runFolder, beat);
  const birth = proven && beat.birth !== null ? recentBirthOf(beat.pid) : null;
  if (birth !== null) return birth === beat.birth ? beat.pid : null;
  const silent = Date.now() - beat.at;
  const heard = silent < HEARD_MS && silent > -CLOCKS_MS;
  return (proven && beat.startedAt > machineStart()) || heard ? beat.pid : null;
}

/**
 * The same where it is certain that this is the process which we started: only such a one may be ended. Null where its
 * birth
 * is not known, is not the one that was proven, or cannot be learnt.
 */
export function provenProcess(runFolder: string): number | null {
  const beat = readHeartbeat(runFolder);
  return beat && beat.birth !== null && isProven(runFolder, beat) && birthOf(beat.pid) === beat.birth ? beat.pid : null;
}

const cancelled = new Error('The run was cancelled.');
/** Whether this is how a job ends that was told to cancel. */
export const isCancelled = (error: unknown): boolean => error === cancelled;

/** The job's side: it says how far it is, and learns what it shall do. */
export interface Pulse {
  progress(step: number, total: number): void;
  phase(word: string): void;
  /** How far the phase is by itself: 12 of 60 prompts. */
  part(done: number, total: number): void;
  /**
   * Between two chunks: waits here while the order is to pause, throws when it is to cancel; true when it is to stop.
   */
  border(): boolean;
}

const BEAT_MS = 200;
const POLL_MS = 100;
const PAUSED_BEAT_MS = 2000;

export function createPulse(runFolder: string): Pulse {
  const beat = firstBeat(runFolder, process.pid);
  const cell = new Int32Array(new SharedArrayBuffer(4));
  let written = 0;
  const say = (changed: boolean) => {
    const now = Date.now();
    requireSamePlace(runFolder);
    if (!changed && now - written < BEAT_MS) return;
    written = now;
    beat.at = now;
    beat.memoryBytes = process.memoryUsage.rss();
    writeHeartbeat(runFolder, beat);
  };
  const phase = (word: string) => {
    const changed = word !== beat.phase;
    beat.phase = word;
    if (changed) beat.part = undefined;
    say(changed);
  };
  phase('preparing');
  return {
    phase,
    progress: (step, total) => {
      const last = step === total; // whatever comes later, the last one must be there
      Object.assign(beat, { step, total });
      say(last);
    },
    part: (done, total) => {
      beat.part = { done, total };
      say(done === total);
    },
    border: () => {
      say(false);
      let order = readOrder(runFolder);
      if (order === 'pause') {
        const { phase: before, part } = beat;
        phase('paused');
        // the job's thread is asleep here: paused means that nothing at all is computed
        for (; order === 'pause'; order = readOrder(runFolder)) {
          Atomics.wait(cell, 0, 0, POLL_MS);
          if (Date.now() - written > PAUSED_BEAT_MS) say(true);
        }
        phase(before);
        beat.part = part;
      }
      if (order === 'cancel') throw cancelled;
      if (order === 'stop') phase('saving');
      return order === 'stop';
    },
  };
}

// ---- What the command line asks of the service that has the project open

export interface RunRequest {
  runId: string;
  action: 'resume' | 'cancel';
}
const ACTIONS: readonly unknown[] = ['resume', 'cancel'] satisfies RunRequest['action'][];
const mailbox = (projectFolder: string) => path.join(unlinkedPath(projectFolder, 'runs'), 'asked.jsonl');

/** Leaves a wish for the process that owns the project's database. */
export function ask(projectFolder: string, asked: RunRequest): void {
  const file = mailbox(projectFolder);
  makeFolders(projectFolder, 'runs');
  appendUnlinked(file, `${JSON.stringify(asked)}\n`);
}

/** Takes all wishes out of the mailbox; what is none is dropped. */
export function takeAsked(projectFolder: string): RunRequest[] {
  let taken: string;
  try {
    const file = mailbox(projectFolder);
    taken = `${file}.taken`;
    fs.renameSync(file, taken);
  } catch {
    return [];
  }
  const lines = (textUnlinked(taken) ?? '').split('\n').filter(Boolean);
  fs.rmSync(taken, { recursive: true, force: true });
  return lines.flatMap((line) => {
    try {
      const { runId, action } = JSON.parse(line) as Partial<RunRequest>;
      return isRunId(runId) && ACTIONS.includes(action) ? [{ runId, action: action! }] : [];
    } catch {
      return [];
    }
  });
}
