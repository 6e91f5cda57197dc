// Works with a GGUF file from the command line wherever a model folder may stand: by path, and in a project.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ggufTokenizerFields } from '#core/formats/gguf-tokenizer-fields.ts';
import { loadCheckpoint, saveCheckpoint } from '#core/models/checkpoint.ts';
import { saveGguf } from '#core/models/gguf-model.ts';
import { trainBpe } from '#core/tokenizer/bpe-trainer.ts';
import { tinyModel } from '#tests/core/models/tiny-models.ts';
import { cli, cliJson, readLines, temporaryFolder, writeLines } from './command-line.ts';

const work = temporaryFolder();
const file = path.join(work, 'tiny.F16.gguf');
const folder = path.join(work, 'unpacked');
const PROMPTS = ['the ship', 'on the sea and'].map((prompt, i) => ({ prompt, completion: [' left', ' waved'][i]! }));

beforeAll(() => {
  const tokenizer = ggufTokenizerFields(
    {
      tokenizer: { ...trainBpe(['the ship on the sea and the quay'], 300) },
      config: { eos_token: '<|endoftext|>', pad_token: '<|pad|>' },
      chatTemplate: null,
    },
    { vocabulary: 320, stops: [0], file },
  );
  saveGguf(file, tinyModel('llama', 4, { vocabulary: 320, channels: 32, headWidth: 8, rotaryWidth: 8 }), {
    type: 'F16',
    tokenizer,
    name: 'tiny',
  });
  saveCheckpoint(folder, loadCheckpoint(file), { tokenizerFrom: file });
  writeLines(path.join(work, 'rows.jsonl'), PROMPTS);
});

describe('the file says what the folder says that is unpacked from it', () => {
  test.each(['generate', 'logprobs'])('%s', async (command) => {
    for (const [i, policy] of [file, folder].entries())
      await cliJson(
        work,
        command,
        '--policy',
        policy,
        '--in',
        'rows.jsonl',
        '--out',
        `${command}-${i}.jsonl`,
        ...(command === 'generate' ? ['--max-new', '6', '--seed', '3'] : []),
      );
    expect(readLines(path.join(work, `${command}-0.jsonl`))).toEqual(readLines(path.join(work, `${command}-1.jsonl`)));
    expect(readLines(path.join(work, `${command}-0.jsonl`))).toHaveLength(2);
  });

  test('score: a language model gives none, in the words that a folder gets', async () => {
    expect(await cli(work, 'score', '--reward', file, '--in', 'rows.jsonl', '--out', 'scores.jsonl')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is a language model; it gives no scores.'),
    });
  });
});

test('in a project: added where it lies and as a copy, and sampled from by a run that remembers the hash of the file', async () => {
  await cliJson(work, 'new', 'p');
  writeLines(
    path.join(work, 'prompts.jsonl'),
    PROMPTS.map(({ prompt }) => ({ prompt })),
  );
  await cliJson(work, 'import', 'prompts', 'prompts.jsonl');
  expect(await cliJson(work, 'model', 'add', file, '--copy')).toMatchObject({
    name: 'tiny.F16',
    kind: 'base',
    family: 'llama',
    path: path.join(work, 'p.tastemaker/models/tiny.F16/tiny.F16.gguf'),
  });
  expect(await cliJson(work, 'model', 'add', file, '--name', 'there')).toMatchObject({ path: file });
  const ended = await cli(work, 'sample', '--policy', 'tiny.F16', '--k', '2', '--max-new', '5');
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  const [run] = fs.readdirSync(path.join(work, 'p.tastemaker/runs')) as [string];
  const manifest = JSON.parse(fs.readFileSync(path.join(work, 'p.tastemaker/runs', run, 'manifest.json'), 'utf8')) as {
    models: { policy: { path: string; sha256: string } };
  };
  expect(manifest.models.policy).toEqual({
    path: path.join('models', 'tiny.F16', 'tiny.F16.gguf'),
    sha256: createHash('sha256').update(fs.readFileSync(file)).digest('hex'),
  });
  expect(readLines(path.join(work, 'p.tastemaker/runs', run, 'completions.jsonl'))).toHaveLength(4);
});

test('a file of another kind is refused by its name', async () => {
  fs.writeFileSync(path.join(work, 'not.gguf'), 'PK');
  expect(await cli(work, 'generate', '--policy', 'not.gguf', '--in', 'rows.jsonl', '--out', 'x.jsonl')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('not.gguf does not begin like a GGUF file.'),
  });
  expect(await cli(work, 'generate', '--policy', 'rows.jsonl', '--in', 'rows.jsonl', '--out', 'x.jsonl')).toMatchObject(
    { code: 2, stderr: expect.stringContaining('is a file, not a model folder.') },
  );
});
