// Times in words, at the borders between units.
import { expect, test } from 'vitest';
import { approximately, duration } from '#core/contract/time-words.ts';

test('what was measured is said in two units at most, the second left out where it is nothing', () => {
  expect([-1, 0, 59.4, 59.5, 60, 185, 3600, 7800, 86_399, 86_400, 360_000].map(duration)).toEqual([
    '0 s',
    '0 s',
    '59 s',
    '1 min',
    '1 min',
    '3 min 5 s',
    '1 h',
    '2 h 10 min',
    '23 h 59 min',
    '1 d',
    '4 d 4 h',
  ]);
});

test('an estimate is as exact as it is', () => {
  expect([0.2, 45, 480, 10_400, 3 * 86_400].map(approximately)).toEqual(['1 s', '45 s', '8 min', '2.9 h', '3 days']);
});
