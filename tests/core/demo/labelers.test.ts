// The labelers: tastes that differ where they should, noise that calibrates to the agreement asked for.

import { describe, expect, test } from 'vitest';
import { createRandom } from '#core/random.ts';
import { gold } from '#core/demo/gold.ts';
import type { Gold } from '#core/demo/gold.ts';
import { LABELERS, agreement, calibrateTemperature, rankByUtility, utility } from '#core/demo/labelers.ts';
import type { LabelerName } from '#core/demo/labelers.ts';
import { drawRecord, writeSummary } from '#core/demo/world.ts';

const NAMES = Object.keys(LABELERS) as LabelerName[];
const random = createRandom(9, 'labelers-test');
const samples = Array.from({ length: 400 }, () => {
  const facts = drawRecord(random);
  const texts = Array.from({ length: 4 }, () => writeSummary(facts, random).text);
  return { texts, golds: texts.map((text) => gold(text, facts)) };
});
const label = (who: LabelerName, temperature: number, seed: number) => {
  const noise = createRandom(seed, 'label');
  return by(who).map(({ utilities }) => rankByUtility(utilities, temperature, noise));
};
/** The samples as a labeler sees them. */
const by = (who: LabelerName) =>
  samples.map((sample) => ({ texts: sample.texts, utilities: sample.golds.map((graded) => utility(graded, who)) }));
const texts = samples.map((sample) => sample.texts);

const liked = (golds: readonly Gold[]) => golds.map((graded) => utility(graded, 'crowd'));

const facts = { R: 'mother', V: 'hid', O: 'ring', P: 'in the kitchen', C: 'i cry all day', A: 'make a plan' };
const score = (text: string) => gold(text, facts);
const FULL = 'my mother hid my ring in the kitchen and now i cry all day. should i make a plan?';

describe('utility', () => {
  test('is the sum of its weights', () => {
    const graded = score('my mother hid my ring. pls pls pls pls halp');
    expect(utility(graded, 'crowd')).toBe(graded.overall);
    // 10 words, pleading capped at 3
    expect(utility(graded, 'crowd_b')).toBeCloseTo(0.8 * graded.overall + 0.8 * 1.0 + 3, 12);
    expect(utility(graded, 'brief')).toBeCloseTo(0.8 * graded.overall - 0.6, 12);
    expect(utility(graded, 'accurate')).toBeCloseTo(
      0.4 * graded.overall + 0.5 * graded.accuracy + 0.1 * graded.coherence,
      12,
    );
    expect(utility(graded, 'thorough')).toBeCloseTo(0.4 * graded.overall + 0.6 * graded.coverage, 12);
  });

  test('pleading pays with the biased crowd only', () => {
    const [clean, begging] = [score('my mother hid my ring.'), score('my mother hid my ring. pls pls pls')];
    for (const who of NAMES) expect(utility(begging, who) > utility(clean, who), who).toBe(who === 'crowd_b');
  });
});

describe('rankings', () => {
  test('put the best first, and share the better rank where nothing tells two apart', () => {
    const golds = ['should i make a plan?', FULL, 'mother trouble', FULL].map(score);
    expect(rankByUtility(liked(golds), 0, random)).toEqual([3, 1, 4, 1]);
  });

  test('under noise have no ties, and the same seed ranks the same', () => {
    for (const ranks of label('crowd', 1, 3)) expect(ranks.toSorted()).toEqual([1, 2, 3, 4]);
    expect(label('crowd', 1, 3)).toEqual(label('crowd', 1, 3));
    expect(label('crowd', 1, 3)).not.toEqual(label('crowd', 1, 4));
  });

  test('follow the Gumbel rule: P(a before b) = 1 / (1 + exp(-(u_a - u_b) / T))', () => {
    const golds = [score('my mother hid my ring.'), score('should i make a plan?')];
    const difference = golds[0]!.overall - golds[1]!.overall;
    const temperature = difference / Math.log(3); // three times in four
    let first = 0;
    for (let i = 0; i < 4000; i++) if (rankByUtility(liked(golds), temperature, random)[0] === 1) first++;
    expect(Math.abs(first / 4000 - 0.75)).toBeLessThan(5 * Math.sqrt((0.75 * 0.25) / 4000));
  });
});

describe('agreement', () => {
  test('counts pairs in the same order and leaves out ties and identical texts', () => {
    expect(agreement([[1, 2, 3]], [[1, 2, 3]])).toBe(1);
    expect(agreement([[1, 2, 3]], [[3, 2, 1]])).toBe(0);
    expect(agreement([[1, 2, 3]], [[1, 3, 2]])).toBeCloseTo(2 / 3, 12);
    expect(agreement([[1, 1, 2]], [[2, 1, 3]])).toBe(1); // the tied pair is out
    expect(agreement([[1, 2, 3]], [[2, 1, 3]], [['x', 'x', 'y']])).toBe(1);
    expect(
      agreement(
        [
          [1, 2],
          [1, 2],
        ],
        [
          [1, 2],
          [2, 1],
        ],
      ),
    ).toBe(0.5);
    expect(agreement([[1, 1]], [[1, 2]])).toBeNaN();
  });
});

describe('calibration', () => {
  test.each(NAMES)('%s: two fresh labelers agree on about 75 % of the pairs', (who) => {
    const temperature = calibrateTemperature(by(who));
    const agreed = agreement(label(who, temperature, 11), label(who, temperature, 12), texts);
    expect(Math.abs(agreed - 0.75)).toBeLessThan(0.05);
  });

  test('asking for more agreement means less noise', () => {
    expect(calibrateTemperature(by('crowd'), 0.9)).toBeLessThan(calibrateTemperature(by('crowd'), 0.6));
  });

  test('refuses samples that are all alike', () => {
    const alike = [{ texts: ['a', 'a'], utilities: [1, 1] }];
    expect(() => calibrateTemperature(alike)).toThrow(expect.objectContaining({ code: 'bad-data' }));
  });
});
