// How sure a mean of differences is: its 95 % interval, where what belongs to one prompt counts as one observation.

import { clusteredMean } from './clustered-mean.ts';

/** Standard errors to either side of a value that hold 95 % of the time, however many it rests on. */
export const SURE = 1.96;

/** The 97.5 % quantile of the normal distribution. */
export const NORMAL_QUANTILE = 1.959963984540054;

/** The differences of one prompt: their sum, and how many they are. */
export interface Cluster {
  sum: number;
  size: number;
}
export interface Interval {
  mean: number;
  low: number;
  high: number;
  clusters: number;
}

/** With fewer prompts an interval is a guess about its own width. */
export const FEWEST_CLUSTERS = 8;

/**
 * The mean over all differences, and its 95 % interval by Student's t with k − 1 degrees of freedom over k clusters.
 * The mean
 * is a ratio of sums (clusters have different sizes), its standard error that of `clusteredMean`. Null below
 * FEWEST_CLUSTERS.
 */
export function clusteredInterval(given: readonly Cluster[]): Interval | null {
  const clusters = given.filter(({ size }) => size > 0);
  const k = clusters.length;
  if (k < FEWEST_CLUSTERS) return null;
  const { mean, standardError } = clusteredMean(
    clusters.map(({ sum, size }, cluster) => ({ cluster, value: sum / size, weight: size })),
  );
  const half = studentT(k - 1) * standardError!;
  return { mean, low: mean - half, high: mean + half, clusters: k };
}

/**
 * The 97.5 % quantile of Student's t: the expansion in 1/ν around the normal one (Fisher and Cornish 1960), to 0.002
 * from ν = 5 on.
 */
export function studentT(degrees: number): number {
  const z = NORMAL_QUANTILE;
  const v = degrees;
  return (
    z +
    (z ** 3 + z) / (4 * v) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * v ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * v ** 3) +
    (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / (92160 * v ** 4)
  );
}
