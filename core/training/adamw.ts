// AdamW with global-norm clipping, as graph nodes; the learning rate and the bias corrections are fed in.
//
//   m ← β1 m + (1-β1) g          v ← β2 v + (1-β2) g²
//   PyTorch:    w ← w (1 - lr·wd) - lr/c1 · m / (√(v/c2) + ε)      c = 1 - β^t
//   TensorFlow: w ← w (1 - lr·wd) - lr·√c2/c1 · m / (√v + ε)
// Both are w ← w·keep - a · m / (√v + e) with a = lr·√c2/c1; only e differs: ε·√c2 or ε (D26).
// Loshchilov & Hutter 2019 for the decoupled decay (D27: its strength is always stated, never inherited).

import { scalar } from '#core/autodiff/graph.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { add, div, minimum, mul, shift, sqrt, sub } from '#core/autodiff/ops/elementwise.ts';
import { reshape, slice } from '#core/autodiff/ops/movement.ts';
import { reduceSumSquare } from '#core/autodiff/ops/reduction.ts';

export interface AdamSettings {
  betas: readonly [number, number];
  epsilon: number;
  epsilonStyle: 'torch' | 'tensorflow';
  weightDecay: number;
  /** the largest global gradient norm; null = no clipping */
  clipNorm: number | null;
}

/** What one step is fed: [a, e, keep], computed in float64 (t counts from 1). */
export function adamFeed(
  { betas: [beta1, beta2], epsilon, epsilonStyle, weightDecay }: AdamSettings,
  learningRate: number,
  t: number,
): [number, number, number] {
  const root = Math.sqrt(1 - beta2 ** t);
  return [
    (learningRate * root) / (1 - beta1 ** t),
    epsilonStyle === 'torch' ? epsilon * root : epsilon,
    1 - learningRate * weightDecay,
  ];
}
export const ADAM_FEED = 3;

export interface AdamParameter {
  w: Tensor;
  m: Tensor;
  v: Tensor;
  gradient: Tensor;
  decay: boolean;
}

/**
 * The global gradient norm before clipping (as torch.nn.utils.clip_grad_norm_), and the factor that clips: 1 where none
 * is asked for.
 */
export function gradientNorm(gradients: readonly Tensor[], { clipNorm }: AdamSettings): { norm: Tensor; clip: Tensor } {
  const graph = gradients[0]!.graph;
  const axes = (tensor: Tensor) => tensor.shape.map((_, i) => i);
  const norm = sqrt(gradients.map((gradient) => reduceSumSquare(gradient, axes(gradient))).reduce(add));
  return {
    norm,
    clip:
      clipNorm === null ? scalar(graph, 1) : minimum(scalar(graph, 1), div(scalar(graph, clipNorm), shift(norm, 1e-6))),
  };
}

/** New w, m, v for every parameter; `feed` as from `adamFeed`, `clip` a scalar. */
export function adamStep(
  parameters: readonly AdamParameter[],
  feed: Tensor,
  clip: Tensor,
  settings: AdamSettings,
): { w: Tensor; m: Tensor; v: Tensor }[] {
  const [stepSize, epsilon, keep] = [0, 1, 2].map((i) => reshape(slice(feed, 0, i, i + 1), [])) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const [beta1, beta2] = settings.betas;
  const graph = feed.graph;
  // the clipping factor enters the two moments as scalars, so no extra pass over the gradients is made
  const intoM = mul(clip, scalar(graph, 1 - beta1));
  const intoV = mul(mul(clip, clip), scalar(graph, 1 - beta2));
  return parameters.map(({ w, m, v, gradient: g, decay }) => {
    const m2 = add(mul(m, scalar(graph, beta1)), mul(g, intoM));
    const v2 = add(mul(v, scalar(graph, beta2)), mul(mul(g, g), intoV));
    const change = div(mul(m2, stepSize), add(sqrt(v2), epsilon));
    return { w: sub(decay && settings.weightDecay > 0 ? mul(w, keep) : w, change), m: m2, v: v2 };
  });
}
