// On the command line: an import is called off with Ctrl-C and nothing of it stays; backups are made, listed and put
// back.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openProject } from '#core/store/database.ts';
import { countPrompts } from '#core/store/prompts.ts';

const work = mkdtempSync(join(tmpdir(), 'import-stopped-'));
const main = resolve('core/cli/main.ts');
afterAll(() => rmSync(work, { recursive: true, force: true }));
const env = { ...process.env, TASTEMAKER_HOME: join(work, 'home') };
const tastemaker = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', main, ...args],
    { cwd: work, env, encoding: 'utf8' },
  );
  return { status, stdout, stderr };
};
const prompts = () => {
  const project = openProject(join(work, 'study.tastemaker'), { write: false });
  try {
    return countPrompts(project).train;
  } finally {
    project.close();
  }
};

test('Ctrl-C in the middle of an import: nothing of it stays, it says so, and the project is free', async () => {
  expect(tastemaker('new', 'study').status).toBe(0);
  writeFileSync(
    join(work, 'many.jsonl'),
    Array.from({ length: 60_000 }, (_, i) =>
      JSON.stringify({ prompt: `Question number ${i} about ${(i * 7919) % 1009} coins: ${'why '.repeat(20)}` }),
    ).join('\n'),
  );
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', main, 'import', 'prompts', 'many.jsonl'],
    { cwd: work, env, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let said = '';
  let asked = false;
  child.stdout.on('data', (data: Buffer) => (said += data.toString()));
  child.stderr.on('data', (data: Buffer) => {
    said += data.toString();
    if (!asked && /importing \d+\/60000/.test(said)) asked = child.kill('SIGINT');
  });
  const code = await new Promise((done) => child.once('close', done));
  expect(asked, said).toBe(true);
  expect(said).toMatch(
    /Taking back what has come in\.[^]*Error: The import of many\.jsonl was called off: nothing was taken from the file\.\nHint: /,
  );
  expect(code).toBe(2);
  expect(existsSync(join(work, 'study.tastemaker', 'project.lock'))).toBe(false);
  expect(prompts()).toBe(0);
});

test('backup, backup list and backup restore', () => {
  writeFileSync(join(work, 'one.txt'), 'first\n');
  writeFileSync(join(work, 'two.txt'), 'second\n');
  tastemaker('import', 'prompts', 'one.txt');
  expect(tastemaker('backup')).toMatchObject({ status: 0, stdout: expect.stringContaining('project-000001-') });
  tastemaker('import', 'prompts', 'two.txt');
  const [backup] = JSON.parse(tastemaker('backup', 'list', '--json').stdout) as { name: string; prompts: number }[];
  expect(backup!.prompts).toBe(1);
  expect(tastemaker('backup', 'list').stdout).toMatch(/1 prompts, 0 completions, 0 rankings/);
  expect(tastemaker('backup', 'restore', backup!.name)).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/is as it was in project-000001-[^]*kept in .*project-000002-/),
  });
  expect(prompts()).toBe(1);
  expect(tastemaker('backup', 'restore', 'nothing.db')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('There is no backup "nothing.db"'),
  });
});
