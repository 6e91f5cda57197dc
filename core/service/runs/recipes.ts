// The recipe cards: what each recipe does, what it needs and what is missing, and what one click starts it with here.

import type { Config, Field, Need, RecipeCard } from '#core/contract/recipes.ts';
import type { Policy } from '#core/contract/models.ts';
import { TastemakerError } from '#core/errors.ts';
import type { Facts } from '#core/recipes/facts.ts';
import { METRICS } from '#core/recipes/metrics.ts';
import { lacks, warns } from '#core/recipes/parts/needs.ts';
import { defaultsForSize } from '#core/recipes/parts/size-defaults.ts';
import { GROUPS, modelsIn, readConfig } from '#core/recipes/settings.ts';
import type { ModelRole, Setting, Settings } from '#core/recipes/settings.ts';
import { RECIPE_NAMES, recipeName, RECIPES } from '#core/recipes/table.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { currentModels, currentPolicy, currentReward } from '#core/service/current-models.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { modelSizes } from '#core/service/models/model-sizes.ts';
import type { ModelSizes } from '#core/service/models/model-sizes.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listRuns } from '#core/store/runs.ts';
import { estimateAside } from './estimator.ts';
import { factsOf } from './recipe-facts.ts';
import { modelsOf } from './recipe-models.ts';
import { referenceOf } from '#core/runs/reference-model.ts';
import { LIVING } from '#core/contract/runs.ts';

function fieldOf(name: string, setting: Settings[string], policies: readonly Policy[]): Field {
  const { default: fallback, sentence, group, main = false, when = null, model } = setting;
  const { range, whole, choices, lines } = setting as Setting<number> & Setting<string>;
  const kind = model
    ? 'model'
    : typeof fallback === 'number'
      ? whole
        ? 'whole'
        : 'number'
      : typeof fallback === 'boolean'
        ? 'flag'
        : choices
          ? 'choice'
          : lines
            ? 'lines'
            : 'text';
  return {
    name,
    kind,
    default: fallback,
    sentence,
    range: range ? [range[0], range[1]] : null,
    choices: model
      ? policies.filter((policy) => fits(policy, model)).map((policy) => policy.name)
      : choices
        ? [...choices]
        : null,
    group,
    main,
    when,
  };
}

const fits = ({ kind }: Policy, { kinds }: ModelRole): boolean => kinds.includes(kind);

/** Models that must be there for a recipe, by the roles of its settings: what is missing, once each. */
function modelNeeds(settings: Settings, policies: readonly Policy[]): Need[] {
  const missing = modelsIn(settings).filter(
    ([name, role]) => settings[name]!.default !== '' && !policies.some((policy) => fits(policy, role)),
  );
  // which there is, the card says by itself
  return missing.map(([, { stands }]) =>
    lacks(
      stands === 'reward'
        ? 'needs a reward model: train one first'
        : 'needs a base model: add one on the Models screen',
    ),
  );
}

/** What the project must have, with the settings that would be used. */
function needsOf(name: RecipeName, facts: Facts, policies: readonly Policy[], config: Config): Need[] {
  const recipe = RECIPES[name];
  return [...modelNeeds(recipe.settings, policies), ...recipe.needs(facts, config)];
}

/** What one click starts a recipe with: the demo's known settings in the demo, scaled to what there is. */
function defaultsOf(project: Project, name: RecipeName, facts: Facts, numbersOf: ModelSizes): Config {
  const { settings, sizes, oneClick } = RECIPES[name];
  return oneClick(readConfig(settings, {}), {
    project,
    facts,
    policy: currentPolicy(project)?.name ?? null,
    reward: currentReward(project)?.name ?? null,
    reference: referenceOf(project, currentPolicy(project))?.name ?? null,
    sized: (model) => {
      const numbers = numbersOf(model);
      return numbers === null ? {} : defaultsForSize(sizes, numbers);
    },
  });
}

export async function recipeCards(project: Project): Promise<RecipeCard[]> {
  const sizes = await modelSizes(project);
  const facts = factsOf(project);
  const policies = listPolicies(project);
  const { doubt, reward } = currentModels(project);
  return RECIPE_NAMES.map((name) => {
    const { title, sentence, makes, words, place, asksFor, settings } = RECIPES[name];
    const defaults = defaultsOf(project, name, facts, sizes);
    const doubted = modelsIn(settings).some(([field, role]) => role.doubted && defaults[field] === reward.name);
    return {
      name,
      title,
      sentence,
      makes,
      start: words.start,
      place,
      asksFirst: asksFor !== null && !defaults[asksFor.setting],
      fields: Object.entries(settings).map(([field, setting]) => fieldOf(field, setting, policies)),
      groups: Object.entries(GROUPS).map(([group, words]) => ({ name: group, title: words })),
      defaults,
      needs: [...needsOf(name, facts, policies, defaults), ...(doubted && doubt ? [warns(doubt)] : [])],
      models: modelsOf(project, settings, defaults),
    };
  });
}

/**
 * Refuses a start that could only fail, in the words of the card: a model that is not there, too few rankings. While
 * runs are waiting their turn these may still make what is missing, so then it is left to the run itself.
 */
export function checkStart(project: Project, asked: string, given: Config): void {
  const name = recipeName(asked);
  const { settings, asksFor, title } = RECIPES[name];
  const config = readConfig(settings, given);
  if (asksFor && !config[asksFor.setting]) throw new TastemakerError('bad-argument', asksFor.missing, asksFor.how);
  if (listRuns(project).some(({ status }) => LIVING.includes(status))) return;
  const policies = listPolicies(project);
  const missing = needsOf(name, factsOf(project), policies, config).find(({ state }) => state === 'missing');
  if (missing)
    throw new TastemakerError(
      'bad-data',
      `${title} ${missing.sentence}.`,
      'The card of the recipe lists what it needs.',
    );
  for (const [field, role] of modelsIn(settings)) checkModel(field, role, config[field], policies);
}

/** 'bad-argument' where a setting names a model that is not there or does not fit. */
function checkModel(field: string, role: ModelRole, wanted: unknown, policies: readonly Policy[]): void {
  if (wanted === undefined || wanted === '') return;
  const found = policies.find((policy) => policy.name === wanted);
  const fitting = policies.filter((policy) => fits(policy, role)).map((policy) => `"${policy.name}"`);
  if (!found)
    throw new TastemakerError(
      'bad-argument',
      `There is no model called "${String(wanted)}".`,
      `The setting ${field} takes one of ${fitting.join(', ')}.`,
    );
  if (!fits(found, role))
    throw new TastemakerError(
      'bad-argument',
      `"${found.name}" is a ${found.kind} model, which does not fit the setting ${field}.`,
      `It takes one of ${fitting.join(', ')}.`,
    );
}

export const recipeHandlers = {
  'recipes.list': async ({ project }) => ({ recipes: await recipeCards(project), metrics: METRICS }),
  'recipes.estimate': (context, { recipe, config }) => estimateAside(context, recipe, config),
} satisfies Partial<Handlers>;
