// Exports of models: bits that survive, merges, classifiers that score the same, cards, and nothing half-written.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { readSafetensors } from '#core/formats/safetensors.ts';
import type { FloatDtype } from '#core/formats/safetensors.ts';
import { readTokenizerFiles } from '#core/formats/tokenizer-files.ts';
import {
  loadCheckpoint,
  loadShared,
  mergedCheckpoint,
  saveCheckpoint,
  withScoreHead,
} from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { families } from '#core/models/families.ts';
import type { FamilyName } from '#core/models/families.ts';
import { createRandom } from '#core/random.ts';
import { cardFactsOf } from '#core/service/models/card-facts.ts';
import { paddingOf } from '#core/service/models/classifier-padding.ts';
import { exportModel, exportPlace } from '#core/service/models/export-model.ts';
import { MODEL_FORMATS } from '#core/service/models/model-formats.ts';
import { modelHandlers } from '#core/service/models/models.ts';
import { createProject } from '#core/store/database.ts';
import { addPolicy } from '#core/store/policies.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { expectClose, readJson } from '#tests/core/models/reference-numbers.ts';
import { FAMILIES, randomTokens, tinyModel, withAdapter } from '#tests/core/models/tiny-models.ts';
import { handled } from './handler-context.ts';
import { workFolder } from './projects-at-hand.ts';

const work = fs.realpathSync(workFolder());
afterEach(() => vi.restoreAllMocks());
afterEach(() => vi.unstubAllEnvs());
let places = 0;
const fresh = (name = 'place') => path.join(work, `${name}-${++places}`);
const TOKENIZER = path.join(work, 'tokenizer');
const VOCABULARY = 262; // all bytes, a few merges, end-of-text and padding
await writeTokenizer(TOKENIZER, trainBpe(['the theory of the other thing '.repeat(20)], VOCABULARY));
const ids = await loadTokenizer(TOKENIZER);

/** Wide enough for the blocks of Q8_0, with a tokenizer. */
const model = (family: FamilyName) =>
  tinyModel(family, 1, {
    vocabulary: VOCABULARY,
    channels: 32,
    headWidth: 8,
    rotaryWidth: family === 'gpt_neox' ? 2 : 8,
    endOfText: ids.endOfText,
    stops: [ids.endOfText],
    pad: ids.pad,
  });
function saved(
  checkpoint: Checkpoint,
  {
    dtype,
    tokenizerFrom = TOKENIZER,
    folder = fresh('model'),
  }: { dtype?: FloatDtype; tokenizerFrom?: string | undefined; folder?: string } = {},
): string {
  saveCheckpoint(folder, checkpoint, { tokenizerFrom, ...(dtype && { dtype }) });
  return folder;
}
async function exported(
  from: string,
  format: string,
  { into = fresh('export'), ...more }: { into?: string; batch?: number; tokens?: number } = {},
): Promise<string> {
  const told: [number, number][] = [];
  const result = await exportModel(
    { model: from, format, into, facts: { ...(await cardFactsOf(from)), name: 'm' }, origins: [from], ...more },
    (...at) => told.push(at),
  );
  expect(result.path).toBe(into);
  expect(told.at(-1)![0], 'told to the end').toBe(told.at(-1)![1]);
  expect(told.every(([done], i) => i === 0 || done > told[i - 1]![0])).toBe(true);
  return into;
}
const card = (folder: string) => fs.readFileSync(path.join(folder, 'README.md'), 'utf8');
const scorer = (family: FamilyName, bias = 1.5): Checkpoint => {
  const made = withScoreHead(model(family), 3);
  made.weights['score.bias'] = Float32Array.of(bias);
  return made;
};

describe.each(FAMILIES)('%s', (family) => {
  test.each(['F32', 'BF16', 'F16'] as const)('a folder that is %s already stays the same to the bit', async (dtype) => {
    const from = saved(model(family), { dtype });
    const into = await exported(from, `hf-${dtype.toLowerCase()}`);
    expect(fs.readFileSync(path.join(into, 'model.safetensors'))).toEqual(
      fs.readFileSync(path.join(from, 'model.safetensors')),
    );
    expect(
      [...readSafetensors(path.join(into, 'model.safetensors')).tensors.values()].every(
        (tensor) => tensor.dtype === dtype,
      ),
    ).toBe(true);
    expect(loadCheckpoint(into)).toEqual(loadCheckpoint(from));
    expect(readTokenizerFiles(into)).toEqual({
      ...readTokenizerFiles(from),
      generation: { bos_token_id: ids.endOfText, eos_token_id: ids.endOfText, pad_token_id: ids.pad },
    });
    expect(readJson<{ dtype: string }>(path.join(into, 'config.json')).dtype).toBe(
      { F32: 'float32', BF16: 'bfloat16', F16: 'float16' }[dtype],
    );
  });

  test('an adapter: merged as it is applied, or as it is', async () => {
    const base = saved(model(family));
    const applied = withAdapter(model(family), {}, { folder: base });
    const from = saved(applied);
    expect(loadCheckpoint(await exported(from, 'hf-f32')).weights).toEqual(mergedCheckpoint(applied).weights);
    const into = await exported(from, 'adapter');
    expect(loadShared(into)).toEqual(applied);
    expect(readJson(path.join(into, 'adapter_config.json'))).toMatchObject({
      base_model_name_or_path: base,
      peft_type: 'LORA',
    });
    expect(await (await loadTokenizer(into)).encode('the other')).toEqual(await ids.encode('the other'));
    for (const line of ['library_name: peft', `looked for at ${base}`, '- lora']) expect(card(into)).toContain(line);
  });

  test('a reward model scores the same, as a classifier whose padding ends no text', async () => {
    const made = scorer(family);
    const from = saved(made);
    const into = await exported(from, 'hf-f32');
    const read = loadCheckpoint(into);
    const config = readJson<Record<string, unknown>>(path.join(into, 'config.json'));
    const hasPlace = families[family].norm === 'layer';
    expect(config).toMatchObject({
      architectures: [`${families[family].classes.stem}ForSequenceClassification`],
      num_labels: 1,
      problem_type: 'regression',
      pad_token_id: ids.pad,
    });
    expect(config.tastemaker).toEqual(hasPlace ? undefined : { score_bias: 1.5 });
    expect('score.bias' in read.weights).toBe(!hasPlace);
    expect(card(into).includes('its scores are lower by 1.5')).toBe(!hasPlace);
    const random = createRandom(4, 'rows');
    const groups = [9, 5].map((length) => ({
      prompt: randomTokens(random, 3),
      completions: [[...randomTokens(random, length), ids.endOfText]],
    }));
    const before = createEvaluator(made, { threads: 1 });
    const after = createEvaluator(read, { threads: 1 });
    expectClose(
      (await after.scores(read.weights, groups)).flat(),
      (await before.scores(made.weights, groups)).flat(),
      'scores',
      { relative: 1e-5, absolute: 1e-5 },
    );
    await before.release();
    await after.release();
  });
});

describe('GGUF', () => {
  test.each(['llama', 'qwen2', 'qwen3'] as const)(
    '%s: read back within half precision, with the tokenizer',
    async (family) => {
      const made = model(family);
      const from = saved(made);
      const file = await exported(from, 'gguf-f16', { into: fresh('one') + '.gguf' });
      expect(fs.statSync(file).isFile()).toBe(true);
      const { weights } = loadCheckpoint(file);
      for (const [name, data] of Object.entries(made.weights))
        expectClose(weights[name]!, data, name, { relative: 2 ** -11, absolute: 2 ** -25 });
      expect(await (await loadTokenizer(file)).encode('the other thing, 12 — ü')).toEqual(
        await ids.encode('the other thing, 12 — ü'),
      );
      const again = await exported(file, 'hf-f16');
      expect(loadCheckpoint(again).weights).toEqual(weights);
      expect(fs.readdirSync(await exported(from, 'gguf-q8_0')).sort()).toEqual(['README.md', 'm.Q8_0.gguf']);
    },
  );

  test('what does not fit is said', async () => {
    const verdict = async (from: string, format = 'gguf-f16') =>
      exported(from, format).then(
        () => 'it fits',
        (error: Error) => error.message,
      );
    expect(await verdict(saved(model('gpt2')))).toBe(
      '“m” cannot be written as GGUF, F16. GGUF is written for the families llama, qwen2, qwen3; this model is of the family gpt2.',
    );
    expect(await verdict(saved(scorer('llama')))).toContain('GGUF has no place for the head of a reward model.');
    const bare = fresh('bare');
    saveCheckpoint(bare, model('llama'));
    expect(await verdict(bare)).toContain(`${path.join(bare, 'tokenizer.json')} does not exist.`);
    expect(await verdict(saved(model('llama')), 'adapter')).toContain('The model is no adapter');
    await expect(exported(bare, 'nonsense')).rejects.toMatchObject({
      code: 'bad-argument',
      message: 'There is no model format "nonsense".',
      hint: expect.stringContaining('hf-f32'),
    });
    expect(fs.readdirSync(await exported(bare, 'hf-f32')).sort()).toEqual([
      'README.md',
      'config.json',
      'generation_config.json',
      'model.safetensors',
    ]);
  });
});

test('ONNX: the shapes that are asked for stand in the card', async () => {
  const into = await exported(saved(scorer('llama')), 'onnx', { batch: 3, tokens: 20 });
  expect(fs.readdirSync(into)).toEqual(
    expect.arrayContaining(['README.md', 'model.onnx', 'model.onnx.data', 'tokenizer.json']),
  );
  for (const words of [
    '`ids`, int32 [3, 20]',
    '`last`, int32 [3]',
    '`scores`, float32 [3]',
    'filled up on the right',
    'library_name: onnx',
  ])
    expect(card(into)).toContain(words);
});

describe('the base of an adapter', () => {
  test('is called as the hub calls it where it lies in the cache', async () => {
    const hub = fresh('hub');
    const base = path.join(hub, 'models--some-org--a.model', 'snapshots', 'abc');
    fs.mkdirSync(path.dirname(base), { recursive: true });
    saved(model('llama'), { folder: base });
    const made = withAdapter(model('llama'), {}, { folder: base });
    const into = await exported(saved(made), 'adapter');
    const config = readJson<Record<string, unknown>>(path.join(into, 'adapter_config.json'));
    expect([config.base_model_name_or_path, config.base_model_relative_path]).toEqual(['some-org/a.model', undefined]);
    expect(card(into)).toContain('base_model: "some-org/a.model"');
    vi.stubEnv('HF_HUB_CACHE', hub);
    expect(loadShared(into).weights).toEqual(made.weights);
  });

  test('a classifier’s padding is its base’s, and the card says where that ends texts', async () => {
    const base = saved({ ...model('llama'), architecture: { ...model('llama').architecture, pad: ids.endOfText } });
    const own = scorer('llama');
    const into = await exported(
      saved(withAdapter({ ...own, architecture: { ...own.architecture, pad: ids.endOfText } }, {}, { folder: base })),
      'adapter',
    );
    expect(card(into)).toContain(`\`model.config.pad_token_id = ${ids.pad}\``);
    expect(card(into)).toContain('lower by 1.5');
  });
});

test('padding: the model’s own, another special token, or none', () => {
  const { architecture } = model('llama');
  const files = (tokens: [id: number, content: string][], config: Record<string, unknown> = {}) => ({
    tokenizer: { added_tokens: tokens.map(([id, content]) => ({ id, content, special: true })) },
    config,
    generation: {},
    chatTemplate: null,
  });
  const given = (pad: number | null, stops: number[], tokens: [number, string][], config = {}) =>
    paddingOf({ ...architecture, pad, stops, vocabulary: 10 }, files(tokens, config));
  expect(given(3, [0], [[3, '<p>']])).toEqual({ id: 3, content: '<p>' });
  expect(
    given(
      0,
      [0],
      [
        [0, '<e>'],
        [4, '<unk>'],
        [5, '[PAD]'],
      ],
    ),
  ).toEqual({ id: 5, content: '[PAD]' });
  expect(
    given(
      null,
      [0],
      [
        [0, '<e>'],
        [1, '<bos>'],
        [4, '<unk>'],
      ],
      { bos_token: '<bos>' },
    ),
  ).toEqual({ id: 4, content: '<unk>' });
  expect(
    given(
      null,
      [0],
      [
        [0, '<e>'],
        [1, '<bos>'],
        [2, '<start>'],
      ],
      { bos_token: '<bos>' },
    ),
  ).toEqual({ id: 2, content: '<start>' });
  expect(
    given(
      2,
      [0],
      [
        [0, '<e>'],
        [2, '<|im_end|>'],
        [7, '<x>'],
      ],
      { eos_token: { content: '<|im_end|>' } },
    ),
  ).toEqual({ id: 7, content: '<x>' }); // its tokenizer ends texts with what it fills rows with
  expect(
    given(
      null,
      [0],
      [
        [0, '<e>'],
        [1, '<|endoftext|>'],
        [12, '<pad>'],
      ],
    ),
  ).toBeNull();
  expect(paddingOf({ ...architecture, pad: null }, null)).toBeNull();
});

test('a tokenizer that fills rows with its end-of-text is told otherwise; the one it came from is left alone', async () => {
  const folder = fresh('model');
  const config = path.join(folder, 'tokenizer_config.json');
  const own = scorer('llama');
  saved({ ...own, architecture: { ...own.architecture, pad: ids.endOfText } }, { folder });
  fs.writeFileSync(
    config,
    JSON.stringify({ ...readJson<object>(config), eos_token: '<|endoftext|>', pad_token: '<|endoftext|>' }),
  );
  // another program's is read at the last token that is not its padding, so that stays what it is
  const theirs = await exported(folder, 'hf-f32');
  expect(readJson(path.join(theirs, 'config.json'))).toMatchObject({ pad_token_id: ids.endOfText });
  expect(readJson(path.join(theirs, 'tokenizer_config.json'))).toMatchObject({ pad_token: '<|endoftext|>' });
  fs.writeFileSync(path.join(folder, 'tastemaker.json'), '{"appends_end_of_text":true}');
  for (const name of fs.readdirSync(folder)) fs.chmodSync(path.join(folder, name), 0o444); // as in the hub's store
  const into = await exported(folder, 'hf-f32');
  expect(readJson(path.join(into, 'tokenizer_config.json'))).toMatchObject({
    eos_token: '<|endoftext|>',
    pad_token: '<|pad|>',
    padding_side: 'right',
  });
  expect(readJson(path.join(into, 'config.json'))).toMatchObject({ pad_token_id: ids.pad });
  expect(readJson(config)).toMatchObject({ pad_token: '<|endoftext|>' });
});

test('what goes along: the first card, licences, and the note on end-of-text', async () => {
  const from = saved(scorer('gpt2'));
  for (const [name, text] of [
    ['README.md', '---\nlicense: mit\n---\nfirst words'],
    ['LICENSE', 'MIT License'],
    ['tastemaker.json', '{"appends_end_of_text":true}'],
    ['pytorch_model.bin', 'x'],
  ] as const)
    fs.writeFileSync(path.join(from, name), text);
  const into = await exported(from, 'hf-f32');
  expect(fs.readFileSync(path.join(into, 'README.original.md'), 'utf8')).toContain('first words');
  expect(fs.readFileSync(path.join(into, 'LICENSE'), 'utf8')).toBe('MIT License');
  expect(readJson(path.join(into, 'tastemaker.json'))).toEqual({ appends_end_of_text: true });
  expect(fs.existsSync(path.join(into, 'pytorch_model.bin'))).toBe(false);
  for (const words of [
    'license: "mit"',
    'pipeline_tag: text-classification',
    'a finished plain answer is given its end for that',
    '"<|endoftext|>"',
    '- reward-model',
  ])
    expect(card(into)).toContain(words);
});

describe('nothing half-written', () => {
  test('numbers beyond half precision, no room, a place that is taken: a sentence, and no file', async () => {
    const made = model('llama');
    const into = fresh('export');
    made.weights['model.norm.weight']![3] = 1e6;
    const from = saved(made);
    await expect(exported(from, 'hf-f16', { into })).rejects.toMatchObject({
      code: 'bad-model',
      message: 'The tensor "model.norm.weight" holds 1000000, which is beyond half precision (F16).',
      hint: 'Choose BF16 or F32.',
    });
    const statfs = fs.statfsSync(work);
    vi.spyOn(fs, 'statfsSync').mockReturnValue({ ...statfs, bavail: 10, bsize: 4096 });
    await expect(exported(from, 'hf-bf16', { into })).rejects.toMatchObject({
      code: 'disk',
      message: expect.stringMatching(/^The export needs 0\.06 GB, and the disk of .* has 0\.00 GB free\.$/),
    });
    vi.restoreAllMocks();
    expect(fs.readdirSync(work).filter((name) => name.startsWith(path.basename(into)))).toEqual([]);
    await exported(from, 'hf-bf16', { into });
    await expect(exported(from, 'hf-bf16', { into })).rejects.toMatchObject({
      code: 'bad-argument',
      message: `${into} already exists.`,
    });
    expect(exportPlace(into, 'a / name', 'hf-bf16')).toBe(path.join(into, 'a-name-BF16'));
    expect(() => exportPlace(path.join(into, 'config.json'), 'x', 'hf-f32')).toThrow('is a file.');
    expect(new Set(MODEL_FORMATS.map(({ suffix }) => suffix)).size, 'exports of a model lie side by side').toBe(
      MODEL_FORMATS.length,
    );
  });

  test('killed in the middle: no folder by that name, and the next export clears away what was left', async () => {
    const from = saved(model('llama'));
    const into = fresh('export');
    const order = { model: from, format: 'hf-f32', into, facts: await cardFactsOf(from), origins: [] };
    const script = `const { exportModel } = await import('#core/service/models/export-model.ts');
      let told = 0;
      await exportModel(${JSON.stringify(order)}, () => ++told === 3 && process.kill(process.pid, 'SIGKILL'));`;
    expect(spawnSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: process.cwd() }).signal).toBe(
      'SIGKILL',
    );
    const left = () => fs.readdirSync(work).filter((name) => name.startsWith(`${path.basename(into)}.writing-`));
    expect([fs.existsSync(into), left().length]).toEqual([false, 1]);
    await exported(from, 'hf-f32', { into });
    expect(left()).toEqual([]);
    expect(loadCheckpoint(into)).toEqual(loadCheckpoint(from));
  }, 30_000);
});

test('in the window: what fits and how large it will be, how far it is, and never among the project’s own files', async () => {
  const project = createProject(fresh('p') + '.tastemaker');
  const { call, events } = handled(project, modelHandlers);
  const from = saved(model('qwen3'));
  const modelId = addPolicy(project, { name: 'words', kind: 'base', path: from });
  const rewardId = addPolicy(project, { name: 'scores', kind: 'reward', path: saved(scorer('gpt2')) });
  const { formats } = await call('models.formats', { modelId });
  expect(formats.map(({ name, problem }) => [name, problem === null])).toEqual(
    MODEL_FORMATS.map(({ name }) => [name, name !== 'adapter']),
  );
  expect(
    (await call('models.formats', { modelId: rewardId })).formats
      .filter(({ problem }) => problem === null)
      .map(({ name }) => name),
  ).toEqual(['hf-f32', 'hf-bf16', 'hf-f16', 'onnx']);
  for (const { name, bytes } of formats.filter(({ problem }) => problem === null)) {
    const written = await call('models.export', {
      modelId,
      folder: path.join(project.folder, 'exports'),
      format: name,
    });
    const weights = fs
      .readdirSync(written.path)
      .filter((file) => /safetensors$|gguf$|data$/.test(file))
      .reduce((sum, file) => sum + fs.statSync(path.join(written.path, file)).size, 0);
    // the rest is names and, in GGUF, the tokenizer
    expect(Math.abs(weights - bytes) / weights, `${name}: ${bytes} foretold, ${weights} written`).toBeLessThan(0.4);
    const told = events.flatMap(({ event, data }) =>
      event === 'models.exporting' && data.path === written.path ? [data] : [],
    );
    expect(told.at(-1), name).toMatchObject({ modelId, done: told.at(-1)!.total });
  }
  expect(fs.readdirSync(path.join(project.folder, 'exports')).sort()).toEqual([
    'words',
    'words-BF16',
    'words-F16',
    'words-F16-GGUF',
    'words-ONNX',
    'words-Q8_0-GGUF',
  ]);
  await expect(
    call('models.export', { modelId, folder: path.join(project.folder, 'models'), format: 'hf-f32' }),
  ).rejects.toMatchObject({ code: 'bad-argument', message: expect.stringContaining('among the project') });
  await expect(call('models.export', { modelId, folder: work, format: 'adapter' })).rejects.toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('no adapter'),
  });
  project.close();
}, 60_000);
