// The order of the recipe cards, which is the order of the loop, and which of their settings come first.

import type { Arguments } from '#core/contract/calls.ts';
import type { RecipeCard } from '#core/contract/recipes.ts';
import type { RunKind } from '#core/contract/runs.ts';

/** sample → (rank) → reward → PPO → sample; the others stand where one takes them on the way. */
const LOOP: readonly RunKind[] = ['sample', 'reward', 'ppo'];
const ORDER: readonly RunKind[] = ['sample', 'sft', 'reward', 'ppo', 'score', 'pretrain'];
/** Settings that a person looks at before starting; the rest is under Advanced until it differs. */
const MAIN: Partial<Record<RunKind, readonly string[]>> = {
  sample: ['policy', 'k', 'split', 'prompts', 'temperature', 'max_new'],
  sft: ['policy', 'epochs', 'batch', 'learning_rate'],
  reward: ['policy', 'labelers', 'epochs', 'batch', 'learning_rate'],
  ppo: ['policy', 'reward', 'updates', 'episodes', 'beta', 'learning_rate', 'max_new'],
  score: ['reward', 'reference'],
  pretrain: ['texts', 'vocabulary', 'layers', 'channels', 'context', 'steps', 'batch', 'learning_rate'],
};

/** Settings of what learns: a group of their own, of which only what the chosen way uses is shown. */
const TUNING: Readonly<Record<string, string | null>> = {
  tune: null,
  lora_rank: 'lora',
  lora_alpha: 'lora',
  lora_targets: 'lora',
  tuned_blocks: 'blocks',
  micro_batch: null,
};
/** Where a setting stands in the group; -1 for any other. */
export const tuningPlace = (field: string): number => Object.keys(TUNING).indexOf(field);
export const isTuning = (field: string): boolean => Object.hasOwn(TUNING, field);
/** Whether a setting has any say when `tune` is what it is. */
export const isUsed = (field: string, tune: string | boolean | undefined): boolean =>
  !isTuning(field) || TUNING[field] === null || TUNING[field] === tune;
/** What learns, for the line over the folded group. */
export const TUNES: Readonly<Record<string, string>> = {
  full: 'every weight',
  lora: 'low-rank adapters (LoRA)',
  blocks: 'the last blocks only',
};

/** A card's name as the calls take it: every recipe is one of the runs that can be asked for. */
export const recipeOf = (card: RecipeCard): Arguments<'runs.start'>['recipe'] =>
  card.name as Arguments<'runs.start'>['recipe'];
export const startWord = (kind: RunKind): string =>
  kind === 'sample' ? 'Sample' : kind === 'score' ? 'Score' : 'Train';
/** Beside the loop: for the few who need them. */
export const isAside = (kind: RunKind): boolean => !LOOP.includes(kind) && kind !== 'sft';
/** One click cannot start it: it must be told something first. */
export const asksFirst = ({ name, defaults }: RecipeCard): boolean => name === 'pretrain' && !defaults.texts;
export const isMain = (kind: RunKind, field: string): boolean => MAIN[kind]?.includes(field) ?? false;

/** Whether nothing is missing: a warning keeps nobody from starting. */
export const isReady = ({ needs }: RecipeCard): boolean => needs.every(({ state }) => state !== 'missing');

export function inLoopOrder(cards: readonly RecipeCard[]): RecipeCard[] {
  const place = (name: RunKind) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return cards.toSorted((a, b) => place(a.name) - place(b.name));
}
