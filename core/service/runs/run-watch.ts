// Watches the process of one run through its files: what is new in them becomes events, a few milliseconds a look.

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { MetricPoint } from '#core/contract/runs.ts';
import { firstBeat, livingProcess, provenProcess, readHeartbeat, writeHeartbeat } from '#core/runs/control.ts';
import type { Heartbeat } from '#core/runs/control.ts';
import { removeStatus } from '#core/runs/ending.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { followLines, followRows, isMetricRow, lastLines } from '#core/runs/new-lines.ts';
import { openIntake } from '#core/runs/record.ts';
import type { Intake } from '#core/runs/record.ts';
import type { Project } from '#core/store/project.ts';
import { makeRunFolder, openUnlinked, refuseLinksIn } from '#core/unlinked.ts';
import type { Emit } from '#core/service/handlers.ts';

/** Where `kill` could end nothing. */
export const UNPROVEN =
  'It was told to end. That its process is the one which Tastemaker started could not be proven, so it was not ended by force.';

export interface Watch {
  readonly id: string;
  readonly folder: string;
  readonly intake: Intake;
  beat: Heartbeat | null;
  /** Emits what is new in the files; returns how many rows the database took in. */
  look(): number;
  /** Takes in a few rows more; returns how many. */
  takeIn(): number;
  alive(): boolean;
  secondsLeft(): number | null;
  /** Forgets the pace, because the run has just been at rest. */
  newPace(): void;
  /** Ends the process where it is certain that we started it; false where that cannot be proven. */
  kill(): boolean;
  /** How the process ended, in words: signal or exit code where that is known, and the last thing it said. */
  lastWords(): string;
}

/** completions that are taken in at a stretch: about 5 ms */
const ROWS = 16;
const PIECE = 1 << 16;
const POINTS = 40;
const PACE_MS = 60_000;
/** below this nothing is said of the time left: what is late is not "0 s left" */
const LEAST_LEFT = 0.5; // seconds
/** how long a process may take to say its first word before it counts as dead */
const FIRST_WORD_MS = 5000;

/**
 * Starts the process of a run, of its own group and without our channel, so that it outlives us; `env` says what it
 * computes on.
 */
export function launch(
  project: Project,
  id: string,
  processFile: string,
  env: Readonly<Record<string, string>>,
): ChildProcess {
  const folder = runFolderOf(project.folder, id);
  makeRunFolder(folder);
  refuseLinksIn(folder); // the run fails with the sentence
  removeStatus(folder); // of an earlier attempt
  fs.rmSync(path.join(folder, 'heartbeat.json'), { force: true });
  const log = openUnlinked(path.join(folder, 'process.log'), 'append');
  try {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', processFile, project.folder, id], {
      detached: true,
      windowsHide: true,
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
    });
    child.on('error', () => {}); // it has no pid then, and is found dead
    child.unref();
    // so that another service finds it even if we end now
    if (child.pid !== undefined) writeHeartbeat(folder, firstBeat(folder, child.pid));
    return child;
  } finally {
    fs.closeSync(log);
  }
}

interface Point {
  at: number;
  done: number;
}
/** The points with a new one, where something was done since; a counter that went back begins anew. */
function paced(points: readonly Point[], now: Point): Point[] {
  const last = points.at(-1);
  if (last && last.done > now.done) return [now];
  return (last?.done === now.done ? [...points] : [...points, now])
    .filter(({ at }) => now.at - at < PACE_MS)
    .slice(-POINTS);
}
/**
 * Seconds until `total`, at the pace of the points; null where there is none. The time since the last point counts as
 * far as its own step takes it.
 */
function leftOf(points: readonly Point[], total: number): number | null {
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last || last.done <= first.done) return null;
  const each = (last.at - first.at) / (last.done - first.done);
  const left = total - last.done; // milliseconds a step
  return Math.max(0, left * each - Math.min(Date.now() - last.at, Math.max(0, left - 1) * each + each / 2)) / 1000;
}

export function watchRun(project: Project, id: string, child: ChildProcess | null, emit: Emit): Watch {
  const folder = runFolderOf(project.folder, id);
  const since = Date.now();
  const at = (name: string) => path.join(folder, name);
  const metrics = followRows<MetricPoint>(at('metrics.jsonl'), isMetricRow);
  const samples = followLines(at('samples.jsonl'));
  const log = followLines(at('log.txt'));
  const behind = new Set<object>([metrics, samples, log]); // what was there before is not news; the windows ask for it
  let exit: string | null = null;
  let points: Point[] = [];
  let parts: Point[] = [];
  let phase = '';
  child?.once(
    'exit',
    (code, signal) =>
      (exit = signal
        ? `was ended by ${signal}${signal === 'SIGKILL' ? ' (by hand, or because memory ran out)' : ''}`
        : `ended with exit code ${code}`),
  );

  /** What `read` finds that is news: nothing of what was there before, all of a file that began anew. */
  function news<T>(file: object, read: (maxBytes: number) => { found: T[]; restarted: boolean; more: boolean }): T[] {
    if (!behind.has(file)) return read(PIECE).found;
    const { found, restarted, more } = read(PIECE << 4);
    if (!more || restarted) behind.delete(file);
    return restarted ? found : [];
  }
  const newLines = (file: ReturnType<typeof followLines>): string[] =>
    news(file, (maxBytes) => {
      const { lines, restarted } = file.read(maxBytes);
      return { found: lines, restarted, more: lines.length > 0 };
    });
  const newMetrics = (): MetricPoint[] =>
    news(metrics, (maxBytes) => {
      const { rows, restarted, more } = metrics.read(maxBytes);
      return { found: rows, restarted, more };
    });

  const watch: Watch = {
    id,
    folder,
    intake: openIntake(project, id),
    beat: readHeartbeat(folder),
    look: () => {
      watch.beat = readHeartbeat(folder) ?? watch.beat;
      const { beat } = watch;
      if (beat) {
        if (beat.phase !== phase) parts = [];
        phase = beat.phase;
        points = paced(points, { at: beat.at, done: beat.step });
        if (beat.part) parts = paced(parts, { at: beat.at, done: beat.part.done });
      }
      const rows = newMetrics();
      if (rows.length) emit('run.metrics', { runId: id, from: metrics.count() - rows.length, rows });
      const steps = new Set(newLines(samples).map((line) => Number(/^\{"step":(\d+)/.exec(line)?.[1] ?? 0)));
      for (const step of steps) emit('run.samples', { runId: id, step });
      const lines = newLines(log);
      if (lines.length) emit('run.log', { runId: id, lines });
      return watch.takeIn();
    },
    takeIn: () => watch.intake.some(ROWS),
    alive: () => {
      if (child) return exit === null && child.pid !== undefined;
      return readHeartbeat(folder) ? livingProcess(folder) !== null : Date.now() - since < FIRST_WORD_MS;
    },
    secondsLeft: () => {
      const { beat } = watch;
      if (!beat) return null;
      // before the first step and after the last one it is the phase that takes time
      const left =
        beat.step < beat.total ? leftOf(points, beat.total) : beat.part ? leftOf(parts, beat.part.total) : null;
      return left !== null && left > LEAST_LEFT ? left : null;
    },
    newPace: () => {
      points = [];
      parts = [];
    },
    kill: () => {
      if (child) return exit !== null || child.kill('SIGKILL');
      const pid = provenProcess(folder);
      if (pid === null) return false;
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // it has just ended
      }
      return true;
    },
    lastWords: () => {
      const where = watch.beat?.total
        ? ` at step ${watch.beat.step} of ${watch.beat.total}`
        : watch.beat
          ? ` while ${watch.beat.phase}`
          : '';
      const said =
        lastLines(at('process.log'), 40).findLast((line) => /^\S*(Error|FATAL|Fatal|error)/.test(line)) ??
        lastLines(at('log.txt'), 1)[0]?.replace(/^\S+Z /, '');
      return `The process of run ${id} ${exit ?? 'ended without a word'}${where}.${said ? ` Its last line: ${said.slice(0, 300)}` : ''}`;
    },
  };
  return watch;
}
