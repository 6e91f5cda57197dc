// Losses of a whole ranking by the scores of its completions: a pair loss over all its pairs.
//
//   L = 1/N Σ_rankings v Σ_{i above j} w ℓ(r_i - r_j),  w = 1 / (number of pairs of that ranking)
// All C(K,2) pairs of one ranking form one element with total weight v (D14, InstructGPT's convention); ties make no
// pair. v is 1, or less where a prompt was ranked more often than others, so that every prompt counts the same. N
// counts rankings: were it the sum of their weights, a step of light ones would count as much as a step of heavy ones.

import { constant, scalar } from '#core/autodiff/graph.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { div, greater, maximum, mul, sub } from '#core/autodiff/ops/elementwise.ts';
import { cast, reshape } from '#core/autodiff/ops/movement.ts';
import { reduceSum, sumAll } from '#core/autodiff/ops/reduction.ts';
import { PAIR_LOSSES } from './pair-losses.ts';
import type { PairLoss } from './pair-losses.ts';

/**
 * scores [B, K], pairs [B, K, K] from `pairWeights` -> loss, a mean over the rankings that have pairs, how many those
 * are, and the share of pair weight that is ordered right.
 */
export function rankingLoss(
  scores: Tensor,
  pairs: Tensor,
  { loss: lossOf }: PairLoss = PAIR_LOSSES['bradley-terry'],
): { loss: Tensor; accuracy: Tensor; weight: Tensor } {
  const [B, K] = scores.shape as [number, number];
  const { graph } = scores;
  const gap = sub(reshape(scores, [B, K, 1]), reshape(scores, [B, 1, K])); // r_i - r_j
  const real = cast(greater(reduceSum(pairs, [1, 2]), constant(graph, 'float32', [], [0])), 'float32');
  const weight = sumAll(real);
  // rows of padding only have no pairs
  const loss = div(sumAll(mul(lossOf(gap), pairs)), maximum(weight, scalar(graph, 1)));
  const right = cast(greater(gap, constant(graph, 'float32', [], [0])), 'float32');
  return { loss, weight, accuracy: div(sumAll(mul(right, pairs)), maximum(sumAll(pairs), scalar(graph, 1e-20))) };
}
