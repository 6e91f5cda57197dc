// How many columns cards stand in: each has its least width, there are as few rows as fit, and of such the fewest
// columns.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evenColumns } from '#renderer/components/even-columns.ts';

test.each([
  [4, 872, 2], // not 3 + 1
  [3, 872, 3],
  [9, 872, 3],
  [5, 872, 3],
  [9, 3600, 9],
  [2, 872, 2],
  [4, 500, 1],
  [4, 3600, 4],
  [1, 100, 1],
  [0, 872, 1],
])('%i answers in %i pixels stand in %i columns', (count, width, columns) => {
  expect(evenColumns(count, width, 264)).toBe(columns);
});

test('of all numbers of columns that fit, it is the smallest with the fewest rows', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 100, max: 4000 }),
      fc.integer({ min: 100, max: 500 }),
      (count, width, least) => {
        const fits = (columns: number) => columns === 1 || columns * least + (columns - 1) * 10 <= width;
        const rows = (columns: number) => Math.ceil(count / columns);
        const best = Array.from({ length: count }, (_, i) => i + 1)
          .filter(fits)
          .toSorted((a, b) => rows(a) - rows(b) || a - b)[0];
        expect(evenColumns(count, width, least)).toBe(best);
      },
    ),
  );
});
