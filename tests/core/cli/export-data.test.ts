// `tastemaker export data` as a process: the list of formats, a file, what is refused, and being stopped in the middle.

import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { DataFormat, ExportResult } from '#core/contract/data.ts';
import { cli, cliJson, MAIN, readLines, temporaryFolder, writeLines } from './command-line.ts';

const folder = temporaryFolder();
const rows = Array.from({ length: 300 }, (_, i) => ({
  prompt: `Question ${i}? ${'More of it. '.repeat(60)}`,
  completions: [' One.', ' Two.', ' Three.'],
  ranks: [2, 1, 2],
  labeler: i % 2 === 0 ? 'ada' : 'ben',
}));

test('the formats are listed, data goes out, and mistakes get a sentence', async () => {
  writeLines(path.join(folder, 'rankings.jsonl'), rows);
  await cli(folder, 'new', 'p.tastemaker');
  expect(await cli(folder, 'import', 'rankings', 'rankings.jsonl', '--add-prompts', '--split', 'train')).toMatchObject({
    code: 0,
  });

  const formats = await cliJson<DataFormat[]>(folder, 'export', 'data', '--list');
  const said = await cli(folder, 'export', 'data', '--list');
  for (const { name, title, holds } of formats) expect(said.stdout).toContain(`${name}: ${title}\n  ${holds}\n`);

  const done = await cli(
    folder,
    'export',
    'data',
    '--format',
    'trl-explicit',
    '--out',
    'pairs.jsonl',
    '--labeler',
    'ada',
  );
  expect(done).toMatchObject({ code: 0, stderr: '' });
  expect(done.stdout).toMatch(/^Wrote 300 rows \(.* bytes\): pairs\.jsonl\nLeft out: 150 pairs that are ties\.\n$/);
  expect(readLines<Record<string, string>>(path.join(folder, 'pairs.jsonl')).slice(0, 2)).toEqual([
    { prompt: rows[0]!.prompt, chosen: ' Two.', rejected: ' One.' },
    { prompt: rows[0]!.prompt, chosen: ' Two.', rejected: ' Three.' },
  ]);
  expect(
    await cliJson<ExportResult>(folder, 'export', 'data', '--format', 'csv', '--out', 'p.csv', '--pairs', 'best-worst'),
  ).toMatchObject({ rows: 300, leftOut: { ties: 300 } });

  const refused: [args: string[], message: string][] = [
    [['--format', 'nonsense', '--out', 'x'], 'There is no data format "nonsense".'],
    [['--format', 'csv'], '"export data" needs --out.'],
    [['--format', 'csv', '--out', 'nowhere/x.csv'], 'there is no folder'],
    [['--format', 'csv', '--out', 'x.csv', '--labeler', 'eve'], 'The project has no labeler "eve".'],
    [['--format', 'csv', '--out', 'x.csv', '--policy', 'nobody'], 'The project has no model or writer "nobody".'],
    [['--format', 'csv', '--out', 'x.csv', '--run', 'sample-9'], 'The project has no run "sample-9".'],
    [['--format', 'csv', '--out', 'x.csv', '--without-mark', 'odd'], 'The project has no mark label "odd".'],
    [['--format', 'completions', '--out', 'x.jsonl', '--labeler', 'ada'], 'has every row of a split'],
    [['--format', 'prompts', '--out', 'x.jsonl', '--min-confidence', '5'], 'has every row of a split'],
    [['--format', 'csv', '--out', 'x.csv', '--min-confidence', '5', '--repeats'], 'leaves hidden repeats out'],
    [['--format', 'csv', '--out', 'x.csv', '--without-flagged-items', '--flagged'], 'leaves flagged answers out'],
    [['--format', 'openai-2019', '--out', 'x.json'], 'no tokenizer was named'],
  ];
  for (const [args, message] of refused) {
    const { code, stdout, stderr } = await cli(folder, 'export', 'data', ...args);
    expect([code, stdout], message).toEqual([2, '']);
    expect(stderr).toContain(message);
    expect(stderr).toContain('\nHint: ');
  }
  expect(fs.readdirSync(folder).sort()).toEqual(['p.csv', 'p.tastemaker', 'pairs.jsonl', 'rankings.jsonl']);
}, 60_000);

test.runIf(process.platform === 'linux')(
  'a disk that takes no more leaves the old file as it was',
  () => {
    const out = path.join(folder, 'limited.jsonl');
    fs.writeFileSync(out, 'before\n');
    // of 1024 bytes each
    const command = `ulimit -f 100; exec "${process.execPath}" "${MAIN}" export data --format tastemaker --out limited.jsonl`;
    const { status, signal } = spawnSync('bash', ['-c', command], { cwd: folder, encoding: 'utf8' });
    expect(status === 2 || signal !== null).toBe(true); // the system says so, or ends the process
    expect(fs.readFileSync(out, 'utf8')).toBe('before\n');
    execFileSync(process.execPath, [MAIN, 'export', 'data', '--format', 'tastemaker', '--out', 'limited.jsonl'], {
      cwd: folder,
    });
    expect(fs.statSync(out).size).toBeGreaterThan(100 * 1024);
  },
  30_000,
);

test('an export takes the same selection as a recipe, and says it in words with what it left out', async () => {
  writeLines(
    path.join(folder, 'sure.jsonl'),
    (
      [
        ['ada', 9],
        ['ben', 2],
        ['cleo', undefined],
      ] as const
    ).map(([labeler, confidence], i) => ({
      prompt: `How sure ${i}?`,
      completions: [' Yes.', ' No.', ' Perhaps.'],
      ranks: [1, 2, 3],
      writers: ['one', 'one', i === 0 ? 'two' : 'one'],
      labeler,
      ...(confidence ? { confidence } : {}),
    })),
  );
  await cli(folder, 'new', 'sure.tastemaker');
  const project = ['--project', 'sure.tastemaker'];
  await cli(folder, 'import', 'rankings', 'sure.jsonl', '--split', 'train', ...project);
  const { stdout } = await cli(
    folder,
    'export',
    'data',
    '--format',
    'tastemaker',
    '--out',
    'sure-out.jsonl',
    '--min-confidence',
    '5',
    ...project,
  );
  expect(stdout).toContain(
    'Selected: rankings of the train, validation and test prompts, with a confidence of 5 or more where one was given.',
  );
  expect(stdout).toContain('Left out by the selection: 1 with too little confidence.');
  expect(readLines<{ labeler: string }>(path.join(folder, 'sure-out.jsonl')).map(({ labeler }) => labeler)).toEqual([
    'ada',
    'cleo',
  ]);
  const few = await cli(
    folder,
    'export',
    'data',
    '--format',
    'tastemaker',
    '--out',
    'few.jsonl',
    '--policy',
    'two',
    ...project,
  );
  expect(few.stdout).toMatch(/^Wrote 0 rows/);
  expect(few.stdout).toContain('8 answers by other models');
}, 60_000);
