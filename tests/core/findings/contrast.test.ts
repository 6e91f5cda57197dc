// Contrasts of now and the start: means whose intervals are known, coverage of planted differences, and what nothing
// can be said of.

import { expect, test } from 'vitest';
import { clusteredInterval } from '#core/evaluation/interval.ts';
import { contrastOf } from '#core/findings/contrast.ts';
import type { Side } from '#core/findings/contrast.ts';
import { createRandom } from '#core/random.ts';

const sideOf = (units: readonly { prompt: number; value: number }[]): Side => ({
  prompts: units.map(({ prompt }) => prompt),
  over: (places) => places.reduce((sum, i) => sum + units[i]!.value, 0) / places.length,
});

/** So many prompts with `each` answers, the prompt's own level among their values. */
function drawn(random: ReturnType<typeof createRandom>, mean: number, prompts: number, from = 0, each = 3) {
  return Array.from({ length: prompts }, (_, prompt) => {
    const level = random.normal();
    return Array.from({ length: each }, () => ({ prompt: from + prompt, value: mean + level + random.normal() }));
  }).flat();
}

test('left out one at a time, prompts give the interval that the clustered mean has', () => {
  const random = createRandom(1, 'contrast');
  const units = drawn(random, 5, 24);
  const { now } = contrastOf(sideOf(units), sideOf(drawn(random, 5, 24)), 'more', false);
  const clusters = [...Map.groupBy(units, ({ prompt }) => prompt).values()].map((group) => ({
    sum: group.reduce((sum, { value }) => sum + value, 0),
    size: group.length,
  }));
  const { mean, low, high } = clusteredInterval(clusters)!;
  expect(now.value).toBeCloseTo(mean, 10);
  expect(now.low).toBeCloseTo(low, 8);
  expect(now.high).toBeCloseTo(high, 8);
  expect([now.n, now.prompts]).toEqual([72, 24]);
});

test('intervals of differences and ratios hold what was planted in about 95 of 100', () => {
  const random = createRandom(2, 'coverage');
  const held = { more: 0, times: 0 };
  for (let i = 0; i < 200; i++) {
    const now = sideOf(drawn(random, 12, 50));
    const start = sideOf(drawn(random, 10, 40, i % 2 ? 0 : 50)); // of the same prompts, and of others
    const difference = contrastOf(now, start, 'more', false).change!;
    const ratio = contrastOf(now, start, 'times', false).change!;
    held.more += Number(difference.low <= 2 && 2 <= difference.high);
    held.times += Number(ratio.low <= 1.2 && 1.2 <= ratio.high);
  }
  for (const times of Object.values(held)) {
    expect(times).toBeGreaterThan(180);
    expect(times).toBeLessThan(199);
  }
});

test('where all or none have something, their share is not known for certain', () => {
  const all = Array.from({ length: 40 }, (_, prompt) => ({ prompt, value: 1 }));
  const none = all.map(({ prompt }) => ({ prompt, value: 0 }));
  const { now, start, change } = contrastOf(sideOf(all), sideOf(none), 'more', true);
  expect([now.value, now.high, start.value, start.low]).toEqual([1, 1, 0, 0]);
  expect(now.low).toBeLessThan(0.97);
  expect(start.high).toBeGreaterThan(0.03);
  expect(change!.low).toBeLessThan(0.96);
});

test('of fewer than eight prompts, and beside nothing, no interval is given', () => {
  const random = createRandom(3, 'few');
  const enough = sideOf(drawn(random, 1, 20));
  const few = contrastOf(sideOf(drawn(random, 1, 7, 0, 30)), enough, 'more', false);
  expect([few.now.low, few.now.n, few.change]).toEqual([null, 210, null]);
  expect(contrastOf(enough, sideOf(drawn(random, 1, 7)), 'fewer', false).change).toBeNull();
  const zero = sideOf(Array.from({ length: 20 }, (_, prompt) => ({ prompt, value: 0 })));
  expect(contrastOf(enough, zero, 'times', false).change).toBeNull(); // times nothing
  expect(contrastOf(enough, sideOf([]), 'level', false).change).not.toBeNull();
});
