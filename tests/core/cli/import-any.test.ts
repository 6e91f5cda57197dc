// Imports from the command line: into an empty project, with the way out where one is, and what is said of the file; and the help of a group of commands.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cli, cliJson, readLines, temporaryFolder, writeLines } from './command-line.ts';

const folder = temporaryFolder(), at = (name: string) => path.join(folder, name);
const pairs = (n: number, from = 0) => Array.from({ length: n }, (_, i) => ({ prompt: `Why ${from + i}?`, chosen: ' Fog.', rejected: ' Snow.' }));

test('a whole preference file comes into an empty project; into another the hint is the way out', async () => {
  writeLines(at('first.jsonl'), pairs(600));
  writeLines(at('second.jsonl'), [...pairs(2), ...pairs(3, 600)]);
  writeLines(at('completions.jsonl'), [{ prompt: 'New?', completion: ' a' }]);
  await cli(folder, 'new', 'p.tastemaker');
  expect(await cli(folder, 'import', 'rankings', 'first.jsonl')).toMatchObject({ code: 0, stdout: expect.stringContaining('600 prompts, 1200 completions, 600 rankings') });
  const refused = await cli(folder, 'import', 'rankings', 'second.jsonl');
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/The project does not have its prompt.*\nHint: `import` with --add-prompts brings/)]);
  expect((await cli(folder, 'import', 'completions', 'completions.jsonl')).stderr).toContain('Hint: `import` with --add-prompts');
  expect(await cliJson(folder, 'import', 'rankings', 'second.jsonl', '--add-prompts')).toMatchObject({ added: 3, duplicates: 2, made: { prompts: 3 } });
  await cli(folder, 'new', 'q.tastemaker');
  expect(await cliJson(folder, 'import', 'completions', 'completions.jsonl', '--project', 'q.tastemaker')).toMatchObject({ added: 1 });
  fs.rmSync(at('q.tastemaker'), { recursive: true });
}, 60_000);

test('every bad row: the first one’s own error, also where bad rows may be left out', async () => {
  writeLines(at('bad.jsonl'), [{ prompt: 7, chosen: 'a', rejected: 'b' }, { prompt: 8, chosen: 'a', rejected: 'b' }]);
  for (const more of [[], ['--skip-bad']]) {
    const { code, stderr } = await cli(folder, 'import', 'rankings', 'bad.jsonl', ...more);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/the first is line 1: "prompt" is not text/)]);
  }
}, 30_000);

test('prompts that differ only in their spelling are counted, go to one split, and only then is it said', async () => {
  const texts = Array.from({ length: 12 }, (_, i) => `Is the café ${i} open?`);
  writeLines(at('nfc.jsonl'), texts.map((prompt) => ({ prompt })));
  writeLines(at('more.jsonl'), texts.flatMap((prompt) => [{ prompt: prompt.normalize('NFD') }, { prompt: `${prompt}\r\n` }]));
  await cli(folder, 'new', 's.tastemaker');
  const here = ['--project', 's.tastemaker', '--validation-share', '0.5'];
  expect((await cli(folder, 'import', 'prompts', 'nfc.jsonl', ...here)).stdout).not.toContain('spelling');
  expect((await cli(folder, 'import', 'prompts', 'more.jsonl', ...here)).stdout).toContain('24 prompts differ only in the spelling from another');
  await cli(folder, 'export', 'data', '--format', 'prompts', '--out', 'out.jsonl', '--project', 's.tastemaker');
  const rows = readLines<{ prompt: string; split: string }>(at('out.jsonl'));
  expect(new Set(rows.map(({ split }) => split)).size).toBe(2);
  for (const own of Map.groupBy(rows, ({ prompt }) => prompt.normalize('NFC').trim()).values()) expect([own.length, new Set(own.map(({ split }) => split)).size]).toEqual([3, 1]);
  expect((await cli(folder, 'prompts', 'unite', '--project', 's.tastemaker')).stdout).toContain('stand in one split already');
  fs.rmSync(at('s.tastemaker'), { recursive: true });
}, 60_000);

test.each(['import', 'label', 'export', 'model', 'run', 'setup', 'prompts'])('%s --help lists its commands', async (group) => {
  for (const args of [[group, '--help'], ['help', group]]) {
    const { code, stdout, stderr } = await cli(folder, ...args);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(new RegExp(`^The commands of "${group}":\n\n  ${group} \\w+`));
  }
  expect(await cli(folder, group)).toMatchObject({ code: 2, stderr: expect.stringContaining('needs one more word') });
}, 30_000);
