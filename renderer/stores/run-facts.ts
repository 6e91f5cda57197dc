// Notes, tags, results and sizes of runs, kept up by events; asked for anew only where something changed.

import { computed, ref, shallowRef } from 'vue';
import type { RunFacts } from '#core/contract/runs.ts';
import { useProjectService } from '#renderer/api.ts';
import { defineProjectStore } from './project-store.ts';
import { useRuns } from './runs.ts';
import { LIVING } from '#core/contract/runs.ts';

/** How often the results of a run at work are looked up while somebody sees them. */
const EVERY_MS = 3000;

export const useRunFacts = defineProjectStore('run-facts', () => {
  const { call, on } = useProjectService();
  const runs = useRuns();
  const facts = shallowRef<ReadonlyMap<string, RunFacts>>(new Map());
  const loaded = ref(false);
  const tags = computed(() =>
    [...new Set([...facts.value.values()].flatMap((one) => one.tags))].sort((a, b) => a.localeCompare(b)),
  );
  const asked = new Map<string, number>();

  function put(...news: readonly RunFacts[]): void {
    facts.value = new Map([...facts.value, ...news.map((one) => [one.id, one] as const)]);
  }
  async function load(): Promise<void> {
    facts.value = new Map((await call('runs.facts', {})).map((one) => [one.id, one]));
    loaded.value = true;
  }
  /** Looks one run up; silent where it is gone meanwhile. */
  async function look(runId: string): Promise<void> {
    asked.set(runId, Date.now());
    put(...(await call('runs.facts', { runId }).catch(() => [])));
  }
  const describe = async (runId: string, changes: { note?: string; tags?: string[] }): Promise<void> =>
    put(await call('runs.describe', { runId, ...changes }));

  on('run.facts', ({ runId, gone }) => {
    if (!gone) return void look(runId);
    runs.forget(runId);
    const left = new Map(facts.value);
    left.delete(runId);
    facts.value = left;
  });
  on('run.changed', ({ run }) => {
    const known = facts.value.has(run.id);
    const moving = LIVING.includes(run.status);
    if (!known || !moving || Date.now() - (asked.get(run.id) ?? 0) > EVERY_MS) void look(run.id);
  });
  on('service.restarted', () => void (loaded.value && load().catch(() => undefined)));

  return { facts, loaded, tags, load, look, describe };
});
