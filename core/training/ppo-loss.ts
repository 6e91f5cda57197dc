// PPO's clipped losses (Schulman et al. 2017; algorithms.md §1.4): policy and value, each over unpadded tokens only
// (D16).
//
//   ρ = exp(new - old);  Lπ = mean max(-A ρ, -A clip(ρ, 1-ε, 1+ε))
//   Vc = Vold + clip(V - Vold, -ε, ε);  LV = ½ mean max((V - R)², (Vc - R)²)
// ε = 0 clips nothing: ρ and V stand as they are.

import { scalar } from '#core/autodiff/graph.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { add, clip, exp, greater, maximum, mul, neg, scale, shift, sub } from '#core/autodiff/ops/elementwise.ts';
import { cast } from '#core/autodiff/ops/movement.ts';
import { reduceMax } from '#core/autodiff/ops/reduction.ts';
import { weightedMean } from '#core/models/token-logprobs.ts';

/** a range that nothing leaves */
const NEVER = 1e30;

const share = (condition: Tensor, mask: Tensor) => weightedMean(cast(condition, 'float32'), mask);

/**
 * All [N]; `mask` 1 on response tokens. Reports approx_kl = mean ½ (new - old)², the clipped share and the largest
 * ratio.
 */
export function policyLoss(
  now: Tensor,
  old: Tensor,
  advantages: Tensor,
  mask: Tensor,
  range: number,
): { loss: Tensor; report: Record<string, Tensor> } {
  const change = mul(sub(now, old), mask); // 0 on padding, so that exp stays finite there
  const ratio = exp(change);
  const minus = neg(advantages);
  const plain = mul(minus, ratio);
  const loss = weightedMean(range === 0 ? plain : maximum(plain, mul(minus, clip(ratio, 1 - range, 1 + range))), mask);
  const off = shift(ratio, -1);
  return {
    loss,
    report: {
      approx_kl: weightedMean(scale(mul(change, change), 0.5), mask),
      clip_fraction: share(greater(maximum(off, neg(off)), scalar(ratio.graph, range || NEVER)), mask),
      ratio_max: reduceMax(mul(ratio, mask), [0]), // ratios are positive, so padding cannot be the largest
    },
  };
}

/** All [N]; `mask` 1 on response tokens and the slot after the end. */
export function valueLoss(
  now: Tensor,
  old: Tensor,
  returns: Tensor,
  mask: Tensor,
  range: number,
): { loss: Tensor; report: Record<string, Tensor> } {
  const move = sub(now, old);
  const limit = range || NEVER;
  const clipped = add(old, clip(move, -limit, limit));
  const square = (x: Tensor) => mul(x, x);
  const plain = square(sub(now, returns));
  const worse = square(sub(clipped, returns));
  return {
    loss: scale(weightedMean(maximum(plain, worse), mask), 0.5),
    report: { value_clip_fraction: share(greater(worse, plain), mask) },
  };
}
