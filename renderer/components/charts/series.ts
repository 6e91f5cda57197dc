// What happens to a metric between the file and the picture: smoothing, then thinning, gaps on log axes, outliers, CSV.

export const DEFAULT_SMOOTHING = 0.6;
export const MAX_SMOOTHING = 0.99;
/** most points of one line on the screen */
export const MAX_POINTS = 1500;

/** A smoothed curve that can go on where it stopped when rows are appended. */
export interface Smoothed {
  weight: number;
  values: Float64Array;
  length: number;
  last: number;
  counted: number;
}

/**
 * Debiased exponential moving average as TensorBoard draws it: s_t = (w·S_{t−1} + (1 − w)·x_t) / (1 − w^t), written as
 * a step from the last value so that a constant curve stays exactly constant. Values that are not finite pass through
 * and leave the average alone. `before` is what this function returned for a beginning of the same values.
 */
export function smooth(
  values: ArrayLike<number>,
  weight: number,
  length: number = values.length,
  before: Smoothed | null = null,
): Smoothed {
  const goesOn = before !== null && before.weight === weight && before.length <= length;
  const s: Smoothed = goesOn ? before : { weight, values: new Float64Array(length), length: 0, last: 0, counted: 0 };
  if (s.values.length < length) {
    const wider = new Float64Array(Math.max(length, s.values.length * 2));
    wider.set(s.values.subarray(0, s.length));
    s.values = wider;
  }
  for (let i = s.length; i < length; i++) {
    const x = values[i]!;
    if (Number.isFinite(x)) {
      s.counted++;
      s.last += ((1 - weight) / (1 - weight ** s.counted)) * (x - s.last);
      s.values[i] = s.last;
    } else {
      s.values[i] = x;
    }
  }
  s.length = length;
  return s;
}

/**
 * Indices of [from, to) to draw, in order: all of them, or at most `limit`: the first, the last, and of each of equal
 * stretches the lowest, the highest and (where there is one) a gap. So a spike of one point never vanishes.
 * Stretches are equal in points, or with `place` as the axis has it: the index at a share (0 to 1) of its width.
 */
export function decimate(
  values: ArrayLike<number>,
  from: number = 0,
  to: number = values.length,
  limit: number = MAX_POINTS,
  place?: (share: number) => number,
): Int32Array {
  const count = Math.max(0, to - from);
  if (count <= limit) return Int32Array.from({ length: count }, (_, i) => from + i);
  let gaps = false;
  for (let i = from; i < to && !gaps; i++) gaps = !Number.isFinite(values[i]!);
  const stretches = Math.max(1, Math.floor((limit - 2) / (gaps ? 3 : 2)));
  const kept: number[] = [from];
  const inner = count - 2;
  const edge = (share: number): number =>
    share >= 1
      ? to - 1
      : Math.min(to - 1, Math.max(from + 1, place ? place(share) : from + 1 + Math.floor(share * inner)));
  for (let b = 0; b < stretches; b++) {
    const start = b === 0 ? from + 1 : edge(b / stretches);
    const end = edge((b + 1) / stretches);
    let low = -1;
    let high = -1;
    let gap = -1;
    for (let i = start; i < end; i++) {
      const x = values[i]!;
      if (!Number.isFinite(x)) {
        if (gap < 0) gap = i;
      } else {
        if (low < 0 || x < values[low]!) low = i;
        if (high < 0 || x > values[high]!) high = i;
      }
    }
    let last = -1;
    for (const i of [low, high, gap].sort((a, b) => a - b)) {
      if (i >= 0 && i !== last) kept.push(i);
      last = i;
    }
  }
  kept.push(to - 1);
  return Int32Array.from(kept);
}

/** First index of the ascending `xs` whose value is at least `x`. */
export function lowerBound(xs: ArrayLike<number>, x: number, length: number = xs.length): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle]! < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the value nearest to `x`; −1 when there is none. */
export function nearest(xs: ArrayLike<number>, x: number, length: number = xs.length): number {
  if (length === 0) return -1;
  const right = Math.min(lowerBound(xs, x, length), length - 1);
  const left = Math.max(0, right - 1);
  return Math.abs(xs[left]! - x) <= Math.abs(xs[right]! - x) ? left : right;
}

/** The indices [from, to) between two x, with one neighbour on each side so that lines run out of the picture. */
export function visible(
  xs: ArrayLike<number>,
  range: readonly [number, number] | null,
  length: number = xs.length,
): [number, number] {
  if (!range) return [0, length];
  return [Math.max(0, lowerBound(xs, range[0], length) - 1), Math.min(length, lowerBound(xs, range[1], length) + 1)];
}

/**
 * For `decimate`: stretches of [from, to) that are equally wide on an axis that is linear around 0 and logarithmic
 * beyond 1.
 */
export function evenOnLogAxis(xs: ArrayLike<number>, from: number, to: number): (share: number) => number {
  const low = Math.asinh(xs[from] ?? 0);
  const high = Math.asinh(xs[to - 1] ?? 0);
  return (share) => lowerBound(xs, Math.sinh(low + share * (high - low)), to);
}

/** Decades that a log axis spans at most: below lies what is as good as nothing, such as the rounding of a KL of 0. */
const DECADES = 5;
/** The lowest value that a log axis shows: so many decades below the largest; 0 where there is none above 0. */
export function logFloor(lists: readonly ArrayLike<number>[]): number {
  let most = 0;
  for (const list of lists)
    for (let i = 0; i < list.length; i++) if (list[i]! > most && Number.isFinite(list[i])) most = list[i]!;
  return most * 10 ** -DECADES;
}

/**
 * Picks values for drawing: what is not finite, and on a log axis what is not above 0, becomes a gap and is counted
 * (`hidden`). On a log axis what is above 0 and below `floor` is drawn on it (`floored`).
 */
export function pick(
  values: ArrayLike<number>,
  indices: ArrayLike<number>,
  log: boolean,
  floor = 0,
): { values: (number | null)[]; hidden: number; floored: number } {
  const picked: (number | null)[] = [];
  let hidden = 0;
  let floored = 0;
  for (let i = 0; i < indices.length; i++) {
    const x = values[indices[i]!]!;
    const drawn = Number.isFinite(x) && (!log || x > 0);
    if (!drawn && log && Number.isFinite(x)) hidden++;
    const isLow = drawn && log && x < floor;
    if (isLow) floored++;
    picked.push(isLow ? floor : drawn ? x : null);
  }
  return { values: picked, hidden, floored };
}

/** The `low` and `high` quantile of all finite values together; null when there is none. */
export function quantiles(
  lists: readonly ArrayLike<number>[],
  low: number = 0.01,
  high: number = 0.99,
): [number, number] | null {
  const all = Float64Array.from(lists.flatMap((list) => Array.from(list).filter((x) => Number.isFinite(x)))).sort();
  if (all.length === 0) return null;
  const at = (q: number) => {
    const place = q * (all.length - 1);
    const below = Math.floor(place);
    return all[below]! + (place - below) * ((all[below + 1] ?? all[below]!) - all[below]!);
  };
  return [at(low), at(high)];
}

/** The range of an axis around its data: a twentieth of room, or where the curve is flat enough to see that it is. */
export function padded([low, high]: readonly [number, number]): [number, number] {
  const spread = high - low;
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (spread > Math.max(size * 1e-9, 1e-300)) return [low - spread * 0.05, high + spread * 0.05];
  const room = size > 1e-300 ? size * 0.1 : 1;
  return [low - room, high + room];
}

/** `error` gives the standard error of a point, where it was measured; such a line is never smoothed. */
export interface CsvLine {
  run: string;
  step: ArrayLike<number>;
  seconds: ArrayLike<number>;
  value: ArrayLike<number>;
  length: number;
  error?: (index: number) => number | null;
}

export const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const cell = (x: number): string => (Number.isFinite(x) ? String(x) : '');

/**
 * One row a point of every run, none left out; a value that is not a number is empty. Beside it stands the smoothed
 * value,
 * or of what was measured its standard error.
 */
export function toCsv(metric: string, weight: number, lines: readonly CsvLine[]): string {
  const measured = lines.some(({ error }) => error);
  const rows = [
    `run,step,seconds,${quoted(metric)},${quoted(measured ? `${metric}_se` : `${metric} smoothed ${weight}`)}`,
  ];
  for (const { run, step, seconds, value, length, error } of lines) {
    const smoothed = measured ? null : smooth(value, weight, length).values;
    for (let i = 0; i < length; i++)
      rows.push(
        `${quoted(run)},${cell(step[i]!)},${cell(seconds[i]!)},${cell(value[i]!)},${cell(smoothed ? smoothed[i]! : (error?.(i) ?? Number.NaN))}`,
      );
  }
  return `${rows.join('\n')}\n`;
}
