// The numbers of the runs that are on the screen: fetched where they are missing, kept up by events, drawn together.

import { markRaw, shallowReactive } from 'vue';
import type { MetricPoint } from '#core/contract/runs.ts';
import type { ProjectService } from '#renderer/api.ts';
import { appendRows, cutCurves, emptyCurves } from '#renderer/components/charts/curves.ts';
import type { Curves } from '#renderer/components/charts/curves.ts';

/** A run whose numbers are on the screen. `tick` rises at most four times a second, when there is something to draw. */
export interface OpenRun {
  id: string;
  curves: Curves;
  tick: number;
  loaded: boolean;
  /** lines of its numbers that are left out, torn by a crash */ damaged: number;
}
interface Watched {
  open: OpenRun;
  users: number;
  fetching: boolean;
  dirty: boolean;
}

/** least time between two drawings; long runs are drawn less often, for one point more is less of them */
const redrawMs = ({ curves }: OpenRun): number => Math.min(2000, Math.max(250, curves.rows / 20));

/** Raises the ticks of all runs with news in one frame, no sooner than the longest of them allows. */
function createRedraw(): (run: OpenRun) => void {
  const waiting = new Set<OpenRun>();
  let lastDraw = 0;
  return (run) => {
    waiting.add(run);
    if (waiting.size > 1) return;
    const wait = Math.max(0, lastDraw + redrawMs(run) - performance.now());
    setTimeout(
      () =>
        requestAnimationFrame(() => {
          lastDraw = performance.now();
          for (const each of waiting) each.tick++;
          waiting.clear();
        }),
      wait,
    );
  };
}

/** `isThere`: whether a run is known; `failed` hears why numbers could not be fetched. */
export function createOpenRuns(
  call: ProjectService['call'],
  isThere: (runId: string) => boolean,
  failed: (error: unknown) => void,
) {
  const watched = new Map<string, Watched>();
  const redrawSoon = createRedraw();

  /** Keeps the numbers of a run up to date until `close`; two views of one run share them. */
  function open(runId: string): OpenRun {
    let entry = watched.get(runId);
    if (!entry) {
      entry = {
        open: shallowReactive({ id: runId, curves: markRaw(emptyCurves()), tick: 0, loaded: false, damaged: 0 }),
        users: 0,
        fetching: false,
        dirty: false,
      };
      watched.set(runId, entry);
      void fetchRows(runId);
    }
    entry.users++;
    return entry.open;
  }
  function close(runId: string): void {
    const entry = watched.get(runId);
    if (entry && --entry.users === 0) watched.delete(runId);
  }

  /** Asks for the rows that are missing, in as many calls as it takes. */
  async function fetchRows(runId: string): Promise<void> {
    const entry = watched.get(runId);
    if (!entry) return;
    if (entry.fetching) {
      entry.dirty = true;
      return;
    }
    entry.fetching = true;
    try {
      do {
        entry.dirty = false;
        const { curves } = entry.open;
        const from = curves.rows;
        const { rows, total, damaged = 0 } = await call('runs.metrics', { runId, from });
        entry.open.damaged = damaged;
        if (total < from) {
          cutCurves(curves, total); // a resumed run has gone back to its checkpoint
        } else {
          appendRows(curves, from, rows);
          if (rows.length && curves.rows < total) entry.dirty = true;
        }
      } while (entry.dirty && watched.get(runId) === entry);
      entry.open.loaded = true;
    } catch (error) {
      // of a run that is not there the page itself says so
      if (entry.open.curves.rows > 0 || isThere(runId)) failed(error);
    } finally {
      entry.fetching = false;
      redrawSoon(entry.open);
    }
  }

  function takeRows({ runId, from, rows }: { runId: string; from: number; rows: MetricPoint[] }): void {
    const entry = watched.get(runId);
    if (!entry) return;
    if (!entry.fetching && appendRows(entry.open.curves, from, rows)) redrawSoon(entry.open);
    else void fetchRows(runId);
  }

  /** After something may have been missed. */
  function fetchAll(): void {
    for (const runId of watched.keys()) void fetchRows(runId);
  }
  return { open, close, takeRows, fetchAll };
}
