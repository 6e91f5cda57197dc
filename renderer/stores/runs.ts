// All runs and what is shown of the open ones, kept by calls and events alone, so that a reload finds everything again.

import { computed, markRaw, ref, shallowReactive, shallowRef, watch } from 'vue';
import type { Arguments } from '#core/contract/calls.ts';
import type { MetricPoint, RunRow } from '#core/contract/runs.ts';
import type { RecipeCard, MetricMeaning } from '#core/contract/recipes.ts';
import { connection, useProjectService } from '#renderer/api.ts';
import { appendRows, cutCurves, emptyCurves } from '#renderer/components/charts/curves.ts';
import type { Curves } from '#renderer/components/charts/curves.ts';
import { defineProjectStore } from './project-store.ts';
import { useToasts } from './toasts.ts';

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

export const useRuns = defineProjectStore('runs', () => {
  const { call, on } = useProjectService();
  const toasts = useToasts();
  const runs = shallowRef<RunRow[]>([]);
  const loaded = ref(false);
  const recipes = shallowRef<RecipeCard[]>([]);
  const meanings = shallowRef<Record<string, MetricMeaning>>({});
  const watched = new Map<string, Watched>();
  const byId = computed(() => new Map(runs.value.map((run) => [run.id, run])));

  // ---- The list

  async function load(): Promise<void> {
    runs.value = newestFirst(await call('runs.list', {}));
    loaded.value = true;
  }
  async function loadRecipes(): Promise<void> {
    const answer = await call('recipes.list', {});
    recipes.value = answer.recipes;
    meanings.value = answer.metrics;
  }
  function take(run: RunRow): RunRow {
    const known = byId.value.get(run.id);
    runs.value = known ? runs.value.map((other) => (other === known ? run : other)) : newestFirst([run, ...runs.value]);
    return run;
  }

  /** It was deleted. */
  function forget(runId: string): void {
    runs.value = runs.value.filter(({ id }) => id !== runId);
  }

  const start = async (args: Arguments<'runs.start'>): Promise<RunRow> => take(await call('runs.start', args));
  const act = async (action: 'pause' | 'resume' | 'stop' | 'cancel', runId: string): Promise<void> => {
    try {
      take(await call(`runs.${action}`, { runId }));
    } catch (error) {
      toasts.fault(error);
    }
  };

  // ---- Numbers of the open runs

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
      if (entry.open.curves.rows > 0 || byId.value.has(runId)) toasts.fault(error);
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

  const waiting = new Set<OpenRun>();
  let lastDraw = 0;
  /** All runs with news are drawn together, in one frame, no sooner than the longest of them allows. */
  function redrawSoon(run: OpenRun): void {
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
  }

  // ---- What is heard

  function again(): void {
    if (loaded.value) load().catch(() => undefined);
    for (const runId of watched.keys()) void fetchRows(runId);
  }
  on('run.changed', ({ run }) => void take(run));
  on('run.metrics', takeRows);
  on('service.restarted', again);
  watch(connection, (now, before) => {
    if (now === 'open' && before === 'lost') again();
  });

  return { runs, loaded, recipes, meanings, byId, load, loadRecipes, forget, start, act, open, close };
});

const newestFirst = (runs: readonly RunRow[]): RunRow[] =>
  runs.toSorted((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
