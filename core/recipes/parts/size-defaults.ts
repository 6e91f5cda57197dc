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
import { LARGE } from '#core/plans/large-models.ts';
import { numbersIn, parameters } from '#core/models/architecture.ts';
import { loadArchitecture } from '#core/models/checkpoint.ts';
import { listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import type { Sizes } from '#core/recipes/recipe.ts';

const SMALL_SIZE = 5e6;
const PAPER_SIZE = 1.3e9;
const TIMES: Readonly<Record<string, number>> = { full: 1, lora: 5, blocks: 2 };

/** Peak learning rate for a model of `numbers` parameters, to two digits; never above what small models take. */
export function learningRateFor({ small, paper }: Sizes['rate'], numbers: number, tune: string): number {
  const along = Math.max(0, Math.log(numbers / SMALL_SIZE) / Math.log(PAPER_SIZE / SMALL_SIZE));
  const rate = small * (paper / small) ** along * (along > 0 ? (TIMES[tune] ?? 1) : 1);
  return Math.min(small, Number(rate.toPrecision(2)));
}

/**
 * The settings in which this size differs from the table's defaults; `given` are settings already decided, such as what
 * to tune. Null: the recipe tunes no model.
 */
export function defaultsForSize(
  sizes: Sizes | null,
  numbers: number,
  given: Readonly<Record<string, unknown>> = {},
): Config {
  if (!sizes) return {};
  const part = numbers > LARGE && given.tune === undefined ? sizes.large : {};
  const rate = learningRateFor(sizes.rate, numbers, String(given.tune ?? part.tune ?? 'full'));
  return { ...part, ...(rate === sizes.rate.small ? {} : { learning_rate: rate }) };
}

/** How many numbers the model at this place has; null where it cannot be read. */
export function numbersAt(place: string): number | null {
  try {
    return numbersIn(parameters(loadArchitecture(place)));
  } catch {
    return null;
  }
}

/** The defaults for a model of the project by its name; nothing where it cannot be read, which the run will say. */
export function defaultsForModel(
  project: Project,
  sizes: Sizes | null,
  name: string,
  given: Readonly<Record<string, unknown>> = {},
): Config {
  const policy = listPolicies(project).find((one) => one.name === name);
  const numbers = policy ? numbersAt(policyPath(project, policy)) : null;
  return numbers === null ? {} : defaultsForSize(sizes, numbers, given);
}
