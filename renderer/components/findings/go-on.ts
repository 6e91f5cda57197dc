// A new run like one that is there, with some settings changed, from weights that it kept or from where it began: its
// form is opened filled in, and nothing starts before a person has seen it.

import { ref, shallowRef } from 'vue';
import { useRouter } from 'vue-router';
import type { Fault } from '#core/contract/messages.ts';
import type { ModelRow } from '#core/contract/models.ts';
import type { Config, RecipeCard } from '#core/contract/recipes.ts';
import type { RunDetail, RunRow } from '#core/contract/runs.ts';
import { faultOf, useProjectService } from '#renderer/api.ts';
import { useAttempt } from '#renderer/attempt.ts';
import { useRuns } from '#renderer/stores/runs.ts';
import { useToasts } from '#renderer/stores/toasts.ts';
import type { KeptWeights } from './kept-before.ts';

/** The settings that a run was given. */
export const settingsOf = ({ manifest }: Pick<RunDetail, 'manifest'>): Config => (manifest?.['config'] ?? {}) as Config;

export function useGoOn(run: () => RunRow, detail: () => RunDetail) {
  const { call } = useProjectService();
  const runs = useRuns();
  const router = useRouter();
  const { busy, attempt } = useAttempt({ failed: useToasts().fault });
  const form = shallowRef<RecipeCard | null>(null);
  const models = ref<ModelRow[]>([]);

  /** The name of the model that weights are, which they become if they are none yet. */
  async function modelOf(from: KeptWeights): Promise<string> {
    const known = models.value.find(({ id }) => id === from.modelId);
    if (known) return known.name;
    const { name } = await call('models.add', {
      path: from.folder,
      name: `${run().name}-${from.update}`,
      copy: false,
    });
    return name;
  }

  /** `from` null: where the run itself began. */
  const open = (from: KeptWeights | null, changes: Config) =>
    attempt(async () => {
      models.value = await call('models.list', {});
      const given = settingsOf(detail());
      const policy = from ? { policy: await modelOf(from), updates: rest(given, from) } : {};
      await runs.loadRecipes(); // they name the models that there are now
      const card = runs.recipes.find(({ name }) => name === run().kind);
      if (!card) return;
      const names = new Set(card.fields.map(({ name }) => name));
      const known = Object.entries({ ...given, ...policy, ...changes }).filter(([name]) => names.has(name));
      form.value = { ...card, defaults: { ...card.defaults, ...Object.fromEntries(known) } };
    });

  async function start(config: Config, name: string | null, failed: (fault: Fault) => void): Promise<void> {
    try {
      const { id } = await runs.start({ recipe: run().kind, config, name });
      form.value = null;
      await router.push(`/train/${id}`);
    } catch (error) {
      failed(faultOf(error));
    }
  }
  return { form, models, busy, open, start, close: () => (form.value = null) };
}

/** The updates that were left. */
const rest = (given: Config, { update }: KeptWeights): number => Math.max(1, Number(given['updates'] ?? 1) - update);
