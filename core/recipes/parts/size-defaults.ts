// What a recipe starts with by the size of the model that it tunes, so that a real model stays whole: for command line
// and cards alike.
//
// Learning rates for whole models lie, on a line of logarithms, between what the demo's 0.9 million parameters are
// known to
// learn with and what P20 used at 1.3 billion (algorithms.md §2: SFT 6.35e-5, reward model and PPO 1.5e-5). Adapters
// take
// five times that, last blocks twice (SmolLM2, 135 million: LoRA PPO 3e-4 and a reward model's last blocks 1e-4 were
// measured).

import type { Config } from '#core/contract/recipes.ts';
import type { RunKind } from '#core/contract/runs.ts';
import { LARGE } from '#core/plans/large-models.ts';
import { numbersIn, parameters } from '#core/models/architecture.ts';
import { loadArchitecture } from '#core/models/checkpoint.ts';
import { listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';

const SMALL_SIZE = 5e6;
const PAPER_SIZE = 1.3e9;
type Tuned = 'sft' | 'reward' | 'ppo';
const RATES: Readonly<Record<Tuned, { small: number; paper: number }>> = {
  sft: { small: 1e-3, paper: 6.35e-5 },
  reward: { small: 5e-4, paper: 1.5e-5 },
  ppo: { small: 5e-4, paper: 1.5e-5 },
};
const TIMES: Readonly<Record<string, number>> = { full: 1, lora: 5, blocks: 2 };
/** How much of a large model learns, and in what portions. */
const LARGE_DEFAULTS: Readonly<Record<Tuned, Config>> = {
  sft: { tune: 'lora', micro_batch: 1, show_prompts: 4 },
  reward: { tune: 'blocks', tuned_blocks: 2 },
  ppo: { tune: 'lora', micro_batch: 1, samples_per_prompt: 4, episodes: 16 },
};

const isTuned = (recipe: RunKind): recipe is Tuned => Object.hasOwn(RATES, recipe);

/** Peak learning rate for a model of `numbers` parameters, to two digits; never above what small models take. */
export function learningRateFor(recipe: Tuned, numbers: number, tune: string): number {
  const { small, paper } = RATES[recipe];
  const along = Math.max(0, Math.log(numbers / SMALL_SIZE) / Math.log(PAPER_SIZE / SMALL_SIZE));
  const rate = small * (paper / small) ** along * (along > 0 ? (TIMES[tune] ?? 1) : 1);
  return Math.min(small, Number(rate.toPrecision(2)));
}

/**
 * The settings in which this size differs from the table's defaults; `given` are settings already decided, such as what
 * to tune.
 */
export function defaultsForSize(
  recipe: RunKind,
  numbers: number,
  given: Readonly<Record<string, unknown>> = {},
): Config {
  if (!isTuned(recipe)) return {};
  const part = numbers > LARGE && given.tune === undefined ? LARGE_DEFAULTS[recipe] : {};
  const rate = learningRateFor(recipe, numbers, String(given.tune ?? part.tune ?? 'full'));
  return { ...part, ...(rate === RATES[recipe].small ? {} : { learning_rate: rate }) };
}

/** The same for a model of the project by its name; nothing where it cannot be read, which the run itself will say. */
export function defaultsForModel(
  project: Project,
  recipe: RunKind,
  name: string,
  given: Readonly<Record<string, unknown>> = {},
): Config {
  const policy = listPolicies(project).find((one) => one.name === name);
  if (!policy) return {};
  try {
    return defaultsForSize(recipe, numbersIn(parameters(loadArchitecture(policyPath(project, policy)))), given);
  } catch {
    return {};
  }
}
