// All runs and what is shown of the open ones, kept by calls and events alone, so that a reload finds everything again.

import { computed, ref, shallowRef, watch } from 'vue';
import type { Arguments } from '#core/contract/calls.ts';
import type { RunRow } from '#core/contract/runs.ts';
import type { RecipeCard, MetricMeaning } from '#core/contract/recipes.ts';
import { connection, useProjectService } from '#renderer/api.ts';
import { createOpenRuns } from './open-runs.ts';
import { defineProjectStore } from './project-store.ts';
import { useToasts } from './toasts.ts';

export const useRuns = defineProjectStore('runs', () => {
  const { call, on } = useProjectService();
  const toasts = useToasts();
  const runs = shallowRef<RunRow[]>([]);
  const loaded = ref(false);
  const recipes = shallowRef<RecipeCard[]>([]);
  const meanings = shallowRef<Record<string, MetricMeaning>>({});
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

  const { open, close, takeRows, fetchAll } = createOpenRuns(call, (runId) => byId.value.has(runId), toasts.fault);

  // ---- What is heard

  function again(): void {
    if (loaded.value) load().catch(() => undefined);
    fetchAll();
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
