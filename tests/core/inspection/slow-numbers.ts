// What the lens says, computed the slow way: one position at a time in float64, from a residual stream and the weights.

import { families } from '#core/models/families.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';

type Row = readonly number[];

/** The final norm of one position's stream [C], in float64. */
export function normed({ architecture, weights }: Checkpoint, x: Row): number[] {
  const { names, norm } = families[architecture.family];
  const gain = weights[`${names.finalNorm}.weight`]!;
  const bias = weights[`${names.finalNorm}.bias`];
  const mean = norm === 'layer' ? x.reduce((a, b) => a + b, 0) / x.length : 0;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  const by = 1 / Math.sqrt(variance + architecture.normEpsilon);
  return x.map((value, c) => (value - mean) * by * gain[c]! + (bias?.[c] ?? 0));
}

/** Logits [V] of one position's hidden state [C]. */
export function logitsOf({ architecture, weights }: Checkpoint, hidden: Row): number[] {
  const { embedding, head } = families[architecture.family].names;
  const matrix = weights[`${architecture.tied ? embedding : head}.weight`]!;
  const C = architecture.channels;
  return Array.from({ length: architecture.vocabulary }, (_, v) =>
    hidden.reduce((sum, value, c) => sum + value * matrix[v * C + c]!, 0),
  );
}

export function logSoftmax(logits: Row): number[] {
  const most = Math.max(...logits);
  const sum = Math.log(logits.reduce((total, z) => total + Math.exp(z - most), 0)) + most;
  return logits.map((z) => z - sum);
}

export const entropyOf = (logprobs: Row): number => -logprobs.reduce((sum, lp) => sum + Math.exp(lp) * lp, 0);
/** KL(p ‖ q) of two distributions by their logarithms. */
export const divergenceOf = (p: Row, q: Row): number => p.reduce((sum, lp, i) => sum + Math.exp(lp) * (lp - q[i]!), 0);
/** How many are likelier, and itself. */
export const rankOf = (logprobs: Row, id: number): number => 1 + logprobs.filter((lp) => lp > logprobs[id]!).length;
export const normOf = (x: Row): number => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
