// Which part of an answer is scored, and what a missing end costs.

import { expect, test } from 'vitest';
import { upToEnd, withMissingEnd } from '#core/recipes/parts/answer-scores.ts';

test('an answer is read up to its first end, the end included', () => {
  expect(upToEnd([5, 6, 0, 7, 0], [0, 9])).toEqual([5, 6, 0]);
  expect(upToEnd([5, 9, 0], [0, 9])).toEqual([5, 9]);
  expect(upToEnd([5, 6], [0, 9])).toEqual([5, 6]);
  expect(upToEnd([], [0])).toEqual([]);
});

test('a missing end replaces the score, is subtracted from it or costs nothing; an end never costs', () => {
  for (const [missing_end, expected] of [
    ['replace', -3],
    ['subtract', 4 - 3],
    ['keep', 4],
  ] as const) {
    const rule = { missing_end, missing_end_penalty: -3 };
    expect(withMissingEnd(4, false, rule)).toBe(expected);
    expect(withMissingEnd(4, true, rule)).toBe(4);
  }
  expect(withMissingEnd(4, false, { missing_end: 'subtract', missing_end_penalty: 3 }), 'its size counts').toBe(1);
});
