// `inspect compare`: checkpoints of a run and models beside one another, as sentences and as one value; refusals in a
// sentence.

import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Comparison } from '#core/contract/compare.ts';
import { startRun } from '#core/runs/start.ts';
import { parseCall } from '#core/cli/command.ts';
import type { Report } from '#core/cli/command.ts';
import { inspectCompareCommand } from '#core/cli/inspect-compare.ts';
import {
  addLengthReward,
  errorFrom,
  makeTinyProject,
  QUICK_PPO,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';
import { cli } from './command-line.ts';

const folder = temporaryProjects()();
const work = path.dirname(folder);
let run = '';

beforeAll(async () => {
  const project = await makeTinyProject(folder);
  addLengthReward(project, 'longer', 1);
  run = (await startRun(project, 'ppo', { ...QUICK_PPO, reward: 'longer', evaluate_every: 1 }, 'tuned')).id;
  project.close();
});

const args = (...more: string[]) => ['--project', folder, '--prompts', '4', ...more];
/** The command in this process. */
function compare(...more: string[]): Promise<Report> {
  const { words, options, json } = parseCall(inspectCompareCommand, args(...more));
  return inspectCompareCommand.run({ words, options: options as never, json, tell: () => {} });
}

test('the start and the end of a run, in sentences', async () => {
  const { stdout, code } = await cli(work, 'inspect', 'compare', ...args('--run', run));
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^“start of tuned” and “update 2 of tuned”, 4 prompts at temperature 1; \d answered alike\.$/m,
  );
  expect(stdout).toMatch(/^Score by “longer”: .* \(too few prompts for an interval: 4\)/m);
  expect(stdout.match(/^Prompt \d+: Σ \|Δ ln p\|/gm)).toHaveLength(4);
});

test('a model and a checkpoint, as one value', async () => {
  const { data } = await compare('--checkpoint', '1', '--policy', 'base', '--run', run, '--greedy', '--reward', '');
  expect(data).toMatchObject({ a: 'base', b: 'update 1 of tuned', reward: null, temperature: 0, left_out: 0 });
  const { rows } = data as Comparison;
  expect(rows).toHaveLength(4);
  for (const { tokens, change } of rows)
    expect(tokens.reduce((sum, { a, b }) => sum + b - a, 0)).toBeCloseTo(change, 9);
});

test('what cannot be compared is a sentence', async () => {
  for (const [more, says] of [
    [['--policy', 'base'], 'A comparison takes two policies, and 1 is named.'],
    [['--checkpoint', 'end'], '--checkpoint names weights of a run, and no run is named.'],
    [['--run', run, '--checkpoint', '7', '--checkpoint', 'end'], `Run ${run} has no weights of update 7.`],
    [['--run', run, '--checkpoint', 'latest'], '--checkpoint is "latest", which is no update.'],
    [['--policy', 'base', '--policy', 'longer'], '"longer" is a reward model; it cannot write.'],
  ] as const) {
    const error = await errorFrom(() => compare(...more));
    expect([error.code, error.message]).toEqual(['bad-argument', says]);
  }
});
