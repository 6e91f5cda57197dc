// What choosing the best of n gains over a pool of samples of each of many prompts, how surely, and the form that it
// follows.

import { clusteredMean } from '#core/evaluation/clustered-mean.ts';
import { FEWEST_CLUSTERS } from '#core/evaluation/interval.ts';
import { bestOfN, bestOfNKl } from './best-of-n.ts';
import { drawnFit } from './curve.ts';
import type { FittedCurve } from './curve.ts';
import { fitForm } from './overoptimisation.ts';
import type { Measured, Scatter } from './overoptimisation.ts';

/** The samples of one prompt: by what the best is chosen, and what each is worth. */
export interface Pool {
  scores: readonly number[];
  values: readonly number[];
}

export interface BestOfNPoint {
  n: number;
  /** nats from the policy that wrote them */
  kl: number;
  /** mean over the prompts */
  value: number;
  /** its standard error over the prompts; null of one */
  error: number | null;
}

/** 1, 2, 3, 4, 6, 8, 12, 16, …: powers of two and the middle between them, up to the pool's own size. */
export function poolSteps(size: number): number[] {
  const steps: number[] = [];
  for (let n = 1; n < size; n *= 2) steps.push(n, ...(n > 1 && 1.5 * n < size ? [1.5 * n] : []));
  return [...steps, size];
}

/**
 * The expected worth of the best of n, n up to `size`, as a mean over the prompts; each has to have so many samples.
 * The form of best of n is fitted to the gain over n = 1; how its α and β scatter is what they do where one prompt is
 * left out (the jackknife; Efron and Stein 1981), for all points rest on the same samples. No form of fewer prompts
 * than an interval takes.
 */
export function bestOfNCurve(
  pools: readonly Pool[],
  size: number,
): { points: BestOfNPoint[]; fit: FittedCurve | null } {
  const steps = poolSteps(size);
  const worth = steps.map((n) => pools.map(({ scores, values }) => bestOfN(scores, n, values))); // [n][prompt]
  const points = worth.map((values, i): BestOfNPoint => {
    const { mean, standardError } = clusteredMean(values.map((value, cluster) => ({ cluster, value, weight: 1 })));
    return { n: steps[i]!, kl: bestOfNKl(steps[i]!), value: mean, error: standardError };
  });
  const scatter = pools.length < FEWEST_CLUSTERS ? null : jackknife(worth, points);
  const fit = scatter && fitForm(gainsOf(points), 'best-of-n', scatter);
  return { points, fit: fit && drawnFit(fit, points[0]!.value, points.at(-1)!.kl) };
}

const gainsOf = (points: readonly { kl: number; value: number }[]): Measured[] =>
  points.map(({ kl, value }) => ({ kl, gain: value - points[0]!.value }));

/** How α and β change where one prompt is left out; null where they cannot be fitted. */
function jackknife(worth: readonly (readonly number[])[], points: readonly BestOfNPoint[]): Scatter | null {
  const count = worth[0]!.length;
  const without = Array.from({ length: count }, (_, left) =>
    fitForm(
      gainsOf(points.map(({ kl, value }, i) => ({ kl, value: (count * value - worth[i]![left]!) / (count - 1) }))),
      'best-of-n',
    ),
  );
  if (without.includes(null)) return null;
  const alphas = without.map((fit) => fit!.alpha.value);
  const betas = without.map((fit) => fit!.beta.value);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / count;
  const [a, b] = [mean(alphas), mean(betas)];
  const spread = (each: (i: number) => number) => (count - 1) * mean(alphas.map((_, i) => each(i)));
  return {
    vAlpha: spread((i) => (alphas[i]! - a) ** 2),
    vBeta: spread((i) => (betas[i]! - b) ** 2),
    cov: spread((i) => (alphas[i]! - a) * (betas[i]! - b)),
    degrees: count - 1,
  };
}
