// A measured share with the interval that holds it 95 % of the time: the same in the window and on the command line.

/** Standard errors to either side of a value that hold 95 % of the time. */
export const SURE = 1.96;

/** What a share rests on: its standard error (null below two clusters) and of how many (null where nobody counted). */
export interface ShareRests {
  error: number | null;
  count: number | null;
}

/**
 * The interval of a share from 0 to 1, which never leaves them: Wilson 1927 with an effective sample size (Korn and
 * Graubard 1998). p(1 − p)/se² yes-or-no answers would tell as much as was measured; of n it is believed to
 * (n − 3)/(n − 1), as the variance of Student's t wants, but n answers are believed where it says as many. Where the
 * error says nothing it is n (all alike) or one (one cluster). Null where neither error nor count is known.
 */
export function shareInterval(share: number, { error, count }: ShareRests, sure = SURE): [number, number] | null {
  if (error === null && count === null) return null;
  const n = believed(share, error, count);
  const square = sure ** 2;
  const middle = (share + square / (2 * n)) / (1 + square / n);
  const half = (sure / (1 + square / n)) * Math.sqrt((share * (1 - share)) / n + square / (4 * n ** 2));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/** How many yes-or-no answers it is taken for, one at the least. */
function believed(share: number, error: number | null, count: number | null): number {
  const told = error === null ? 1 : (share * (1 - share)) / error ** 2;
  if (error === null || count === null) return Number.isFinite(told) ? Math.max(1, told) : 1;
  if (!Number.isFinite(told) || told === 0) return Math.max(1, count); // all of them alike
  return Math.max(1, Math.min(told, count), (told * (count - 3)) / Math.max(1, count - 1));
}

/** Two decimals, three where the ends would look alike. */
const endsOf = ([low, high]: readonly [number, number]): string => {
  const decimals = high - low < 0.05 ? 3 : 2;
  return `${low.toFixed(decimals)} to ${high.toFixed(decimals)}`;
};

/** "0.16 to 0.95"; empty where nobody knows how sure it is. */
export function shareEnds(share: number, rests: ShareRests): string {
  const interval = shareInterval(share, rests);
  return interval ? endsOf(interval) : '';
}

/** "0.667 (0.16 to 0.95)" */
export function shareWords(share: number, rests: ShareRests): string {
  const ends = shareEnds(share, rests);
  return `${share.toFixed(3)}${ends && ` (${ends})`}`;
}
