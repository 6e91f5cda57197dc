// What choosing the best of n samples by a score gains, and how far it goes from the policy that wrote them, estimated
// from one pool of samples a prompt.

/**
 * Nats between the best of n and the policy: ln n − (n − 1)/n, exact where no two samples score the same (D32;
 * P20 Table 10).
 */
export const bestOfNKl = (n: number): number => Math.log(n) - (n - 1) / n;

/**
 * The expected value of the best of n, over all C(N, n) ways to draw n of the N samples without putting one back, which
 * is unbiased for every n ≤ N:
 *
 *   Σ_i C(i − 1, n − 1) / C(N, n) · value_(i),   (i) the i-th of the samples by score, from the lowest
 *
 * `values` are what the chosen one is worth (gold, a held-out model), in the order of `scores`, by which it is chosen;
 * the same numbers where one asks what the score itself gains. Samples of one score share what falls to their places.
 * NaN where the pool has fewer than n samples.
 */
export function bestOfN(scores: readonly number[], n: number, values: readonly number[] = scores): number {
  const N = scores.length;
  if (n < 1 || n > N) return NaN;
  const order = scores.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  let best = 0;
  let share = n / N; // C(i − 1, n − 1) / C(N, n) at i = N, and from there down by (i − n) / (i − 1)
  for (let at = 0; at < N;) {
    let end = at;
    let shares = 0;
    let sum = 0;
    for (; end < N && scores[order[end]!] === scores[order[at]!]; end++) {
      const i = N - end;
      shares += share;
      sum += values[order[end]!]!;
      share = i > 1 ? (share * (i - n)) / (i - 1) : 0;
    }
    best += (shares * sum) / (end - at);
    at = end;
  }
  return best;
}
