// How the recipe cards and their settings stand: as the cards say, with what only the chosen way of learning uses.

import type { Field, RecipeCard } from '#core/contract/recipes.ts';
import type { Typed } from './field-check.ts';

/** Whether a setting has any say when the others are what they are. */
export const isUsed = ({ when }: Pick<Field, 'when'>, typed: Typed): boolean =>
  when === null || typed[when.setting] === when.is;
/** What learns, for the line over the folded group. */
export const TUNES: Readonly<Record<string, string>> = {
  full: 'every weight',
  lora: 'low-rank adapters (LoRA)',
  blocks: 'the last blocks only',
};

/** Beside the loop: for the few who need them. */
export const isAside = ({ place }: Pick<RecipeCard, 'place'>): boolean => place === 'aside';

/** Whether nothing is missing: a warning keeps nobody from starting. */
export const isReady = ({ needs }: RecipeCard): boolean => needs.every(({ state }) => state !== 'missing');
