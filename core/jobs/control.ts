// How a run's process is spoken to and heard through files: `control` says what it shall do, heartbeat.json how far it is.
//
// Files, so that whoever comes later (a service that was started anew, the command line) can take part.

import fs from 'node:fs';
import path from 'node:path';
import { birthOf, livesStill } from '#core/store/lock.ts';

/** What a run is told; a job obeys between two chunks of its work. */
export type Order = 'run' | 'pause' | 'stop' | 'cancel';
const ORDERS: readonly string[] = ['run', 'pause', 'stop', 'cancel'] satisfies Order[];

export interface Heartbeat {
  pid: number;
  birth: string | null;
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
  fs.mkdirSync(runFolder, { recursive: true });
  fs.writeFileSync(orderFile(runFolder), order);
}

/** 'run' where nothing, or nothing known, is said. */
export function readOrder(runFolder: string): Order {
  try {
    const said = fs.readFileSync(orderFile(runFolder), 'utf8').trim();
    return ORDERS.includes(said) ? (said as Order) : 'run';
  } catch {
    return 'run';
  }
}

export function writeHeartbeat(runFolder: string, beat: Heartbeat): void {
  const file = beatFile(runFolder), partial = `${file}.${process.pid}`;
  try {
    fs.writeFileSync(partial, JSON.stringify(beat));
    fs.renameSync(partial, file);
  } catch {
    fs.rmSync(partial, { force: true }); // the next one will do; a run does not end because nobody could hear it
  }
}

export function readHeartbeat(runFolder: string): Heartbeat | null {
  try {
    return JSON.parse(fs.readFileSync(beatFile(runFolder), 'utf8')) as Heartbeat;
  } catch {
    return null;
  }
}

/** The first heartbeat of a process, which it writes itself or whoever started it. */
export const firstBeat = (pid: number): Heartbeat => ({ pid, birth: birthOf(pid), startedAt: Date.now(), at: Date.now(), phase: 'starting', step: 0, total: 0, memoryBytes: 0 });

/** The number of the living process that works at a run, or null. */
export function livingProcess(runFolder: string): number | null {
  const beat = readHeartbeat(runFolder);
  return beat && livesStill(beat) ? beat.pid : null;
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
  /** Between two chunks: waits here while the order is to pause, throws when it is to cancel; true when it is to stop. */
  border(): boolean;
}

const BEAT_MS = 200, POLL_MS = 100, PAUSED_BEAT_MS = 2000;

export function createPulse(runFolder: string): Pulse {
  const beat = firstBeat(process.pid), cell = new Int32Array(new SharedArrayBuffer(4));
  let written = 0;
  const say = (changed: boolean) => {
    const now = Date.now();
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

export interface Asked { runId: string; action: 'resume' | 'cancel' }
const mailbox = (projectFolder: string) => path.join(projectFolder, 'runs', 'asked.jsonl');

/** Leaves a wish for the process that owns the project's database. */
export function ask(projectFolder: string, asked: Asked): void {
  fs.mkdirSync(path.dirname(mailbox(projectFolder)), { recursive: true });
  fs.appendFileSync(mailbox(projectFolder), `${JSON.stringify(asked)}\n`);
}

/** Takes all wishes out of the mailbox; what cannot be read is dropped. */
export function takeAsked(projectFolder: string): Asked[] {
  const taken = `${mailbox(projectFolder)}.taken`;
  try {
    fs.renameSync(mailbox(projectFolder), taken);
  } catch {
    return [];
  }
  const lines = fs.readFileSync(taken, 'utf8').split('\n').filter(Boolean);
  fs.rmSync(taken, { force: true });
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as Asked];
    } catch {
      return [];
    }
  });
}
