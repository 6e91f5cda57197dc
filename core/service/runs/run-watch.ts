// Watches one run through its files and its process: what is new becomes events, a few milliseconds a look.

import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import { readHeartbeat } from '#core/runs/control.ts';
import type { Heartbeat } from '#core/runs/control.ts';
import { lastLines } from '#core/runs/new-lines.ts';
import { openIntake } from '#core/runs/intake.ts';
import type { Intake } from '#core/runs/intake.ts';
import type { Project } from '#core/store/project.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import type { Emit } from '#core/service/handlers.ts';
import { newsIn } from './run-news.ts';
import { createPace } from './run-pace.ts';
import { watchProcess } from './run-process.ts';
import type { RunProcess } from './run-process.ts';

export interface Watch extends Pick<RunProcess, 'alive' | 'kill'> {
  readonly id: string;
  readonly folder: string;
  readonly intake: Intake;
  beat: Heartbeat | null;
  /** Emits what is new in the files; returns how many rows the database took in. */
  look(): number;
  /** Takes in a few rows more; returns how many. */
  takeIn(): number;
  secondsLeft(): number | null;
  /** Forgets the pace, because the run has just been at rest. */
  newPace(): void;
  /** How the process ended, in words: signal or exit code where that is known, and the last thing it said. */
  lastWords(): string;
}

/** completions that are taken in at a stretch: about 5 ms */
const ROWS = 16;

/** The last error that its process printed, else the last line of its log. */
const lastSaid = (folder: string): string | undefined =>
  lastLines(path.join(folder, 'process.log'), 40).findLast((line) => /^\S*(Error|FATAL|Fatal|error)/.test(line)) ??
  lastLines(path.join(folder, 'log.txt'), 1)[0]?.replace(/^\S+Z /, '');

function whereIn(beat: Heartbeat | null): string {
  if (!beat) return '';
  return beat.total ? ` at step ${beat.step} of ${beat.total}` : ` while ${beat.phase}`;
}

/** `child`: its process where we have started it; null for one from the service before us. */
export function watchRun(project: Project, id: string, child: ChildProcess | null, emit: Emit): Watch {
  const folder = runFolderOf(project.folder, id);
  const running = watchProcess(folder, child);
  const news = newsIn(id, folder, emit);
  const pace = createPace();
  const watch: Watch = {
    id,
    folder,
    intake: openIntake(project, id),
    beat: readHeartbeat(folder),
    alive: running.alive,
    kill: running.kill,
    look: () => {
      watch.beat = readHeartbeat(folder) ?? watch.beat;
      if (watch.beat) pace.note(watch.beat);
      news.tell();
      return watch.takeIn();
    },
    takeIn: () => {
      const taken = watch.intake.some(ROWS);
      if (taken === 0) news.samplesTakenIn();
      return taken;
    },
    secondsLeft: () => watch.beat && pace.secondsLeft(watch.beat),
    newPace: pace.forget,
    lastWords: () => {
      const said = lastSaid(folder);
      const how = `${running.exit() ?? 'ended without a word'}${whereIn(watch.beat)}`;
      return `The process of run ${id} ${how}.${said ? ` Its last line: ${said.slice(0, 300)}` : ''}`;
    },
  };
  return watch;
}
