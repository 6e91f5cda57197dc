// The interval of a measured share: Wilson's numbers, never outside 0 and 1, and of few as wide as few deserve.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shareInterval, shareWords, SURE } from '#core/contract/share-words.ts';

/** A share of `n` yes-or-no answers with the standard error that those have. */
const ofAnswers = (share: number, n: number) => ({ error: Math.sqrt((share * (1 - share)) / n), count: n });

describe('the interval of a share', () => {
  test('of yes-or-no answers is Wilson’s', () => {
    // 15 of 148 and 0 of 20: rows of table I in Newcombe 1998, method 3
    const [low, high] = shareInterval(15 / 148, ofAnswers(15 / 148, 148))!;
    expect([low.toFixed(4), high.toFixed(4)]).toEqual(['0.0624', '0.1605']);
    const [none, most] = shareInterval(0, { error: 0, count: 20 })!;
    expect([none.toFixed(4), most.toFixed(4)]).toEqual(['0.0000', '0.1611']);
  });

  test('holds the share and never leaves 0 and 1', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    const rests = fc.record({
      error: fc.option(fc.double({ min: 0, max: 0.6, noNaN: true })),
      count: fc.option(fc.integer({ min: 1, max: 5000 })),
    });
    fc.assert(
      fc.property(share, rests, (value, known) => {
        const interval = shareInterval(value, known);
        expect(interval === null).toBe(known.error === null && known.count === null);
        const [low, high] = interval ?? [value, value];
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(value + 1e-12);
        expect(high).toBeGreaterThanOrEqual(value - 1e-12);
      }),
    );
  });

  test('of many is share ± 1.96 standard errors, also where a ranking tells more than yes or no', () => {
    const [low, high] = shareInterval(0.741, { error: 0.0105, count: 400 })!;
    expect(low).toBeCloseTo(0.741 - SURE * 0.0105, 2);
    expect(high).toBeCloseTo(0.741 + SURE * 0.0105, 2);
  });

  test('of two rankings says nearly nothing, of two that happen to agree not much more', () => {
    expect(shareWords(2 / 3, { error: 1 / 3, count: 2 })).toBe('0.667 (0.16 to 0.95)');
    expect(shareWords(2 / 3, { error: 1e-9, count: 2 })).toBe('0.667 (0.16 to 0.95)');
    expect(shareWords(1, { error: 0, count: 2 })).toBe('1.000 (0.34 to 1.00)');
    expect(shareWords(2 / 3, { error: null, count: 30 })).toBe('0.667 (0.09 to 0.97)'); // all of one prompt
  });

  test('is not said where nobody knows how sure it is', () => {
    expect(shareWords(0.732, { error: null, count: null })).toBe('0.732');
  });
});
