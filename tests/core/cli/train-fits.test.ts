// `tastemaker train` says before it begins what it starts from, and that a run will not fit into memory, and what
// would.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cli, cliJson, temporaryFolder } from './command-line.ts';

test('what does not fit is not begun, and --force begins it all the same', async () => {
  const folder = temporaryFolder();
  const texts = path.join(folder, 'texts.txt');
  fs.writeFileSync(texts, 'The ship left the harbour at dawn and nobody on the quay waved. '.repeat(60));
  await cliJson(folder, 'new', 'p');
  const train = (...more: string[]) =>
    cli(folder, 'train', 'pretrain', '--set', `texts=${texts}`, ...more, '--project', 'p.tastemaker');
  const huge = await train(
    '--set',
    'layers=100',
    '--set',
    'channels=16384',
    '--set',
    'heads=64',
    '--set',
    'vocabulary=200000',
  );
  expect(huge.code).toBe(2);
  expect(huge.stderr).toMatch(
    /This run does not fit into memory: it takes about [\d.]+ GB, and [\d.]+ [MG]B are free\./,
  );
  expect(huge.stderr).toMatch(/Set \w+ from \d+ to \d+ .*--force starts it all the same\./s);
  expect(
    fs.existsSync(path.join(folder, 'p.tastemaker', 'runs'))
      ? fs.readdirSync(path.join(folder, 'p.tastemaker', 'runs'))
      : [],
  ).toEqual([]);
  const small = await train(
    '--set',
    'layers=1',
    '--set',
    'channels=8',
    '--set',
    'heads=1',
    '--set',
    'vocabulary=260',
    '--set',
    'context=16',
    '--set',
    'steps=1',
    '--set',
    'batch=1',
    '--force',
  );
  expect(small.code, small.stderr).toBe(0);
});

test('where no model is called "base", the current one is what a recipe starts from, and it says so', async () => {
  const folder = temporaryFolder();
  const texts = path.join(folder, 'texts.txt');
  const prompts = path.join(folder, 'prompts.jsonl');
  fs.writeFileSync(texts, 'The ship left the harbour at dawn and nobody on the quay waved. '.repeat(60));
  fs.writeFileSync(
    prompts,
    Array.from(
      { length: 8 },
      (_, i) =>
        `${JSON.stringify({ prompt: `Ship ${i}`, reference: 'left at dawn', split: i < 6 ? 'train' : 'validation' })}\n`,
    ).join(''),
  );
  await cliJson(folder, 'new', 'p');
  await cliJson(folder, 'import', 'prompts', prompts);
  const sizes = Object.entries({
    layers: 1,
    channels: 8,
    heads: 1,
    vocabulary: 260,
    context: 64,
    steps: 1,
    batch: 1,
  }).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  await cliJson(folder, 'train', 'pretrain', '--set', `texts=${texts}`, ...sizes, '--name', 'harbour');
  const tuned = await cli(folder, 'train', 'sft', '--set', 'batch=2');
  expect(tuned.code, tuned.stderr).toBe(0);
  expect(tuned.stdout + tuned.stderr).toContain('policy=harbour: the current one, for no model here is called "base"');
});
