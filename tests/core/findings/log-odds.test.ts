// Log-odds with an informative prior: other people's numbers, and what the prior is there for.

import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { logOdds, logOddsOfTexts, pooledPrior } from '#core/findings/log-odds.ts';
import { noReference, readJson, REFERENCE, SKIPPED } from '#tests/core/models/reference-numbers.ts';

interface Row {
  input: { counts: Record<string, number>; against: Record<string, number>; prior_strength: number };
  expected: Record<string, { delta: number; z: number }>;
}

describe.skipIf(noReference)(`numbers beside the project${SKIPPED}`, () => {
  test('δ and z of every word, under a weak and a strong prior', () => {
    const rows = readJson<Row[]>(path.join(REFERENCE, 'statistics/log-odds.json'));
    expect(rows.length).toBeGreaterThan(1);
    for (const { input, expected } of rows) {
      const total = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);
      for (const [word, { delta, z }] of Object.entries(expected)) {
        const a = { y: input.counts[word]!, n: total(input.counts) };
        const b = { y: input.against[word]!, n: total(input.against) };
        const found = logOdds(a, b, pooledPrior(a, b, input.prior_strength), 'words');
        expect(found.delta).toBeCloseTo(delta, 10);
        expect(found.z).toBeCloseTo(z, 10);
      }
    }
  });
});

const texts = { min: 1, max: 2000 };
test('of texts: 0 for the same counts, the other way round when both are changed, finite at 0 and at all', () => {
  fc.assert(
    fc.property(fc.integer(texts), fc.integer(texts), fc.double({ min: 0, max: 1, noNaN: true }), (n, m, share) => {
      const a = { y: Math.round(share * n), n };
      const b = { y: m, n: m };
      const forth = logOddsOfTexts(a, b);
      const back = logOddsOfTexts(b, a);
      expect(Number.isFinite(forth.z)).toBe(true);
      expect(forth.z).toBeCloseTo(-back.z, 9);
      expect(logOddsOfTexts(a, a).z).toBeCloseTo(0, 9);
    }),
  );
});

test('what was never said before ranks above what was said now and then, and many texts above few', () => {
  const z = (now: number, start: number, n = 500) => logOddsOfTexts({ y: now, n }, { y: start, n }).z;
  expect(z(250, 0)).toBeGreaterThan(z(250, 25));
  expect(z(250, 25)).toBeGreaterThan(z(250, 200));
  expect(z(25, 0, 50)).toBeLessThan(z(250, 0, 500));
  expect(z(2, 0, 500)).toBeLessThan(2);
});

test('of two shares that are the same, z is no wider than normal: beyond 3 less than 27 times in 10,000', () => {
  // exact: the probability of |z| > 3 over all pairs of counts of 200 texts at a share of .2
  const n = 200;
  const p = 0.2;
  const lnChoose = Array.from({ length: n + 1 }, () => 0);
  for (let k = 1; k <= n; k++) lnChoose[k] = lnChoose[k - 1]! + Math.log((n - k + 1) / k);
  const mass = lnChoose.map((ln, k) => Math.exp(ln + k * Math.log(p) + (n - k) * Math.log(1 - p)));
  let beyond = 0;
  for (let a = 0; a <= n; a++)
    for (let b = 0; b <= n; b++)
      if (Math.abs(logOddsOfTexts({ y: a, n }, { y: b, n }).z) > 3) beyond += mass[a]! * mass[b]!;
  expect(beyond).toBeLessThan(0.0027);
});
