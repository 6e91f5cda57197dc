// Fitted curves of a measure: they begin where the measure began and are those of the fits.

import { expect, test } from 'vitest';
import { fittedCurves } from '#core/findings/curve.ts';
import { FORMS } from '#core/findings/overoptimisation.ts';

/** The best-of-n form with α = 0.9 and β = 0.15 above a start of 5: highest at d = 3, KL 9. */
const looks = Array.from({ length: 12 }, (_, i) => {
  const kl = 2 * i;
  const d = Math.sqrt(kl);
  return { kl, value: 5 + d * (0.9 - 0.15 * d) };
});

test('a planted curve is drawn through its own looks, from the start to the farthest', () => {
  const fits = fittedCurves(looks);
  expect(fits.map(({ form }) => form).toSorted()).toEqual(Object.keys(FORMS).toSorted());
  const own = fits.find(({ form }) => form === 'best-of-n')!;
  expect(own.peak!.value).toBeCloseTo(9, 6);
  expect(own.line[0]).toEqual({ kl: 0, value: 5 });
  expect(own.line.at(-1)!.kl).toBeCloseTo(22, 9);
  for (const { kl, value } of own.line) expect(value).toBeCloseTo(5 + 0.9 * Math.sqrt(kl) - 0.15 * kl, 6);
  const roots = own.line.map(({ kl }) => Math.sqrt(kl));
  for (let i = 1; i < roots.length; i++) expect(roots[i]! - roots[i - 1]!).toBeCloseTo(roots[1]!, 9);
});

test('too few looks have no curve', () => {
  expect(fittedCurves(looks.slice(0, 4))).toEqual([]);
  expect(fittedCurves([])).toEqual([]);
});
