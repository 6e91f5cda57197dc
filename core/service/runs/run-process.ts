// The process of one run: started so that it outlives us, known again by its heartbeat, ended where it is ours.

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { firstBeat, livingProcess, provenProcess, readHeartbeat, writeHeartbeat } from '#core/runs/control.ts';
import { removeStatus } from '#core/runs/ending.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import type { Project } from '#core/store/project.ts';
import { makeRunFolder, openUnlinked, refuseLinksIn } from '#core/unlinked.ts';

/** Where `kill` could end nothing. */
export const UNPROVEN =
  'It was told to end. That its process is the one which Tastemaker started could not be proven, so it was not ended by force.';

export interface RunProcess {
  alive(): boolean;
  /** Ends it where it is certain that we started it; false where that cannot be proven. */
  kill(): boolean;
  /** signal or exit code, in words; null where that is not known */
  exit(): string | null;
}

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

const exitWords = (code: number | null, signal: NodeJS.Signals | null): string =>
  signal
    ? `was ended by ${signal}${signal === 'SIGKILL' ? ' (by hand, or because memory ran out)' : ''}`
    : `ended with exit code ${code}`;

/** Watches the process that works in `folder`: our own child, or (null) one that a service before us has started. */
export function watchProcess(folder: string, child: ChildProcess | null): RunProcess {
  const since = Date.now();
  let exit: string | null = null;
  child?.once('exit', (code, signal) => (exit = exitWords(code, signal)));
  return {
    exit: () => exit,
    alive: () => {
      if (child) return exit === null && child.pid !== undefined;
      return readHeartbeat(folder) ? livingProcess(folder) !== null : Date.now() - since < FIRST_WORD_MS;
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
  };
}
