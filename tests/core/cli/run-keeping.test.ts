// `run note`, `run tag`, `run delete`, `run free` and the table of `runs`, on runs made of files and rows.

import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { makeRunsProject } from '#tests/app/runs-project.ts';
import { cli, cliJson, temporaryFolder } from './command-line.ts';

const work = temporaryFolder();
const folder = path.join(work, 'p.tastemaker');
beforeAll(() => void makeRunsProject(folder));

test('runs say what came out of them, in the numbers of the window', async () => {
  const { stdout } = await cli(work, 'runs');
  expect(stdout).toMatch(
    /0004-ppo +greedy +done +2026-10-01 12:00 +5 min 30 s +gold 1\.06 ± 0\.24 \(best 5\.4 ± 0\.24 at 15\) +3\.3 MB +beta 0 +cheats from step 15 on/,
  );
  expect(stdout).toMatch(/0002-reward .* validation_accuracy 0\.741 \(0\.70 to 0\.78\)/);
  const [first] = await cliJson<{ id: string; results: { metric: string }[]; tags: string[] }[]>(work, 'runs');
  expect(first).toMatchObject({ id: '0007-pretrain', tags: [] });
});

test('a note and tags are put on and taken off; what is none is refused', async () => {
  expect((await cli(work, 'run', 'note', '0003-ppo', 'the careful one')).stdout).toBe('the careful one\n');
  expect((await cli(work, 'run', 'tag', '0003-ppo', 'seed 1, beta .05')).stdout).toBe('beta .05, keep, seed 1\n');
  expect((await cli(work, 'run', 'tag', '0003-ppo', '--remove', 'KEEP')).stdout).toBe('beta .05, seed 1\n');
  expect(await cliJson(work, 'run', 'note', '0003-ppo')).toEqual({
    id: '0003-ppo',
    note: 'the careful one',
    tags: ['beta .05', 'seed 1'],
  });
  const refused = await cli(work, 'run', 'tag', '0003-ppo', '--remove', 'nothing');
  expect([refused.code, refused.stderr]).toEqual([
    2,
    'Error: Run 0003-ppo has no tag "nothing".\nHint: It has beta .05, seed 1.\n',
  ]);
  expect((await cli(work, 'run', 'note', '0099-ppo', 'x')).code).toBe(2);
});

test('freeing and deleting say what they would do, and do it with --yes', async () => {
  const would = await cli(work, 'run', 'free');
  expect(would.stdout).toContain('With --yes 9.0 MB are freed.');
  expect(fs.existsSync(path.join(folder, 'runs/0004-ppo/checkpoints/0000020.safetensors'))).toBe(true);
  expect((await cli(work, 'run', 'free', '0004-ppo', '--yes')).stdout).toContain('3.3 MB are free again.');
  expect(fs.existsSync(path.join(folder, 'runs/0004-ppo/checkpoints/0000020.safetensors'))).toBe(false);
  const asked = await cli(work, 'run', 'delete', '0001-sample');
  expect(asked.stdout).toContain('21 samples that nobody has ranked');
  expect(asked.stdout).toContain('3 samples that somebody has judged stay.');
  expect(asked.stdout).toContain('Nothing was deleted');
  expect((await cli(work, 'run', 'delete', '0001-sample', '--yes')).stdout).toContain('Run 0001-sample is deleted.');
  expect((await cliJson<{ id: string }[]>(work, 'runs')).map(({ id }) => id)).not.toContain('0001-sample');
  const kept = await cliJson<{ models: { name: string }[] }>(work, 'run', 'delete', '0002-reward', '--models', '--yes');
  expect(kept.models.map(({ name }) => name)).toEqual(['reward']);
  expect(await cliJson<unknown[]>(work, 'model', 'list')).toEqual([]);
  expect((await cli(work, 'run', 'delete', '0001-sample')).code).toBe(2);
});
