// How unlike a sample is to what people ranked, in the features that a reward model scores by.
//
// Mean and covariance of the ranked answers' features, the covariance shrunk towards a multiple of the identity so that
// it can be inverted where there are fewer answers than features; a distance is what remains after a Cholesky solve.

/** What a distance is measured from: where the data lies, and the lower factor L of its covariance, Σ = L Lᵀ. */
export interface Spread {
  /** [C] */
  mean: Float64Array;
  /** [C, C], by rows, nothing above the diagonal */
  factor: Float64Array;
  /** how much of the identity there is in the covariance, 0 to 1 */
  shrinkage: number;
}

/**
 * Mean and shrunk covariance of features [N, C], by rows:
 *
 *   Σ = (1 − ρ) S + ρ m I,   m = tr S / C,   ρ by Ledoit and Wolf 2004 ("A well-conditioned estimator for
 *   large-dimensional covariance matrices", lemma 3.2–3.4), S with 1/N
 *
 * Null where there are fewer than two rows, all rows are the same, or one holds what is no number.
 */
export function spreadOf(features: ArrayLike<number>, C: number): Spread | null {
  const N = features.length / C;
  if (!(N >= 2)) return null;
  const mean = new Float64Array(C);
  for (let i = 0; i < N; i++) for (let c = 0; c < C; c++) mean[c]! += features[i * C + c]! / N;
  const S = new Float64Array(C * C);
  const x = new Float64Array(C);
  let fourth = 0; // Σ_i ‖x_i‖⁴
  for (let i = 0; i < N; i++) {
    let square = 0;
    for (let c = 0; c < C; c++) {
      x[c] = features[i * C + c]! - mean[c]!;
      square += x[c]! * x[c]!;
    }
    fourth += square * square;
    addOuter(S, x, 1 / N);
  }
  const { shrinkage, m } = shrinkageOf(S, { N, C, fourth });
  if (!(m > 0) || !Number.isFinite(m)) return null;
  for (let r = 0; r < C; r++)
    for (let c = 0; c <= r; c++) S[r * C + c] = (1 - shrinkage) * S[r * C + c]! + (r === c ? shrinkage * m : 0);
  const factor = factorInPlace(S, C);
  return factor && { mean, factor, shrinkage };
}

/** Adds weight · x xᵀ to the lower triangle of S [C, C]. */
function addOuter(S: Float64Array, x: Float64Array, weight: number): void {
  const C = x.length;
  for (let r = 0; r < C; r++) {
    const scaled = weight * x[r]!;
    for (let c = 0, at = r * C; c <= r; c++, at++) S[at]! += scaled * x[c]!;
  }
}

/** ρ = min(b², d²) / d², with d² = ‖S − m I‖² and b² = (Σ ‖x_i‖⁴ / N − ‖S‖²) / N, norms of Frobenius. */
function shrinkageOf(
  S: Float64Array,
  { N, C, fourth }: { N: number; C: number; fourth: number },
): { shrinkage: number; m: number } {
  let trace = 0;
  let norm = 0;
  for (let r = 0; r < C; r++) {
    trace += S[r * C + r]!;
    for (let c = 0; c <= r; c++) norm += (c === r ? 1 : 2) * S[r * C + c]! ** 2;
  }
  const m = trace / C;
  const d2 = norm - C * m * m;
  const b2 = (fourth / N - norm) / N;
  return { m, shrinkage: d2 > 0 ? Math.min(Math.max(b2, 0), d2) / d2 : 1 };
}

/** Turns the lower triangle of a covariance [C, C] into its Cholesky factor, where it lies; null if it has none. */
function factorInPlace(S: Float64Array, C: number): Float64Array | null {
  const dot = (a: number, b: number, length: number) => {
    let sum = 0;
    for (let k = 0; k < length; k++) sum += S[a * C + k]! * S[b * C + k]!;
    return sum;
  };
  for (let r = 0; r < C; r++) {
    for (let c = 0; c < r; c++) S[r * C + c] = (S[r * C + c]! - dot(r, c, c)) / S[c * C + c]!;
    const left = S[r * C + r]! - dot(r, r, r);
    if (!(left > 0)) return null;
    S[r * C + r] = Math.sqrt(left);
  }
  return S;
}

/**
 * √((x − mean)ᵀ Σ⁻¹ (x − mean)) for each row x of features [N, C]: the length of z where L z = x − mean. Of normal data
 * its square is about C, with a standard deviation of √(2C).
 */
export function distances({ mean, factor }: Spread, features: ArrayLike<number>): Float64Array {
  const C = mean.length;
  const z = new Float64Array(C);
  return Float64Array.from({ length: features.length / C }, (_, i) => {
    let square = 0;
    for (let r = 0; r < C; r++) {
      let left = features[i * C + r]! - mean[r]!;
      for (let k = 0, at = r * C; k < r; k++, at++) left -= factor[at]! * z[k]!;
      z[r] = left / factor[r * C + r]!;
      square += z[r]! * z[r]!;
    }
    return Math.sqrt(square);
  });
}

/** Of the ranked answers' own distances, all but one in a hundred. */
const USUAL = 0.99;
/** Fewer say nothing about their hundredth. */
const FEWEST_RANKED = 64;

/**
 * Which rows of features [N, C] lie farther from the ranked ones [R, C] than 99 of 100 of those. Mean and covariance
 * are of every second ranked row, the distance that is usual of the others: what a spread was fitted to lies too near
 * to it. Null of fewer than 64 ranked rows.
 */
export function farFrom(ranked: ArrayLike<number>, features: ArrayLike<number>, C: number): boolean[] | null {
  const R = ranked.length / C;
  if (R < FEWEST_RANKED) return null;
  const half = (odd: number) =>
    Float64Array.from(
      { length: Math.floor((R + 1 - odd) / 2) * C },
      (_, i) => ranked[(2 * Math.floor(i / C) + odd) * C + (i % C)]!,
    );
  const spread = spreadOf(half(0), C);
  if (!spread) return null;
  const own = distances(spread, half(1)).sort();
  const usual = own[Math.ceil(USUAL * own.length) - 1]!;
  return Array.from(distances(spread, features), (distance) => distance > usual);
}
