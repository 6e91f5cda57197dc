// One sampled token a row: temperature, top-k, top-p, then the inverse of the cumulative distribution at a fed uniform.

import { constant, scalar } from '#core/autodiff/graph.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { add, greaterOrEqual, lessOrEqual, mul, scale, sub, where } from '#core/autodiff/ops/elementwise.ts';
import { gatherElements, topK } from '#core/autodiff/ops/indexing.ts';
import { cast, reshape, slice } from '#core/autodiff/ops/movement.ts';
import { logSumExp, softmax } from '#core/autodiff/ops/nn.ts';
import { argMax, cumulativeSum, reduceMax, reduceSum } from '#core/autodiff/ops/reduction.ts';

export interface ChoiceSettings {
  /** 0 = greedy */
  temperature: number;
  /** keep the k most likely; 0 = all */
  topK: number;
  /** keep the smallest set with at least this much probability; 1 = all */
  topP: number;
}

export interface Choice {
  token: Tensor; // int32 [B]
  /**
   * under the distribution that was sampled from (greedy: the plain one; rows that stand for no token count in it,
   * though none is drawn; what is not allowed does not)
   */
  samplingLogprob: Tensor; // [B]
  /** under softmax(logits) */
  logprob: Tensor; // [B]
}

const REMOVED = -1e9;

/**
 * logits [B, V], uniforms [B] in [0, 1); none of the `silent` rows of the vocabulary is chosen. `allowed` are the
 * logits with what may not come now out of reach.
 */
export function chooseToken(
  logits: Tensor,
  uniforms: Tensor,
  { temperature, topK: k, topP }: ChoiceSettings,
  silent: readonly number[] = [],
  allowed: Tensor = logits,
): Choice {
  const [B, V] = logits.shape as [number, number];
  const at = (values: Tensor, token: Tensor) =>
    reshape(sub(gatherElements(values, reshape(token, [B, 1]), 1), logSumExp(values)), [B]);
  if (temperature === 0) {
    const token = cast(argMax(without(allowed, silent), 1), 'int32');
    const logprob = at(logits, token);
    return { token, samplingLogprob: logprob, logprob };
  }
  const plain = temperature === 1 ? allowed : scale(allowed, 1 / temperature);
  const spoken = without(plain, silent);
  let z = spoken;
  if (k > 0 && k < V) z = keepAbove(z, slice(topK(z, k)[0], 1, k - 1, k));
  if (topP < 1) z = keepAbove(z, nucleusThreshold(z, topP));
  // u · total, so that rounding in the sum can never point past the last likely token; what was removed adds exactly 0
  const cumulative = cumulativeSum(softmax(z), 1); // [B, V]
  const target = mul(reshape(uniforms, [B, 1]), slice(cumulative, 1, V - 1, V));
  const token = cast(reduceSum(cast(lessOrEqual(cumulative, target), 'float32'), [1]), 'int32');
  const samplingLogprob = at(z === spoken ? plain : z, token);
  const same = temperature === 1 && z === spoken && allowed === logits;
  return { token, samplingLogprob, logprob: same ? samplingLogprob : at(logits, token) };
}

/** z [B, V] with these rows of the vocabulary out of reach. */
function without(z: Tensor, rows: readonly number[]): Tensor {
  if (rows.length === 0) return z;
  const V = z.shape[1]!;
  const mask = new Float32Array(V);
  for (const row of rows) mask[row] = REMOVED;
  return add(z, constant(z.graph, 'float32', [1, V], mask));
}

/** z where it reaches the row's threshold [B, 1], removed elsewhere. */
const keepAbove = (z: Tensor, threshold: Tensor): Tensor =>
  where(greaterOrEqual(z, threshold), z, scalar(z.graph, REMOVED));

/** The smallest value in the nucleus: sorted, a token stays while the probability before it is below p. */
function nucleusThreshold(z: Tensor, p: number): Tensor {
  const [sorted] = topK(z, z.shape[1]!);
  const shares = softmax(sorted);
  const before = sub(cumulativeSum(shares, 1), shares);
  const outside = greaterOrEqual(before, scalar(z.graph, p));
  // the least of the kept = -max(-kept)
  const kept = where(outside, scalar(z.graph, REMOVED), scale(sorted, -1));
  return scale(reduceMax(kept, [1], true), -1);
}
