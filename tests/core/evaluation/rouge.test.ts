// ROUGE-L against values worked out by hand, and its properties.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rougeL, wordsOf } from '#core/evaluation/rouge.ts';

test('the examples of Lin 2004, with F at equal weight', () => {
  const reference = 'police killed the gunman';
  expect(rougeL('police kill the gunman', reference)).toBeCloseTo(3 / 4, 12);
  expect(rougeL('the gunman kill police', reference)).toBeCloseTo(2 / 4, 12);
  expect(rougeL('the gunman police killed', reference)).toBeCloseTo(2 / 4, 12);
});

test('words are runs of letters and digits, whatever their case', () => {
  expect(wordsOf("It's 3.5 — NOT naïve_ok")).toEqual(['it', 's', '3', '5', 'not', 'na', 've', 'ok']);
  expect(rougeL('ONE, two!', 'one two')).toBe(1);
  expect(rougeL('…', 'one two')).toBe(0);
  expect(rougeL('', '')).toBe(0);
});

test('symmetric, 1 for the same words, and equal to a search over all subsequences', () => {
  const words = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 7 });
  const longest = (a: readonly string[], b: readonly string[]): number => {
    let best = 0;
    for (let bits = 0; bits < 2 ** a.length; bits++) {
      const part = a.filter((_, i) => (bits >> i) & 1);
      let at = 0;
      for (const word of b) if (word === part[at]) at++;
      if (at === part.length) best = Math.max(best, part.length);
    }
    return best;
  };
  fc.assert(
    fc.property(words, words, (a, b) => {
      const f = rougeL(a.join(' '), b.join(' '));
      expect(f).toBeCloseTo((2 * longest(a, b)) / (a.length + b.length), 12);
      expect(rougeL(b.join(' '), a.join(' '))).toBeCloseTo(f, 12);
      expect(rougeL(a.join(' '), a.join(' '))).toBe(1);
    }),
    { numRuns: 200 },
  );
});
