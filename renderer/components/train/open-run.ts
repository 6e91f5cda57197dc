// One run page's state beside its numbers: detail, samples and log, asked for by calls and kept up by events.

import { reactive, ref, shallowRef, watch } from 'vue';
import type { Ref } from 'vue';
import type { Fault } from '#core/contract/messages.ts';
import type { Result } from '#core/contract/calls.ts';
import type { RunDetail, RunSample } from '#core/contract/runs.ts';
import { connection, faultOf, useProjectService } from '#renderer/api.ts';
import { useRuns } from '#renderer/stores/runs.ts';

/** Runs `ask` one at a time: a wish that comes while one is under way is granted by one more after it. */
function oneAtATime(ask: () => Promise<void>): () => Promise<void> {
  let busy = false;
  let again = false;
  return async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      do {
        again = false;
        await ask();
      } while (again);
    } finally {
      busy = false;
    }
  };
}

/** Everything the page of run `id` shows; it follows `id` and cleans up after itself. */
export function useRunPage(id: Ref<string>) {
  const { call, on } = useProjectService();
  const runs = useRuns();
  const detail = shallowRef<RunDetail | null>(null);
  const fault = shallowRef<Fault | null>(null);
  const samples = shallowRef<RunSample[]>([]);
  const prompts = shallowRef<Result<'runs.samples'>['prompts']>([]);
  const lines = shallowRef<string[]>([]);
  const damagedSamples = ref(0);
  const loaded = reactive({ samples: false, log: false });
  const logHeard = ref(0);

  const askDetail = oneAtATime(async () => {
    const runId = id.value;
    try {
      const found = await call('runs.get', { runId });
      if (runId === id.value) [detail.value, fault.value] = [found, null];
    } catch (error) {
      if (runId === id.value) fault.value = faultOf(error);
    }
  });
  const askSamples = oneAtATime(async () => {
    const runId = id.value;
    const found = await call('runs.samples', { runId }).catch(() => null);
    if (!found || runId !== id.value) return;
    samples.value = found.samples;
    prompts.value = found.prompts;
    damagedSamples.value = found.damaged ?? 0;
    loaded.samples = true;
  });
  const askLog = oneAtATime(async () => {
    const runId = id.value;
    const heard = logHeard.value;
    const found = await call('runs.log', { runId }).catch(() => null);
    if (!found || runId !== id.value) return;
    lines.value = found.lines;
    loaded.log = true;
    // lines came while the answer was on its way: it may or may not hold them
    if (heard !== logHeard.value) void askLog();
  });
  function askAll(): void {
    void askDetail();
    void askSamples();
    void askLog();
  }

  on('run.changed', ({ run }) => {
    if (run.id !== id.value) return;
    const before = detail.value;
    if (!before || !before.manifest || before.run.status !== run.status) void askDetail();
    if (before && before.run.status !== run.status) void askSamples();
    if (before) detail.value = { ...before, run };
  });
  on('run.facts', ({ runId, gone }) => {
    if (runId === id.value && !gone) void askDetail(); // its stop rules may have been changed
  });
  on('models.changed', () => void askDetail()); // its best weights may have become a model
  on('run.samples', ({ runId }) => {
    if (runId !== id.value) return;
    void askSamples();
    void askDetail(); // better weights may have been kept
  });
  on('run.log', ({ runId, lines: news }) => {
    if (runId !== id.value) return;
    logHeard.value++;
    if (loaded.log) lines.value = [...lines.value, ...news];
  });
  on('service.restarted', askAll);
  watch(connection, (now, before) => {
    if (now === 'open' && before === 'lost') askAll();
  });
  watch(
    id,
    () => {
      detail.value = null;
      fault.value = null;
      samples.value = [];
      prompts.value = [];
      lines.value = [];
      damagedSamples.value = 0;
      loaded.samples = loaded.log = false;
      askAll();
    },
    { immediate: true },
  );
  if (!runs.loaded) runs.load().catch(() => undefined);
  if (!runs.recipes.length) runs.loadRecipes().catch(() => undefined);
  return { detail, fault, samples, prompts, lines, loaded, damagedSamples };
}
