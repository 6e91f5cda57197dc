// How sizes, durations and results of runs are said on the terminal: the words of the window's table.

import type { RunFacts, RunResult } from '#core/contract/runs.ts';
import { shareWords, SURE } from '#core/contract/share-words.ts';
import { METRICS } from '#core/recipes/metrics.ts';
import type { Metric } from '#core/recipes/metrics.ts';
import { short } from './progress.ts';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];
/** 3.4 MB, 78 GB: powers of 1,000, as disks and files are sold. */
export function sizeWords(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toPrecision(2)} ${UNITS[unit]}`;
}

const KNOWN: Readonly<Record<string, Metric>> = METRICS;
const sure = ({ metric, count }: RunResult, value: number, error: number | null): string =>
  KNOWN[metric]?.share
    ? shareWords(value, { error, count })
    : `${short(value)}${error === null ? '' : ` ± ${short(Number((SURE * error).toPrecision(2)))}`}`;

/** "gold 2.4 ± 0.2 (best 5.4 ± 0.24 at 15)": the most telling number of a run; empty where it has none. */
export function resultWords({ results: [main] }: Pick<RunFacts, 'results'>): string {
  if (!main) return '';
  return `${main.metric} ${sure(main, main.last, main.lastError)}${hasBetter(main) ? ` (best ${sure(main, main.best, main.bestError)} at ${main.bestStep})` : ''}`;
}
const hasBetter = ({ best, last, bestStep }: RunResult): boolean => best !== last && bestStep > 0;
