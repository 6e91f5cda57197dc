// Token colours: monotone, bounded, and legible in both themes with the colours of the style sheet itself.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { groundOf, MOST, SCALES, spreadOf } from '#renderer/components/inspect/token-colours.ts';
import type { Quantity } from '#renderer/components/inspect/token-colours.ts';

const QUANTITIES = Object.keys(SCALES) as Quantity[];
const sheet = readFileSync('renderer/styles/tokens.css', 'utf8');
const [light = '', dark = ''] = [
  sheet.slice(0, sheet.indexOf("[data-theme='dark']")),
  sheet.slice(sheet.indexOf("[data-theme='dark']")),
];
const colour = (theme: string, name: string) =>
  [...new RegExp(`--${name}: #(..)(..)(..)`).exec(theme)!].slice(1).map((hex) => Number.parseInt(hex, 16));
const luminance = (rgb: readonly number[]) => {
  const [r = 0, g = 0, b = 0] = rgb.map((part) =>
    part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a: readonly number[], b: readonly number[]) => {
  const [bright = 0, dim = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (bright + 0.05) / (dim + 0.05);
};

describe.each([
  ['light', light],
  ['dark', dark],
])('in the %s theme', (_, theme) => {
  test.each(['warn', 'bad', 'good', 'accent'])('text stays legible on the strongest %s', (hue) => {
    const ground = colour(theme, hue).map(
      (part, i) => (part * MOST + colour(theme, 'surface')[i]! * (100 - MOST)) / 100,
    );
    expect(contrast(colour(theme, 'text'), ground)).toBeGreaterThanOrEqual(4.5);
  });
});

test.each(QUANTITIES)('%s: the further from nothing, the stronger, never beyond the ends', (quantity) => {
  const { tint } = SCALES[quantity];
  fc.assert(
    fc.property(
      fc.double({ min: -30, max: 0, noNaN: true }),
      fc.double({ min: -30, max: 0, noNaN: true }),
      fc.double({ min: 0.1, max: 30, noNaN: true }),
      (a, b, spread) => {
        const [near, far] = [tint(Math.max(a, b), spread), tint(Math.min(a, b), spread)];
        expect(far.strength).toBeGreaterThanOrEqual(near.strength);
        for (const { strength } of [near, far]) expect(strength >= 0 && strength <= 1).toBe(true);
      },
    ),
  );
  expect(groundOf(tint(0, 1))).toBe('transparent');
});

test('less and more have different hues, and a missing number none', () => {
  const token = { id: 1, token: 'a', start: 0, end: 1, logprob: -1, reference: -3, value: null };
  expect(SCALES.kl.read(token)).toBe(2);
  expect([SCALES.kl.tint(2, 2).hue, SCALES.kl.tint(-2, 2).hue]).toEqual(['good', 'bad']);
  expect([SCALES.value.read(token), spreadOf([token], 'value'), spreadOf([token], 'kl')]).toEqual([null, 1, 2]);
});
