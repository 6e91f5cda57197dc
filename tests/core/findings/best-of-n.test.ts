// Best of n from one pool: other people's numbers, all subsets of a small pool, and what must hold for every pool.

import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bestOfN, bestOfNKl } from '#core/findings/best-of-n.ts';
import { createRandom } from '#core/random.ts';
import { noReference, readJson, REFERENCE, SKIPPED } from '#tests/core/models/reference-numbers.ts';

interface Row {
  input: { rewards: number[]; n: number };
  expected: { mean_best: number; kl: number };
}

describe.skipIf(noReference)(`numbers beside the project${SKIPPED}`, () => {
  test('mean of the best and its KL', () => {
    const rows = readJson<Row[]>(path.join(REFERENCE, 'statistics/best-of-n.json'));
    expect(rows.length).toBeGreaterThan(0);
    for (const { input, expected } of rows) {
      expect(bestOfN(input.rewards, input.n)).toBeCloseTo(expected.mean_best, 12);
      expect(bestOfNKl(input.n)).toBeCloseTo(expected.kl, 12);
    }
  });
});

/** The mean of what the chosen of every subset of n is worth, ties shared. */
function overSubsets(scores: readonly number[], values: readonly number[], n: number): number {
  const worth: number[] = [];
  for (let bits = 0; bits < 2 ** scores.length; bits++) {
    const drawn = scores.map((_, i) => i).filter((i) => (bits >> i) & 1);
    if (drawn.length !== n) continue;
    const top = Math.max(...drawn.map((i) => scores[i]!));
    const best = drawn.filter((i) => scores[i] === top);
    worth.push(best.reduce((sum, i) => sum + values[i]!, 0) / best.length);
  }
  return worth.reduce((a, b) => a + b, 0) / worth.length;
}

test('the mean over every subset, chosen by one number and measured by another', () => {
  const pool = fc.array(fc.tuple(fc.integer({ min: -9, max: 9 }), fc.double({ min: -3, max: 3, noNaN: true })), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(pool, fc.nat(7), (rows, more) => {
      const scores = rows.map(([score], i) => score + i / 100); // no ties
      const values = rows.map(([, value]) => value);
      const n = 1 + (more % rows.length);
      expect(bestOfN(scores, n, values)).toBeCloseTo(overSubsets(scores, values, n), 9);
    }),
  );
});

test('samples of one score share their places, in whatever order they come', () => {
  expect(bestOfN([1, 1, 1, 0], 2, [3, 6, 9, 0])).toBeCloseTo(6, 12);
  expect(bestOfN([0, 1, 1, 1], 2, [0, 9, 3, 6])).toBeCloseTo(6, 12);
});

test('it grows with n, begins at the mean and ends at the best', () => {
  const random = createRandom(3, 'pool');
  const scores = Array.from({ length: 40 }, () => random.normal());
  const bests = scores.map((_, i) => bestOfN(scores, i + 1));
  for (let i = 1; i < bests.length; i++) expect(bests[i]!).toBeGreaterThan(bests[i - 1]!);
  expect(bests[0]).toBeCloseTo(scores.reduce((a, b) => a + b, 0) / 40, 12);
  expect(bests.at(-1)).toBe(Math.max(...scores));
  expect(bestOfN(scores, 41)).toBeNaN();
});

test('a pool of thousands stays exact where binomials overflow', () => {
  const scores = Array.from({ length: 5000 }, (_, i) => i + 1);
  // the expected highest of n of 1 … N is n (N + 1) / (n + 1)
  expect(bestOfN(scores, 500)).toBeCloseTo((500 * 5001) / 501, 6);
});
