// `tastemaker train`: starts a run of a recipe and stays with it; or lists the recipes with every setting.

import { TastemakerError } from '#core/errors.ts';
import { modelsIn } from '#core/recipes/settings.ts';
import type { Settings } from '#core/recipes/settings.ts';
import { isRecipe, RECIPE_NAMES, RECIPES } from '#core/recipes/table.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { configOf, startRun } from '#core/runs/start.ts';
import { currentPolicy, currentReward } from '#core/service/current-models.ts';
import { computingOn } from '#core/service/hardware/computing.ts';
import { checkFits } from '#core/service/runs/estimate.ts';
import { machineNow } from '#core/service/runs/machine.ts';
import { referenceOf } from '#core/runs/reference-model.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { defineCommand, flag, list, readPairs, text } from './command.ts';
import type { Report } from './command.ts';
import { reportRun } from './finished-run.ts';
import { sayAtRest } from './new-here.ts';
import { withProgress } from './progress.ts';
import { projectOption, withProject } from './project-option.ts';

// what draws is a command of its own
const NAMES: readonly RecipeName[] = RECIPE_NAMES.filter((name) => RECIPES[name].shows !== 'drawn');

export const trainCommand = defineCommand({
  name: 'train',
  computes: true,
  words: ['[RECIPE]'],
  sentence: `Train by a recipe: ${NAMES.join(', ')}. Ctrl-C saves and stops; \`run resume\` goes on.`,
  options: {
    set: list('key=value', 'A setting of the recipe; may be given several times.'),
    name: text('NAME', null, 'What to call the model that comes out.'),
    list: flag('List the recipes with their settings, defaults and ranges (of one recipe where it is named).'),
    force: flag('Start it even where it is not going to fit into memory.'),
    project: projectOption,
  },
  run: async ({ words: [recipe], options }) => {
    if (recipe !== undefined && !(isRecipe(recipe) && NAMES.includes(recipe)))
      throw new TastemakerError(
        'bad-argument',
        `There is no recipe "${recipe}".`,
        `The recipes are: ${NAMES.join(', ')}.`,
      );
    if (options.list) return listRecipes(recipe ? [recipe] : NAMES);
    if (recipe === undefined)
      throw new TastemakerError(
        'bad-argument',
        '"train" needs the name of a recipe.',
        `The recipes are: ${NAMES.join(', ')}; \`tastemaker train --list\` says what each does.`,
      );
    const asked = readPairs(options.set, 'set');
    return withProject(options.project, { write: true }, async (project) => {
      sayAtRest(project);
      const current = currentWhereUnnamed(project, recipe, asked);
      const given = { ...asked, ...current };
      if (!options.force)
        await checkFits(
          project,
          await machineNow({ memoryInUse: () => 0, computing: () => computingOn() }),
          recipe,
          configOf(project, recipe, given).config,
          '--force starts it all the same.',
        );
      const finished = await withProgress(recipe, (listeners) => {
        for (const [setting, name] of Object.entries(current))
          listeners.onLog?.(
            `${setting}=${name}: the current one, for no model here is called "${RECIPES[recipe].settings[setting]!.default}"; --set says otherwise.`,
          );
        return startRun(project, recipe, given, options.name, listeners);
      });
      return reportRun(project, finished);
    });
  },
});

/** Where a default names no model of this project, the current one stands in for it, as it does in the window. */
function currentWhereUnnamed(
  project: Project,
  recipe: RecipeName,
  asked: Readonly<Record<string, unknown>>,
): Record<string, string> {
  const names = new Set(listPolicies(project).map(({ name }) => name));
  const policy = currentPolicy(project);
  const standing = { policy, reward: currentReward(project), reference: referenceOf(project, policy) };
  return Object.fromEntries(
    modelsIn(RECIPES[recipe].settings).flatMap(([setting, { stands }]) => {
      const model = standing[stands];
      const fallback = RECIPES[recipe].settings[setting]!.default;
      return !fallback || setting in asked || names.has(String(fallback)) || !model ? [] : [[setting, model.name]];
    }),
  );
}

function listRecipes(names: readonly RecipeName[]): Report {
  const data = names.map((name) => ({
    name,
    sentence: RECIPES[name].words.about,
    settings: describeSettings(RECIPES[name].settings),
  }));
  return {
    data,
    lines: data
      .flatMap(({ name, sentence, settings }) => [`${name}: ${sentence}`, ...settingLines(settings), ''])
      .slice(0, -1),
  };
}

interface DescribedSetting {
  name: string;
  default: number | string | boolean;
  sentence: string;
  range: readonly [number, number] | null;
  whole: boolean;
  choices: readonly string[] | null;
}

/** Settings as a list for machines: ranges are inclusive, null where there is none. */
export const describeSettings = (settings: Settings): DescribedSetting[] =>
  Object.entries(settings).map(([name, setting]) => ({
    name,
    default: setting.default,
    sentence: setting.sentence,
    range: setting.range ?? null,
    whole: setting.whole ?? false,
    choices: (setting.choices as readonly string[] | undefined) ?? null,
  }));

export function settingLines(settings: readonly DescribedSetting[]): string[] {
  const rows = settings.map(({ name, default: fallback, range, whole, choices, sentence }) => {
    const allowed = choices ? choices.join(' | ') : range ? `${range[0]} to ${range[1]}${whole ? ', whole' : ''}` : '';
    return {
      left: `${name}=${fallback === '' ? '""' : fallback}`,
      right: `${sentence}${allowed ? ` (${allowed})` : ''}`,
    };
  });
  const width = Math.max(...rows.map(({ left }) => left.length));
  return rows.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}`);
}
