// What came out of a run in a few numbers: of every metric its last value and its best, with the error where it was
// measured.

import path from 'node:path';
import type { RunKind, RunResult } from '#core/contract/runs.ts';
import { METRICS } from '#core/recipes/metrics.ts';
import type { Metric } from '#core/recipes/metrics.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { followLines } from './new-lines.ts';

const GLOSSARY: Readonly<Record<string, Metric>> = METRICS;
const PIECE = 1 << 19; // bytes at a stretch: a few milliseconds

/** Standard errors and sample sizes belong to other numbers and are no results of their own. */
const isAbout = (metric: string): boolean =>
  metric.endsWith('_se') || Object.values(GLOSSARY).some(({ count }) => count === metric);
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

export interface ResultsSoFar {
  /** Reads on for one stretch; false where there was nothing new. */
  read(): boolean;
  results(): RunResult[];
}

/** Follows a run's metrics. Where neither way is better, the last value counts as the best. */
export function followResults(runFolder: string, kind: RunKind | null): ResultsSoFar {
  const file = followLines(path.join(runFolder, 'metrics.jsonl'));
  const found = new Map<string, RunResult>();
  function take(row: Readonly<Record<string, unknown>>): void {
    const step = row['step'];
    if (!isNumber(step)) return;
    for (const [metric, value] of Object.entries(row)) {
      if (metric === 'step' || metric === 'seconds' || !isNumber(value) || isAbout(metric)) continue;
      const { better = null, count = '' } = GLOSSARY[metric] ?? {};
      const given = row[`${metric}_se`];
      const error = isNumber(given) ? given : null;
      const size = row[count];
      const now = { metric, last: value, lastError: error, count: isNumber(size) ? size : null };
      const before = found.get(metric);
      const leads = !before || better === null || (better === 'high' ? value > before.best : value < before.best);
      found.set(metric, leads ? { ...now, best: value, bestStep: step, bestError: error } : { ...before, ...now });
    }
  }
  return {
    read: () => {
      const { lines, restarted } = file.read(PIECE);
      if (restarted) found.clear(); // it went back to a checkpoint
      for (const line of lines) {
        const row = parsed(line);
        if (row) take(row);
      }
      return lines.length > 0;
    },
    results: () => inOrder([...found.values()], kind),
  };
}

function parsed(line: string): Record<string, unknown> | null {
  try {
    const row: unknown = JSON.parse(line);
    return row !== null && typeof row === 'object' && !Array.isArray(row) ? (row as Record<string, unknown>) : null;
  } catch {
    return null; // torn by a crash
  }
}

/** The results of a run's folder as it is now. */
export function readResults(runFolder: string, kind: RunKind | null): RunResult[] {
  const so = followResults(runFolder, kind);
  while (so.read());
  return so.results();
}

/** The same with rests in between, for whoever has others to answer meanwhile. */
export async function gatherResults(so: ResultsSoFar): Promise<RunResult[]> {
  while (so.read()) await new Promise<void>((resolve) => setImmediate(resolve));
  return so.results();
}

/** What the recipe is judged by first (null: of whichever), then as in the glossary. */
export function inOrder(results: readonly RunResult[], kind: RunKind | null): RunResult[] {
  const key: readonly string[] = (kind === null ? null : recipeOf(kind)?.judgedBy) ?? [];
  const all = Object.keys(GLOSSARY);
  const place = (metric: string): number =>
    key.includes(metric) ? key.indexOf(metric) : 1000 + (all.includes(metric) ? all.indexOf(metric) : all.length);
  return results.toSorted((a, b) => place(a.metric) - place(b.metric));
}

/** The last values by their names, errors and sample sizes beside them, as a row of metrics.jsonl holds them. */
export const lastValues = (results: readonly RunResult[]): Record<string, number> =>
  Object.fromEntries(
    results.flatMap(({ metric, last, lastError, count }) => {
      const size = GLOSSARY[metric]?.count;
      return [
        [metric, last],
        ...(lastError === null ? [] : [[`${metric}_se`, lastError]]),
        ...(count === null || size === undefined ? [] : [[size, count]]),
      ] as [string, number][];
    }),
  );
