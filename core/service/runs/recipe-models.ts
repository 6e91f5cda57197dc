// The models that one click starts a recipe with: which, for what, and why these and no others.

import type { Config, RecipeCard } from '#core/contract/recipes.ts';
import type { CurrentModels } from '#core/contract/models.ts';
import { currentModels } from '#core/service/current-models.ts';
import { referenceOf } from '#core/recipes/parts/reference-model.ts';
import { listPolicies, policyById } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import type { RecipeName } from '#core/recipes/table.ts';

/** What a recipe does with the model that a setting names. */
const WORDS: Readonly<Record<string, string>> = { policy: 'Starts from', reward: 'Scored by', reference: 'KL from' };
const INSTEAD: Partial<Record<RecipeName, Readonly<Record<string, string>>>> = {
  sample: { policy: 'Sampled from' },
  reward: { policy: 'Starts as a copy of' },
};

export function modelsOf(project: Project, recipe: RecipeName, defaults: Config): RecipeCard['models'] {
  const current = currentModels(project);
  const { modelId } = current.policy;
  const reference = modelId === null ? null : referenceOf(project, policyById(project, modelId)).name;
  // one that is still to be made is among the needs
  const there = new Set(listPolicies(project).map((policy) => policy.name));
  return Object.keys(WORDS).flatMap((field) => {
    const name = defaults[field];
    if (typeof name !== 'string' || !there.has(name)) return [];
    return [
      {
        field,
        words: INSTEAD[recipe]?.[field] ?? WORDS[field]!,
        name,
        ...why(recipe, field, name, current, reference),
      },
    ];
  });
}

function why(
  recipe: RecipeName,
  field: string,
  name: string,
  { policy, reward }: CurrentModels,
  reference: string | null,
): Pick<RecipeCard['models'][number], 'why' | 'of'> {
  if (field === 'reward') return { why: name === reward.name ? reward.reason : '', of: 'reward' };
  if (recipe === 'reward') return { why: name === reference ? 'KL is measured from it' : '', of: null };
  if (field === 'policy' && name === policy.name) return { why: policy.reason, of: 'policy' };
  return {
    why:
      name !== reference
        ? ''
        : name === policy.name
          ? 'it was never tuned by reward'
          : `the tuning of “${policy.name}” began there`,
    of: null,
  };
}
