// The best of n over many prompts: unbiased at every n, as sure as its prompts scatter, and the form that was planted.

import { expect, test } from 'vitest';
import { bestOfN, bestOfNKl } from '#core/findings/best-of-n.ts';
import { bestOfNCurve, poolSteps } from '#core/findings/best-of-n-curve.ts';
import type { Pool } from '#core/findings/best-of-n-curve.ts';
import { createRandom } from '#core/random.ts';
import type { Random } from '#core/random.ts';

test('powers of two and the middle between them, up to the size of the pool', () => {
  expect(poolSteps(1)).toEqual([1]);
  expect(poolSteps(4)).toEqual([1, 2, 3, 4]);
  expect(poolSteps(20)).toEqual([1, 2, 3, 4, 6, 8, 12, 16, 20]);
});

/** Normal scores; what a sample is worth follows the score, less and less the higher that is. */
const drawn = (random: Random, prompts: number, size: number): Pool[] =>
  Array.from({ length: prompts }, () => {
    const scores = Array.from({ length: size }, () => random.normal());
    const of = random.normal();
    return { scores, values: scores.map((score) => of + 0.8 * score - 0.2 * score ** 2 + random.normal()) };
  });

test('every point is the mean of the estimator over the prompts, with its standard error', () => {
  const pools = drawn(createRandom(1, 'pools'), 30, 16);
  const { points, fit } = bestOfNCurve(pools, 16);
  for (const { n, kl, value, error } of points) {
    const each = pools.map(({ scores, values }) => bestOfN(scores, n, values));
    const mean = each.reduce((a, b) => a + b, 0) / each.length;
    const variance = each.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (each.length - 1);
    expect([kl, value]).toEqual([bestOfNKl(n), expect.closeTo(mean, 12)]);
    expect(error).toBeCloseTo(Math.sqrt(variance / each.length), 10);
  }
  expect(fit!.n).toBe(points.length - 1);
  expect(fit!.line.at(-1)!.kl).toBeCloseTo(points.at(-1)!.kl, 12);
});

test('the interval of the form is as wide as the form scatters from one set of prompts to the next', () => {
  const random = createRandom(2, 'sets');
  const fits = Array.from({ length: 150 }, () => bestOfNCurve(drawn(random, 24, 16), 16).fit!);
  for (const name of ['alpha', 'beta'] as const) {
    const values = fits.map((fit) => fit[name].value);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const scatter = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1));
    const said = fits.reduce((sum, fit) => sum + fit.se[name === 'alpha' ? 0 : 1] / fits.length, 0);
    expect(said / scatter).toBeGreaterThan(0.8);
    expect(said / scatter).toBeLessThan(1.25);
    const holds = fits.filter((fit) => fit[name].low < mean && mean < fit[name].high).length;
    expect(holds / fits.length).toBeGreaterThan(0.9);
  }
});

test('few prompts have points but no form, one has no error', () => {
  const random = createRandom(3, 'few');
  expect(bestOfNCurve(drawn(random, 7, 16), 16).fit).toBeNull();
  expect(bestOfNCurve(drawn(random, 40, 4), 4).fit).toBeNull(); // three distances
  expect(bestOfNCurve(drawn(random, 1, 4), 4).points.map(({ error }) => error)).toEqual([null, null, null, null]);
});
