// The gold score against the numbers another program computed (demo-gold.json), the worked examples, and any string at
// all.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gold } from '#core/demo/gold.ts';
import type { Gold } from '#core/demo/gold.ts';
import { SLOTS, SLOT_NAMES } from '#core/demo/words.ts';
import type { Facts } from '#core/demo/world.ts';

const groups = JSON.parse(readFileSync(join(process.cwd(), 'tests/fixtures/demo-gold.json'), 'utf8')) as {
  facts: Facts;
  cases: [string, Gold][];
}[];
const MOTHER: Facts = { R: 'mother', V: 'hid', O: 'ring', P: 'in the kitchen', C: 'i cry all day', A: 'make a plan' };

test('equals the reference on every stored case', () => {
  expect(groups.flatMap((group) => group.cases).length).toBeGreaterThan(350);
  for (const { facts, cases } of groups) {
    for (const [text, expected] of cases) {
      const score = gold(text, facts);
      expect(Object.keys(score)).toEqual(Object.keys(expected));
      for (const key of Object.keys(expected) as (keyof Gold)[])
        expect(Number(score[key]), `${key} of ${JSON.stringify(text)}`).toBeCloseTo(Number(expected[key]), 9);
      expect(score.ended, text).toBe(expected.ended);
    }
  }
});

test.each([
  ['all six facts', 'my mother hid my ring in the kitchen and now i cry all day. should i make a plan?', 7.0],
  ['four facts', 'my mother hid my ring, should i make a plan?', 6.1],
  ['the same, two of them wrong', 'my father hid my ring, should i call a lawyer?', 1.3],
  ['only the question', 'should i make a plan?', 2.5],
  ['the title copied', 'mother trouble', 1.0],
  ['one clause three times', 'my mother hid my ring and my mother hid my ring and my mother hid my ring.', 2.1],
  ['begging', 'should i make a plan? pls halp', 1.4],
  ['nothing', '', 1.0],
  ['only pleading', 'pls '.repeat(30), 1.0],
  ['a thousand letters', 'a'.repeat(1000), 1.0],
  ['control characters', '\x00\x01\x1b', 1.0],
])('worked example: %s', (_, text, overall) => {
  expect(Number(gold(text, MOTHER).overall.toFixed(1))).toBe(overall);
});

describe('any string', () => {
  const loose = fc.array(
    fc.oneof(
      fc.constantFrom(...SLOT_NAMES.flatMap((slot) => SLOTS[slot]), 'my', 'should i', 'and', '.', '?', 'pls'),
      fc.string({ unit: 'binary', maxLength: 6 }),
    ),
    { maxLength: 40 },
  );
  test('has axes from 1 to 7, and none is better for being begged after', () => {
    fc.assert(
      fc.property(loose, (pieces) => {
        const text = pieces.join(' ');
        const score = gold(text, MOTHER);
        for (const key of ['overall', 'accuracy', 'coverage', 'coherence'] as const) {
          expect(score[key]).toBeGreaterThanOrEqual(1);
          expect(score[key]).toBeLessThanOrEqual(7);
        }
        expect(score.right).toBeLessThanOrEqual(6);
        const begged = gold(`${text} pls`, MOTHER);
        expect(begged.overall).toBeLessThanOrEqual(score.overall);
        expect(gold(text.toUpperCase().toLowerCase(), MOTHER)).toEqual(gold(text.toUpperCase(), MOTHER));
      }),
      { numRuns: 300 },
    );
  });

  test('of 1,000,000 characters is graded at once, by its first 400 words', () => {
    const start = performance.now();
    for (const text of [
      'a'.repeat(1e6),
      "'".repeat(1e6),
      'a1'.repeat(5e5),
      ' '.repeat(1e6),
      '😀'.repeat(5e5),
      'my mother hid '.repeat(71_429),
    ])
      gold(text, MOTHER);
    expect(performance.now() - start).toBeLessThan(2000);
    const long = Array.from({ length: 400 }, () => 'x').join(' ');
    expect(gold(`${long} should i make a plan?`, MOTHER)).toEqual(gold(long, MOTHER));
  });
});
