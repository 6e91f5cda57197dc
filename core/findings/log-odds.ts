// How much more often something is said here than there, and how surely: the log-odds ratio with an informative
// Dirichlet prior of Monroe, Colaresi and Quinn 2008 ("Fightin' words", equations 15 to 22).

/** `y` of `n`; of a prior, pseudo-counts. */
export interface Count {
  y: number;
  n: number;
}
export interface LogOdds {
  /** difference of the log-odds: above 0 where it is said more often in the first */
  delta: number;
  /** in its standard deviations */
  z: number;
}

/** ln of the odds, with the prior's counts among one's own. */
const lnOdds = ({ y, n }: Count, prior: Count) => Math.log((y + prior.y) / (n + prior.n - y - prior.y));

/**
 * δ = ln odds(a) − ln odds(b), z = δ / √variance. Of one word among all words the variance is 1/y_a + 1/y_b with the
 * prior's counts added (equation 20), for the counts of all others are large. A phrase may stand in nearly all texts:
 * of texts, those without it count too (equation 19).
 */
export function logOdds(a: Count, b: Count, prior: Count, among: 'words' | 'texts'): LogOdds {
  const delta = lnOdds(a, prior) - lnOdds(b, prior);
  let variance = 0;
  for (const { y, n } of [a, b]) {
    variance += 1 / (y + prior.y);
    if (among === 'texts') variance += 1 / (n + prior.n - y - prior.y);
  }
  return { delta, z: delta / Math.sqrt(variance) };
}

/** The prior that both together make, of the weight of `strength` observations. */
export const pooledPrior = (a: Count, b: Count, strength: number): Count => ({
  y: (strength * (a.y + b.y)) / (a.n + b.n),
  n: strength,
});

/** The share of all texts that a prior weighs: enough that what was never said ranks above what was, now and then. */
const PRIOR_WEIGHT = 1 / 4;

/** For texts that have something: the pooled prior, and half a text of each kind so that no odds are infinite. */
export function logOddsOfTexts(now: Count, start: Count): LogOdds {
  const pooled = { y: now.y + start.y + 1 / 2, n: now.n + start.n + 1 };
  const strength = PRIOR_WEIGHT * pooled.n;
  return logOdds(now, start, { y: (strength * pooled.y) / pooled.n, n: strength }, 'texts');
}
