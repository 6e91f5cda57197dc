// Log-probabilities of tokens under logits, and what is read off them: cross-entropy and entropy.

import { scalar } from '#core/autodiff/graph.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { div, maximum, mul, neg, scale, sub } from '#core/autodiff/ops/elementwise.ts';
import { gatherElements } from '#core/autodiff/ops/indexing.ts';
import { reshape } from '#core/autodiff/ops/movement.ts';
import { logSumExp, softmax } from '#core/autodiff/ops/nn.ts';
import { reduceSum, sumAll } from '#core/autodiff/ops/reduction.ts';

/**
 * ln p(target) under softmax(logits / temperature): logits [N, V], targets int32 [N] -> [N] (D3: one temperature
 * everywhere).
 */
export function tokenLogprobs(logits: Tensor, targets: Tensor, temperature = 1): Tensor {
  const N = logits.shape[0]!;
  const z = temperature === 1 ? logits : scale(logits, 1 / temperature);
  // picked before the sum, so that its gradient is added into the softmax's in place of a second V-wide tensor
  const picked = gatherElements(z, reshape(targets, [N, 1]), 1);
  return reshape(sub(picked, logSumExp(z)), [N]);
}

/** -Σ p ln p of softmax(logits / temperature): [N, V] -> [N]. */
export function entropy(logits: Tensor, temperature = 1): Tensor {
  const N = logits.shape[0]!;
  const z = temperature === 1 ? logits : scale(logits, 1 / temperature);
  return reshape(sub(logSumExp(z), reduceSum(mul(softmax(z), z), [1], true)), [N]);
}

/** Σ values·weights / Σ weights: the mean over what is not padding; 0 where all of it is. */
export const weightedMean = (values: Tensor, weights: Tensor): Tensor =>
  div(sumAll(mul(values, weights)), maximum(sumAll(weights), scalar(values.graph, 1e-20)));

/** Weighted mean of -ln p: the language-model loss. logprobs and weights [N]. */
export const crossEntropy = (logprobs: Tensor, weights: Tensor): Tensor => neg(weightedMean(logprobs, weights));
