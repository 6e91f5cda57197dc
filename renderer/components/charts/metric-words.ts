// How a measured value is said: with the interval that holds it 95 % of the time, and how many samples it rests on.

import type { RunResult } from '#core/contract/runs.ts';
import { shareEnds, shareInterval, SURE } from '#core/contract/share-words.ts';
import type { ShareRests } from '#core/contract/share-words.ts';
import { number } from '#renderer/components/train/run-words.ts';
import type { Line } from './chart-options.ts';
import { beside } from './curves.ts';

/** ± and half an interval, as exact as it is worth: two digits. */
export const plusMinus = (error: number | null): string =>
  error === null ? '' : `± ${number(Number((SURE * error).toPrecision(2)))}`;

/** "2.404 ± 0.31": a value and what its error says of it. */
export const withError = (value: number, error: number | null): string =>
  [number(error === null || error === 0 ? value : roundedTo(value, SURE * error)), plusMinus(error)]
    .filter(Boolean)
    .join(' ');

/** As many decimals as an interval of this size makes meaningful: its own two digits. */
function roundedTo(value: number, half: number): number {
  const decimals = Math.min(10, Math.max(0, 1 - Math.floor(Math.log10(half))));
  return Number(value.toFixed(decimals));
}

/** The last value of a result and its best, each with what is known of how sure it is. */
export const lastWords = ({ last, lastError, count }: RunResult, isShare: boolean): string =>
  isShare ? percentWithin(last, { error: lastError, count }) : withError(last, lastError);
export const bestWords = ({ best, bestError, count }: RunResult, isShare: boolean): string =>
  isShare ? percentWithin(best, { error: bestError, count }) : withError(best, bestError);

/** "79.2 % (76 to 82)" */
function percentWithin(share: number, rests: ShareRests): string {
  const ends = shareInterval(share, rests)
    ?.map((end) => Math.round(100 * end))
    .join(' to ');
  return `${(100 * share).toFixed(1)} %${ends === undefined ? '' : ` (${ends})`}`;
}

/** The point `index` of a line in words. */
export function pointWords(line: Line, index: number): { value: string; error: string; count: string } {
  const value = line.curve.value[index];
  const error = beside(line.curve, index, line.error);
  const count = beside(line.curve, index, line.count);
  if (value === undefined) return { value: '–', error: '', count: '' };
  const interval = line.share ? shareEnds(value, { error, count }) : plusMinus(error);
  return { value: number(value), error: interval, count: count === null ? '' : `n = ${number(count)}` };
}
