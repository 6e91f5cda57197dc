// Model folders: written and read back bit for bit, other programs' spellings, and plain sentences for folders that do
// not hold together.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { fromBfloat16, toBfloat16 } from '#core/formats/number-formats.ts';
import { writeSafetensors } from '#core/formats/safetensors.ts';
import { parameters } from '#core/models/architecture.ts';
import { writeArchitecture } from '#core/models/config-json.ts';
import {
  checkpointParameters,
  freshWeights,
  loadArchitecture,
  loadCheckpoint,
  saveCheckpoint,
  withScoreHead,
} from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { expectClose, readJson } from './reference-numbers.ts';
import { refusalOf } from './refusal.ts';
import { FAMILIES, tinyArchitectures, tinyModel } from './tiny-models.ts';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'checkpoint-'));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
const fresh = () => path.join(scratch, `model-${++folders}`);
function saved(checkpoint: Checkpoint, options: Parameters<typeof saveCheckpoint>[2] = {}): string {
  const folder = fresh();
  saveCheckpoint(folder, checkpoint, options);
  return folder;
}
/** A folder with the given tensors and config, as another program might leave it. */
function foreign(
  checkpoint: Checkpoint,
  {
    rename = (name: string) => name,
    keep = () => true,
    config = {},
  }: { rename?: (name: string) => string; keep?: (name: string) => boolean; config?: object } = {},
): string {
  const folder = fresh();
  fs.mkdirSync(folder);
  fs.writeFileSync(
    path.join(folder, 'config.json'),
    JSON.stringify({ ...writeArchitecture(checkpoint.architecture), ...config }),
  );
  const tensors = checkpointParameters(checkpoint).filter(({ name }) => keep(name));
  writeSafetensors(
    path.join(folder, 'model.safetensors'),
    tensors.map(({ name, shape }) => ({ name: rename(name), shape, data: checkpoint.weights[name]! })),
  );
  return folder;
}
const refusal = (folder: string) => refusalOf(() => loadCheckpoint(folder));

describe.each(FAMILIES)('%s', (family) => {
  const words = tinyModel(family);

  test.each([
    ['language model', words],
    ['score with bias', withScoreHead(words, 3)],
    ['score without bias', withScoreHead(words, 3, false)],
  ])('round trip of a %s is bit-identical', (_, checkpoint) => {
    const folder = saved(checkpoint);
    expect(loadCheckpoint(folder)).toEqual(checkpoint);
    const again = saved(loadCheckpoint(folder));
    for (const file of ['config.json', 'model.safetensors'])
      expect(fs.readFileSync(path.join(again, file))).toEqual(fs.readFileSync(path.join(folder, file)));
    expect(
      fs.readdirSync(scratch).filter((name) => name.includes('.writing')),
      'nothing half-written is left',
    ).toEqual([]);
  });

  test('BF16 round trip gives the nearest bfloat16 of every weight', () => {
    const { weights } = loadCheckpoint(saved(words, { dtype: 'BF16' }));
    for (const [name, data] of Object.entries(words.weights))
      expect(weights[name], name).toEqual(data.map((x) => fromBfloat16(toBfloat16(x))));
  });

  test('a folder is replaced whole, and the tokenizer travels with it', () => {
    const from = fresh();
    fs.mkdirSync(from);
    fs.writeFileSync(path.join(from, 'tokenizer.json'), '{}');
    const folder = saved(words);
    fs.writeFileSync(path.join(folder, 'stray'), '');
    const other = tinyModel(family, 2);
    saveCheckpoint(folder, other, { tokenizerFrom: from });
    expect(fs.readdirSync(folder).toSorted()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(loadCheckpoint(folder)).toEqual(other);
  });

  test('notes beside the weights appear with them, or there is neither', () => {
    const folder = fresh();
    const there: string[] = [];
    const rename = fs.renameSync;
    const watched = vi.spyOn(fs, 'renameSync').mockImplementation((from, to) => {
      if (to === folder) there.push(...fs.readdirSync(from));
      rename(from, to);
    });
    try {
      saveCheckpoint(folder, words, { beside: { 'made.json': { step: 3 } } });
    } finally {
      watched.mockRestore();
    }
    expect(there.toSorted(), 'all in the folder before it got its name').toEqual([
      'config.json',
      'made.json',
      'model.safetensors',
    ]);
    expect(readJson(path.join(folder, 'made.json'))).toEqual({ step: 3 });
    saveCheckpoint(folder, words);
    expect(fs.existsSync(path.join(folder, 'made.json')), 'no note of other weights').toBe(false);
    const torn = fresh();
    const round: Record<string, unknown> = {};
    round.self = round;
    expect(() => saveCheckpoint(torn, words, { beside: { 'made.json': round } })).toThrow('circular');
    expect(fs.existsSync(torn)).toBe(false);
  });

  test('shards hold the same model, and one file and shards replace each other without a stale file', () => {
    const small = 1500; // bytes; below the larger matrices
    const folder = saved(words, { maxShardBytes: small });
    const shards = fs.readdirSync(folder).filter((name) => /^model-\d{5}-of-\d{5}\.safetensors$/.test(name));
    expect(shards.length).toBeGreaterThan(3);
    expect(fs.readdirSync(folder).toSorted()).toEqual(
      ['config.json', ...shards, 'model.safetensors.index.json'].toSorted(),
    );
    expect(loadCheckpoint(folder)).toEqual(words);
    expect((readJson(path.join(folder, 'model.safetensors.index.json')) as { metadata: unknown }).metadata).toEqual({
      total_parameters: checkpointParameters(words).reduce(
        (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
        0,
      ),
      total_size: Object.values(words.weights).reduce((sum, { byteLength }) => sum + byteLength, 0),
    });

    const other = tinyModel(family, 2);
    const scorer = withScoreHead(words, 3);
    saveCheckpoint(folder, other);
    expect(fs.readdirSync(folder).toSorted()).toEqual(['config.json', 'model.safetensors']);
    expect(loadCheckpoint(folder)).toEqual(other);
    saveCheckpoint(folder, scorer, { maxShardBytes: 2 * small });
    expect(fs.readdirSync(folder)).not.toContain('model.safetensors');
    expect(loadCheckpoint(folder)).toEqual(scorer);
    saveCheckpoint(folder, scorer, { maxShardBytes: small });
    expect(loadCheckpoint(folder)).toEqual(scorer);
    const { weight_map } = readJson(path.join(folder, 'model.safetensors.index.json')) as {
      weight_map: Record<string, string>;
    };
    expect(
      fs
        .readdirSync(folder)
        .filter((name) => name.endsWith('.safetensors'))
        .toSorted(),
      'no shard of the earlier cut',
    ).toEqual([...new Set(Object.values(weight_map))].toSorted());
  });

  test('a write that fails between two shards leaves the old folder as it was, and nothing else', () => {
    const folder = saved(words, { maxShardBytes: 1500 });
    const before = fs.readdirSync(folder);
    const names = checkpointParameters(words).map(({ name }) => name);
    const broken = { ...tinyModel(family, 2).weights, [names.at(-1)!]: new Float32Array(1) };
    expect(() => saveCheckpoint(folder, { ...words, weights: broken }, { maxShardBytes: 1500 })).toThrow(names.at(-1)!);
    expect(fs.readdirSync(folder)).toEqual(before);
    expect(loadCheckpoint(folder)).toEqual(words);
    expect(fs.readdirSync(scratch).filter((name) => name.startsWith(`${path.basename(folder)}.`))).toEqual([]);
  });

  test('a missing tensor, one of another shape, and a cut-off file are named', () => {
    const [, second] = parameters(words.architecture);
    const missing = foreign(words, { keep: (name) => name !== second!.name });
    expect(refusal(missing)).toMatchObject({
      code: 'bad-model',
      message: `${missing} lacks the tensor "${second!.name}".`,
    });

    const key = family === 'gpt2' ? 'n_inner' : 'intermediate_size';
    const wrong = foreign(words, { config: { [key]: 40 } });
    expect(refusal(wrong).message).toMatch(
      /^.*: the tensor ".*(c_fc|gate_proj|dense_h_to_4h)\.weight" has shape \[(16, 32|32, 16)\], config\.json asks for \[(16, 40|40, 16)\]\.$/,
    );
    expect(refusal(wrong).message).toContain(wrong);

    const cut = saved(words);
    const file = path.join(cut, 'model.safetensors');
    for (const size of [fs.statSync(file).size - 5, 200, 4, 0]) {
      fs.truncateSync(file, size);
      const { code, message } = refusal(cut);
      expect(code).toBe('bad-file');
      expect(message).toContain(file);
    }
  });
});

test('the hub’s gpt2, without the "transformer." prefix, reads as the same model', () => {
  const words = tinyModel('gpt2');
  expect(loadCheckpoint(foreign(words, { rename: (name) => name.replace('transformer.', '') }))).toEqual(words);
});

test('an unknown family, unsupported arithmetic and broken config files are refused in a sentence', () => {
  const words = tinyModel('llama');
  const config = (folder: string) => path.join(folder, 'config.json');
  for (const [change, said] of [
    [{ model_type: 'mamba' }, '"model_type" is "mamba", a family that is not known.'],
    [{ model_type: 'constructor' }, '"model_type" is "constructor", a family that is not known.'],
    [{ model_type: undefined }, '"model_type" is missing, a family that is not known.'],
    [{ hidden_act: 'gelu' }, '"hidden_act" is "gelu".'],
    [{ attention_bias: true }, '"attention_bias" is true.'],
    [{ rope_parameters: { rope_type: 'yarn', rope_theta: 1e4 } }, '"rope_type" in "rope_parameters" is "yarn".'],
    [{ hidden_size: 'wide' }, '"hidden_size" is "wide", not a whole number above 0.'],
    [{ num_hidden_layers: 1.5 }, '"num_hidden_layers" is 1.5, not a whole number above 0.'],
    [{ num_key_value_heads: 3 }, '4 heads do not divide into 3 key-value heads.'],
  ] as const) {
    const folder = foreign(words, { config: change });
    expect(refusal(folder)).toMatchObject({ code: 'bad-model', message: `${config(folder)}: ${said}` });
  }
  const broken = saved(words);
  for (const [text, said] of [
    ['{"model_type": ', 'is not valid JSON'],
    ['[]', 'is not a JSON object'],
  ] as const) {
    fs.writeFileSync(config(broken), text);
    expect(refusal(broken).message).toContain(`${config(broken)} ${said}`);
  }
  fs.rmSync(config(broken));
  expect(refusal(broken).message).toBe(`${config(broken)} cannot be read.`);
});

test('OpenRLHF’s reward models: the head called as config.json says, scores (w·h - mean) / std where it says so', async () => {
  const words = tinyModel('llama');
  const groups = [
    [4, 6],
    [9, 2],
  ].map(([prompt, length]) => ({
    prompt: Array.from({ length: prompt! }, (_, t) => 2 + 3 * t),
    completions: [Array.from({ length: length! }, (_, t) => 40 - 5 * t)],
  }));
  const scores = async (checkpoint: Checkpoint) => {
    const evaluator = createEvaluator(checkpoint, { threads: 1 });
    const found = (await evaluator.scores(checkpoint.weights, groups)).flat();
    await evaluator.release();
    return found;
  };
  for (const bias of [false, true]) {
    const scorer = withScoreHead(words, 3, bias);
    if (bias) scorer.weights['score.bias']![0] = 0.4;
    const plain = await scores(scorer);
    const called = (head: string) => (name: string) => name.replace('score.', `${head}.`);
    expect(Math.abs(plain[0]! - plain[1]!)).toBeGreaterThan(0.1);
    const unscaled: [string, object][] = [
      ['value_head', {}],
      ['value_head', { value_head_prefix: 'value_head' }],
      ['reward', { value_head_prefix: 'reward' }],
      ['score', { value_head_prefix: 'score' }],
      ['value_head', { mean: 1.5, std: 0.25 }],
      ['value_head', { normalize_reward: false, mean: 1.5, std: 0.25 }],
    ];
    for (const [head, config] of unscaled)
      expect(loadCheckpoint(foreign(scorer, { rename: called(head), config })), JSON.stringify(config)).toEqual(scorer);
    const scaled = loadCheckpoint(
      foreign(scorer, {
        rename: called('value_head'),
        config: { value_head_prefix: 'value_head', normalize_reward: true, mean: 1.5, std: 0.25 },
      }),
    );
    expectClose(
      await scores(scaled),
      plain.map((score) => (score - 1.5) / 0.25),
      'scaled scores',
    );
    expect(loadCheckpoint(saved(scaled)), 'what we write needs no scaling').toEqual(scaled);
  }
});

test('generation_config.json may name more tokens to stop at', () => {
  const words = tinyModel('llama');
  const folder = saved(words);
  const file = path.join(folder, 'generation_config.json');
  for (const [given, stops] of [
    [
      [7, 0, 9],
      [0, 7, 9],
    ],
    [7, [0, 7]],
    [0, [0]],
    [[], [0]],
    [undefined, [0]],
    [null, [0]],
    [
      [3, 99999],
      [0, 3],
    ],
  ] as const) {
    fs.writeFileSync(file, JSON.stringify({ eos_token_id: given }));
    expect(loadCheckpoint(folder).architecture, String(given)).toEqual({ ...words.architecture, stops });
    expect(loadArchitecture(folder)).toEqual({ ...words.architecture, stops });
  }
  for (const given of ['0', -1, 2.5, true, {}, ['x'], [3, -1], [3, null]]) {
    fs.writeFileSync(file, JSON.stringify({ eos_token_id: given }));
    expect(refusal(folder).message, JSON.stringify(given)).toContain(
      `${file}: "eos_token_id" is ${JSON.stringify(given)}, not a token id or a list of them`,
    );
  }
  fs.writeFileSync(file, '{"eos_token_id": ');
  expect(refusal(folder).message).toContain(file);
  const several = foreign(words, { config: { eos_token_id: [5, 6] } });
  expect(loadCheckpoint(several).architecture).toMatchObject({ endOfText: 5, stops: [5, 6] });
  expect(loadCheckpoint(saved(loadCheckpoint(several))).architecture.stops).toEqual([5, 6]);
});

test('a false number of layers is refused before anything is listed by it', () => {
  const folder = foreign(tinyModel('llama'), { config: { num_hidden_layers: 2_000_000_000 } });
  expect(refusal(folder).message).toBe(
    `${path.join(folder, 'config.json')}: "num_hidden_layers" is 2000000000, more than 10000.`,
  );
});

test.each([
  ['one file', undefined],
  ['shards', 1500],
])(
  'a folder of links into a store of blobs, as the hub’s cache is laid out, reads as the model (%s)',
  (_, maxShardBytes) => {
    const words = tinyModel('qwen3');
    const whole = saved(words, { maxShardBytes });
    const repository = fresh();
    const snapshot = path.join(repository, 'snapshots/0123abcd');
    for (const folder of ['blobs', 'snapshots/0123abcd'])
      fs.mkdirSync(path.join(repository, folder), { recursive: true });
    fs.writeFileSync(path.join(whole, 'generation_config.json'), '{"eos_token_id": [0, 4]}');
    fs.readdirSync(whole).forEach((file, i) => {
      fs.renameSync(path.join(whole, file), path.join(repository, 'blobs', `blob${i}`));
      fs.symlinkSync(`../../blobs/blob${i}`, path.join(snapshot, file));
    });
    expect(loadCheckpoint(snapshot)).toEqual({ ...words, architecture: { ...words.architecture, stops: [0, 4] } });
    fs.rmSync(path.join(repository, 'blobs'), { recursive: true });
    expect(refusal(snapshot).message, 'blobs that the cache has dropped').toContain(snapshot);
  },
);

test('an untied model without any head, and a classifier of two labels, are refused', () => {
  const words = tinyModel('llama');
  const headless = foreign(words, { keep: (name) => name !== 'lm_head.weight' });
  expect(refusal(headless).message).toBe(`${headless} has neither "lm_head.weight" nor "score.weight".`);
  const scorer = withScoreHead(words, 3);
  const two = foreign({ ...scorer, weights: { ...scorer.weights } });
  const tensors = checkpointParameters(scorer).map(({ name, shape }) =>
    name === 'score.weight'
      ? { name, shape: [2, 16], data: new Float32Array(32) }
      : { name, shape, data: scorer.weights[name]! },
  );
  writeSafetensors(path.join(two, 'model.safetensors'), tensors);
  expect(refusal(two).message).toBe(
    `${two}: the tensor "score.weight" has shape [2, 16], config.json asks for [1, 16].`,
  );
});

describe('fresh weights', () => {
  const spread = (data: Float32Array) => Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length);

  test('D9: a fresh head has weights of std 1/√(d+1) and bias 0, on a copy of the trunk', () => {
    for (const channels of [15, 4095]) {
      const heads = Array.from(
        { length: channels < 100 ? 200 : 2 },
        (_, seed) =>
          withScoreHead(
            { architecture: { ...tinyArchitectures.llama, channels }, head: 'language-model', weights: {} },
            seed,
          ).weights,
      );
      const all = Float32Array.from(heads.flatMap((head) => Array.from(head['score.weight']!)));
      expect(spread(all) * Math.sqrt(channels + 1)).toBeGreaterThan(0.95);
      expect(spread(all) * Math.sqrt(channels + 1)).toBeLessThan(1.05);
      for (const head of heads) expect(head['score.bias']).toEqual(Float32Array.of(0));
    }
    const words = tinyModel('llama');
    const scorer = withScoreHead(words, 3);
    expect(scorer.weights).not.toHaveProperty('lm_head.weight');
    expect(scorer.weights['model.norm.weight']).toEqual(words.weights['model.norm.weight']);
  });

  test('matrices start at N(0, 0.02), residual outputs smaller by √(2·layers), norms at 1, biases at 0; the seed decides', () => {
    const architecture = { ...tinyArchitectures.gpt2, channels: 64, headWidth: 16, feedForward: 256 };
    const list = parameters(architecture);
    const weights = freshWeights(list, architecture.layers, 5);
    for (const { name, start } of list) {
      const wanted = { normal: 0.02, residual: 0.02 / Math.sqrt(2 * architecture.layers), one: 1, zero: 0 }[start];
      expect(Math.abs(spread(weights[name]!) - wanted), name).toBeLessThanOrEqual(
        0.06 * (start === 'one' ? 0 : wanted),
      );
    }
    expect(freshWeights(list, architecture.layers, 5)).toEqual(weights);
    expect(freshWeights(list, architecture.layers, 6)['transformer.wte.weight']).not.toEqual(
      weights['transformer.wte.weight'],
    );
  });
});
