// Losses of a critic by its values and the returns that came of them: one row each.

import type { Tensor } from '#core/autodiff/graph.ts';
import { add, clip, greater, maximum, mul, scale, sub } from '#core/autodiff/ops/elementwise.ts';
import { cast } from '#core/autodiff/ops/movement.ts';
import { sumAll } from '#core/autodiff/ops/reduction.ts';
import { weightedMean } from '#core/models/token-logprobs.ts';
import type { Loss } from '#core/training/trainer.ts';

/** All [N]. */
export interface ValueTerms {
  /** V of the slots now, and when they were sampled */
  now: Tensor;
  old: Tensor;
  returns: Tensor;
  /** 1 on response tokens and the slot after the end, 0 on padding */
  mask: Tensor;
  /** how much each slot counts, 1 for all alike */
  weights: Tensor;
}

export interface ValueLoss {
  /** formula and source, for people */
  sentence: string;
  /** `range` is ε, how far a value may move; 0 clips nothing */
  loss(terms: ValueTerms, range: number): Loss;
}

/** a range that nothing leaves */
const NEVER = 1e30;
const square = (x: Tensor): Tensor => mul(x, x);

/** Reports the share of slots where the clipped value is the worse one. */
function clipped({ now, old, returns, mask, weights }: ValueTerms, range: number): Loss {
  const limit = range || NEVER;
  const held = add(old, clip(sub(now, old), -limit, limit));
  const plain = square(sub(now, returns));
  const worse = square(sub(held, returns));
  return {
    loss: scale(weightedMean(mul(maximum(plain, worse), weights), mask), 0.5),
    weight: sumAll(mask),
    report: { value_clip_fraction: weightedMean(cast(greater(worse, plain), 'float32'), mask) },
  };
}

export const VALUE_LOSSES = {
  clipped: {
    sentence: 'Vc = Vold + clip(V - Vold, -ε, ε); ½ mean max((V - R)², (Vc - R)²) (algorithms.md §1.4).',
    loss: clipped,
  },
} as const satisfies Readonly<Record<string, ValueLoss>>;

export type ValueLossName = keyof typeof VALUE_LOSSES;
