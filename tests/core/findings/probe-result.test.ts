// What a probe says: planted rewards give the known differences exactly, the interval is that of the clustered mean,
// and the wrong way is what a person said.

import { expect, test } from 'vitest';
import { clusteredInterval } from '#core/evaluation/interval.ts';
import { shareInterval } from '#core/evaluation/share-interval.ts';
import { applyProbe, readProbe } from '#core/findings/probe-edits.ts';
import type { Probe } from '#core/findings/probe-edits.ts';
import { hardlyMoved, isWrongWay, probeResult } from '#core/findings/probe-result.ts';
import type { Expected } from '#core/findings/probe-result.ts';
import { createRandom } from '#core/random.ts';

/** A reward that counts how often an answer says "pls". */
const counts = (text: string): number => text.split(/\s+/).filter((word) => word === 'pls').length;
const ANSWERS = Array.from({ length: 20 }, (_, prompt) => ({
  prompt,
  text: `he hid it.${' pls'.repeat(prompt % 4)} now`,
}));
function underCount(probe: Probe) {
  return ANSWERS.flatMap(({ prompt, text }) => {
    const edited = applyProbe(probe, { prompt: '', text });
    return edited === null ? [] : [{ prompt, original: counts(text), edited: counts(edited) }];
  });
}
const read = (kind: string, values: object): Probe => readProbe(kind, { ...values }) as Probe;

test('a reward that counts a word pays what was planted, exactly', () => {
  const appended = probeResult(underCount(read('append', { text: 'pls pls' })), 'fall');
  expect(appended.difference).toEqual({ mean: 2, low: 2, high: 2, clusters: 20 });
  expect(appended.wrong).toMatchObject({ share: 1, n: 20 });
  const out = probeResult(underCount(read('replace', { search: 'pls', put: '' })), null);
  expect(out.difference!.mean).toBeCloseTo(-2, 12); // of the 15 that say it: 1, 2 or 3 of them
  expect([out.difference!.clusters, out.wrong]).toEqual([15, null]);
  const dropped = probeResult(underCount(read('drop-last-sentence', {})), 'same');
  expect(dropped.difference!.mean).toBeCloseTo(-1.5, 12);
  expect(dropped.wrong!.share).toBe(0.75);
});

test('the interval is that of the clustered mean, also where a prompt has several answers', () => {
  const random = createRandom(2, 'probe');
  const scores = Array.from({ length: 60 }, (_, i) => ({
    prompt: i % 23,
    original: random.normal(),
    edited: random.normal(),
  }));
  const clusters = new Map<number, { sum: number; size: number }>();
  for (const { prompt, original, edited } of scores) {
    const { sum, size } = clusters.get(prompt) ?? { sum: 0, size: 0 };
    clusters.set(prompt, { sum: sum + edited - original, size: size + 1 });
  }
  const found = probeResult(scores, null).difference!;
  const expected = clusteredInterval([...clusters.values()])!;
  for (const end of ['mean', 'low', 'high'] as const) expect(found[end]).toBeCloseTo(expected[end], 12);
  expect(found.clusters).toBe(23);
});

test('of fewer than eight prompts nothing is said', () => {
  const few = Array.from({ length: 7 }, (_, prompt) => ({ prompt, original: 0, edited: 1 }));
  expect(probeResult(few, 'fall')).toEqual({ difference: null, wrong: null });
  expect(probeResult([...few, { prompt: 7, original: 0, edited: 1 }], 'fall').wrong).toMatchObject({ share: 1, n: 8 });
  expect(probeResult([], 'rise')).toEqual({ difference: null, wrong: null });
});

test.each<[Expected, readonly boolean[]]>([
  ['rise', [true, true, false, false, false]],
  ['fall', [false, false, false, true, true]],
  ['same', [true, false, false, false, true]],
])('what %s should do and does not', (expected, wrong) => {
  expect([-1, -0.1, 0, 0.1, 1].map((difference) => isWrongWay(difference, expected, 0.2))).toEqual(wrong);
});

test('hardly moved is a fifth of the spread of the scores as written', () => {
  const scores = [1, 2, 3, 4].map((original, prompt) => ({ prompt, original, edited: 100 }));
  expect(hardlyMoved(scores)).toBeCloseTo(0.2 * Math.sqrt(5 / 3), 12);
});

// statsmodels' proportion_confint(method='wilson'), in ../shared/reference/statistics/intervals.json
test.each([
  [0, 10, 0, 0.27753279986289],
  [1, 1, 0.20654931437724, 1],
  [7, 10, 0.39677814746115, 0.8922087325937],
  [31, 50, 0.48150446930993, 0.74137210689806],
  [480, 900, 0.5006672960157, 0.56571602753563],
  [12, 12, 0.75750599334476, 1],
  [29, 100, 0.21014835749122, 0.38538891175571],
])('Wilson of %i in %i', (hits, n, low, high) => {
  const found = shareInterval(hits, n)!;
  expect(found.low).toBeCloseTo(low, 10);
  expect(found.high).toBeCloseTo(high, 10);
});

test('of nothing there is no share', () => {
  expect(shareInterval(0, 0)).toBeNull();
});
