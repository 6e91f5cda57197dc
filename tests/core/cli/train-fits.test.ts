// `tastemaker train` says before it begins that a run will not fit into memory, and what would.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cli, cliJson, temporaryFolder } from './command-line.ts';

test('what does not fit is not begun, and --force begins it all the same', async () => {
  const folder = temporaryFolder(), texts = path.join(folder, 'texts.txt');
  fs.writeFileSync(texts, 'The ship left the harbour at dawn and nobody on the quay waved. '.repeat(60));
  await cliJson(folder, 'new', 'p');
  const train = (...more: string[]) => cli(folder, 'train', 'pretrain', '--set', `texts=${texts}`, ...more, '--project', 'p.tastemaker');
  const huge = await train('--set', 'layers=100', '--set', 'channels=16384', '--set', 'heads=64', '--set', 'vocabulary=200000');
  expect(huge.code).toBe(2);
  expect(huge.stderr).toMatch(/This run does not fit into memory: it takes about [\d.]+ GB, and [\d.]+ [MG]B are free\./);
  expect(huge.stderr).toMatch(/Set \w+ from \d+ to \d+ .*--force starts it all the same\./s);
  expect(fs.existsSync(path.join(folder, 'p.tastemaker', 'runs')) ? fs.readdirSync(path.join(folder, 'p.tastemaker', 'runs')) : []).toEqual([]);
  const small = await train('--set', 'layers=1', '--set', 'channels=8', '--set', 'heads=1', '--set', 'vocabulary=260', '--set', 'context=16', '--set', 'steps=1', '--set', 'batch=1', '--force');
  expect(small.code, small.stderr).toBe(0);
});
