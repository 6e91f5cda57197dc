// Losses of a policy by the log-probabilities of sampled tokens and their advantages: one row each.
//
// Each is a mean over the response tokens only (D16): it divides by their count, Σ mask, for a policy loss may be
// negative; `weights` say how much each token counts, 1 for all alike.

import { scalar } from '#core/autodiff/graph.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { clip, exp, greater, maximum, mul, neg, scale, shift, sub } from '#core/autodiff/ops/elementwise.ts';
import { cast } from '#core/autodiff/ops/movement.ts';
import { reduceMax, sumAll } from '#core/autodiff/ops/reduction.ts';
import { weightedMean } from '#core/models/token-logprobs.ts';
import type { Loss } from '#core/training/trainer.ts';

/** All [N]. */
export interface PolicyTerms {
  /** ln π of the tokens now, and when they were sampled */
  now: Tensor;
  old: Tensor;
  advantages: Tensor;
  /** 1 on response tokens, 0 on padding */
  mask: Tensor;
  weights: Tensor;
}

export interface PolicyLoss {
  /** formula and source, for people */
  sentence: string;
  /** `range` is ε, the clipping range of the ratio; 0 clips nothing */
  loss(terms: PolicyTerms, range: number): Loss;
}

/** a range that nothing leaves */
const NEVER = 1e30;

/**
 * Reports approx_kl = mean ½ (new - old)², the share of ratios beyond the range and the largest ratio.
 */
function clipped({ now, old, advantages, mask, weights }: PolicyTerms, range: number): Loss {
  const change = mul(sub(now, old), mask); // 0 on padding, so that exp stays finite there
  const ratio = exp(change);
  const minus = mul(neg(advantages), weights);
  const plain = mul(minus, ratio);
  const worse = range === 0 ? plain : maximum(plain, mul(minus, clip(ratio, 1 - range, 1 + range)));
  const off = shift(ratio, -1);
  const beyond = greater(maximum(off, neg(off)), scalar(ratio.graph, range || NEVER));
  return {
    loss: weightedMean(worse, mask),
    weight: sumAll(mask),
    report: {
      approx_kl: weightedMean(scale(mul(change, change), 0.5), mask),
      clip_fraction: weightedMean(cast(beyond, 'float32'), mask),
      ratio_max: reduceMax(mul(ratio, mask), [0]), // ratios are positive, so padding cannot be the largest
    },
  };
}

export const POLICY_LOSSES = {
  clipped: {
    sentence: 'ρ = exp(new - old); mean max(-A ρ, -A clip(ρ, 1-ε, 1+ε)) (Schulman et al. 2017; algorithms.md §1.4).',
    loss: clipped,
  },
} as const satisfies Readonly<Record<string, PolicyLoss>>;

export type PolicyLossName = keyof typeof POLICY_LOSSES;
