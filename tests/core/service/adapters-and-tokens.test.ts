// What the window is shown of adapters and chat models before and after they are added, and files of token ids by a
// model's tokenizer.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { adapterParameters, chosenMatrices, freshAdapter } from '#core/models/adapter.ts';
import { loadCheckpoint, saveCheckpoint } from '#core/models/checkpoint.ts';
import { importHandlers } from '#core/service/data/imports.ts';
import { lookAtModels } from '#core/service/models/model-look.ts';
import { modelHandlers } from '#core/service/models/models.ts';
import { createProject } from '#core/store/database.ts';
import { addPolicy } from '#core/store/policies.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { handled } from './handler-context.ts';
import { workFolder, writeSmallModel } from './projects-at-hand.ts';

const work = workFolder();

/** A base with a licence, and an adapter of rank 2 that knows it as its neighbour. */
async function baseAndAdapter(name: string): Promise<{ base: string; adapter: string; numbers: number }> {
  const base = path.join(work, name, 'base');
  const adapter = path.join(work, name, 'adapter');
  await writeSmallModel(base);
  fs.writeFileSync(path.join(base, 'LICENSE'), '# Invented Licence\n\nRead it aloud.\n');
  const model = loadCheckpoint(base);
  const settings = {
    rank: 2,
    alpha: 4,
    rankStabilised: false,
    matrices: chosenMatrices(model.architecture, 'attention'),
  };
  const own = freshAdapter(adapterParameters(model.architecture, settings), 1);
  saveCheckpoint(adapter, { ...model, weights: { ...model.weights, ...own }, adapter: { settings, base } });
  const numbers = Object.values(model.weights).reduce((sum, { length }) => sum + length, 0);
  return { base, adapter, numbers };
}

test('an adapter: what it sits on, what both take in memory once merged, whose licence it has; without its base it says which one', async () => {
  const { base, adapter, numbers } = await baseAndAdapter('whole');
  const [verdict] = await lookAtModels(adapter);
  expect(verdict).toMatchObject({
    ok: true,
    kind: 'base',
    base: fs.realpathSync(base),
    parameters: numbers,
    memoryBytes: 4 * numbers + 200e6,
    packing: 'F32',
    licence: 'Invented Licence',
    licenceText: null,
    sentence: expect.stringMatching(/^An adapter that makes a language model of the family gpt2/),
  });
  expect(verdict!.files.map(({ name, ok }) => [name, ok])).toEqual([
    ['adapter_config.json', true],
    ['adapter_model.safetensors', true],
    ['tokenizer.json', true],
  ]);
  expect((await lookAtModels(base))[0]).toMatchObject({
    base: null,
    licence: 'Invented Licence',
    licenceText: '# Invented Licence\n\nRead it aloud.',
  });
  fs.renameSync(base, `${base}-gone`);
  const [lost] = await lookAtModels(adapter);
  expect(lost).toMatchObject({ ok: false, base, memoryBytes: null, sentence: expect.stringContaining('is not there') });
  expect(lost!.files.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['adapter_config.json']);
});

test('a copied adapter still finds its base, also where it named it by a place beside itself', async () => {
  const { base, adapter } = await baseAndAdapter('copied');
  const file = path.join(adapter, 'adapter_config.json');
  const { base_model_relative_path: _, ...config } = JSON.parse(fs.readFileSync(file, 'utf8')) as Record<
    string,
    unknown
  >;
  fs.writeFileSync(file, JSON.stringify({ ...config, base_model_name_or_path: '../base' }));
  const project = createProject(path.join(work, 'copied.tastemaker'));
  const row = await handled(project, modelHandlers).call('models.add', { path: adapter, name: 'tuned', copy: true });
  expect(row).toMatchObject({ problem: null, family: 'gpt2' });
  expect(row.folder.startsWith(project.folder)).toBe(true);
  expect(Object.keys(loadCheckpoint(row.folder).weights).sort()).toEqual(
    Object.keys(loadCheckpoint(base).weights).sort(),
  );
  project.close();
});

test('the list says of a model, or of the base of an adapter, whether it takes conversations', async () => {
  const { base, adapter } = await baseAndAdapter('chat');
  const project = createProject(path.join(work, 'chat.tastemaker'));
  const { call } = handled(project, modelHandlers);
  addPolicy(project, { name: 'base', kind: 'base', path: base });
  const chats = async () => (await call('models.list', {})).map(({ chat }) => chat);
  expect(await chats()).toEqual([false]);
  fs.writeFileSync(path.join(base, 'chat_template.jinja'), '{{ messages[0].content }}');
  addPolicy(project, { name: 'adapter', kind: 'policy', path: adapter });
  expect(await chats()).toEqual([true, true]);
  project.close();
});

test('a file of token ids waits for a tokenizer, and comes in by that of the model that is named', async () => {
  const { base } = await baseAndAdapter('tokens');
  const project = createProject(path.join(work, 'tokens.tastemaker'));
  const { call } = handled(project, importHandlers);
  const modelId = addPolicy(project, { name: 'base', kind: 'base', path: base });
  const tokenizer = await loadTokenizer(base);
  const file = path.join(work, 'labels.json');
  const [query, first, second] = await tokenizer.encodeBatch(['How is the fern?', 'Thirsty.', 'A stone.']);
  fs.writeFileSync(file, JSON.stringify([{ query, sample0: first, sample1: second, best: 0 }]));
  expect(await call('imports.preview', { path: file, kind: 'rankings', map: {} })).toMatchObject({
    format: 'unknown',
    rows: [],
    errors: [{ message: expect.stringContaining('token ids') }],
  });
  expect(await call('imports.preview', { path: file, kind: 'rankings', map: {}, modelId })).toMatchObject({
    format: 'openai-2019',
    errors: [],
    conversations: [null],
    rows: [{ prompt: 'How is the fern?', completions: '1. Thirsty.\n2. A stone.' }],
  });
  expect(await call('imports.run', { path: file, kind: 'rankings', map: {}, split: 'train', modelId })).toMatchObject({
    added: 1,
    errors: [],
  });
  expect(listPrompts(project).map(({ text }) => text)).toEqual(['How is the fern?']);
  project.close();
});
