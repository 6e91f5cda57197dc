#!/usr/bin/env node
// Kills processes at random moments of labelling, importing, making a demo, exporting, training and migrating, and says
// what was lost.
//
// node build/kill-check.mjs [--kills 200] [--seed N] [--only import,export]: about four seconds a kill. Exits with 1
// where
// something confirmed was lost, something half made stayed, or a project did not open.
import { parseArgs } from 'node:util';
import { tryKills } from '#tests/kills/kills.ts';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '200' }, seed: { type: 'string' }, only: { type: 'string' } },
});
const kills = Number(values.kills);
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e6));
if (!(kills >= 1)) {
  console.error('Error: --kills is no number.\nHint: write --kills 200.');
  process.exit(2);
}
const started = Date.now();
console.log(`${kills} kills, seed ${seed}`);
const results = await tryKills({
  kills,
  seed,
  tell: (line) => console.log(line),
  ...(values.only ? { kinds: values.only.split(',') } : {}),
});
const problems = results.reduce((sum, result) => sum + result.problems.length, 0);
console.log(
  `${results.reduce((sum, result) => sum + result.kills, 0)} kills in ${Math.round((Date.now() - started) / 1000)} s: ${problems === 0 ? 'nothing lost' : `${problems} problems`}`,
);
process.exit(problems === 0 ? 0 : 1);
