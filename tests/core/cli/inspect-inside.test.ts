// `inspect lens` and `inspect attribution` on a project's samples: the same numbers as in the window, refusals in a
// sentence.

import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Attribution, Lens } from '#core/contract/inspect.ts';
import { listCompletions } from '#core/store/completions.ts';
import { addLengthReward, makeTinyProject, temporaryProjects } from '#tests/core/recipes/tiny-project.ts';
import { cli, cliJson } from './command-line.ts';

const folder = temporaryProjects()();
const work = path.dirname(folder);
let id = '';
let tokens: number[] = [];

beforeAll(async () => {
  const project = await makeTinyProject(folder);
  addLengthReward(project, 'longer', 1);
  const [completion] = listCompletions(project);
  [id, tokens] = [String(completion!.id), completion!.tokenIds];
  project.close();
});

const inspect = (what: string, ...args: string[]) => ['inspect', what, '--project', folder, ...args];

test('the lens of all positions, or of some, alone and beside another', async () => {
  const whole = await cliJson<Lens>(work, ...inspect('lens', '--completion', id, '--model', 'base'));
  expect(whole.ids.slice(whole.prompt)).toEqual(tokens);
  expect(whole.layers.map(({ layer, best }) => [layer, best.length])).toEqual(
    [0, 1, 2].map((layer) => [layer, whole.ids.length]),
  );
  const args = ['--from', '3', '--positions', '2', '--count', '2', '--beside', 'base'];
  const part = await cliJson<Lens>(work, ...inspect('lens', '--completion', id, '--model', 'base', ...args));
  expect(part.positions).toEqual([3, 5]);
  expect(part.layers[1]!.nextRanks).toEqual(whole.layers[1]!.nextRanks.slice(3, 5));
  expect(part.difference!.every(({ norms }) => norms.every((value) => value === 0))).toBe(true);
  const { stdout } = await cli(work, ...inspect('lens', '--completion', id, '--model', 'base'));
  expect(stdout.match(/^ {2}layer \d: /gm)).toHaveLength(3);
});

test('attribution of a score', async () => {
  const args = inspect('attribution', '--completion', id, '--model', 'longer');
  const found = await cliJson<Attribution>(work, ...args);
  expect([found.of, found.along.length, found.leftOut.length]).toEqual(['score', found.ids.length, found.ids.length]);
  const { stdout } = await cli(work, ...args);
  expect(stdout.trimEnd().split('\n')).toHaveLength(2 + found.ids.length - found.prompt);
});

test('what cannot be asked is a sentence', async () => {
  for (const [args, says] of [
    [['--completion', '99999', '--model', 'base'], /There is no completion 99999 in the project\./],
    [['--completion', id, '--model', 'nobody'], /nobody/],
    [['--completion', id, '--model', 'longer'], /"longer" is a reward model; it cannot write\./],
    [['--completion', 'x', '--model', 'base'], /--completion is "x"/],
    [['--completion', id, '--model', 'base', '--from', '9000'], /The text has the positions 0 to/],
  ] as const) {
    const { code, stderr, stdout } = await cli(work, ...inspect('lens', ...args));
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(says);
  }
});
