// The queue of runs: one at a time, each in a process of its own that outlives us, watched through its files.
//
// The database says what a person wants of a run (running, paused, stopping, cancelling); the file `control` passes it
// on; status.json
// says how it ended, and only then is the end written to the database. So whoever opens the project next takes the same
// state up.

import path from 'node:path';
import type { Config } from '#core/contract/recipes.ts';
import type { Run, RunDetail, RunKind, RunRow } from '#core/contract/runs.ts';
import { TastemakerError } from '#core/errors.ts';
import { readOrder, takeAsked, writeOrder } from '#core/runs/control.ts';
import type { Order } from '#core/runs/control.ts';
import { isPrepared } from '#core/runs/execute.ts';
import { markCancelled, readStatus, writeStatus } from '#core/runs/ending.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { recordRun } from '#core/runs/record.ts';
import { followResults, gatherResults } from '#core/runs/results.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { checkResumable, planRun } from '#core/runs/start.ts';
import { makeKnown } from '#core/store/known-here.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addRun, getRequest, getRun, listRuns, nextQueued, setRequest, updateRun } from '#core/store/runs.ts';
import { strayed } from '#core/store/whereabouts.ts';
import { refuseLinksIn } from '#core/unlinked.ts';
import type { Emit } from '#core/service/handlers.ts';
import { computingIn, type Computing } from '#core/service/hardware/computing.ts';
import { settleCurrent } from '#core/service/current-models.ts';
import { layToRest, leaveAtRest } from './at-rest.ts';
import { projectChanged } from '#core/service/project-summary.ts';
import { followUp } from './run-follow-up.ts';
import { clearDeletedRuns } from './run-removal.ts';
import { detailOf, rowOf } from './run-rows.ts';
import { launch, UNPROVEN, watchRun } from './run-watch.ts';
import type { Watch } from './run-watch.ts';
import { AT_WORK } from '#core/contract/runs.ts';

export interface RunQueue {
  /** Checks the settings and puts a run at the end of the queue. */
  start(recipe: RunKind, config: Config, name: string | null): Promise<RunRow>;
  list(): RunRow[];
  get(id: string): RunDetail;
  pause(id: string): RunRow;
  /** Goes on with a paused run, or puts one that stopped, failed or was killed in the queue again. */
  resume(id: string): RunRow;
  stop(id: string): RunRow;
  cancel(id: string): RunRow;
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
  /**
   * what the processes compute on; a promise where that is still being looked for. Throws, or rejects, where what was
   * asked for cannot be had.
   */
  environment?: () => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
}

const PROCESS_FILE = path.resolve(import.meta.dirname, '..', '..', 'runs', 'process.ts');
const DATA_NEWS_MS = 2000;
const REST_MS = 10;
const AGAIN_MS = 10_000;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
interface Active {
  watch: Watch;
  killAt: number | null;
  ending: boolean;
  shown: string;
  dataNewsAt: number;
  tookIn: boolean;
  taking: boolean;
  problem: string | null;
}

export function createRunQueue(project: Project, emit: Emit, options: QueueOptions = {}): RunQueue {
  const {
    tickMs = 250,
    killAfterMs = 6000,
    silentAfterMs = 600_000,
    follow = true,
    processFile = PROCESS_FILE,
    environment = () => ({}),
  } = options;
  const active = new Map<string, Active>();
  const state = { closed: false, looking: false };
  const endings = new Set<Promise<void>>();
  const atRest = layToRest(project);

  // ---- What is shown

  function liveOf({ watch, ending }: Active) {
    const asleep = watch.beat?.phase === 'paused';
    const { status } = getRun(project, watch.id);
    const quiet = silentFor(watch);
    const phase = ending
      ? 'taking in the results'
      : status === 'cancelling'
        ? 'ending'
        : status === 'stopping'
          ? 'saving'
          : status === 'paused'
            ? asleep
              ? 'paused'
              : 'pausing at the next border'
            : quiet
              ? `has not answered for ${quiet}`
              : asleep
                ? 'going on'
                : null;
    return { beat: watch.beat, secondsLeft: watch.secondsLeft(), phase };
  }
  function silentFor({ beat }: Watch): string | null {
    const ms = beat && beat.phase !== 'paused' ? Date.now() - beat.at : 0;
    return ms > silentAfterMs ? (ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`) : null;
  }
  const show = (run: Run, modelId?: number | null): RunRow => {
    const at = active.get(run.id);
    return rowOf(project, run, at ? liveOf(at) : null, modelId);
  };
  function tell(id: string, always = true): RunRow {
    const row = show(getRun(project, id));
    const at = active.get(id);
    const text = JSON.stringify(row);
    if (always || (at && at.shown !== text)) emit('run.changed', { run: row });
    if (at) at.shown = text;
    return row;
  }

  // ---- What is wanted, passed on

  function wanted({ status }: Run): Order {
    if (status === 'cancelling') return 'cancel';
    if (status === 'stopping') return 'stop';
    return status === 'paused' ? 'pause' : 'run';
  }
  function passOn(id: string): void {
    const { watch } = active.get(id)!;
    const order = wanted(getRun(project, id));
    if (readOrder(watch.folder) !== order) writeOrder(watch.folder, order);
    watch.newPace();
  }
  function change(id: string, status: Run['status']): RunRow {
    updateRun(project, id, { status });
    passOn(id);
    return tell(id);
  }

  // ---- Beginning and ending

  const attach = (id: string, child: ReturnType<typeof launch> | null) =>
    active.set(id, {
      watch: watchRun(project, id, child, emit),
      killAt: null,
      ending: false,
      shown: '',
      dataNewsAt: 0,
      tookIn: false,
      taking: false,
      problem: null,
    });

  /** Ends a run in the database alone: of its folder nothing can be read or written. */
  function giveUp(id: string, error: string): void {
    active.delete(id);
    updateRun(project, id, { status: 'failed', endedAt: Date.now(), error });
    tell(id);
  }

  /** A run that the database says is at work, from the service before us. */
  function takeUp(id: string): void {
    try {
      refuseLinksIn(runFolderOf(project.folder, id));
      attach(id, null);
      passOn(id);
    } catch (error) {
      giveUp(id, sentenceOf(error));
    }
  }

  function next(): void {
    if (active.size > 0 || state.closed || state.looking) return;
    const run = nextQueued(project, atRest);
    if (!run) return;
    try {
      const env = environment();
      if (env instanceof Promise) {
        state.looking = true;
        void env
          .catch(() => {})
          .finally(() => {
            state.looking = false;
            next(); // a refusal is thrown then
          });
        return;
      }
      updateRun(project, run.id, { status: 'running', endedAt: null, error: null });
      writeOrder(runFolderOf(project.folder, run.id), 'run');
      attach(run.id, launch(project, run.id, processFile, env));
      tell(run.id);
    } catch (error) {
      // no device to compute on; a link in its folder; the disk is full, or may not be written
      giveUp(run.id, `Run ${run.id} could not be started: ${sentenceOf(error)}`);
    }
  }

  /** Takes in the rest and the end of a run, a few milliseconds at a time; then it is over. */
  async function end(at: Active): Promise<void> {
    const { id } = at.watch;
    at.ending = true;
    try {
      while (!state.closed && at.watch.look() > 0) {
        at.tookIn = true;
        await pause(REST_MS);
      }
      const results = await gatherResults(followResults(at.watch.folder, getRun(project, id).kind));
      if (state.closed) return; // whoever opens the project next does it
      const { modelId } = recordRun(project, id, at.watch.intake, results);
      await settleCurrent(project).catch(() => false); // what could not be compared now is compared after the next run
      if (state.closed) return;
      active.delete(id);
      tell(id);
      if (modelId !== null) emit('models.changed', {});
      if (at.tookIn) emit('data.changed', {});
      emit('project.changed', projectChanged(project));
      if (follow) await followUp(project, getRun(project, id), start);
    } catch (error) {
      active.delete(id);
      if (state.closed || strayed(project)) return;
      giveUp(id, `What run ${id} made could not be taken into the project: ${sentenceOf(error)}`);
    }
    next();
  }

  /** What goes wrong with one look must end neither the service nor the run: it is said, and tried again at its end. */
  function guarded(at: Active, work: () => number): number {
    try {
      return work();
    } catch (error) {
      at.problem = `Something it wrote could not be taken in: ${sentenceOf(error)}`;
      return 0;
    }
  }

  /** Goes on taking in what was drawn, with rests in between for whoever is labelling. */
  function takeMore(at: Active): void {
    at.tookIn = true;
    if (at.taking) return;
    at.taking = true;
    setTimeout(() => {
      at.taking = false;
      if (!state.closed && !at.ending && guarded(at, at.watch.takeIn) > 0) takeMore(at);
    }, REST_MS).unref();
  }

  /**
   * After some time to go by itself; asking who it is may take a second, so what could not be ended is not tried at
   * every look.
   */
  function endByForce(at: Active): void {
    at.killAt ??= Date.now() + killAfterMs;
    if (Date.now() <= at.killAt || at.watch.kill()) return;
    at.problem = UNPROVEN;
    at.killAt = Date.now() + AGAIN_MS;
  }

  function look(at: Active): void {
    const { watch } = at;
    if (at.ending) return;
    if (guarded(at, watch.look) > 0) takeMore(at);
    if (at.tookIn && Date.now() - at.dataNewsAt > DATA_NEWS_MS) {
      at.dataNewsAt = Date.now();
      at.tookIn = false;
      emit('data.changed', {});
    }
    const { status } = getRun(project, watch.id);
    const alive = watch.alive();
    const over = readStatus(watch.folder) !== null; // then it has nothing left to do but to go
    if (alive && (over || status === 'cancelling')) endByForce(at);
    if (alive) return void tell(watch.id, false);
    if (!over) {
      // it died without a word of its own
      if (status === 'cancelling') writeStatus(watch.folder, 'cancelled');
      else writeStatus(watch.folder, 'failed', { error: watch.lastWords() });
    }
    const ending = end(at);
    endings.add(ending);
    void ending.finally(() => endings.delete(ending));
  }

  function lookSafely(at: Active): void {
    try {
      look(at);
    } catch (error) {
      // its end could not be written into its folder
      giveUp(at.watch.id, sentenceOf(error));
    }
  }

  function tick(): void {
    for (const asked of takeAsked(project.folder)) {
      try {
        queue[asked.action](asked.runId);
      } catch {
        // it was about a run that has ended meanwhile
      }
    }
    for (const at of active.values()) lookSafely(at);
    next();
  }

  // ---- What a person may do

  const refuse = (run: Run, action: string, hint: string): never => {
    throw new TastemakerError('bad-argument', `Run ${run.id} is ${run.status}, so it cannot be ${action}.`, hint);
  };

  async function start(recipe: RunKind, given: Config, name: string | null): Promise<RunRow> {
    void Promise.resolve(environment()).catch(() => {}); // throws where nothing can run
    const plan = planRun(project, recipe as RecipeName, given, name);
    addRun(project, {
      id: plan.id,
      kind: recipe,
      name: plan.name,
      status: 'queued',
      request: { recipe, config: plan.config, name, queuedAt: Date.now() },
    });
    tell(plan.id);
    next();
    return show(getRun(project, plan.id));
  }

  /** A person has spoken about this run alone; true where it was at rest. */
  function wake(id: string): boolean {
    if (!atRest.delete(id)) return false;
    if (atRest.size === 0) makeKnown(project);
    emit('project.changed', projectChanged(project));
    return true;
  }

  const queue: RunQueue = {
    start,
    list: () => {
      const models = new Map(
        listPolicies(project).flatMap(({ id, runId, path: place }) =>
          place === `runs/${runId}/model` ? [[runId, id] as const] : [],
        ),
      );
      return listRuns(project).map((run) => show(run, models.get(run.id) ?? null));
    },
    get: (id) => {
      const run = show(getRun(project, id));
      const at = active.get(id);
      const quiet = at && silentFor(at.watch);
      return detailOf(project, run, [
        ...(quiet
          ? [`The process has not answered for ${quiet}. It may be at a very long step; cancelling ends it.`]
          : []),
        ...(at?.problem ? [at.problem] : []),
      ]);
    },
    pause: (id) => {
      const run = getRun(project, id);
      if (run.status === 'paused') return show(run);
      return run.status === 'running' && active.has(id)
        ? change(id, 'paused')
        : refuse(run, 'paused', 'Only a run that is at work can be paused.');
    },
    resume: (id) => {
      if (wake(id)) next();
      const run = getRun(project, id);
      if (active.has(id))
        return run.status === 'paused'
          ? change(id, 'running')
          : run.status === 'running'
            ? show(run)
            : refuse(run, 'resumed', 'Wait until it has ended.');
      if (run.status === 'queued') return show(run);
      checkResumable(project, id);
      const config =
        getRequest(project, id)?.config ??
        (isPrepared(runFolderOf(project.folder, id)) ? readManifest(runFolderOf(project.folder, id)).config : {});
      setRequest(project, id, { recipe: run.kind, config, name: run.name, queuedAt: Date.now() });
      updateRun(project, id, { status: 'queued', endedAt: null, error: null });
      tell(id);
      next();
      return show(getRun(project, id));
    },
    stop: (id) => {
      const run = getRun(project, id);
      if (run.status === 'stopping') return show(run);
      return (run.status === 'running' || run.status === 'paused') && active.has(id)
        ? change(id, 'stopping')
        : refuse(
            run,
            'stopped',
            run.status === 'queued' ? 'It has not begun: cancel it.' : 'Only a run that is at work can be stopped.',
          );
    },
    cancel: (id) => {
      const run = getRun(project, id);
      if (run.status === 'cancelled' || run.status === 'cancelling') return show(run);
      if (run.status === 'done') return refuse(run, 'cancelled', 'Remove its model instead, if you do not want it.');
      if (active.get(id)?.ending) return show(run);
      if (active.has(id)) return change(id, 'cancelling');
      wake(id);
      markCancelled(project.folder, id);
      updateRun(project, id, { status: 'cancelled', endedAt: Date.now(), error: null });
      return tell(id);
    },
    letGo: (goOn) => {
      const ids = [...atRest];
      atRest.clear();
      makeKnown(project);
      for (const id of ids) {
        if (!goOn) leaveAtRest(project, id);
        else if (AT_WORK.includes(getRun(project, id).status)) takeUp(id);
        tell(id);
      }
      emit('project.changed', projectChanged(project));
      next();
      return ids.length;
    },
    busy: () => active.size > 0,
    computing: () => computingIn(environment, active.size > 0),
    memoryInUse: () => [...active.values()].reduce((sum, { watch }) => sum + (watch.beat?.memoryBytes ?? 0), 0),
    close: async () => {
      state.closed = true;
      clearInterval(timer);
      await Promise.allSettled(endings);
    },
  };

  // ---- What was left at work: by a service before us, or by a command that was killed

  for (const { id, status } of listRuns(project)) if (AT_WORK.includes(status) && !atRest.has(id)) takeUp(id);
  // it is tried again at the next opening
  if (project.write && atRest.size === 0) void clearDeletedRuns(project).catch(() => {});
  // in a folder that has gone, or is another's, nothing is written
  const timer = setInterval(() => void (strayed(project) ?? tick()), tickMs);
  return queue;
}
