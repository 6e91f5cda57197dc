// The shape of texts: other people's numbers, what is told by hand, and naive counts of what is counted cleverly.

import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compressionRatio, copyingFrom, distinctN, loopOf, repetitionN, sameScores } from '#core/findings/texts.ts';
import { createRandom } from '#core/random.ts';
import { noReference, readJson, REFERENCE, SKIPPED } from '#tests/core/models/reference-numbers.ts';

interface Row {
  input: { source: string; text: string };
  expected: Record<'coverage' | 'density' | 'copy_rate' | 'distinct_1' | 'distinct_2' | 'distinct_3', number>;
}

/** Numbers for words between spaces. */
function numbering(): (text: string) => number[] {
  const words: string[] = [];
  return (text) =>
    text
      .split(' ')
      .filter((word) => word !== '')
      .map((word) => (words.includes(word) ? words.indexOf(word) : words.push(word) - 1));
}

describe.skipIf(noReference)(`numbers beside the project${SKIPPED}`, () => {
  test('coverage, density, copy rate and distinct-n', () => {
    const rows = readJson<Row[]>(path.join(REFERENCE, 'statistics/texts.json'));
    expect(rows.length).toBeGreaterThan(0);
    for (const { input, expected } of rows) {
      const idsOf = numbering();
      const text = idsOf(input.text);
      const { coverage, density, copyRate } = copyingFrom(idsOf(input.source))(text);
      expect(coverage).toBeCloseTo(expected.coverage, 12);
      expect(density).toBeCloseTo(expected.density, 12);
      expect(copyRate).toBeCloseTo(expected.copy_rate, 12);
      for (const n of [1, 2, 3] as const) expect(distinctN([text], n)).toBeCloseTo(expected[`distinct_${n}`], 12);
    }
  });
});

const ids = (most: number, length = 30) => fc.array(fc.nat(most), { maxLength: length });

test('distinct-n counts every n-gram once, over all texts', () => {
  fc.assert(
    fc.property(fc.array(ids(3), { maxLength: 5 }), fc.integer({ min: 1, max: 4 }), (texts, n) => {
      const grams = texts.flatMap((text) =>
        text.slice(0, Math.max(0, text.length - n + 1)).map((_, i) => text.slice(i, i + n).join()),
      );
      expect(distinctN(texts, n)).toBe(grams.length ? new Set(grams).size / grams.length : 1);
    }),
  );
});

test('n-grams of large numbers are told apart too', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.constantFrom(0, 1, 150_000, 2 ** 26 - 1), { maxLength: 12 }), { maxLength: 5 }),
      (texts) => {
        const grams = texts.flatMap((text) => text.slice(4).map((_, i) => text.slice(i, i + 5).join()));
        expect(distinctN(texts, 5)).toBe(grams.length ? new Set(grams).size / grams.length : 1);
      },
    ),
  );
});

test('what is copied whole is covered whole; what shares nothing is not copied', () => {
  fc.assert(
    fc.property(ids(9), ids(9), ids(9), (before, text, after) => {
      const whole = copyingFrom([...before, ...text, ...after])(text);
      const foreign = copyingFrom(before.map((id) => id + 100))(text);
      expect(foreign).toEqual({ coverage: 0, density: 0, copyRate: 0 });
      expect(whole.coverage).toBe(text.length ? 1 : 0);
      expect(whole.copyRate).toBe(text.length > 1 ? 1 : 0);
      expect(whole.density).toBeGreaterThanOrEqual(text.length ? text.length : 0);
    }),
  );
});

test('a loop is found wherever it begins, at its shortest period; twice is none', () => {
  const loop = (text: string) => loopOf(numbering()(text));
  expect(loop('oh no pls help me pls help me pls help me now')).toEqual({
    period: 3,
    start: 2,
    copies: 3,
    share: 0.75,
  });
  expect(loop('pls pls pls pls')).toEqual({ period: 1, start: 0, copies: 4, share: 1 });
  expect(loop('pls help me pls help me pls')).toBeNull();
  expect(loop('')).toBeNull();
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(99), { minLength: 1, maxLength: 9 }),
      fc.integer({ min: 3, max: 6 }),
      ids(9),
      (piece, times, rest) => {
        const text = [...rest.map((id) => id + 100), ...Array.from({ length: times }, () => piece).flat()];
        const found = loopOf(text)!;
        expect(found.share * text.length).toBeGreaterThanOrEqual(times * piece.length - 1e-9);
      },
    ),
  );
});

test('texts that say the same compress, texts that do not hardly', () => {
  const random = createRandom(1, 'letters');
  const letters = () => Array.from({ length: 60 }, () => String.fromCharCode(97 + random.integer(26))).join('');
  const same = letters();
  expect(compressionRatio(Array.from({ length: 20 }, () => same))).toBeGreaterThan(10);
  expect(compressionRatio(Array.from({ length: 20 }, letters))).toBeLessThan(1.8);
  expect(compressionRatio([])).toBe(0);
});

test('groups without a difference, of those that could have one', () => {
  expect(sameScores([[1, 1, 1], [1, 2], [3]])).toBe(0.5);
  expect(sameScores([[3]])).toBeNaN();
});

test('repetition is of each text by itself: what two texts share is none, what one says again is', () => {
  expect(
    repetitionN(
      [
        [1, 2, 3, 4, 5],
        [1, 2, 3, 4, 5],
      ],
      4,
    ),
  ).toBe(0);
  expect(repetitionN([[1, 2, 3, 4, 1, 2, 3, 4]], 4)).toBeCloseTo(1 / 5, 12); // 1 2 3 4 of five
  expect(
    repetitionN(
      [
        [7, 7, 7, 7, 7, 7],
        [1, 2],
      ],
      4,
    ),
  ).toBeCloseTo((2 / 3 + 0) / 2, 12);
  expect(repetitionN([], 4)).toBe(0);
});
