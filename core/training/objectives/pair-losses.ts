// Losses of one pair of answers by the gap between their scores, r_i - r_j where i stands above j: one row each.
//
// What the scores are is the objective's to say: a head's, or β(ln π − ln π_ref) of the answers under a policy.

import type { Tensor } from '#core/autodiff/graph.ts';
import { neg, softplus } from '#core/autodiff/ops/elementwise.ts';

export interface PairLoss {
  /** formula and source, for people */
  sentence: string;
  /** gaps of any shape -> losses of the same shape, smaller where the gap is larger */
  loss(gap: Tensor): Tensor;
}

export const PAIR_LOSSES = {
  'bradley-terry': {
    sentence: '−ln σ(r_i - r_j): the log-likelihood that i is preferred (Stiennon et al. 2020 §3.4).', // D13
    loss: (gap) => softplus(neg(gap)), // -ln σ(x) = softplus(-x)
  },
} as const satisfies Readonly<Record<string, PairLoss>>;

export type PairLossName = keyof typeof PAIR_LOSSES;

/**
 * Weight of each ordered pair (i above j) for one ranking: K·K numbers that add up to `total`, or all 0 when everything
 * ties.
 */
export function pairWeights(ranks: readonly number[], K = ranks.length, total = 1): Float32Array {
  const weights = new Float32Array(K * K);
  let pairs = 0;
  ranks.forEach((a, i) =>
    ranks.forEach((b, j) => {
      if (a < b) {
        weights[i * K + j] = 1;
        pairs++;
      }
    }),
  );
  return pairs ? weights.map((weight) => (weight * total) / pairs) : weights;
}
