// How a gain rises and falls with the distance from the start: the two forms of Gao, Schulman and Hilton 2023 ("Scaling
// laws for reward model overoptimization", equations 1 and 2), and where to stop by them.

import { studentT } from '#core/evaluation/interval.ts';

/** Something measured at a distance of `kl` nats from the start: how much above the start it is. */
export interface Measured {
  kl: number;
  gain: number;
}

/** d = √KL. Each form is d (α − β g(d)) and turns where `peakOf` says, on the scale of ln d, with its slopes there. */
export const FORMS = {
  'best-of-n': {
    sentence: 'd (α − β d), for the best of n',
    g: (d: number) => d,
    /** d = α / 2β */
    peak: (alpha: number, beta: number) => ({ lnD: Math.log(alpha / (2 * beta)), slopes: [1 / alpha, -1 / beta] }),
  },
  rl: {
    sentence: 'd (α − β ln d), for a policy',
    g: Math.log,
    /** ln d = α / β − 1 */
    peak: (alpha: number, beta: number) => ({ lnD: alpha / beta - 1, slopes: [1 / beta, -alpha / beta ** 2] }),
  },
} as const satisfies Record<string, Form>;
interface Form {
  sentence: string;
  g(d: number): number;
  peak(alpha: number, beta: number): { lnD: number; slopes: readonly [number, number] | readonly number[] };
}
export type FormName = keyof typeof FORMS;

/** A number and its 95 % interval. */
export interface Between {
  value: number;
  low: number;
  high: number;
}
export interface Fit {
  form: FormName;
  alpha: Between;
  beta: Between;
  /** standard errors of α and β */
  se: [number, number];
  /** nats at which the form is highest; null where it never turns (β ≤ 0) */
  peak: Between | null;
  /** share of the gain's variance that the form leaves, by degrees of freedom: 0 is a perfect fit */
  residual: number;
  /** points at a distance above 0 */
  n: number;
}

/** Fewer points say nothing about their own scatter. */
export const FEWEST_POINTS = 5;

/** How estimates of α and β scatter: variances and covariance, known on so many degrees of freedom. */
export interface Scatter {
  vAlpha: number;
  vBeta: number;
  cov: number;
  degrees: number;
}

/**
 * α and β by least squares, with intervals by Student's t; the peak's by the delta method on ln d, so that it stays
 * above 0. How the estimates scatter is read off what the form leaves, on n − 2 degrees of freedom, unless it is known
 * otherwise: points of one pool do not scatter by themselves. Points at no distance are left out, for they are 0 in
 * every form. Null below FEWEST_POINTS, or where the points do not tell α from β.
 */
export function fitForm(points: readonly Measured[], form: FormName, known: Scatter | null = null): Fit | null {
  const used = points.filter(({ kl, gain }) => kl > 0 && Number.isFinite(gain));
  const n = used.length;
  if (n < FEWEST_POINTS) return null;
  const { g, peak } = FORMS[form];
  const rows = used.map(({ kl, gain }) => {
    const d = Math.sqrt(kl);
    return { x: d, z: -d * g(d), gain };
  });
  const sum = (of: (row: (typeof rows)[number]) => number) => rows.reduce((total, row) => total + of(row), 0);
  const [xx, xz, zz] = [sum(({ x }) => x * x), sum(({ x, z }) => x * z), sum(({ z }) => z * z)];
  const [xy, zy] = [sum(({ x, gain }) => x * gain), sum(({ z, gain }) => z * gain)];
  const determinant = xx * zz - xz * xz;
  if (!(determinant > 1e-12 * xx * zz)) return null; // all at one distance
  const alpha = (zz * xy - xz * zy) / determinant;
  const beta = (xx * zy - xz * xy) / determinant;
  const variance = sum(({ x, z, gain }) => (gain - alpha * x - beta * z) ** 2) / (n - 2);
  const left = (entry: number) => (variance * entry) / determinant;
  const scatter = known ?? { vAlpha: left(zz), vBeta: left(xx), cov: left(-xz), degrees: n - 2 };
  const se: [number, number] = [Math.sqrt(scatter.vAlpha), Math.sqrt(scatter.vBeta)];
  const t = studentT(scatter.degrees);
  const between = (value: number, error: number) => ({ value, low: value - t * error, high: value + t * error });
  const mean = sum(({ gain }) => gain) / n;
  const spread = sum(({ gain }) => (gain - mean) ** 2) / (n - 1);
  const turns = beta > 0 && (form === 'rl' || alpha > 0);
  return {
    form,
    alpha: between(alpha, se[0]),
    beta: between(beta, se[1]),
    se,
    peak: turns ? peakBetween(peak(alpha, beta), scatter, t) : null,
    residual: spread > 0 ? variance / spread : 0,
    n,
  };
}

/** KL = d² at the peak. */
function peakBetween(
  { lnD, slopes: [a = 0, b = 0] }: { lnD: number; slopes: readonly number[] },
  { vAlpha, vBeta, cov }: Scatter,
  t: number,
): Between {
  const half = t * Math.sqrt(Math.max(0, a * a * vAlpha + b * b * vBeta + 2 * a * b * cov));
  const [value, low, high] = [lnD, lnD - half, lnD + half].map((x) => Math.exp(2 * x)) as [number, number, number];
  return { value, low, high };
}

/** The gain that a fit says for a distance of `kl` nats. */
export function gainAt({ form, alpha, beta }: Fit, kl: number): number {
  const d = Math.sqrt(kl);
  return d === 0 ? 0 : d * (alpha.value - beta.value * FORMS[form].g(d));
}

/** A checkpoint: what it gained over the start in a measure that the policy was not trained on. */
export interface Checkpoint extends Measured {
  update: number;
}
/** Why a checkpoint is recommended: measured and fitted peak agree, what was measured, or because nothing fell yet. */
export type StopReason = 'peak' | 'best' | 'rising';
export interface Stop {
  update: number;
  kl: number;
  gain: number;
  reason: StopReason;
}

/**
 * The checkpoint to stop at: where the gain was highest, the earliest of equals. The policy's form has a say in the
 * reason only: a peak that is fitted to a whole run lies between its steep rise and its long fall, mostly beside both.
 * Null without a checkpoint.
 */
export function recommendStop(checkpoints: readonly Checkpoint[]): Stop | null {
  const inOrder = checkpoints.filter(({ gain }) => Number.isFinite(gain)).toSorted((a, b) => a.update - b.update);
  const [first] = inOrder;
  if (!first) return null;
  const { update, kl, gain } = inOrder.reduce((a, b) => (b.gain > a.gain ? b : a), first);
  const peak = fitForm(inOrder, 'rl')?.peak;
  // nothing was measured between its neighbours and it
  const below = Math.max(0, ...inOrder.map((other) => other.kl).filter((other) => other < kl));
  const above = Math.min(...inOrder.map((other) => other.kl).filter((other) => other > kl));
  const agrees = peak && peak.low <= above && below <= peak.high;
  return { update, kl, gain, reason: update === inOrder.at(-1)!.update ? 'rising' : agrees ? 'peak' : 'best' };
}
