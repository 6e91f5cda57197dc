// How a measured value is said: with the interval that holds it 95 % of the time, and how many samples it rests on.

import { number } from '#renderer/components/train/run-words.ts';
import { SURE } from './chart-options.ts';
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

/** The point `index` of a line in words. */
export function pointWords(line: Line, index: number): { value: string; error: string; count: string } {
  const value = line.curve.value[index];
  const error = beside(line.curve, index, line.error);
  const count = beside(line.curve, index, line.count);
  if (value === undefined) return { value: '–', error: '', count: '' };
  return { value: number(value), error: plusMinus(error), count: count === null ? '' : `n = ${number(count)}` };
}
