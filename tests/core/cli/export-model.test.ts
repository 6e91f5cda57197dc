// `tastemaker export model` and `export adapter` as a process: from a project with lineage, from a folder alone, and
// what is refused.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { loadCheckpoint, loadShared, saveCheckpoint } from '#core/models/checkpoint.ts';
import { readJson } from '#tests/core/models/reference-numbers.ts';
import { withAdapter } from '#tests/core/models/tiny-models.ts';
import { cli, cliJson, temporaryFolder, writeTinyModel } from './command-line.ts';

const folder = fs.realpathSync(temporaryFolder());
const at = (...names: string[]) => path.join(folder, ...names);
await writeTinyModel(at('base'));
saveCheckpoint(at('tuned'), withAdapter(loadCheckpoint(at('base')), {}, { folder: at('base') }), {
  tokenizerFrom: at('base'),
});

test('a folder needs no project: formats, folders, adapters, ONNX, one line each', async () => {
  const said = await cli(folder, 'export', 'model', '--list');
  expect([said.code, said.stdout.match(/^[\w-]+: /gm)!.map((name) => name.slice(0, -2))]).toEqual([
    0,
    ['hf-f32', 'hf-bf16', 'hf-f16', 'adapter', 'gguf-f16', 'gguf-q8_0', 'onnx'],
  ]);
  const fits = await cliJson<{ name: string; problem: string | null; bytes: number }[]>(
    folder,
    'export',
    'model',
    'tuned',
    '--list',
  );
  expect(fits.filter(({ problem }) => problem === null).map(({ name }) => name)).toEqual([
    'hf-f32',
    'hf-bf16',
    'hf-f16',
    'adapter',
    'onnx',
  ]);

  const done = await cli(folder, 'export', 'model', 'tuned', '--out', 'merged');
  expect(done).toMatchObject({ code: 0, stderr: '' });
  expect(done.stdout).toMatch(/^Wrote tuned as hf-f32 \([\d,]+ bytes\): merged\n$/);
  expect(loadCheckpoint(at('merged'))).toEqual(loadCheckpoint(at('tuned')));

  fs.mkdirSync(at('out'));
  expect(await cliJson(folder, 'export', 'adapter', 'tuned', '--out', 'out')).toMatchObject({
    path: at('out', 'tuned-adapter'),
    format: 'adapter',
    bytes: expect.any(Number),
  });
  expect(loadShared(at('out', 'tuned-adapter'))).toEqual(loadShared(at('tuned')));
  expect(
    await cliJson(
      folder,
      'export',
      'model',
      'base',
      '--format',
      'onnx',
      '--batch',
      '2',
      '--tokens',
      '16',
      '--out',
      'out',
    ),
  ).toMatchObject({ path: at('out', 'base-ONNX') });
  expect(fs.readFileSync(at('out', 'base-ONNX', 'README.md'), 'utf8')).toContain('`ids`, int32 [2, 16]');
}, 60_000);

test('a model of a project takes its name and lineage along', async () => {
  await cli(folder, 'new', 'p.tastemaker');
  await cli(folder, 'model', 'add', 'base', '--name', 'my words', '--copy');
  const { path: written } = await cliJson<{ path: string }>(
    folder,
    'export',
    'model',
    'my words',
    '--format',
    'hf-bf16',
    '--out',
    path.join('p.tastemaker', 'exports'),
  );
  expect(written).toBe(at('p.tastemaker', 'exports', 'my-words-BF16'));
  const card = fs.readFileSync(path.join(written, 'README.md'), 'utf8');
  for (const line of ['# my words', '1. **my words**: A base model that was added: gpt2', 'Hugging Face folder, BF16'])
    expect(card).toContain(line);
  expect(readJson(path.join(written, 'config.json'))).toMatchObject({ dtype: 'bfloat16' });
}, 60_000);

test('mistakes get a sentence and a hint, and leave nothing', async () => {
  const before = fs.readdirSync(folder).sort();
  const refused: [args: string[], message: string][] = [
    [['model', 'base', '--format', 'nonsense', '--out', 'x'], '--format is "nonsense"'],
    [['model', 'base'], '"export model" needs --out.'],
    [['model', '--out', 'x'], '"export model" needs a model.'],
    [['model', 'nowhere', '--out', 'x', '--project', 'p.tastemaker'], 'nowhere'],
    [['model', 'base', '--out', 'base/config.json'], 'is a file.'],
    [['model', 'base', '--tokens', '8', '--out', 'x'], '--tokens is for ONNX exports, and the format is hf-f32.'],
    [
      ['model', 'base', '--format', 'onnx', '--tokens', '49', '--out', 'x'],
      "Rows of 49 tokens are longer than the model's context of 48.",
    ],
    [['model', 'base', '--format', 'gguf-f16', '--out', 'x'], 'this model is of the family gpt2'],
    [['adapter', 'base', '--out', 'x'], 'The model is no adapter'],
    [['model', 'my words', '--out', 'p.tastemaker/models'], 'among the project'],
  ];
  for (const [args, message] of refused) {
    const { code, stdout, stderr } = await cli(folder, 'export', ...args);
    expect([code, stdout], `${args}: ${stderr}`).toEqual([2, '']);
    expect(stderr).toContain(message);
    expect(stderr).toContain('\nHint: ');
  }
  expect(fs.readdirSync(folder).sort()).toEqual(before);
}, 120_000);
