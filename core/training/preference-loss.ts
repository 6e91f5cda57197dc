// Losses on the scores of a prompt's completions: Bradley-Terry over all pairs of a ranking, and best of K.
//
//   L = - 1/N Σ_rankings v Σ_{i above j} w ln σ(r_i - r_j),  w = 1 / (number of pairs of that ranking)
// All C(K,2) pairs of one ranking form one element with total weight v (D14, InstructGPT's convention); ties make no
// pair. v is 1,
// or less where a prompt was ranked more often than others, so that every prompt counts the same. N counts rankings:
// were it the
// sum of their weights, a step of light ones would count as much as a step of heavy ones.

import { constant, scalar } from '#core/autodiff/graph.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { cast, reshape } from '#core/autodiff/ops/movement.ts';
import { div, greater, maximum, mul, neg, scale, softplus, sub } from '#core/autodiff/ops/elementwise.ts';
import { gatherElements } from '#core/autodiff/ops/indexing.ts';
import { logSumExp } from '#core/autodiff/ops/nn.ts';
import { reduceSum, sumAll } from '#core/autodiff/ops/reduction.ts';

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

/**
 * scores [B, K], pairs [B, K, K] from `pairWeights` -> loss, a mean over the rankings that have pairs, how many those
 * are, and the share of pair weight that is ordered right.
 */
export function rankingLoss(scores: Tensor, pairs: Tensor): { loss: Tensor; accuracy: Tensor; weight: Tensor } {
  const [B, K] = scores.shape as [number, number];
  const { graph } = scores;
  const gap = sub(reshape(scores, [B, K, 1]), reshape(scores, [B, 1, K])); // r_i - r_j
  const real = cast(greater(reduceSum(pairs, [1, 2]), constant(graph, 'float32', [], [0])), 'float32');
  const weight = sumAll(real);
  // -ln σ(x) = softplus(-x); rows of padding only have no pairs
  const loss = div(sumAll(mul(softplus(neg(gap)), pairs)), maximum(weight, scalar(graph, 1)));
  const right = cast(greater(gap, constant(graph, 'float32', [], [0])), 'float32');
  return { loss, weight, accuracy: div(sumAll(mul(right, pairs)), maximum(sumAll(pairs), scalar(graph, 1e-20))) };
}

/** 2019's loss: cross-entropy of the best under softmax(scores). scores [B, K], best int32 [B] (P19 §2.1). */
export function bestOfKLoss(scores: Tensor, best: Tensor): Tensor {
  const B = scores.shape[0]!;
  const picked = gatherElements(scores, reshape(best, [B, 1]), 1);
  return scale(sumAll(sub(logSumExp(scores), picked)), 1 / B);
}
