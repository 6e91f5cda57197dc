// What a chart does to numbers before it draws them, against naive formulas and the promises it makes.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decimate,
  evenOnLogAxis,
  logFloor,
  lowerBound,
  MAX_POINTS,
  nearest,
  padded,
  pick,
  quantiles,
  smooth,
  toCsv,
  visible,
} from '#renderer/components/charts/series.ts';

const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const values = fc.array(value, { minLength: 1, maxLength: 400 });
const withGaps = fc.array(fc.oneof({ weight: 9, arbitrary: value }, fc.constantFrom(Number.NaN, Infinity, -Infinity)), {
  minLength: 1,
  maxLength: 400,
});
const weight = fc.double({ min: 0, max: 0.99, noNaN: true });

/** The textbook formula: weights w^(t−i), divided by their sum. */
function naiveAverage(xs: readonly number[], w: number): number[] {
  return xs.map((_, t) => {
    let sum = 0;
    let weights = 0;
    for (let i = 0; i <= t; i++) {
      sum += w ** (t - i) * xs[i]!;
      weights += w ** (t - i);
    }
    return sum / weights;
  });
}

describe('smoothing', () => {
  test('is the weighted mean of all values so far, weights falling by w a step', () => {
    fc.assert(
      fc.property(values, weight, (xs, w) => {
        const smoothed = smooth(xs, w).values;
        const naive = naiveAverage(xs, w);
        const size = Math.max(1, ...xs.map(Math.abs));
        for (let i = 0; i < xs.length; i++) expect(Math.abs(smoothed[i]! - naive[i]!)).toBeLessThanOrEqual(size * 1e-9);
      }),
      { numRuns: 60 },
    );
  });

  test('going on from a beginning gives the same, bit for bit, as doing it at once', () => {
    fc.assert(
      fc.property(withGaps, weight, fc.nat(400), (xs, w, at) => {
        const whole = smooth(xs, w);
        const cut = Math.min(at, xs.length);
        const continued = smooth(xs, w, xs.length, smooth(xs, w, cut));
        expect(Array.from(continued.values.subarray(0, xs.length))).toEqual(
          Array.from(whole.values.subarray(0, xs.length)),
        );
      }),
      { numRuns: 60 },
    );
  });

  test('another weight or fewer values start anew', () => {
    const before = smooth([1, 2, 3, 4], 0.9);
    expect(Array.from(smooth([1, 2, 3, 4], 0, 4, before).values)).toEqual([1, 2, 3, 4]);
    expect(Array.from(smooth([9, 8], 0.9, 2, smooth([1, 2, 3, 4], 0.9)).values.subarray(0, 1))).toEqual([9]);
  });

  test('leaves a constant curve exactly constant and a gap a gap', () => {
    expect(
      Array.from(
        smooth(
          Array.from({ length: 50 }, () => 0.1),
          0.97,
        ).values,
      ),
    ).toEqual(Array.from({ length: 50 }, () => 0.1));
    expect(Array.from(smooth([1, Number.NaN, 1], 0.5).values)).toEqual([1, Number.NaN, 1]);
  });
});

describe('thinning', () => {
  test('keeps order, ends, lowest and highest, and no more than the limit', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 3000 }), fc.integer({ min: 4, max: 200 }), (xs, limit) => {
        const kept = Array.from(decimate(xs, 0, xs.length, limit));
        expect(kept.length).toBeLessThanOrEqual(Math.max(limit, 1));
        expect(kept[0]).toBe(0);
        expect(kept.at(-1)).toBe(xs.length - 1);
        for (let i = 1; i < kept.length; i++) expect(kept[i]!).toBeGreaterThan(kept[i - 1]!);
        const drawn = kept.map((i) => xs[i]!);
        expect(Math.min(...drawn)).toBe(Math.min(...xs));
        expect(Math.max(...drawn)).toBe(Math.max(...xs));
      }),
      { numRuns: 60 },
    );
  });

  test('keeps a spike of one point among a hundred thousand', () => {
    const xs = new Float64Array(100_000).map((_, i) => Math.sin(i / 1000));
    xs[54_321] = 40;
    xs[77_777] = -40;
    const kept = decimate(xs);
    expect(kept.length).toBeLessThanOrEqual(MAX_POINTS);
    expect(kept).toContain(54_321);
    expect(kept).toContain(77_777);
  });

  test('keeps gaps where there are any, within the limit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 30, arbitrary: value }, fc.constant(Number.NaN)), {
          minLength: 300,
          maxLength: 900,
        }),
        (xs) => {
          const kept = Array.from(decimate(xs, 0, xs.length, 80));
          const finite = xs.filter(Number.isFinite);
          const drawn = kept.map((i) => xs[i]!);
          expect(kept.length).toBeLessThanOrEqual(80);
          expect(drawn.some(Number.isNaN)).toBe(xs.some(Number.isNaN));
          expect(Math.max(...drawn.filter(Number.isFinite))).toBe(Math.max(...finite)); // -Infinity of none
        },
      ),
      { numRuns: 40 },
    );
  });

  test('a part of the run is thinned by itself', () => {
    expect(Array.from(decimate([5, 1, 9, 3, 7], 1, 4))).toEqual([1, 2, 3]);
    const part = decimate(
      new Float64Array(10_000).map((_, i) => i % 7),
      2000,
      9000,
      100,
    );
    expect([part[0], part.at(-1)]).toEqual([2000, 8999]);
  });
});

test('thinned for a log axis, the promises hold and the beginning keeps its detail', () => {
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 2000 }), fc.integer({ min: 4, max: 120 }), (ys, limit) => {
      const xs = ys.map((_, i) => i * 3);
      const kept = Array.from(decimate(ys, 0, ys.length, limit, evenOnLogAxis(xs, 0, xs.length)));
      expect(kept.length).toBeLessThanOrEqual(Math.max(limit, 1));
      expect([kept[0], kept.at(-1)]).toEqual([0, ys.length - 1]);
      expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b));
      expect(Math.max(...kept.map((i) => ys[i]!))).toBe(Math.max(...ys));
      expect(Math.min(...kept.map((i) => ys[i]!))).toBe(Math.min(...ys));
    }),
    { numRuns: 60 },
  );
  const ys = new Float64Array(50_000).map((_, i) => Math.sin(i));
  const xs = ys.map((_, i) => i);
  const kept = decimate(ys, 0, ys.length, 500, evenOnLogAxis(xs, 0, xs.length));
  expect(kept.filter((i) => i < 20).length).toBe(20);
});

test('smoothing before thinning: the drawn points of the smoothed curve lie on it', () => {
  const xs = Float64Array.from({ length: 20_000 }, (_, i) => Math.sin(i / 50) + (i % 2 ? 5 : -5));
  const smoothed = smooth(xs, 0.95).values;
  const drawn = decimate(smoothed);
  // Thinning first would keep the ±5 of the zigzag: an average of those swings by more than 1.5.
  for (const i of drawn.subarray(1000)) expect(Math.abs(smoothed[i]!)).toBeLessThan(1.5);
});

test('searching the axis agrees with looking at every point', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 60 }),
      fc.double({ min: -60, max: 60, noNaN: true }),
      (list, x) => {
        const xs = list.sort((a, b) => a - b);
        const first = xs.findIndex((y) => y >= x);
        expect(lowerBound(xs, x)).toBe(first < 0 ? xs.length : first);
        const found = nearest(xs, x);
        expect(found === -1).toBe(xs.length === 0);
        const distance = found === -1 ? Infinity : Math.abs(xs[found]! - x);
        expect(distance).toBe(Math.min(...xs.map((y) => Math.abs(y - x))));
        const [from, to] = visible(xs, [x, x + 10]);
        const outside = xs.filter((y, i) => y >= x && y <= x + 10 && (i < from || i >= to));
        for (const y of outside) expect(y).toBe(xs[to - 1]); // equal steps share a place
      },
    ),
  );
});

test('a log axis shows what is above 0 and says how much is not', () => {
  expect(pick([1, 0, -2, Number.NaN, 3], [0, 1, 2, 3, 4], true)).toEqual({
    values: [1, null, null, null, 3],
    hidden: 2,
    floored: 0,
  });
  expect(pick([1, 0, -2, Number.NaN, 3], [0, 1, 2, 4], false)).toEqual({
    values: [1, 0, -2, 3],
    hidden: 0,
    floored: 0,
  });
});

test('a log axis ends five decades below the largest value; what lies lower is on its edge and counted, what is not above 0 is not', () => {
  const kl = [1e-9, 4e-8, 0, -1e-9, 0.01, 5, 20];
  const floor = logFloor([kl]);
  expect(floor).toBeCloseTo(2e-4);
  expect(
    pick(
      kl,
      kl.map((_, i) => i),
      true,
      floor,
    ),
  ).toEqual({ values: [floor, floor, null, null, 0.01, 5, 20], hidden: 2, floored: 2 });
  expect(logFloor([[0, -1, Number.NaN], []])).toBe(0);
});

test('quantiles hold the middle of all runs together and leave the outliers out', () => {
  expect(quantiles([[Number.NaN], []])).toBeNull();
  expect(quantiles([[0, 1, 2, 3], [4]], 0.25, 0.75)).toEqual([1, 3]);
  const [low, high] = quantiles([Array.from({ length: 1000 }, (_, i) => (i === 500 ? 1e9 : i / 1000))])!;
  expect(low).toBeGreaterThan(0);
  expect(high).toBeLessThan(1);
});

test('an axis holds its data, also when all of it is one number', () => {
  fc.assert(
    fc.property(value, value, (a, b) => {
      const [low, high] = padded([Math.min(a, b), Math.max(a, b)]);
      expect(low).toBeLessThan(Math.min(a, b));
      expect(high).toBeGreaterThan(Math.max(a, b));
    }),
  );
});

test('CSV has every point of every run, exactly, and quotes what needs it', () => {
  const csv = toCsv('kl', 0.5, [
    { run: 'one, "two"', step: [0, 1], seconds: [0.5, 1.5], value: [0.1, 0.30000000000000004], length: 2 },
    { run: 'b', step: [0], seconds: [2], value: [Number.NaN], length: 1 },
  ]);
  const lines = csv.trimEnd().split('\n');
  expect(lines[0]).toBe('run,step,seconds,kl,kl smoothed 0.5');
  expect(lines[1]).toBe('"one, ""two""",0,0.5,0.1,0.1');
  expect(Number(lines[2]!.split(',').at(-2))).toBe(0.30000000000000004);
  expect(lines[3]).toBe('b,0,2,,');
  expect(lines).toHaveLength(4);
});

test('CSV of what is measured has its standard error, and no smoothed value', () => {
  const csv = toCsv('gold', 0.6, [
    { run: 'a', step: [0, 5], seconds: [0, 1], value: [3, 4], length: 2, error: (i) => (i === 1 ? 0.25 : null) },
  ]);
  expect(csv.trimEnd().split('\n')).toEqual(['run,step,seconds,gold,gold_se', 'a,0,0,3,', 'a,5,1,4,0.25']);
});
