// Who measured the samples that are shown, and a run that scores those that lack a score: what it costs, and starting
// it.
import { ref, watch } from 'vue';
import type { Ref, ShallowRef } from 'vue';
import { useProjectService } from '#renderer/api.ts';
import { useAsked } from '#renderer/asked.ts';
import { useAttempt } from '#renderer/attempt.ts';
import type { SampleFilter, SampleMeasures } from '#core/contract/samples.ts';
import { useRuns } from '#renderer/stores/runs.ts';
import { useToasts } from '#renderer/stores/toasts.ts';

export interface Scoring {
  measures: ShallowRef<SampleMeasures | null>;
  /** about how long scoring would take; null where that is not known, or nothing is to be scored */
  seconds: Ref<number | null>;
  busy: Ref<boolean>;
  /** Asks anew, where something was measured or the reward model is another. */
  load(): Promise<void>;
  score(): Promise<void>;
}

export function useScoring(filter: Readonly<Ref<SampleFilter>>): Scoring {
  const { call } = useProjectService();
  const runs = useRuns();
  const { answer: measures, load } = useAsked('samples.measures', () => ({ filter: filter.value }), {
    again: { 'data.changed': true, 'models.changed': true },
    afterMs: 80,
  });
  const seconds = ref<number | null>(null);
  const { busy, attempt } = useAttempt({ failed: useToasts().fault });
  const configOf = ({ reward, reference }: SampleMeasures) => ({
    reward: reward!.name,
    reference: reference?.name ?? '',
  });
  watch(measures, async (found, before) => {
    const isSame = before?.reward?.modelId === found?.reward?.modelId && before?.missing === found?.missing;
    if (!isSame || !found?.canScore) seconds.value = null;
    if (!found?.canScore || (isSame && seconds.value !== null)) return;
    // a price is no need
    const estimate = await call('recipes.estimate', { recipe: 'score', config: configOf(found) }).catch(() => null);
    if (measures.value === found) seconds.value = estimate?.seconds ?? null;
  });
  async function score(): Promise<void> {
    const found = measures.value;
    if (!found?.reward || !found.canScore) return;
    await attempt(async () => {
      await runs.start({ recipe: 'score', config: configOf(found), name: null });
      await load();
    });
  }
  return { measures, seconds, busy, load, score };
}
