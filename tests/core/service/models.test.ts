// Models in the window: a verdict on any folder or file, adding, taking off the list, lineage with its numbers, export
// that other programs read.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ggufTokenizerFields } from '#core/formats/gguf-tokenizer-fields.ts';
import { conventionsOf, describeConventions } from '#core/recipes/parts/conventions.ts';
import { loadCheckpoint, openCheckpoint, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import { saveGguf } from '#core/models/gguf-model.ts';
import { lookAtModels } from '#core/service/models/model-look.ts';
import { modelHandlers } from '#core/service/models/models.ts';
import { changeProjectSettings, projectSettings } from '#core/service/project.ts';
import { addCompletions } from '#core/store/completions.ts';
import { addPolicy, listPolicies } from '#core/store/policies.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRun } from '#core/store/runs.ts';
import { trainBpe } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { tinyModel } from '#tests/core/models/tiny-models.ts';
import { handled } from './handler-context.ts';
import { completionOf, writeSmallModel } from './projects-at-hand.ts';
import { nextNumber, work, tiny, project, writeRun } from './listed-models.ts';

async function tinyGguf(): Promise<string> {
  const file = path.join(work, `model-${nextNumber()}.Q8_0.gguf`);
  const model = tinyModel('llama', 1, { vocabulary: 300, channels: 32, headWidth: 8, rotaryWidth: 8 });
  const tokenizer = ggufTokenizerFields(
    { tokenizer: { ...trainBpe([], 258) }, config: { eos_token: '<|endoftext|>' }, chatTemplate: '{{ messages }}' },
    { vocabulary: 300, stops: [0], file },
  );
  saveGguf(file, model, { type: 'Q8_0', tokenizer, name: 'tiny', licence: 'mit' });
  return file;
}
/** The one verdict on a place. */
async function verdictOn(place: string) {
  const verdicts = await lookAtModels(place);
  expect(verdicts).toHaveLength(1);
  return verdicts[0]!;
}

describe('a look', () => {
  test('a whole model: family, parameters, bytes, licence, and every file', async () => {
    const folder = await tiny();
    fs.writeFileSync(path.join(folder, 'README.md'), '---\nlanguage: en\nlicense: apache-2.0\n---\n# Tiny\n');
    const verdict = await verdictOn(folder);
    const numbers = Object.values(loadCheckpoint(folder).weights).reduce((sum, { length }) => sum + length, 0);
    expect(verdict).toMatchObject({
      path: folder,
      ok: true,
      hint: null,
      kind: 'base',
      family: 'gpt2',
      parameters: numbers,
      licence: 'apache-2.0',
      sentence: `A language model of the family gpt2 with ${numbers.toLocaleString('en')} parameters.`,
    });
    expect(verdict.bytes).toBe(
      fs.readdirSync(folder).reduce((sum, name) => sum + fs.statSync(path.join(folder, name)).size, 0),
    );
    // the words of `model add`, before it is added
    expect(verdict.conventions).toEqual(
      describeConventions(conventionsOf(await loadTokenizer(folder), folder, openCheckpoint(folder))),
    );
    expect(verdict.conventions).toEqual([
      expect.stringMatching(/^Plain prompts begin with .*, plain answers end with "/),
    ]);
    expect(verdict.files.map(({ name, ok }) => [name, ok])).toEqual([
      ['config.json', true],
      ['model.safetensors', true],
      ['tokenizer.json', true],
    ]);
    expect(await verdictOn(path.join(folder, 'model.safetensors'))).toEqual(verdict); // a file of it means it
  });

  test('a reward model is known by its head, and a licence by its file', async () => {
    const folder = await tiny();
    saveCheckpoint(`${folder}-reward`, withScoreHead(loadCheckpoint(folder), 1), { tokenizerFrom: folder });
    fs.writeFileSync(path.join(`${folder}-reward`, 'LICENSE'), '\n  MIT License\n\nCopyright\n');
    expect(await verdictOn(`${folder}-reward`)).toMatchObject({
      ok: true,
      kind: 'reward',
      licence: 'MIT License',
      conventions: [expect.any(String), expect.stringMatching(/^Its score is read at the last token/)],
    });
  });

  test('shards, with one missing, one cut short, and one of another model', async () => {
    const folder = await tiny();
    const sharded = `${folder}-sharded`;
    saveCheckpoint(sharded, loadCheckpoint(folder), { tokenizerFrom: folder, maxShardBytes: 4000 });
    const shards = fs.readdirSync(sharded).filter((name) => /-of-/.test(name));
    expect(shards.length).toBeGreaterThan(1);
    expect(await verdictOn(sharded)).toMatchObject({ ok: true, family: 'gpt2' });
    const last = path.join(sharded, shards.at(-1)!);
    const whole = fs.readFileSync(last);
    fs.rmSync(last);
    expect(await verdictOn(sharded)).toMatchObject({
      ok: false,
      sentence: expect.stringMatching(new RegExp(`^The shard ${shards.at(-1)!}, .* is missing\\.$`)),
      hint: expect.stringContaining('missing shard'),
    });
    fs.writeFileSync(last, whole.subarray(0, whole.length - 10));
    const cut = await verdictOn(sharded);
    expect(cut).toMatchObject({ ok: false, sentence: expect.stringContaining(shards.at(-1)!) });
    expect(cut.files.find(({ name }) => name === shards.at(-1))).toMatchObject({ ok: false });
    fs.copyFileSync(path.join(sharded, shards[0]!), last);
    expect(await verdictOn(sharded)).toMatchObject({
      ok: false,
      sentence: expect.stringMatching(/does not hold the tensor/),
    });
  });

  test.each<[string, (folder: string) => void, RegExp]>([
    [
      'weights cut short',
      (folder) => fs.truncateSync(path.join(folder, 'model.safetensors'), 3000),
      /model\.safetensors .*bytes/,
    ],
    [
      'weights that are text',
      (folder) =>
        fs.writeFileSync(
          path.join(folder, 'model.safetensors'),
          'version https://git-lfs.github.com/spec/v1\noid sha256:0',
        ),
      /model\.safetensors/,
    ],
    [
      'a header with garbage',
      (folder) =>
        fs.writeFileSync(
          path.join(folder, 'model.safetensors'),
          Buffer.concat([Buffer.from([16, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{"a": not json!}')]),
        ),
      /header .* is not JSON/,
    ],
    [
      'no weights',
      (folder) => fs.rmSync(path.join(folder, 'model.safetensors')),
      /holds neither model\.safetensors nor/,
    ],
    ['no config', (folder) => fs.rmSync(path.join(folder, 'config.json')), /config\.json cannot be read/],
    [
      'a config that is no JSON',
      (folder) => fs.writeFileSync(path.join(folder, 'config.json'), '{"model_type":'),
      /config\.json is not valid JSON/,
    ],
    [
      'another family',
      (folder) => fs.writeFileSync(path.join(folder, 'config.json'), '{"model_type": "mamba"}'),
      /"model_type" is "mamba"/,
    ],
    ['no tokenizer', (folder) => fs.rmSync(path.join(folder, 'tokenizer.json')), /tokenizer\.json does not exist/],
    [
      'a damaged tokenizer',
      (folder) => fs.writeFileSync(path.join(folder, 'tokenizer.json'), '{"model": {'),
      /tokenizer\.json is not valid JSON/,
    ],
    [
      'a config of a larger model',
      (folder) => {
        const file = path.join(folder, 'config.json');
        fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace(/"n_layer": 1/, '"n_layer": 3'));
      },
      /lacks the tensor/,
    ],
  ])('%s: one plain sentence, a hint, and the guilty file', async (_, damage, says) => {
    const folder = await tiny();
    damage(folder);
    const verdict = await verdictOn(folder);
    expect(verdict).toMatchObject({
      ok: false,
      sentence: expect.stringMatching(says),
      hint: expect.stringMatching(/^[^\n]{8,}\.$/),
    });
    expect(verdict.sentence).toMatch(/^[^\n]+\.$/);
    expect(verdict.files.filter(({ ok }) => !ok).map(({ sentence }) => sentence)).toContain(verdict.sentence);
  });

  test('a GGUF file: family, packing, parameters, tokenizer, licence; and what is wrong with one', async () => {
    const file = await tinyGguf();
    const foreign = path.join(work, 'other.gguf');
    const name = path.basename(file);
    const bytes = fs.statSync(file).size;
    const verdict = await verdictOn(file);
    const numbers = Object.values(loadCheckpoint(file).weights).reduce((sum, { length }) => sum + length, 0);
    expect(verdict).toEqual({
      path: file,
      ok: true,
      sentence: `A language model of the family llama with ${numbers.toLocaleString('en')} parameters, packed as Q8_0.`,
      hint: null,
      kind: 'base',
      family: 'llama',
      parameters: numbers,
      bytes,
      memoryBytes: 4 * numbers + 200e6,
      packing: 'Q8_0',
      base: null,
      licence: 'mit',
      licenceText: null,
      notes: [],
      conventions: describeConventions(conventionsOf(await loadTokenizer(file), file, openCheckpoint(file))),
      files: [
        { name, bytes, ok: true, sentence: 'llama, 2 layers, context 96, Q8_0; 258 tokens and a chat template.' },
      ],
    });
    fs.writeFileSync(foreign, 'PK');
    expect(await verdictOn(foreign)).toMatchObject({
      ok: false,
      sentence: expect.stringContaining('does not begin like a GGUF file'),
      files: [{ name: 'other.gguf', ok: false }],
    });
    fs.truncateSync(file, bytes - 64);
    expect(await verdictOn(file)).toMatchObject({
      ok: false,
      family: null,
      sentence: expect.stringMatching(/outside the \d+ bytes of data/),
    });
  });

  test('a folder of several models, at any depth: a verdict on each', async () => {
    const place = path.join(work, 'hub');
    await writeSmallModel(path.join(place, 'b', 'deep', 'er'));
    await writeSmallModel(path.join(place, 'a'));
    fs.rmSync(path.join(place, 'a', 'tokenizer.json'));
    fs.writeFileSync(path.join(place, 'c.gguf'), 'GGUF');
    expect((await lookAtModels(place)).map((verdict) => [path.relative(place, verdict.path), verdict.ok])).toEqual([
      ['c.gguf', false],
      ['a', false],
      [path.join('b', 'deep', 'er'), true],
    ]);
    fs.mkdirSync(path.join(work, 'nothing'));
    expect(await verdictOn(path.join(work, 'nothing'))).toMatchObject({
      ok: false,
      sentence: expect.stringContaining('There is no model in'),
    });
    fs.writeFileSync(path.join(work, 'notes.txt'), 'x');
    expect(await verdictOn(path.join(work, 'notes.txt'))).toMatchObject({
      ok: false,
      sentence: 'notes.txt is not a model.',
    });
    await expect(lookAtModels(path.join(work, 'nowhere'))).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('There is no file or folder'),
    });
  });

  const reference = path.resolve(process.cwd(), '../shared/reference/models');
  const given = path.resolve(process.cwd(), '../shared/models');
  test.skipIf(!fs.existsSync(reference))('the reference models: every family is taken', async () => {
    const verdicts = await lookAtModels(reference);
    expect(verdicts.map(({ path: place, ok, family }) => [path.basename(place), ok, family])).toEqual(
      ['gpt2', 'gpt_neox', 'llama', 'llama-untied', 'qwen2', 'qwen3'].map((name) => [
        name,
        true,
        name.replace('-untied', ''),
      ]),
    );
  });
  test.skipIf(!fs.existsSync(given))('the models at hand', async () => {
    for (const verdict of await lookAtModels(given))
      expect(verdict).toMatchObject({
        ok: true,
        family: 'llama',
        licence: 'apache-2.0',
        parameters: 134_515_008,
        sentence: expect.stringMatching(/packed as Q4_1\.$/),
      });
  });
});

describe('the list', () => {
  test('adding where it lies and as a copy, renaming, and a folder that goes missing', async () => {
    const open = project();
    const { call, events } = handled(open, modelHandlers);
    const folder = await tiny();
    const there = await call('models.add', { path: folder, name: ' base ', copy: false });
    expect(there).toMatchObject({
      name: 'base',
      kind: 'base',
      folder,
      path: folder,
      family: 'gpt2',
      current: 'policy',
      problem: null,
      completions: 0,
    });
    fs.writeFileSync(path.join(folder, 'pytorch_model.bin'), 'left out');
    const copied = await call('models.add', { path: folder, name: 'a / copy', copy: true });
    // the first stays
    expect(copied).toMatchObject({ path: 'models/a-copy', parameters: there.parameters, current: null });
    expect(fs.readdirSync(copied.folder)).toEqual(
      ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'].filter((name) =>
        fs.existsSync(path.join(folder, name)),
      ),
    );
    await expect(call('models.add', { path: folder, name: 'base', copy: true })).rejects.toMatchObject({
      message: 'The project already has a model called "base".',
    });
    expect(fs.readdirSync(path.join(open.folder, 'models'))).toEqual(['a-copy']);
    expect(await call('models.rename', { modelId: there.id, name: 'first' })).toMatchObject({
      name: 'first',
      id: there.id,
    });
    await expect(call('models.rename', { modelId: there.id, name: 'a / copy' })).rejects.toMatchObject({
      code: 'bad-data',
    });
    expect(events.map(({ event }) => event)).toEqual([1, 2, 3].flatMap(() => ['models.changed', 'project.changed']));
    fs.renameSync(folder, `${folder}-gone`);
    expect((await call('models.list', {}))[0]).toMatchObject({
      family: null,
      problem: expect.stringMatching(/is missing: put it back/),
    });
    fs.renameSync(`${folder}-gone`, folder);
    fs.truncateSync(path.join(folder, 'model.safetensors'), 100);
    expect((await call('models.list', {}))[0]!.problem).toContain('model.safetensors');
    const { verdicts } = await call('models.look', { path: folder });
    await expect(call('models.add', { path: folder, name: 'x', copy: false })).rejects.toMatchObject({
      code: 'bad-model',
      message: verdicts[0]!.sentence,
    });
    open.close();
  });

  test('a GGUF file where it lies and as a copy, its card when exported, and one that goes missing', async () => {
    const open = project();
    const { call } = handled(open, modelHandlers);
    const file = await tinyGguf();
    const name = path.basename(file);
    const there = await call('models.add', { path: file, name: 'packed', copy: false });
    expect(there).toMatchObject({
      kind: 'base',
      folder: file,
      path: file,
      family: 'llama',
      bytes: fs.statSync(file).size,
      problem: null,
    });
    const copied = await call('models.add', { path: file, name: 'copy', copy: true });
    expect(copied).toMatchObject({ path: `models/copy/${name}`, parameters: there.parameters });
    expect(fs.readFileSync(copied.folder)).toEqual(fs.readFileSync(file));
    const { path: exported } = await call('models.export', {
      modelId: copied.id,
      folder: path.join(work, 'exported-gguf'),
      format: 'gguf-q8_0',
    });
    expect(fs.readdirSync(exported)).toEqual(['README.md', 'copy.Q8_0.gguf']);
    // packed again, nothing is lost
    expect(loadCheckpoint(path.join(exported, 'copy.Q8_0.gguf'))).toEqual(loadCheckpoint(file));
    expect(fs.readFileSync(path.join(exported, 'README.md'), 'utf8')).toContain('license: "mit"');
    fs.rmSync(file);
    expect((await call('models.list', {}))[0]).toMatchObject({
      family: null,
      problem: `Its file ${file} is missing: put it back where it was, or connect its drive.`,
    });
    open.close();
  });

  test('several models in a folder must be told apart', async () => {
    const open = project();
    const { call } = handled(open, modelHandlers);
    const place = path.join(work, 'pair');
    for (const name of ['one', 'two']) await writeSmallModel(path.join(place, name));
    await expect(call('models.add', { path: place, name: 'x', copy: false })).rejects.toMatchObject({
      code: 'bad-argument',
      message: expect.stringContaining('models'),
    });
    expect(listPolicies(open)).toEqual([]);
    open.close();
  });

  test('taking off the list: refused with what needs it; settings that named it forget it; the files stay', async () => {
    const open = project();
    const { call } = handled(open, modelHandlers);
    const folder = await tiny();
    const { id } = await call('models.add', { path: folder, name: 'base', copy: false });
    const child = addPolicy(open, { name: 'tuned', kind: 'policy', path: 'models/tuned', parentId: id });
    const [promptId] = addPrompts(open, [{ text: 'p', split: 'train', source: 's' }]) as [number];
    addCompletions(open, [{ ...completionOf(promptId, 'x'), policyId: child }]);
    writeRun(open, '0001-sft', 'sft', { models: { policy: folder } });
    addRun(open, { id: '0001-sft', kind: 'sft', name: 'x', status: 'failed' });
    await expect(call('models.remove', { modelId: id })).rejects.toMatchObject({
      code: 'bad-data',
      message: expect.stringMatching(
        /"base" cannot be removed: it is needed by the model "tuned", .*, the run 0001-sft, which is not finished\.$/,
      ),
    });
    await expect(call('models.remove', { modelId: child })).rejects.toMatchObject({
      message: expect.stringContaining('needed by 1 completion.'),
    });
    const other = await call('models.add', { path: folder, name: 'other', copy: true });
    changeProjectSettings(open, { currentPolicyId: other.id });
    expect(await call('models.remove', { modelId: other.id })).toMatchObject({ eventId: expect.any(Number), lost: 0 });
    expect([projectSettings(open).currentPolicyId, listPolicies(open).length, fs.existsSync(other.folder)]).toEqual([
      null,
      2,
      true,
    ]);
    open.close();
  });
});
