// The two forms of over-optimisation: other people's fits, planted curves, intervals that hold the truth, and where to
// stop.

import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { fitForm, FORMS, gainAt, recommendStop } from '#core/findings/overoptimisation.ts';
import type { Checkpoint, FormName } from '#core/findings/overoptimisation.ts';
import { createRandom } from '#core/random.ts';
import { noReference, readJson, REFERENCE, SKIPPED } from '#tests/core/models/reference-numbers.ts';

interface Row {
  input: { kl: number[]; reward: number[]; form: FormName };
  expected: { alpha: number; beta: number; se: [number, number]; peak_kl: number };
}

describe.skipIf(noReference)(`numbers beside the project${SKIPPED}`, () => {
  test('α, β, their errors and the peak', () => {
    const rows = readJson<Row[]>(path.join(REFERENCE, 'statistics/overoptimisation.json'));
    expect(new Set(rows.map(({ input }) => input.form))).toEqual(new Set(Object.keys(FORMS)));
    for (const { input, expected } of rows) {
      const fit = fitForm(
        input.kl.map((kl, i) => ({ kl, gain: input.reward[i]! })),
        input.form,
      )!;
      expect(fit.alpha.value).toBeCloseTo(expected.alpha, 10);
      expect(fit.beta.value).toBeCloseTo(expected.beta, 10);
      expect(fit.se[0]).toBeCloseTo(expected.se[0], 10);
      expect(fit.se[1]).toBeCloseTo(expected.se[1], 10);
      expect(fit.peak!.value / expected.peak_kl).toBeCloseTo(1, 9);
    }
  });
});

const truth = {
  'best-of-n': { alpha: 0.6, beta: 0.12, peak: 6.25 },
  rl: { alpha: 0.9, beta: 0.5, peak: Math.exp(1.6) },
};

for (const form of ['best-of-n', 'rl'] as const)
  test(`${form}: a curve without noise is found again, and the intervals of noisy ones hold it`, () => {
    const { alpha, beta, peak } = truth[form];
    const kls = Array.from({ length: 20 }, (_, i) => 0.2 + i);
    const exact = (kl: number) => Math.sqrt(kl) * (alpha - beta * FORMS[form].g(Math.sqrt(kl)));
    const fit = fitForm(
      kls.map((kl) => ({ kl, gain: exact(kl) })),
      form,
    )!;
    expect([fit.alpha.value, fit.beta.value, fit.peak!.value].map((x) => x.toFixed(8))).toEqual(
      [alpha, beta, peak].map((x) => x.toFixed(8)),
    );
    expect(gainAt(fit, 7)).toBeCloseTo(exact(7), 9);
    expect(gainAt(fit, 0)).toBe(0);

    const random = createRandom(5, form);
    const held = { alpha: 0, beta: 0, peak: 0 };
    const turns = peak;
    for (let run = 0; run < 400; run++) {
      const noisy = fitForm(
        kls.map((kl) => ({ kl, gain: exact(kl) + 0.05 * random.normal() })),
        form,
      )!;
      const holds = (between: { low: number; high: number }, value: number) =>
        Number(between.low <= value && value <= between.high);
      held.alpha += holds(noisy.alpha, alpha);
      held.beta += holds(noisy.beta, beta);
      held.peak += holds(noisy.peak!, turns);
    }
    for (const times of Object.values(held)) {
      expect(times).toBeGreaterThan(360);
      expect(times).toBeLessThan(396);
    }
  });

test('a gain that only rises has no peak, and too few or equal points no fit', () => {
  const points = [1, 2, 3, 4, 5, 6].map((kl) => ({ kl, gain: kl }));
  expect(fitForm(points, 'rl')!.peak).toBeNull();
  expect(fitForm(points.slice(0, 4), 'rl')).toBeNull();
  expect(
    fitForm(
      points.map(({ gain }) => ({ kl: 2, gain })),
      'rl',
    ),
  ).toBeNull();
});

describe('where to stop', () => {
  const random = createRandom(8, 'stops');
  const run = (gain: (kl: number) => number, noise = 0.02): Checkpoint[] =>
    Array.from({ length: 24 }, (_, i) => {
      const kl = 0.9 * i;
      return { update: 5 * i, kl, gain: gain(kl) + noise * random.normal() };
    });

  test('at the peak of a curve that rises and falls', () => {
    // steep enough around its peak that noise does not move the highest far
    const curve = (kl: number) => (kl === 0 ? 0 : 3 * Math.sqrt(kl) * (0.9 - 0.5 * Math.log(Math.sqrt(kl))));
    const stop = recommendStop(run(curve))!;
    expect(stop.reason).toBe('peak');
    expect(Math.abs(stop.kl - Math.exp(1.6))).toBeLessThan(2);
  });

  test('by what was measured where the curve is of another form', () => {
    const cliff = (kl: number) => (kl < 15 ? kl / 5 : -8);
    const stop = recommendStop(run(cliff))!;
    expect(stop.reason).toBe('best');
    expect(stop.kl).toBeGreaterThan(12);
    expect(stop.kl).toBeLessThan(15);
  });

  test('at the end of what still rises, and at the start of what only falls', () => {
    expect(recommendStop(run((kl) => kl / 4))).toMatchObject({ reason: 'rising', update: 115 });
    expect(recommendStop(run((kl) => -kl))).toMatchObject({ update: 0 });
  });

  test('at the earliest of equals', () => {
    const level = [0, 1, 1.5, 1.5, 1.4, 1.5].map((gain, update) => ({ update, kl: 0, gain }));
    expect(recommendStop(level)).toMatchObject({ reason: 'best', update: 2 });
  });

  test('one checkpoint is the one, and none is none', () => {
    expect(recommendStop([{ update: 3, kl: 0.1, gain: 0.2 }])).toMatchObject({ update: 3 });
    expect(recommendStop([])).toBeNull();
  });
});
