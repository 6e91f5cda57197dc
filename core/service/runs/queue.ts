// The queue of runs: one at a time, each in a process of its own that outlives us, watched through its files.
//
// The database says what a person wants of a run (running, paused, stopping, cancelling); the file `control` passes it
// on (runs-at-work.ts); status.json says how it ended, and only then is the end written to the database (run-looks.ts,
// run-end.ts). So whoever opens the project next takes the same state up.

import type { Config } from '#core/contract/recipes.ts';
import { AT_WORK } from '#core/contract/runs.ts';
import type { RunDetail, RunKind, RunRow } from '#core/contract/runs.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { takeAsked } from '#core/runs/control.ts';
import { planRun } from '#core/runs/start.ts';
import { makeKnown } from '#core/store/known-here.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addRun, getRun, listRuns } from '#core/store/runs.ts';
import { strayed } from '#core/store/whereabouts.ts';
import type { Emit } from '#core/service/handlers.ts';
import { computingIn, type Computing } from '#core/service/hardware/computing.ts';
import { projectChanged } from '#core/service/project-summary.ts';
import { layToRest, leaveAtRest, wakeFromRest } from './at-rest.ts';
import { createNextRun } from './next-run.ts';
import type { ProcessEnvironment } from './next-run.ts';
import { followUp } from './run-follow-up.ts';
import { createLooks } from './run-looks.ts';
import { createRunOrders } from './run-orders.ts';
import type { RunOrders } from './run-orders.ts';
import { clearDeletedRuns } from './run-removal.ts';
import { detailOf } from './run-rows.ts';
import { createRunsAtWork } from './runs-at-work.ts';
import type { RunsAtWork } from './runs-at-work.ts';

export interface RunQueue extends RunOrders {
  /** Checks the settings and puts a run at the end of the queue. */
  start(recipe: RunKind, config: Config, name: string | null): Promise<RunRow>;
  list(): RunRow[];
  get(id: string): RunDetail;
  /**
   * The word about a project that was new here: its runs at rest go on, or are stopped as they are. Returns how many
   * there were.
   */
  letGo(goOn: boolean): number;
  busy(): boolean;
  /** memory that the runs at work take, bytes */
  memoryInUse(): number;
  /** what the next run would compute on */
  computing(): Promise<Computing>;
  /** Leaves runs at work; they are taken up again when the project is opened. */
  close(): Promise<void>;
}

export interface QueueOptions {
  tickMs?: number;
  /** after this long a run that was cancelled and does not end is killed */
  killAfterMs?: number;
  /** a run that has said nothing for this long gets a notice */
  silentAfterMs?: number;
  /** enqueue the runs that follow from others (scores after a reward model) */
  follow?: boolean;
  processFile?: string;
  environment?: ProcessEnvironment;
}

/** Every run as it is shown, each with the model that it made. */
function rowsOf(project: Project, runs: RunsAtWork): RunRow[] {
  const models = new Map(
    listPolicies(project).flatMap(({ id, runId, path: place }) =>
      place === `runs/${runId}/model` ? [[runId, id] as const] : [],
    ),
  );
  return listRuns(project).map((run) => runs.show(run, models.get(run.id) ?? null));
}

/** The page of a run, with what is to be said of it while it is at work. */
function pageOf(project: Project, runs: RunsAtWork, id: string): RunDetail {
  const silence = runs.silence(id);
  const silent =
    silence && `The process has not answered for ${silence}. It may be at a very long step; cancelling ends it.`;
  const notices = [silent, runs.get(id)?.problem].filter((notice) => typeof notice === 'string');
  return detailOf(project, runs.show(getRun(project, id)), notices);
}

/** Does what a command has asked for meanwhile. */
function obeyAsked(project: Project, orders: RunOrders): void {
  for (const { action, runId } of takeAsked(project.folder)) {
    try {
      orders[action](runId);
    } catch {
      // it was about a run that has ended meanwhile
    }
  }
}

export function createRunQueue(project: Project, emit: Emit, options: QueueOptions = {}): RunQueue {
  const { tickMs = 250, killAfterMs = 6000, silentAfterMs = 600_000, follow = true, processFile } = options;
  const { environment = () => ({}) } = options;
  const closing = new AbortController();
  const atRest = layToRest(project);
  const runs = createRunsAtWork(project, emit, silentAfterMs);
  const { signal } = closing;
  const next = createNextRun(project, { runs, atRest, environment, closing: signal, processFile });
  const tellProject = () => emit('project.changed', projectChanged(project));

  function wake(id: string): boolean {
    const wasAtRest = wakeFromRest(project, atRest, id);
    if (wasAtRest) tellProject();
    return wasAtRest;
  }
  const orders = createRunOrders(project, { runs, wake, next });

  async function start(recipe: RunKind, given: Config, name: string | null): Promise<RunRow> {
    void Promise.resolve(environment()).catch(() => {}); // throws where nothing can run
    const plan = planRun(project, recipe as RecipeName, given, name);
    const request = { recipe, config: plan.config, name, queuedAt: Date.now() };
    addRun(project, { id: plan.id, kind: recipe, name: plan.name, status: 'queued', request });
    runs.tell(plan.id);
    next();
    return runs.show(getRun(project, plan.id));
  }

  // in a folder that has gone, or is another's, nothing is written
  const hereOnly = (work: () => void) => () => void (strayed(project) ?? work());
  const looks = createLooks(project, {
    runs,
    emit,
    closing: signal,
    killAfterMs,
    follow: async (run) => void (follow && (await followUp(project, run, start))),
    over: hereOnly(next),
  });
  function tick(): void {
    obeyAsked(project, orders);
    looks.look();
    next();
  }

  // what was left at work: by a service before us, or by a command that was killed
  for (const { id, status } of listRuns(project)) if (AT_WORK.includes(status) && !atRest.has(id)) runs.takeUp(id);
  // it is tried again at the next opening
  if (project.write && atRest.size === 0) void clearDeletedRuns(project).catch(() => {});
  const timer = setInterval(hereOnly(tick), tickMs);
  return {
    ...orders,
    start,
    list: () => rowsOf(project, runs),
    get: (id) => pageOf(project, runs, id),
    letGo: (goOn) => {
      const ids = [...atRest];
      atRest.clear();
      makeKnown(project);
      for (const id of ids) {
        if (!goOn) leaveAtRest(project, id);
        else if (AT_WORK.includes(getRun(project, id).status)) runs.takeUp(id);
        runs.tell(id);
      }
      tellProject();
      next();
      return ids.length;
    },
    busy: () => runs.all().length > 0,
    computing: () => computingIn(environment, runs.all().length > 0),
    memoryInUse: () => runs.all().reduce((sum, { watch }) => sum + (watch.beat?.memoryBytes ?? 0), 0),
    close: async () => {
      closing.abort();
      clearInterval(timer);
      await looks.settled();
    },
  };
}
