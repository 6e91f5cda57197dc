// The onset of a rise: planted jumps and climbs are found and their intervals hold them; what stays the same has none.

import { expect, test } from 'vitest';
import { onsetOf } from '#core/findings/onset.ts';
import type { Share } from '#core/findings/onset.ts';
import { createRandom } from '#core/random.ts';
import type { Random } from '#core/random.ts';

/** `n` samples at each of `updates`, each a hit with the probability of its update. */
const drawn = (random: Random, updates: number, n: number, shareAt: (update: number) => number): Share[] =>
  Array.from({ length: updates }, (_, update) => {
    let hits = 0;
    for (let i = 0; i < n; i++) if (random.uniform() < shareAt(update)) hits++;
    return { update, hits, n };
  });

test('a jump in counts that leave no doubt', () => {
  const shares = [1, 2, 1, 2, 2, 36, 35, 37, 36, 36].map((hits, i) => ({ update: 10 * i, hits, n: 40 }));
  expect(onsetOf(shares)).toEqual({ update: 50, low: 50, high: 50, full: 50, before: 0.04, after: 0.9 });
});

for (const { name, before, after, climb, off } of [
  { name: 'a jump', before: 0.02, after: 0.5, climb: 1, off: 1 },
  { name: 'a small jump', before: 0.05, after: 0.25, climb: 1, off: 6 },
  { name: 'a climb over ten updates', before: 0.01, after: 0.7, climb: 10, off: 3 },
  { name: 'a rise from nothing to everything', before: 0, after: 1, climb: 6, off: 2 },
])
  test(`${name}: found in 200 series, inside its interval in at least 90 of 100`, () => {
    const random = createRandom(6, name);
    let [found, held, wide] = [0, 0, 0];
    const distances: number[] = [];
    const runs = 200;
    for (let run = 0; run < runs; run++) {
      const at = 8 + random.integer(20);
      const onset = onsetOf(
        drawn(random, 40, 32, (u) => before + (after - before) * Math.min(1, Math.max(0, (u - at + 1) / climb))),
      );
      if (!onset) continue;
      found++;
      distances.push(Math.abs(onset.update - at));
      if (onset.low <= at && at <= onset.high) held++;
      wide += onset.high - onset.low;
    }
    expect(found).toBeGreaterThanOrEqual(0.97 * runs);
    expect(held / found).toBeGreaterThanOrEqual(0.9);
    expect(distances.toSorted((a, b) => a - b)[Math.floor(0.9 * found)]!).toBeLessThanOrEqual(off);
    expect(wide / found, 'and the interval is not the whole run').toBeLessThan(12);
  });

test('what spreads by its own reward, slowly first, begins where it lifts off and not where it is steep', () => {
  const random = createRandom(11, 'replicator');
  const runs = 100;
  let held = 0;
  const off = Array.from({ length: runs }, () => {
    const at = 8 + random.integer(10);
    // 2 % before; from there on its odds grow by a fifth an update, from 6 %
    const share = (u: number) => (u < at ? 0.02 : 1 / (1 + Math.exp(2.75 - 0.2 * (u - at))));
    const { update, low, high } = onsetOf(drawn(random, 45, 64, share))!;
    if (low <= at && at <= high) held++;
    return update - at;
  });
  expect(held).toBeGreaterThanOrEqual(90);
  const inOrder = off.toSorted((a, b) => a - b);
  expect(inOrder[10]).toBeGreaterThanOrEqual(-3);
  expect(Math.abs(inOrder[50]!)).toBeLessThanOrEqual(1);
  expect(inOrder[90]).toBeLessThanOrEqual(3);
});

test('a share that stays the same, or falls, has no onset', () => {
  const random = createRandom(7, 'flat');
  let found = 0;
  for (let run = 0; run < 500; run++) {
    const share = random.choice([0, 0.02, 0.1, 0.5, 0.95, 1]);
    if (onsetOf(drawn(random, 40, 32, () => share))) found++;
  }
  expect(found).toBeLessThanOrEqual(2);
  expect(onsetOf(drawn(random, 40, 32, (u) => (u < 20 ? 0.9 : 0.1)))).toBeNull();
});

test('samples that hang together are no rise: each update all or nothing', () => {
  const random = createRandom(9, 'clusters');
  let found = 0;
  for (let run = 0; run < 200; run++)
    if (onsetOf(Array.from({ length: 30 }, (_, update) => ({ update, hits: random.uniform() < 0.3 ? 32 : 0, n: 32 }))))
      found++;
  expect(found).toBeLessThanOrEqual(4);
});

test('one update, none, and updates without samples', () => {
  expect(onsetOf([])).toBeNull();
  expect(onsetOf([{ update: 0, hits: 3, n: 4 }])).toBeNull();
  const holes = [0, 0, 8, 8].flatMap((hits, i) => [
    { update: 2 * i, hits, n: 8 },
    { update: 2 * i + 1, hits: 0, n: 0 },
  ]);
  expect(onsetOf(holes)!.update).toBe(4);
});

test('five hundred updates take less than two seconds of this process', () => {
  const shares = drawn(createRandom(1, 'long'), 500, 64, (u) =>
    u < 200 ? 0.01 : Math.min(0.9, 0.01 + (u - 200) / 200),
  );
  const began = process.cpuUsage();
  const onset = onsetOf(shares)!;
  const { user } = process.cpuUsage(began);
  expect(Math.abs(onset.update - 200)).toBeLessThan(12);
  expect(onset.low).toBeLessThanOrEqual(200);
  expect(onset.high).toBeGreaterThanOrEqual(200);
  expect(user / 1e6).toBeLessThan(2);
});
