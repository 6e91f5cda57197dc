// Intervals of means: Student's quantiles against a printed table, the formula for equal clusters, and how often they
// hold the truth.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clusteredInterval, FEWEST_CLUSTERS, studentT } from '#core/evaluation/interval.ts';
import { createRandom } from '#core/random.ts';

test("Student's 97.5 % quantiles are those of the table", () => {
  for (const [degrees, quantile] of [
    [5, 2.570582],
    [7, 2.364624],
    [9, 2.262157],
    [14, 2.144787],
    [29, 2.04523],
    [99, 1.984217],
  ] as const)
    expect(Math.abs(studentT(degrees) - quantile)).toBeLessThan(0.002);
});

test('clusters of one difference each: the textbook interval of a mean', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: FEWEST_CLUSTERS, maxLength: 40 }),
      (values) => {
        const n = values.length;
        const mean = values.reduce((a, b) => a + b, 0) / n;
        const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1));
        const found = clusteredInterval(values.map((sum) => ({ sum, size: 1 })))!;
        expect(found.mean).toBeCloseTo(mean, 10);
        expect(found.high - found.mean).toBeCloseTo((studentT(n - 1) * deviation) / Math.sqrt(n), 8);
      },
    ),
  );
});

test('the same differences told twice a prompt make nobody surer', () => {
  const once = Array.from({ length: 12 }, (_, i) => ({ sum: (i % 3) - 0.5, size: 1 }));
  const twice = once.map(({ sum }) => ({ sum: 2 * sum, size: 2 }));
  const [a, b] = [clusteredInterval(once)!, clusteredInterval(twice)!];
  expect([b.mean, b.low, b.high].map((x) => x.toFixed(10))).toEqual([a.mean, a.low, a.high].map((x) => x.toFixed(10)));
  expect(clusteredInterval(once.slice(0, FEWEST_CLUSTERS - 1)), 'too few to say').toBe(null);
});

test('it holds the true mean about 95 times in 100, with clusters of unequal size whose members hang together', () => {
  const random = createRandom(1, 'intervals');
  let held = 0;
  for (let run = 0; run < 1000; run++) {
    const clusters = Array.from({ length: 30 }, () => {
      const size = 1 + Math.floor(6 * random.uniform());
      const own = random.normal();
      return { size, sum: Array.from({ length: size }, () => own + random.normal()).reduce((a, b) => a + b, 0) };
    });
    const { low, high } = clusteredInterval(clusters)!;
    if (low <= 0 && high >= 0) held++;
  }
  expect(held).toBeGreaterThan(920);
  expect(held).toBeLessThan(975);
});
