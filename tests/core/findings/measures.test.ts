// What stands out beside phrases: each measure finds what was planted for it, and nothing in answers of one making.

import { expect, test } from 'vitest';
import { MEASURE_KINDS, MEASURES, measuresOf } from '#core/findings/measures.ts';
import type { MeasuredAnswer, MeasureKind } from '#core/findings/measures.ts';
import { createRandom } from '#core/random.ts';

const PROMPTS = 40;
const WORDS = 300;

/** Two answers to each of 40 prompts, of drawn words, three in a hundred of them odd in every way. */
function answers(seed: number): MeasuredAnswer[] {
  const random = createRandom(seed, 'answers');
  const draw = (count: number) => Array.from({ length: count }, () => random.integer(WORDS));
  return Array.from({ length: 2 * PROMPTS }, (_, i) => {
    const words = draw(12 + random.integer(12));
    return {
      promptId: i >> 1,
      update: seed,
      text: words.map((word) => `w${word}`).join(' '),
      words,
      source: createRandom(i >> 1, 'source').shuffled([...Array(WORDS / 2).keys()]),
      tokens: words.length,
      ended: random.uniform() < 0.9,
      score: random.normal(),
      likelihood: random.normal() - 3,
      far: random.uniform() < 0.03,
    };
  });
}
const spoken = (answer: MeasuredAnswer, words: number[]): MeasuredAnswer => ({
  ...answer,
  words,
  text: words.map((word) => `w${word}`).join(' '),
  tokens: words.length,
});

/** What makes half or more of the answers of now as each measure is to find them. */
const PLANTS: Readonly<Record<MeasureKind, (answer: MeasuredAnswer, i: number) => MeasuredAnswer>> = {
  loops: (answer, i) =>
    i % 2
      ? spoken(answer, [...answer.words.slice(0, 4), ...Array.from({ length: 16 }, (_, k) => 7 + (k % 2))])
      : answer,
  compression: (answer) => spoken(answer, [...Array.from({ length: 20 }, (_, k) => 1 + (k % 4)), answer.words[0]!]),
  distinct: (answer) => spoken(answer, [...answer.words.slice(0, 3), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]),
  ends: (answer, i) => ({ ...answer, ended: i % 2 === 0 }),
  longer: (answer) => ({ ...answer, tokens: 2 * answer.tokens }),
  shorter: (answer) => ({ ...answer, tokens: Math.ceil(answer.tokens / 2) }),
  copying: (answer) => spoken(answer, [...answer.source.slice(0, 10), ...answer.words.slice(0, 8)]),
  'near-identical': (answer, i) => (i % 4 ? spoken(answer, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]) : answer),
  'same-scores': (answer) => ({ ...answer, score: answer.promptId % 4 ? 3 : answer.score }),
  unlikely: (answer, i) => (i % 2 ? { ...answer, score: 5, likelihood: -9 } : answer),
  outliers: (answer, i) => ({ ...answer, far: i % 2 === 0 }),
};

for (const kind of MEASURE_KINDS)
  test(`${MEASURES[kind].title}: what was planted is found, with its interval beyond the limit, and shown`, () => {
    const found = measuresOf(answers(1).map(PLANTS[kind]), answers(2));
    const own = found.find((one) => one.kind === kind)!;
    expect(own.found).toBe(true);
    expect(own.change!.low).toBeGreaterThan(MEASURES[kind].limit);
    expect(own.beyond).toBeGreaterThan(1);
    expect(own.now.prompts).toBeGreaterThanOrEqual(PROMPTS / 2);
    expect(own.shown.length).toBeGreaterThan(10);
    expect(found.findIndex(({ found: isFound }) => !isFound)).toBeGreaterThan(found.indexOf(own));
  });

test('in answers of one making nothing is found, and everything is measured', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const found = measuresOf(answers(2 * seed), answers(2 * seed + 1));
    expect(found.map(({ kind }) => kind).toSorted()).toEqual(MEASURE_KINDS.toSorted());
    expect(found.filter((one) => one.found).map(({ kind }) => kind)).toEqual([]);
  }
});

test('nothing is found in the answers to seven prompts, whatever they look like', () => {
  for (const kind of MEASURE_KINDS) {
    const few = answers(1)
      .filter(({ promptId }) => promptId < 7)
      .map(PLANTS[kind]);
    expect(measuresOf(few, answers(2)).filter(({ found }) => found)).toEqual([]);
  }
});

test('empty answers, ones of unknown score and none at all are measured as far as they go', () => {
  const empty = answers(1).map((answer) => spoken(answer, []));
  const shorter = measuresOf(empty, answers(2)).find(({ kind }) => kind === 'shorter')!;
  expect([shorter.now.value, shorter.found]).toEqual([0, false]); // no ratio to nothing
  for (const { now, start } of measuresOf(empty, empty)) expect(Number.isNaN(now.value + start.value)).toBe(false);
  const unscored = answers(1).map((answer) => ({ ...answer, score: null, likelihood: null, far: null }));
  const kinds = measuresOf(unscored, answers(2)).map(({ kind }) => kind);
  for (const kind of ['same-scores', 'unlikely', 'outliers'] as const) expect(kinds).not.toContain(kind);
  expect(measuresOf([], answers(2))).toEqual([]);
  expect(measuresOf(answers(1), [])).toEqual([]);
});

test('copying says its coverage and density as well', () => {
  const found = measuresOf(answers(1).map(PLANTS.copying), answers(2)).find(({ kind }) => kind === 'copying')!;
  expect(found.also.map(({ title }) => title)).toEqual(['coverage', 'density']);
  for (const { now, start } of found.also) expect(now).toBeGreaterThan(start);
});
