// What is too much to be sent: judged in time that the limit bounds, however large or deep the value is.
import { expect, test } from 'vitest';
import { tooMuchToSend } from '#core/wire.ts';

const nested = (depth: number): unknown => JSON.parse('{"a":['.repeat(depth) + ']}'.repeat(depth));

test.each<[unknown, 'long' | 'deep' | null]>([
  [null, null],
  ['x'.repeat(900), null],
  ['x'.repeat(1000), 'long'],
  [Array(50).fill('abc'), null],
  [Array(200).fill('abc'), 'long'],
  [{ ['k'.repeat(2000)]: 1 }, 'long'],
  [nested(20), null],
  [nested(90), 'long'],
  [undefined, null],
  [new Float32Array(10_000), null],
])('%#', (value, expected) => expect(tooMuchToSend(value, 1000)).toBe(expected));

test('a value a hundred thousand deep is deep; a page of a million rows is long; both at once', () => {
  const started = performance.now();
  expect(tooMuchToSend(nested(100_000), 1e9)).toBe('deep');
  expect(
    tooMuchToSend(
      Array.from({ length: 1e6 }, () => ({ text: 'abc' })),
      1e6,
    ),
  ).toBe('long');
  expect(performance.now() - started).toBeLessThan(2000);
});
