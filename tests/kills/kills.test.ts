// A few of the kills of `node build/kill-check.mjs`, with every other test: nothing confirmed is lost, nothing half
// made stays.

import { expect, test } from 'vitest';
import { tryKills } from './kills.ts';

test('a dozen kills while labelling, importing, making a demo, exporting, training and migrating', async () => {
  const results = await tryKills({
    kills: 12,
    seed: 1 + (Math.floor(Date.now() / 1000) % 1e6),
    tell: (line) => console.log(line),
  });
  expect(results.flatMap(({ kind, problems }) => problems.map((problem) => `${kind}, ${problem}`))).toEqual([]);
  expect(results.reduce((sum, { kills }) => sum + kills, 0)).toBe(12);
});
