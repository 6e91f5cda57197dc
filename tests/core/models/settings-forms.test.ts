// Settings in another form than they have: every key that is read is refused by its name, and none counts as absent.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { brief } from '#core/formats/json-file.ts';
import { settingsOf } from '#core/formats/settings.ts';
import { checkedTokenizerSettings } from '#core/formats/tokenizer-settings.ts';
import { readTokenizerFiles } from '#core/formats/tokenizer-files.ts';
import { loadCheckpoint, openCheckpoint, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import { modelConfig, readArchitecture } from '#core/models/config-json.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { noReference, readJson, REFERENCE, SKIPPED } from './reference-numbers.ts';
import { refusalOf } from './refusal.ts';
import { FAMILIES, tinyModel } from './tiny-models.ts';

type Json = Record<string, unknown>;

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'forms-'));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

/**
 * Keys of config.json that nobody here reads: what training alone uses, and what other programs write for themselves.
 */
const UNREAD = new Set([
  'dtype',
  'torch_dtype',
  'transformers_version',
  'use_cache',
  'initializer_range',
  'resid_pdrop',
  'embd_pdrop',
  'attn_pdrop',
  'hidden_dropout',
  'attention_dropout',
  'classifier_dropout',
  'is_decoder',
  'pretraining_tp',
  'summary_activation',
  'summary_first_dropout',
  'summary_proj_to_labels',
  'summary_type',
  'summary_use_proj',
  'reorder_and_upcast_attn',
  'max_window_layers',
  'sliding_window',
  'problem_type',
  'label2id',
]);
/** One value of each form that JSON has, and numbers that are no sizes. */
const FORMS: readonly unknown[] = ['8', 'false', true, 2.5, -3, [], [8], {}, { a: 1 }, null];
/** Which of these forms a key may have. */
const MAY: Readonly<Record<string, readonly unknown[]>> = {
  tie_word_embeddings: [true],
  use_parallel_residual: [true],
  attention_bias: [],
  scale_attn_weights: [true],
  rope_parameters: [{}, null],
  rope_scaling: [{}, null],
  layer_types: [null],
  architectures: [null, []],
  eos_token_id: [[], [8], null],
  bos_token_id: [null],
  pad_token_id: [null],
  n_inner: [null],
  num_key_value_heads: [null],
  head_dim: [null],
  rms_norm_eps: [2.5],
  layer_norm_eps: [2.5],
  layer_norm_epsilon: [2.5],
  num_labels: [null],
  id2label: [{ a: 1 }, null],
};
const isIn = (values: readonly unknown[], value: unknown) =>
  values.some((one) => JSON.stringify(one) === JSON.stringify(value));

function refuses(folder: string, config: Json, key: string, form: unknown): void {
  const file = path.join(folder, 'config.json');
  fs.writeFileSync(file, JSON.stringify({ ...config, [key]: form }));
  const { message } = refusalOf(() => openCheckpoint(folder));
  expect(message, `${key}: ${JSON.stringify(form)}`).toContain(file);
  expect(message, `${key}: ${JSON.stringify(form)}`).toContain(
    key === 'architectures' && message.includes('"score.weight"') ? 'score' : `"${key}"`,
  );
}

function everyKey(folder: string, config: Json): string[] {
  const unread: string[] = [];
  for (const key of Object.keys(config)) {
    if (UNREAD.has(key)) unread.push(key);
    else
      for (const form of FORMS) if (!isIn([...(MAY[key] ?? []), config[key]], form)) refuses(folder, config, key, form);
  }
  fs.writeFileSync(
    path.join(folder, 'config.json'),
    JSON.stringify({ ...config, ...Object.fromEntries(unread.map((key) => [key, { odd: ['form'] }])) }),
  );
  expect(() => openCheckpoint(folder), 'what nobody reads may have any form').not.toThrow();
  return unread;
}

test.each(
  FAMILIES.flatMap(
    (family) =>
      [
        [family, 'language-model'],
        [family, 'linear'],
      ] as const,
  ),
)('every key of the config.json of %s (%s) in every other form', (family, head) => {
  const words = tinyModel(family);
  const model = head === 'linear' ? withScoreHead(words, 3, false) : words;
  const folder = path.join(scratch, `${family}-${head}`);
  saveCheckpoint(folder, model);
  everyKey(folder, modelConfig(model.architecture, head, 'F32'));
});

test.skipIf(noReference).each(['gpt2', 'gpt_neox', 'llama', 'llama-untied', 'qwen2', 'qwen3'])(
  `every key that transformers writes for %s${SKIPPED}`,
  (name) => {
    const folder = path.join(scratch, name);
    const from = path.join(REFERENCE, 'models', name);
    fs.mkdirSync(folder);
    fs.copyFileSync(path.join(from, 'model.safetensors'), path.join(folder, 'model.safetensors'));
    expect(everyKey(folder, readJson<Json>(path.join(from, 'config.json')))).toContain('use_cache');
  },
);

describe('rope settings', () => {
  const base = modelConfig(tinyModel('llama').architecture, 'language-model', 'F32');
  const file = 'config.json';
  const stretched = {
    rope_type: 'llama3',
    rope_theta: 1e4,
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 64,
  };
  const read = (rope: Json) => readArchitecture({ ...base, rope_parameters: undefined, ...rope }, file);

  test.each([
    [{ rope_parameters: { rope_theta: '500000' } }, '"rope_theta" in "rope_parameters" is "500000", not a number'],
    [{ rope_theta: '500000' }, '"rope_theta" is "500000", not a number'],
    [{ rope_theta: null }, '"rope_theta" is null, not a number'],
    [{ rope_parameters: { rope_theta: 1e4 }, rope_theta: [1e4] }, '"rope_theta" is [10000], not a number'],
    [
      { rope_parameters: { full_attention: stretched } },
      '"rope_parameters" holds settings by kind of layer ("full_attention")',
    ],
    [
      { rope_parameters: { full_attention: stretched, sliding_attention: { rope_theta: 1 } } },
      '"rope_parameters" holds settings by kind of layer ("full_attention", "sliding_attention")',
    ],
    [
      { rope_scaling: { full_attention: stretched } },
      '"rope_scaling" holds settings by kind of layer ("full_attention")',
    ],
    [
      { rope_parameters: { rope_type: 'default', rope_theta: 1e4 }, rope_scaling: stretched },
      '"rope_scaling" says other than "rope_parameters"',
    ],
    [
      { rope_scaling: { factor: 8 } },
      '"factor" in "rope_scaling" is 8, which rotary positions of the type "default" do not have',
    ],
    [{ rope_scaling: { type: 'linear', factor: 8 } }, '"type" in "rope_scaling" is "linear"'],
    [
      { rope_scaling: { type: 'default', rope_type: 'llama3' } },
      '"type" in "rope_scaling" is "default", but "rope_type" is "llama3"',
    ],
    [{ rope_parameters: { ...stretched, factor: true } }, '"factor" in "rope_parameters" is true, not a number'],
    [{ rope_parameters: { ...stretched, factor: undefined } }, '"factor" in "rope_parameters" is missing'],
    [
      { rope_parameters: { ...stretched, high_freq_factor: 1 } },
      '"high_freq_factor" in "rope_parameters" is 1, not above "low_freq_factor", 1',
    ],
    [
      { rope_parameters: { ...stretched, attention_factor: 2 } },
      '"attention_factor" in "rope_parameters" is 2, which rotary positions of the type "llama3" do not have',
    ],
    [{ partial_rotary_factor: 0.5 }, '"partial_rotary_factor" is 0.5'],
    [{ rope_parameters: [] }, '"rope_parameters" is [], not an object'],
  ])('%j', (rope, says) => {
    expect(refusalOf(() => read(rope)).message).toBe(`${file}: ${says}.`);
  });

  test('both spellings that say the same, the older type, and nothing at all', () => {
    const wanted = { factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64 };
    for (const rope of [
      { rope_parameters: stretched },
      { rope_scaling: stretched },
      { rope_parameters: stretched, rope_scaling: stretched },
      { rope_scaling: { ...stretched, rope_type: undefined, type: 'llama3' } },
      { rope_parameters: null, rope_scaling: stretched, rope_theta: 1e4 },
    ]) {
      expect(read(rope).ropeScaling, JSON.stringify(rope)).toEqual(wanted);
    }
    for (const rope of [
      {},
      { rope_parameters: {} },
      { rope_scaling: null },
      { rope_parameters: { rope_type: 'default', factor: null } },
    ])
      expect(read(rope), JSON.stringify(rope)).toMatchObject({ ropeTheta: 10000, ropeScaling: null });
  });
});

test('two names of one size must agree, and no size takes another’s place', () => {
  const base = modelConfig(tinyModel('gpt2').architecture, 'language-model', 'F32');
  expect(readArchitecture({ ...base, hidden_size: 16 }, 'c').channels).toBe(16);
  expect(refusalOf(() => readArchitecture({ ...base, hidden_size: 32 }, 'c')).message).toBe(
    'c: "hidden_size" is 32, but "n_embd" is 16.',
  );
  expect(refusalOf(() => readArchitecture({ ...base, hidden_size: '16' }, 'c')).message).toBe(
    'c: "hidden_size" is "16", not a whole number above 0.',
  );
  expect(refusalOf(() => readArchitecture({ ...base, quantization_config: { bits: 4 } }, 'c')).message).toContain(
    '"quantization_config" says that the weights are quantised',
  );
});

test('OpenRLHF’s settings: a scaling that is asked for must be there, each in its form', () => {
  const scorer = withScoreHead(tinyModel('llama'), 3);
  const folder = path.join(scratch, 'openrlhf');
  const file = path.join(folder, 'config.json');
  saveCheckpoint(folder, scorer);
  const config = readJson<Json>(file);
  for (const [more, says] of [
    [{ normalize_reward: 'true', mean: 0, std: 1 }, '"normalize_reward" is "true", not true or false'],
    [{ normalize_reward: true, mean: '0', std: 1 }, '"mean" is "0", not a number'],
    [{ normalize_reward: true, std: 1 }, '"mean" is missing, though "normalize_reward" is true'],
    [{ normalize_reward: true, mean: 0 }, '"std" is missing, though "normalize_reward" is true'],
    [{ normalize_reward: true, mean: 0, std: 0 }, '"std" is 0, not a number above 0'],
    [{ value_head_prefix: 7 }, '"value_head_prefix" is 7, not a text'],
    [{ num_labels: 2 }, '"num_labels" is 2'],
    [{ num_labels: '1' }, '"num_labels" is "1", not a whole number from 0'],
    [{ id2label: { 0: 'no', 1: 'yes' } }, '"id2label" names 2 labels'],
    [{ id2label: ['yes'] }, '"id2label" is ["yes"], not an object'],
    [
      { architectures: ['LlamaForTokenClassification'] },
      '"architectures" says "LlamaForTokenClassification", whose head is not read',
    ],
  ] as const) {
    fs.writeFileSync(file, JSON.stringify({ ...config, ...more }));
    expect(refusalOf(() => loadCheckpoint(folder)).message).toBe(`${file}: ${says}.`);
  }
});

test('tokens and templates beside a tokenizer', () => {
  const read = (json: Json) => checkedTokenizerSettings(json, 'tokenizer_config.json');
  const fine = {
    eos_token: '<e>',
    bos_token: { content: '<b>', lstrip: false },
    pad_token: null,
    add_bos_token: false,
    add_eos_token: null,
    chat_template: [{ name: 'default', template: 'x' }],
    extra_special_tokens: {},
    model_max_length: 1e30,
  };
  expect(read(fine)).toBe(fine);
  for (const [key, value] of [
    ['eos_token', 0],
    ['eos_token', ['<e>']],
    ['bos_token', { text: '<b>' }],
    ['pad_token', { content: 3 }],
    ['unk_token', true],
    ['add_bos_token', 'true'],
    ['chat_template', 5],
    ['chat_template', {}],
    ['chat_template', ['x']],
    ['chat_template', [{ name: 'default' }]],
  ] as const) {
    const { code, message } = refusalOf(() => read({ ...fine, [key]: value }));
    expect(code).toBe('bad-file');
    expect(message, brief(value)).toContain(
      typeof value === 'object' && !Array.isArray(value) && 'content' in value
        ? '"content" in "pad_token" is 3'
        : `tokenizer_config.json: "${key}"`,
    );
  }
});

test('tokens in special_tokens_map.json, wherever a tokenizer is read', async () => {
  const folder = fs.mkdtempSync(path.join(scratch, 'tokens-'));
  fs.writeFileSync(path.join(folder, 'tokenizer.json'), '{}');
  for (const value of [0, true, ['<e>'], { text: '<e>' }]) {
    fs.writeFileSync(path.join(folder, 'special_tokens_map.json'), JSON.stringify({ eos_token: value }));
    expect(refusalOf(() => readTokenizerFiles(folder)).message).toContain('special_tokens_map.json: "eos_token" is ');
    await expect(loadTokenizer(folder)).rejects.toThrow('special_tokens_map.json: "eos_token" is ');
  }
});

test('the reader remembers what was asked for', () => {
  const read = settingsOf({ a: 1, b: null, c: [1, 2] }, 'file.json', { hint: 'Look again.' });
  expect([read.number('a'), read.text('b', { orNull: true }), read.ids('c'), read.flag('d')]).toEqual([
    1,
    undefined,
    [1, 2],
    undefined,
  ]);
  expect([...read.asked]).toEqual(['a', 'b', 'c', 'd']);
  expect(refusalOf(() => read.text('b')).message).toBe('file.json: "b" is null, not a text.');
  expect(
    refusalOf(() =>
      settingsOf(JSON.parse('{"__proto__": 7}') as Json, 'file.json', { hint: 'Look again.' }).text('__proto__'),
    ).message,
  ).toContain('"__proto__" is 7, not a text');
});
