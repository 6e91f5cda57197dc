// How sure a share is: its 95 % interval where observations are independent.

import { NORMAL_QUANTILE } from './interval.ts';

export interface ShareInterval {
  share: number;
  low: number;
  high: number;
  n: number;
}

/** Wilson's score interval (1927): inside 0 and 1 however few observations there are. Null of none. */
export function shareInterval(hits: number, n: number): ShareInterval | null {
  if (n === 0) return null;
  const share = hits / n;
  const squared = NORMAL_QUANTILE ** 2;
  const middle = (share + squared / (2 * n)) / (1 + squared / n);
  const half = (NORMAL_QUANTILE / (1 + squared / n)) * Math.sqrt((share * (1 - share)) / n + squared / (4 * n * n));
  return { share, low: Math.max(0, middle - half), high: Math.min(1, middle + half), n };
}
