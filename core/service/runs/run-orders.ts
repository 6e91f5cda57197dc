// What a person may do with a run: pause it, let it go on, stop it or cancel it, at work, waiting or ended.

import type { Run, RunRow } from '#core/contract/runs.ts';
import { TastemakerError } from '#core/errors.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import { markCancelled } from '#core/runs/ending.ts';
import { isPrepared } from '#core/runs/execute.ts';
import { checkResumable } from '#core/runs/start.ts';
import type { Project } from '#core/store/project.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { getRequest, getRun, setRequest, updateRun } from '#core/store/runs.ts';
import type { RunsAtWork } from './runs-at-work.ts';

/** Each answers with the run's row; 'bad-argument' where its status does not allow it. */
export interface RunOrders {
  pause(id: string): RunRow;
  /** Goes on with a paused run, or puts one that stopped, failed or was killed in the queue again. */
  resume(id: string): RunRow;
  stop(id: string): RunRow;
  cancel(id: string): RunRow;
}

export interface OrderOptions {
  runs: RunsAtWork;
  /** A person has spoken about this run alone; true where it was at rest. */
  wake(id: string): boolean;
  /** begins with the next run of the queue, where none is at work */
  next(): void;
}

const refuse = (run: Run, action: string, hint: string): never => {
  throw new TastemakerError('bad-argument', `Run ${run.id} is ${run.status}, so it cannot be ${action}.`, hint);
};

/** Puts a run that has ended in the queue again, with the settings it had. */
function queueAgain(project: Project, run: Run): void {
  checkResumable(project, run.id);
  const folder = runFolderOf(project.folder, run.id);
  const config = getRequest(project, run.id)?.config ?? (isPrepared(folder) ? readManifest(folder).config : {});
  setRequest(project, run.id, { recipe: run.kind, config, name: run.name, queuedAt: Date.now() });
  updateRun(project, run.id, { status: 'queued', endedAt: null, error: null });
}

export function createRunOrders(project: Project, { runs, wake, next }: OrderOptions): RunOrders {
  const isHere = (id: string) => runs.get(id) !== undefined;

  function resumeAtWork(run: Run): RunRow {
    if (run.status === 'paused') return runs.change(run.id, 'running');
    return run.status === 'running' ? runs.show(run) : refuse(run, 'resumed', 'Wait until it has ended.');
  }

  return {
    pause: (id) => {
      const run = getRun(project, id);
      if (run.status === 'paused') return runs.show(run);
      return run.status === 'running' && isHere(id)
        ? runs.change(id, 'paused')
        : refuse(run, 'paused', 'Only a run that is at work can be paused.');
    },
    resume: (id) => {
      if (wake(id)) next();
      const run = getRun(project, id);
      if (isHere(id)) return resumeAtWork(run);
      if (run.status === 'queued') return runs.show(run);
      queueAgain(project, run);
      runs.tell(id);
      next();
      return runs.show(getRun(project, id));
    },
    stop: (id) => {
      const run = getRun(project, id);
      if (run.status === 'stopping') return runs.show(run);
      if ((run.status === 'running' || run.status === 'paused') && isHere(id)) return runs.change(id, 'stopping');
      const hint =
        run.status === 'queued' ? 'It has not begun: cancel it.' : 'Only a run that is at work can be stopped.';
      return refuse(run, 'stopped', hint);
    },
    cancel: (id) => {
      const run = getRun(project, id);
      if (run.status === 'cancelled' || run.status === 'cancelling') return runs.show(run);
      if (run.status === 'done') return refuse(run, 'cancelled', 'Remove its model instead, if you do not want it.');
      if (runs.get(id)?.ending) return runs.show(run);
      if (isHere(id)) return runs.change(id, 'cancelling');
      wake(id);
      markCancelled(project.folder, id);
      updateRun(project, id, { status: 'cancelled', endedAt: Date.now(), error: null });
      return runs.tell(id);
    },
  };
}
