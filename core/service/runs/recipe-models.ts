// The models that one click starts a recipe with: which, for what, and why these and no others.

import type { Config, RecipeCard } from '#core/contract/recipes.ts';
import type { CurrentModels } from '#core/contract/models.ts';
import { currentModels } from '#core/service/current-models.ts';
import { referenceOf } from '#core/runs/reference-model.ts';
import { listPolicies, policyById } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { modelsIn } from '#core/recipes/settings.ts';
import type { ModelRole, Settings } from '#core/recipes/settings.ts';

export function modelsOf(project: Project, settings: Settings, defaults: Config): RecipeCard['models'] {
  const current = currentModels(project);
  const { modelId } = current.policy;
  const reference = modelId === null ? null : referenceOf(project, policyById(project, modelId)).name;
  // one that is still to be made is among the needs
  const there = new Set(listPolicies(project).map((policy) => policy.name));
  return modelsIn(settings).flatMap(([field, role]) => {
    const name = defaults[field];
    return typeof name === 'string' && there.has(name)
      ? [{ field, words: role.words, name, ...why(role, name, current, reference) }]
      : [];
  });
}

function why(
  { stands, because }: ModelRole,
  name: string,
  { policy, reward }: CurrentModels,
  reference: string | null,
): Pick<RecipeCard['models'][number], 'why' | 'of'> {
  if (stands === 'reward') return { why: name === reward.name ? reward.reason : '', of: 'reward' };
  if (because) return { why: name === reference ? because : '', of: null };
  if (stands === 'policy' && name === policy.name) return { why: policy.reason, of: 'policy' };
  const untuned = name === policy.name;
  const began = untuned ? 'it was never tuned by reward' : `the tuning of “${policy.name}” began there`;
  return { why: name === reference ? began : '', of: null };
}
