// One run page's state beside its numbers: detail, samples and log, asked for by calls and kept up by events.

import { computed, watch } from 'vue';
import type { Ref } from 'vue';
import type { RunRow } from '#core/contract/runs.ts';
import { connection, useProjectService } from '#renderer/api.ts';
import { useAsked } from '#renderer/asked.ts';
import { useRuns } from '#renderer/stores/runs.ts';

/** Everything the page of run `id` shows; it follows `id` and cleans up after itself. */
export function useRunPage(id: Ref<string>) {
  const { on } = useProjectService();
  const runs = useRuns();
  const asked = () => ({ runId: id.value });
  const isOwn = ({ runId }: { runId: string }): boolean => runId === id.value;
  const hasTurned = (run: RunRow): boolean => detail.value !== null && detail.value.run.status !== run.status;

  const { answer: detail, fault } = useAsked('runs.get', asked, {
    anew: true,
    again: {
      'run.changed': ({ run }): boolean => run.id === id.value && (!detail.value?.manifest || hasTurned(run)),
      'run.facts': (told) => isOwn(told) && !told.gone, // its stop rules may have been changed
      'models.changed': true, // its best weights may have become a model
      'run.samples': isOwn, // better weights may have been kept
    },
  });
  const { answer: drawn } = useAsked('runs.samples', asked, {
    anew: true,
    again: { 'run.changed': ({ run }) => run.id === id.value && hasTurned(run), 'run.samples': isOwn },
  });
  const { answer: log, busy: isReading, load: readLog } = useAsked('runs.log', asked, { anew: true });

  // after those above, which go by what was known before
  on('run.changed', ({ run }) => {
    if (run.id === id.value && detail.value) detail.value = { ...detail.value, run };
  });
  on('run.log', ({ runId, lines }) => {
    if (runId !== id.value) return;
    if (isReading.value) void readLog(); // the answer that is on its way may or may not hold them
    if (log.value) log.value = { lines: [...log.value.lines, ...lines] };
  });
  on('service.restarted', () => void readLog());
  watch(connection, (now) => now === 'open' && void readLog());
  if (!runs.loaded) runs.load().catch(() => undefined);
  if (!runs.recipes.length) runs.loadRecipes().catch(() => undefined);
  return {
    detail,
    fault,
    samples: computed(() => drawn.value?.samples ?? []),
    prompts: computed(() => drawn.value?.prompts ?? []),
    lines: computed(() => log.value?.lines ?? []),
    damagedSamples: computed(() => drawn.value?.damaged ?? 0),
    loaded: computed(() => ({ samples: drawn.value !== null, log: log.value !== null })),
  };
}
