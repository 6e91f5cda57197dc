// Adapter folders: written and read back, other programs' spellings, the places a base may lie, and plain sentences for
// what does not fit.

import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { readSafetensors } from '#core/formats/safetensors.ts';
import { chosenMatrices } from '#core/models/adapter.ts';
import {
  loadArchitecture,
  loadCheckpoint,
  loadShared,
  mergedCheckpoint,
  openCheckpoint,
  parameterCount,
  saveCheckpoint,
  scalesOf,
  withScoreHead,
} from '#core/models/checkpoint.ts';
import type { Checkpoint, SharedWeights } from '#core/models/checkpoint.ts';
import { isScoreHead } from '#core/models/heads.ts';
import { ADAPTER_CONFIG, isAdapterFolder } from '#core/formats/adapter-base.ts';
import { ADAPTER_WEIGHTS } from '#core/models/peft.ts';
import { readingOf } from '#core/models/score-reading.ts';
import { refusalOf } from './refusal.ts';
import { FAMILIES, tinyModel, withAdapter } from './tiny-models.ts';
import { scratch, fresh, saved, changed, config } from './changed-adapters.ts';
import type { Change } from './changed-adapters.ts';

afterEach(() => vi.unstubAllEnvs());

describe.each(FAMILIES)('%s', (family) => {
  const words = tinyModel(family);
  const base = saved(words);
  const matrices = chosenMatrices(words.architecture, 'all');
  const kinds: [string, Checkpoint][] = [
    ['all matrices', withAdapter(words, {}, { folder: base })],
    [
      'some matrices, rank-stabilised',
      withAdapter(
        words,
        { matrices: chosenMatrices(words.architecture, 'attention'), rankStabilised: true },
        { folder: base },
      ),
    ],
    [
      'ranks and alphas of their own',
      withAdapter(
        words,
        { ranks: Object.fromEntries(matrices.map((name, i) => [name, 1 + (i % 4)])), alphas: { [matrices[2]!]: 0.5 } },
        { folder: base },
      ),
    ],
    ['a score head', withAdapter(withScoreHead(words, 3), {}, { folder: base })],
    ['a score head without bias', withAdapter(withScoreHead(words, 3, false), {}, { folder: base })],
  ];

  test.each(kinds)('%s: two files, read back bit for bit, apart and merged', (_, checkpoint) => {
    const folder = saved(checkpoint);
    const before = fs.readdirSync(base);
    expect(fs.readdirSync(folder).toSorted()).toEqual([ADAPTER_CONFIG, ADAPTER_WEIGHTS]);
    expect(isAdapterFolder(folder)).toBe(true);
    const read = loadShared(folder);
    expect(read).toEqual(checkpoint);
    expect(scalesOf(read)).toEqual(scalesOf(checkpoint));
    expect(loadCheckpoint(folder)).toEqual(mergedCheckpoint(checkpoint));
    expect(loadArchitecture(folder)).toEqual(checkpoint.architecture);
    expect(parameterCount(openCheckpoint(folder)), 'as many as when it is merged').toBe(
      Object.values(mergedCheckpoint(checkpoint).weights).reduce((sum, { length }) => sum + length, 0),
    );
    const again = saved(read);
    expect(fs.readFileSync(path.join(again, ADAPTER_WEIGHTS))).toEqual(
      fs.readFileSync(path.join(folder, ADAPTER_WEIGHTS)),
    );
    expect(fs.readdirSync(base), 'the base is left alone').toEqual(before);
    expect(loadCheckpoint(saved(mergedCheckpoint(read))), 'merged, it is a model of its own').toEqual(
      mergedCheckpoint(checkpoint),
    );
  });

  test('the names are PEFT’s, and target_modules means these matrices and no others', () => {
    for (const [, checkpoint] of kinds) {
      const folder = saved(checkpoint);
      const { settings } = checkpoint.adapter!;
      const scorer = isScoreHead(checkpoint.head);
      const wanted = [
        ...settings.matrices.flatMap((name) => [`${name}.lora_A.weight`, `${name}.lora_B.weight`]),
        ...(scorer ? Object.keys(checkpoint.weights).filter((name) => name.startsWith('score.')) : []),
      ];
      expect([...readSafetensors(path.join(folder, ADAPTER_WEIGHTS)).tensors.keys()].toSorted()).toEqual(
        wanted.map((name) => `base_model.model.${name}`).toSorted(),
      );
      const { target_modules: targets, ...rest } = config(folder) as { target_modules: string[] } & Record<
        string,
        unknown
      >;
      expect(
        matrices.filter((name) => targets.some((target) => name === target || name.endsWith(`.${target}`))),
        'as PEFT looks for them',
      ).toEqual(settings.matrices);
      expect(rest).toMatchObject({
        peft_type: 'LORA',
        task_type: scorer ? 'SEQ_CLS' : 'CAUSAL_LM',
        r: 3,
        lora_alpha: 7,
        use_rslora: settings.rankStabilised,
        fan_in_fan_out: family === 'gpt2',
        bias: 'none',
        base_model_name_or_path: base,
        modules_to_save: scorer ? ['score'] : null,
      });
    }
  });

  test('other spellings: ".default." in names, no prefix, patterns by the ends of names', () => {
    const [, checkpoint] = kinds[3]!;
    const folder = saved(checkpoint);
    const older = changed(folder, {
      tensor: (name) => ({
        name: name.replace(/lora_([AB])\./, 'lora_$1.default.').replace('.score.', '.score.modules_to_save.default.'),
      }),
    });
    expect(loadShared(older)).toEqual(checkpoint);
    const padded = tinyModel(family, 1, { pad: 0 });
    const judge = saved(withAdapter(withScoreHead(padded, 3), {}, { folder: saved(padded) }));
    const called = changed(judge, {
      tensor: (name) => ({ name: name.replace('.score.', '.score.modules_to_save.default.') }),
    });
    expect([readingOf(judge).passedOver, readingOf(called).passedOver], 'read at the same token').toEqual([0, 0]);
    expect(
      loadShared(changed(folder, { tensor: (name) => ({ name: name.replace('base_model.model.', '') }) })),
    ).toEqual(checkpoint);
    const kind = matrices[0]!.split('.').at(-1)!;
    const isOne = (name: string) => name.endsWith(`.${kind}`);
    const uneven = withAdapter(
      words,
      {
        ranks: Object.fromEntries(matrices.map((name) => [name, isOne(name) ? 2 : 3])),
        alphas: Object.fromEntries(matrices.filter(isOne).map((name) => [name, 9])),
      },
      { folder: base },
    );
    for (const key of [kind, `${kind}$`])
      expect(
        loadShared(changed(saved(uneven), { config: { rank_pattern: { [key]: 2 }, alpha_pattern: { [key]: 9 } } })),
      ).toEqual(uneven);
    const single = withAdapter(
      words,
      { ranks: Object.fromEntries(matrices.map((name, i) => [name, i === 0 ? 2 : 3])) },
      { folder: base },
    );
    expect(
      loadShared(
        changed(saved(single), { config: { rank_pattern: { [`^${matrices[0]!.replaceAll('.', '\\.')}`]: 2 } } }),
      ),
    ).toEqual(single);
  });
});

test('two adapters over one base hold one copy of its arrays, and each its own factors', () => {
  const words = tinyModel('llama');
  const base = saved(words);
  const linked = fresh();
  const policy = saved(withAdapter(words, {}, { folder: base }));
  const critic = saved(withAdapter(withScoreHead(words, 3), {}, { folder: base, seed: 6 }));
  fs.symlinkSync(base, linked);
  const shared: SharedWeights = new Map();
  const [reference, first, second, again] = [linked, policy, critic, policy].map((folder) =>
    loadShared(folder, shared),
  ) as [Checkpoint, Checkpoint, Checkpoint, Checkpoint];
  for (const name of Object.keys(words.weights)) {
    expect(first.weights[name], name).toBe(reference.weights[name]);
  }
  for (const name of Object.keys(words.weights).filter((one) => one !== 'lm_head.weight'))
    expect(second.weights[name], name).toBe(reference.weights[name]);
  for (const name of Object.keys(first.weights).filter((key) => key.includes('lora_'))) {
    expect(second.weights[name]).not.toEqual(first.weights[name]);
    expect(again.weights[name]).toBe(first.weights[name]);
  }
  expect(loadCheckpoint(policy), 'merging does not touch what is shared').toEqual(mergedCheckpoint(first));
  expect(reference.weights).toEqual(words.weights);
});

test('an adapter over a reward model brings its own head, or keeps the one below', () => {
  const words = tinyModel('llama');
  const scorer = withScoreHead(words, 3);
  const base = saved(scorer);
  const own = withAdapter(withScoreHead(words, 4), {}, { folder: base });
  const folder = saved(own);
  expect(loadShared(folder)).toEqual(own);
  const without = loadShared(changed(folder, { tensor: (name) => (name.includes('score') ? null : {}) }));
  expect(without.head).toBe('linear');
  expect(without.weights).toEqual({
    ...own.weights,
    'score.weight': scorer.weights['score.weight'],
    'score.bias': scorer.weights['score.bias'],
  });
});

describe('what does not fit is refused in a sentence', () => {
  const words = tinyModel('llama');
  const base = saved(words);
  const good = saved(withAdapter(words, {}, { folder: base }));
  const refused = (change: Change) => {
    const folder = changed(good, change);
    return { folder, error: refusalOf(() => loadShared(folder)) };
  };

  test.each([
    [{ peft_type: 'PREFIX_TUNING' }, '"peft_type" is "PREFIX_TUNING"'],
    [{ use_dora: true }, '"use_dora" is true'],
    [{ use_qalora: true }, '"use_qalora" is true'],
    [{ use_bdlora: {} }, '"use_bdlora" is {}'],
    [{ use_rslora: 'yes' }, '"use_rslora" is "yes"'],
    [{ bias: 'lora_only' }, '"bias" is "lora_only"'],
    [{ lora_bias: true }, '"lora_bias" is true'],
    [
      {
        layer_replication: [
          [0, 2],
          [1, 2],
        ],
      },
      '"layer_replication" is a list',
    ],
    [{ trainable_token_indices: [3] }, '"trainable_token_indices" is [3]'],
    [{ target_parameters: ['mlp.experts'] }, '"target_parameters" is ["mlp.experts"]'],
    [{ alora_invocation_tokens: [5] }, '"alora_invocation_tokens" is [5]'],
    [{ init_lora_weights: 'pissa' }, '"init_lora_weights" is "pissa"'],
    [{ r: 0 }, '"r" is 0, not a whole number above 0'],
    [{ r: 2.5 }, '"r" is 2.5, not a whole number above 0'],
    [{ r: undefined }, '"r" is missing'],
    [{ r: 1e9 }, '"r" is 1000000000, more than 65536'],
    [{ lora_alpha: '16' }, '"lora_alpha" is "16", not a number'],
    [{ rank_pattern: { q_proj: 'x' } }, '"rank_pattern" holds "q_proj": "x"'],
    [{ rank_pattern: { 'layers\\.(0|1)\\.(.*)_proj': 3 } }, '"rank_pattern" holds "layers\\\\.(0|1)\\\\.(.*)_proj": 3'],
    [{ alpha_pattern: { q_proj: 0 } }, '"alpha_pattern" holds "q_proj": 0'],
    [{ rank_pattern: [] }, '"rank_pattern" is [], not an object'],
    [{ use_dora: [] }, '"use_dora" is []'],
    [{ use_rslora: 'false' }, '"use_rslora" is "false"'],
    [{ fan_in_fan_out: 'yes' }, '"fan_in_fan_out" is "yes"'],
    [{ task_type: 'TOKEN_CLS' }, '"task_type" is "TOKEN_CLS"'],
    [{ target_modules: [1] }, '"target_modules" is [1], not a list of texts'],
    [{ modules_to_save: 'score' }, '"modules_to_save" is "score", not a list of texts'],
    [{ modules_to_save: ['lm_head'] }, '"modules_to_save" names "lm_head", of which the weights hold nothing'],
    [{ layers_to_transform: 'all' }, '"layers_to_transform" is "all", not a number of a layer or a list of them'],
    [{ alpha_pattern: 'q' }, '"alpha_pattern" is "q", not an object'],
  ])('%j', (change, said) => {
    const { folder, error } = refused({ config: change });
    expect(error).toMatchObject({ code: 'bad-model', message: `${path.join(folder, ADAPTER_CONFIG)}: ${said}.` });
  });

  test('options that say nothing pass', () => {
    const open = {
      use_dora: null,
      layer_replication: [],
      trainable_token_indices: null,
      target_parameters: [],
      layers_to_transform: null,
      rank_pattern: null,
      alpha_pattern: {},
      init_lora_weights: 'gaussian',
      lora_dropout: 0.1,
      megatron_core: 'megatron.core',
    };
    expect(loadShared(changed(good, { config: open }))).toEqual(loadShared(good));
  });

  const Q = 'model.layers.0.self_attn.q_proj';
  test.each<[string, Change, (weights: string) => string]>([
    [
      'lora_B is missing',
      { tensor: (name) => (name.endsWith(`${Q}.lora_B.weight`) ? null : {}) },
      (weights) => `${weights} lacks the tensor "${Q}.lora_B.weight".`,
    ],
    [
      'lora_A is missing',
      { tensor: (name) => (name.endsWith(`${Q}.lora_A.weight`) ? null : {}) },
      (weights) =>
        `${weights}: the tensor "${Q}.lora_B.weight" belongs to no matrix of the base model that can be adapted.`,
    ],
    [
      'A of another width',
      { tensor: (name) => (name.endsWith(`${Q}.lora_A.weight`) ? { shape: [3, 17] } : {}) },
      (weights) =>
        `${weights}: the tensor "${Q}.lora_A.weight" has shape [3, 17], adapter_config.json and the base model ask for [3, 16].`,
    ],
    [
      'B of another width',
      { tensor: (name) => (name.endsWith(`${Q}.lora_B.weight`) ? { shape: [3, 16] } : {}) },
      (weights) =>
        `${weights}: the tensor "${Q}.lora_B.weight" has shape [3, 16], adapter_config.json and the base model ask for [16, 3].`,
    ],
    [
      'A of no shape',
      { tensor: (name) => (name.endsWith(`${Q}.lora_A.weight`) ? { shape: [] } : {}) },
      (weights) =>
        `${weights}: the tensor "${Q}.lora_A.weight" has shape [], adapter_config.json and the base model ask for [3, 16].`,
    ],
    [
      'a rank that the configuration does not know of',
      { config: { rank_pattern: { 'layers.0.self_attn.q_proj': 4 } } },
      (weights) =>
        `${weights}: the tensor "${Q}.lora_A.weight" has shape [3, 16], adapter_config.json and the base model ask for [4, 16].`,
    ],
    [
      'a layer that is not there',
      { tensor: (name) => ({ name: name.replace('layers.1.', 'layers.7.') }) },
      (weights) =>
        `${weights}: the tensor "model.layers.7.self_attn.q_proj.lora_A.weight" belongs to no matrix of the base model that can be adapted.`,
    ],
    [
      'adapted embeddings',
      { tensor: (name) => ({ name: name.replace(`${Q}.`, 'model.embed_tokens.') }) },
      (weights) =>
        `${weights}: the tensor "model.embed_tokens.lora_A.weight" belongs to no matrix of the base model that can be adapted.`,
    ],
    [
      'a whole output matrix',
      { tensor: (name) => ({ name: name.replace(`${Q}.lora_B`, 'lm_head') }) },
      (weights) =>
        `${weights}: the tensor "lm_head.weight" belongs to no matrix of the base model that can be adapted.`,
    ],
    [
      'no adapter',
      { tensor: (name) => ({ name: name.replace('lora_', 'lokr_') }) },
      (weights) => `${weights} holds no adapter: no tensor is called ….lora_A.weight.`,
    ],
  ])('%s', (_, change, said) => {
    const { folder, error } = refused(change);
    expect(error).toMatchObject({ code: 'bad-model', message: said(path.join(folder, ADAPTER_WEIGHTS)) });
  });

  test('files that are missing or broken are named', () => {
    for (const [file, text] of [
      [ADAPTER_CONFIG, '{"r": '],
      [ADAPTER_CONFIG, '[]'],
      [ADAPTER_CONFIG, 'null'],
      [ADAPTER_WEIGHTS, 'short'],
      [ADAPTER_WEIGHTS, null],
    ] as const) {
      const folder = changed(good, {});
      const broken = path.join(folder, file);
      fs.rmSync(broken);
      if (text !== null) fs.writeFileSync(broken, text);
      expect(refusalOf(() => loadShared(folder)).message, `${text} in ${file}`).toContain(broken);
    }
  });

  test('a head of two scores', () => {
    const scorer = saved(withAdapter(withScoreHead(words, 3), {}, { folder: base }));
    const two = changed(scorer, { tensor: (name) => (name.endsWith('score.weight') ? { shape: [2, 16] } : {}) });
    expect(refusalOf(() => loadShared(two)).message).toBe(
      `${path.join(two, ADAPTER_WEIGHTS)}: the tensor "score.weight" has shape [2, 16], adapter_config.json and the base model ask for [1, 16].`,
    );
  });

  test('an adapter of another family; a write that fails leaves the old one', () => {
    const other = saved(tinyModel('gpt2'));
    const crossed = changed(good, { config: { base_model_relative_path: other } });
    expect(refusalOf(() => loadShared(crossed)).message).toContain('belongs to no matrix of the base model');
    const checkpoint = withAdapter(words, {}, { folder: base });
    const folder = saved(checkpoint);
    const weights = { ...checkpoint.weights, [`${Q}.lora_A.weight`]: new Float32Array(1) };
    expect(() => saveCheckpoint(folder, { ...checkpoint, weights })).toThrow(Q);
    expect(loadShared(folder)).toEqual(checkpoint);
    expect(fs.readdirSync(scratch).filter((name) => name.includes('.writing'))).toEqual([]);
  });
});
