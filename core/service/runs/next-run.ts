// Begins with the run that waits longest, when none is at work: in a process of its own, on the device that was chosen.

import path from 'node:path';
import { sentenceOf } from '#core/errors.ts';
import { writeOrder } from '#core/runs/control.ts';
import type { Project } from '#core/store/project.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { nextQueued, updateRun } from '#core/store/runs.ts';
import { launch } from './run-process.ts';
import type { RunsAtWork } from './runs-at-work.ts';

const PROCESS_FILE = path.resolve(import.meta.dirname, '..', '..', 'runs', 'process.ts');

/**
 * What processes compute on, as their environment; a promise where that is still being looked for. Throws, or rejects,
 * where what was asked for cannot be had.
 */
export type ProcessEnvironment = () => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;

export interface NextRunOptions {
  runs: RunsAtWork;
  /** runs that nothing happens to unasked */
  atRest: ReadonlySet<string>;
  environment: ProcessEnvironment;
  /** aborted when the project closes: nothing begins after that */
  closing: AbortSignal;
  processFile?: string | undefined;
}

/** Begins with the next run, where one waits and none is at work. One that cannot be started has failed. */
export function createNextRun(project: Project, options: NextRunOptions): () => void {
  const { runs, atRest, environment, closing, processFile = PROCESS_FILE } = options;
  let looking = false; // for what can compute

  function next(): void {
    if (runs.all().length > 0 || closing.aborted || looking) return;
    const run = nextQueued(project, atRest);
    if (!run) return;
    try {
      const env = environment();
      if (env instanceof Promise) return beginWhenKnown(env);
      updateRun(project, run.id, { status: 'running', endedAt: null, error: null });
      writeOrder(runFolderOf(project.folder, run.id), 'run');
      runs.add(run.id, launch(project, run.id, processFile, env));
      runs.tell(run.id);
    } catch (error) {
      // no device to compute on; a link in its folder; the disk is full, or may not be written
      runs.giveUp(run.id, `Run ${run.id} could not be started: ${sentenceOf(error)}`);
    }
  }

  function beginWhenKnown(env: Promise<unknown>): void {
    looking = true;
    void env
      .catch(() => {})
      .finally(() => {
        looking = false;
        next(); // a refusal is thrown then
      });
  }

  return next;
}
