// A mean and how far it may be off, where values of one cluster (the rankings of one prompt) hang together.

/** One value of a cluster, counting `weight` times. */
export interface Clustered {
  cluster: number;
  value: number;
  weight: number;
}

/**
 * The weighted mean, and its standard error clustered by `cluster`: √(G/(G−1) Σ_g (Σ_{i in g} w(x − mean))²) / Σ w, the
 * linearised one of Liang and Zeger 1986. Null below two clusters, and the mean NaN without any.
 */
export function clusteredMean(values: readonly Clustered[]): { mean: number; standardError: number | null } {
  const total = values.reduce((sum, { weight }) => sum + weight, 0);
  const mean = values.reduce((sum, { value, weight }) => sum + value * weight, 0) / total;
  const off = new Map<number, number>();
  for (const { cluster, value, weight } of values) off.set(cluster, (off.get(cluster) ?? 0) + weight * (value - mean));
  const G = off.size;
  const squares = [...off.values()].reduce((sum, x) => sum + x * x, 0);
  return { mean, standardError: G < 2 ? null : Math.sqrt((G / (G - 1)) * squares) / total };
}
