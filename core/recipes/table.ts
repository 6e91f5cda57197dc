// Every recipe there is, by name and in the order of the loop: the table of contents of what runs can do.

import { TastemakerError } from '#core/errors.ts';
import { pretrain } from './pretrain.ts';
import { ppo } from './ppo.ts';
import { preference } from './preference.ts';
import type { Recipe } from './recipe.ts';
import { reward } from './reward.ts';
import { sample } from './sample.ts';
import { score } from './score.ts';
import { sft } from './sft.ts';

const TABLE = { sample, sft, reward, preference, ppo, score, pretrain } satisfies Record<string, Recipe>;

export type RecipeName = keyof typeof TABLE;
export const RECIPES: Readonly<Record<RecipeName, Recipe>> = TABLE;
export const RECIPE_NAMES = Object.keys(TABLE) as RecipeName[];

export const isRecipe = (name: string): name is RecipeName => Object.hasOwn(RECIPES, name);

/** The recipe of a run; null where it is of a later version, or of none. */
export const recipeOf = (kind: string): Recipe | null => (isRecipe(kind) ? RECIPES[kind] : null);

/** The name of a recipe from outside; 'bad-argument' where there is none of it. */
export function recipeName(name: string): RecipeName {
  if (isRecipe(name)) return name;
  throw new TastemakerError(
    'bad-argument',
    `There is no recipe "${name}".`,
    `The recipes are: ${RECIPE_NAMES.join(', ')}.`,
  );
}
