// Since which update something is said: the change point of a share over the updates of a run, with its interval.
//
// Before the onset the share is one number, after the rise another; in between it climbs in a straight line, or it
// jumps. Both shares and both updates are those of the largest binomial likelihood.

/** At one update: how many of how many samples had it. */
export interface Share {
  update: number;
  hits: number;
  n: number;
}

export interface Onset {
  /** the first update with more of it than before */
  update: number;
  /** 95 % interval of that update */
  low: number;
  high: number;
  /** the update from which on the share rises no more: the onset itself where it jumps */
  full: number;
  /** shares before the onset and after the rise */
  before: number;
  after: number;
}

/**
 * 95 % of the likelihood ratio of a change point: P(2 (L̂ − L) ≤ x) = (1 − e^(−x/2))² (Hansen 2000, "Sample splitting
 * and threshold estimation", theorem 1).
 */
const INTERVAL = 7.35;
/**
 * How much twice the log-likelihood must gain over a share that stays the same, besides 2 ln of the places where it
 * could begin: of 1,000 series that stay the same fewer than one gains so much by chance (a χ² of one degree of freedom
 * passes 10 with probability .0016, and that again for each place).
 */
const RISE = 10;
const ITERATIONS = 40;

/** Sums over everything before an update: hits and samples. */
interface Sums {
  hits: Float64Array;
  n: Float64Array;
}
interface Rise {
  logLikelihood: number;
  before: number;
  after: number;
}
interface Candidate extends Rise {
  from: number;
  to: number;
}

/** h ln p + (n − h) ln(1 − p), 0 ln 0 = 0. */
const logBinomial = (hits: number, n: number, p: number) =>
  (hits > 0 ? hits * Math.log(p) : 0) + (n > hits ? (n - hits) * Math.log1p(-p) : 0);

/** How far the share has risen at the k-th of the updates of a climb from `from` to `to`: 1 at the last. */
const risen = (k: number, from: number, to: number) => (k - from + 1) / (to - from + 1);

/**
 * The two shares of the largest likelihood for a climb over `from` … `to`. A sample on the way is of the level after
 * with probability `risen`, else of the one before: a mixture whose parts expectation–maximisation tells apart, each
 * step in closed form. A jump needs no step.
 */
function fitRise(shares: readonly Share[], sums: Sums, from: number, to: number): Rise {
  const last = shares.length;
  const low = { hits: sums.hits[from]!, n: sums.n[from]! };
  const high = { hits: sums.hits[last]! - sums.hits[to]!, n: sums.n[last]! - sums.n[to]! };
  let before = low.n > 0 ? low.hits / low.n : 0;
  let after = high.hits / high.n;
  const turns = from < to ? ITERATIONS : 0;
  for (let turn = 0; turn < turns; turn++) {
    const [a, b] = [{ ...low }, { ...high }];
    for (let k = from; k < to; k++) {
      const w = risen(k, from, to);
      const { hits, n } = shares[k]!;
      const p = (1 - w) * before + w * after;
      const hitsAfter = p > 0 ? (hits * w * after) / p : 0;
      const missesAfter = p < 1 ? ((n - hits) * w * (1 - after)) / (1 - p) : 0;
      b.hits += hitsAfter;
      b.n += hitsAfter + missesAfter;
      a.hits += hits - hitsAfter;
      a.n += n - hitsAfter - missesAfter;
    }
    const moved = [a.n > 0 ? a.hits / a.n : 0, b.hits / b.n] as const;
    const step = Math.abs(moved[0] - before) + Math.abs(moved[1] - after);
    [before, after] = moved;
    if (step < 1e-6) break;
  }
  let logLikelihood = logBinomial(low.hits, low.n, before) + logBinomial(high.hits, high.n, after);
  for (let k = from; k < to; k++) {
    const w = risen(k, from, to);
    logLikelihood += logBinomial(shares[k]!.hits, shares[k]!.n, (1 - w) * before + w * after);
  }
  return { logLikelihood, before, after };
}

/**
 * The best climb that begins at `from`: by its ends at once, then ever twice as far, and then by halving steps around
 * the best of those.
 */
function bestFrom(shares: readonly Share[], sums: Sums, from: number): Candidate {
  const last = shares.length - 1;
  const endingAt = (to: number): Candidate => ({ from, to, ...fitRise(shares, sums, from, to) });
  let best = endingAt(from);
  const consider = (to: number) => {
    if (to <= from || to > last) return;
    const other = endingAt(to);
    if (other.logLikelihood > best.logLikelihood) best = other;
  };
  for (let length = 1; from + length < last; length *= 2) consider(from + length);
  consider(last);
  for (let step = (best.to - from) >> 1; step >= 1; step >>= 1) {
    const { to } = best;
    consider(to - step);
    consider(to + step);
  }
  return best;
}

/**
 * How many times more the shares vary around the fit than samples drawn one by one would (Pearson's χ² by degrees of
 * freedom, at least 1): samples of one prompt hang together. Likelihood ratios are divided by it (McCullagh and Nelder
 * 1989, §4.5).
 */
function dispersion(shares: readonly Share[], { from, to, before, after }: Candidate): number {
  let chi = 0;
  shares.forEach(({ hits, n }, k) => {
    const w = k < from ? 0 : k >= to ? 1 : risen(k, from, to);
    const p = (1 - w) * before + w * after;
    const variance = n * p * (1 - p);
    if (variance > 0) chi += (hits - n * p) ** 2 / variance;
  });
  return Math.max(1, chi / Math.max(1, shares.length - 4));
}

/** The climb that fits best, and the first and last place where it may as well begin. */
interface Found {
  best: Candidate;
  low: number;
  high: number;
}

/** Null where the share does not rise more than chance would have it. */
function riseOf(shares: readonly Share[]): Found | null {
  const last = shares.length - 1;
  if (last < 1) return null;
  const sums: Sums = { hits: new Float64Array(last + 2), n: new Float64Array(last + 2) };
  shares.forEach(({ hits, n }, k) => {
    sums.hits[k + 1] = sums.hits[k]! + hits;
    sums.n[k + 1] = sums.n[k]! + n;
  });
  const [hits, n] = [sums.hits[last + 1]!, sums.n[last + 1]!];
  // the best of each update, that is the profile of the likelihood over the onset
  const profile = Array.from({ length: last }, (_, i) => bestFrom(shares, sums, i + 1));
  const rising = profile.filter(({ before, after }) => after > before);
  if (rising.length === 0) return null;
  const best = rising.reduce((a, b) => (b.logLikelihood > a.logLikelihood ? b : a));
  const scatter = dispersion(shares, best);
  const gain = (2 * (best.logLikelihood - logBinomial(hits, n, hits / n))) / scatter;
  if (gain < RISE + 2 * Math.log(last)) return null;
  const near = rising.filter(({ logLikelihood }) => (2 * (best.logLikelihood - logLikelihood)) / scatter <= INTERVAL);
  return { best, low: near[0]!.from, high: near.at(-1)!.from };
}

/**
 * The onset of a rise, or null where the share does not rise more than chance would have it. A climb is looked at again
 * up to its middle: what spreads by its own reward spreads slowly at first, and a line through its steep part would
 * begin too late.
 */
export function onsetOf(given: readonly Share[]): Onset | null {
  const shares = given.filter(({ n }) => n > 0).toSorted((a, b) => a.update - b.update);
  const whole = riseOf(shares);
  if (!whole) return null;
  const { from, to, before, after } = whole.best;
  const middle = Math.ceil((from + to) / 2);
  const { best, low, high } = (middle > from ? riseOf(shares.slice(0, middle + 1)) : null) ?? whole;
  const updateAt = (k: number): number => shares[k]!.update;
  return {
    update: updateAt(best.from),
    low: updateAt(low),
    high: updateAt(high),
    full: updateAt(to),
    before,
    after,
  };
}
