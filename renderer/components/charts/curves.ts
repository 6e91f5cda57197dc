// The numbers of one run as they arrive: one growing curve a metric, in typed arrays, appended to and never rebuilt.

import type { MetricPoint } from '#core/contract/runs.ts';
import { lowerBound } from './series.ts';

export interface Curve {
  step: Float64Array;
  /** seconds of work since the first row; a resumed run goes on counting where it stopped */
  seconds: Float64Array;
  value: Float64Array;
  /** which row of metrics.jsonl each point is from */
  row: Float64Array;
  length: number;
  /** grows when points are taken back, so that what was derived from them is thrown away */
  cuts: number;
}

export interface Curves {
  /** rows taken in so far: the `from` of the next question */
  rows: number;
  byName: Map<string, Curve>;
  /** seconds of every row: as written, and as counted on over resumptions */
  written: Float64Array;
  elapsed: Float64Array;
}

const START = 64;
export const emptyCurves = (): Curves => ({
  rows: 0,
  byName: new Map(),
  written: new Float64Array(START),
  elapsed: new Float64Array(START),
});
const emptyCurve = (): Curve => ({
  step: new Float64Array(START),
  seconds: new Float64Array(START),
  value: new Float64Array(START),
  row: new Float64Array(START),
  length: 0,
  cuts: 0,
});

function grown(array: Float64Array, length: number): Float64Array {
  if (length <= array.length) return array;
  const wider = new Float64Array(Math.max(length, array.length * 2));
  wider.set(array);
  return wider;
}

function push(curve: Curve, step: number, seconds: number, value: number, row: number): void {
  const at = curve.length;
  const length = at + 1;
  for (const column of ['step', 'seconds', 'value', 'row'] as const) curve[column] = grown(curve[column], length);
  curve.step[at] = step;
  curve.seconds[at] = seconds;
  curve.value[at] = value;
  curve.row[at] = row;
  curve.length = length;
}

/**
 * What another metric says in the row that a point is from (its error, its count); null where it says nothing there.
 */
export function beside(curve: Curve, index: number, other: Curve | undefined): number | null {
  const row = curve.row[index];
  if (!other || row === undefined) return null;
  const at = lowerBound(other.row, row, other.length);
  const value = other.value[at];
  return at < other.length && other.row[at] === row && Number.isFinite(value) ? value! : null;
}

/** Whether two curves are the same in every point, and so are one line. */
export function sameCurve(a: Curve, b: Curve): boolean {
  if (a.length !== b.length) return false;
  for (let i = a.length - 1; i >= 0; i--) if (!Object.is(a.value[i], b.value[i]) || a.row[i] !== b.row[i]) return false;
  return true;
}

/** Forgets row `from` and all after it (a resumed run goes back to its checkpoint and writes them anew). */
export function cutCurves(curves: Curves, from: number): void {
  if (from >= curves.rows) return;
  for (const curve of curves.byName.values()) {
    let length = curve.length;
    while (length > 0 && curve.row[length - 1]! >= from) length--;
    if (length === curve.length) continue;
    curve.length = length;
    curve.cuts++;
  }
  curves.rows = from;
}

/** Takes in rows from number `from` on; false when rows before it are missing, and nothing is taken. */
export function appendRows(curves: Curves, from: number, rows: readonly MetricPoint[]): boolean {
  if (from > curves.rows) return false;
  cutCurves(curves, from);
  for (const point of rows) {
    const row = curves.rows;
    const before = row ? curves.written[row - 1]! : 0;
    const since = row ? curves.elapsed[row - 1]! - before : 0;
    const seconds = point.seconds < before ? since + before + point.seconds : since + point.seconds;
    curves.written = grown(curves.written, row + 1);
    curves.elapsed = grown(curves.elapsed, row + 1);
    curves.written[row] = point.seconds;
    curves.elapsed[row] = seconds;
    for (const name in point) {
      if (name === 'step' || name === 'seconds') continue;
      const value = point[name] as number | null; // NaN and infinities are null in JSON
      let curve = curves.byName.get(name);
      if (!curve) curves.byName.set(name, (curve = emptyCurve()));
      push(curve, point.step, seconds, value ?? Number.NaN, row);
    }
    curves.rows++;
  }
  return true;
}
