// The runs at work: the watch over each one's process, what windows were shown of it, and the order in its folder.

import type { ChildProcess } from 'node:child_process';
import type { Run, RunRow } from '#core/contract/runs.ts';
import { sentenceOf } from '#core/errors.ts';
import { readOrder, writeOrder } from '#core/runs/control.ts';
import type { Order } from '#core/runs/control.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import type { Project } from '#core/store/project.ts';
import { getRun, updateRun } from '#core/store/runs.ts';
import { refuseLinksIn } from '#core/unlinked.ts';
import type { Emit } from '#core/service/handlers.ts';
import { rowOf } from './run-rows.ts';
import { watchRun } from './run-watch.ts';
import type { Watch } from './run-watch.ts';

export interface RunAtWork {
  readonly watch: Watch;
  /** when it is ended by force; null while nobody wants it to go */
  killAt: number | null;
  /** its process has gone, and its results are being taken in */
  ending: boolean;
  /** the row that windows were shown last, as JSON */
  shown: string;
  /** when windows last heard that rows were taken in, and whether there are more since */
  dataNewsAt: number;
  tookIn: boolean;
  /** some rows more are taken in after a rest */
  taking: boolean;
  /** what could not be taken in, or not be ended, in a sentence */
  problem: string | null;
}

export interface RunsAtWork {
  get(id: string): RunAtWork | undefined;
  all(): readonly RunAtWork[];
  /** The row of any run; `modelId` where it is known which model it made. */
  show(run: Run, modelId?: number | null): RunRow;
  /** Tells windows what a run's row is now; with `always` false only where that is news. */
  tell(id: string, always?: boolean): RunRow;
  /** For how long its process has said nothing, in words; null where it speaks, or is not at work. */
  silence(id: string): string | null;
  /** Watches a run: one whose process was just started, or (null) one from the service before us. */
  add(id: string, child: ChildProcess | null): void;
  /** Takes up a run that the database says is at work, from the service before us. */
  takeUp(id: string): void;
  /** Writes down what is wanted of a run at work, and passes it on to its process. */
  change(id: string, status: Run['status']): RunRow;
  remove(id: string): void;
  /** Ends a run in the database alone: of its folder nothing can be read or written. */
  giveUp(id: string, error: string): void;
}

/** How long a process at work has said nothing, in words, where that is longer than `most` milliseconds; else null. */
function silenceOf({ beat }: Watch, most: number): string | null {
  const ms = beat && beat.phase !== 'paused' ? Date.now() - beat.at : 0;
  if (ms <= most) return null;
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}

/** What the queue itself does with a run, in place of the process's own word; null where nothing. */
function phaseOf({ watch, ending }: RunAtWork, status: Run['status'], silence: string | null): string | null {
  const asleep = watch.beat?.phase === 'paused';
  if (ending) return 'taking in the results';
  if (status === 'cancelling') return 'ending';
  if (status === 'stopping') return 'saving';
  if (status === 'paused') return asleep ? 'paused' : 'pausing at the next border';
  if (silence) return `has not answered for ${silence}`;
  return asleep ? 'going on' : null;
}

function orderOf({ status }: Run): Order {
  if (status === 'cancelling') return 'cancel';
  if (status === 'stopping') return 'stop';
  return status === 'paused' ? 'pause' : 'run';
}

/** `silentAfterMs`: after this long without a word a run counts as silent. */
export function createRunsAtWork(project: Project, emit: Emit, silentAfterMs: number): RunsAtWork {
  const runs = new Map<string, RunAtWork>();
  const silence = (id: string) => {
    const at = runs.get(id);
    return at ? silenceOf(at.watch, silentAfterMs) : null;
  };

  function liveOf(at: RunAtWork) {
    const { beat, id } = at.watch;
    return { beat, secondsLeft: at.watch.secondsLeft(), phase: phaseOf(at, getRun(project, id).status, silence(id)) };
  }
  const show = (run: Run, modelId?: number | null): RunRow => {
    const at = runs.get(run.id);
    return rowOf(project, run, at ? liveOf(at) : null, modelId);
  };
  function tell(id: string, always = true): RunRow {
    const row = show(getRun(project, id));
    const at = runs.get(id);
    const text = JSON.stringify(row);
    if (always || (at && at.shown !== text)) emit('run.changed', { run: row });
    if (at) at.shown = text;
    return row;
  }

  function passOn(id: string): void {
    const { watch } = runs.get(id)!;
    const order = orderOf(getRun(project, id));
    if (readOrder(watch.folder) !== order) writeOrder(watch.folder, order);
    watch.newPace();
  }
  function add(id: string, child: ChildProcess | null): void {
    const fresh = {
      killAt: null,
      ending: false,
      shown: '',
      dataNewsAt: 0,
      tookIn: false,
      taking: false,
      problem: null,
    };
    runs.set(id, { watch: watchRun(project, id, child, emit), ...fresh });
  }
  function giveUp(id: string, error: string): void {
    runs.delete(id);
    updateRun(project, id, { status: 'failed', endedAt: Date.now(), error });
    tell(id);
  }

  return {
    get: (id) => runs.get(id),
    all: () => [...runs.values()],
    show,
    tell,
    silence,
    add,
    takeUp: (id) => {
      try {
        refuseLinksIn(runFolderOf(project.folder, id));
        add(id, null);
        passOn(id);
      } catch (error) {
        giveUp(id, sentenceOf(error));
      }
    },
    change: (id, status) => {
      updateRun(project, id, { status });
      passOn(id);
      return tell(id);
    },
    remove: (id) => void runs.delete(id),
    giveUp,
  };
}
