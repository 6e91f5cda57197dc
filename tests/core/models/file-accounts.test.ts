// Weights held against config.json: every tensor is accounted for, heads are read where programs keep them, and numbers
// that are none are named.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '#core/formats/safetensors.ts';
import {
  checkpointParameters,
  loadCheckpoint,
  loadShared,
  mergedCheckpoint,
  openCheckpoint,
  saveCheckpoint,
  withScoreHead,
} from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { families } from '#core/models/families.ts';
import { mergedTensors } from '#core/models/merged-tensors.ts';
import { refuseNotFiniteIn } from '#core/models/weight-numbers.ts';
import { refusalOf } from './refusal.ts';
import { FAMILIES, tinyModel, withAdapter } from './tiny-models.ts';
import { scratch, fresh, made, refusal } from './made-folders.ts';
import type { Tensor, Made } from './made-folders.ts';

const tensor = (name: string, shape: readonly number[], value = 0.5): Tensor => ({
  name,
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value),
});

describe.each(FAMILIES)('%s', (family) => {
  const words = tinyModel(family);
  const { names } = families[family];
  const { channels: C, layers } = words.architecture;
  const at = (name: string, layer = 0) => name.replace('{}', String(layer));
  const output = `${names.head}.weight`;
  const stem = names.firstNorm.slice(0, names.firstNorm.indexOf('{}'));

  test('biases, norms, layers, parts and heads that config.json does not speak of are refused by the name of the tensor', () => {
    const odd: [Tensor, RegExp][] = [
      [
        tensor(at(names.firstNorm, layers).concat('.weight'), [C]),
        new RegExp(`beyond the layers that config\\.json speaks of, which are ${layers}`),
      ],
      [tensor(`${at(names.down, layers + 3)}.weight`, [C, C]), /beyond the layers/],
      [tensor(`${stem}0.extra_layernorm.weight`, [C]), /no such norms/],
      [tensor(`${stem}1.mlp.router.weight`, [4, C]), /no such parts of its layers/],
      [tensor(`${stem}0.mlp.router.bias`, [4]), /no such biases/],
      [tensor(`${names.head}.bias`, [words.architecture.vocabulary]), /no such heads/],
      [tensor('reward_head.weight', [1, C]), /no such heads/],
      [tensor('model.score.weight', [1, C]), /no such heads/],
      [tensor('classifier.dense.weight', [C, C]), /no such heads/],
      [tensor('anything.weight', [1, C]), /no such heads/],
      [tensor('model.final_norm_2.weight', [C]), /no such norms/],
      [tensor(`${at(names.queryKeyValue[0])}.weight_scale`, [1]), /no such parts/],
      ...(family === 'gpt2' || family === 'gpt_neox'
        ? []
        : [[tensor(`${stem}0.self_attn.o_proj.bias`, [C]), /no such biases/] as [Tensor, RegExp]]),
      ...(family === 'qwen3'
        ? []
        : [[tensor(`${stem}0.self_attn.q_norm.weight`, [4]), /no such norms/] as [Tensor, RegExp]]),
    ];
    for (const [more, says] of odd) {
      const folder = made(words, { more: [more] });
      const { code, message } = refusal(folder);
      expect({ code, message }, more.name).toEqual({ code: 'bad-model', message: expect.stringMatching(says) });
      expect(message).toContain(`${folder} holds ${JSON.stringify(more.name)}`);
    }
    const two = refusal(made(words, { more: [odd[2]![0], odd[3]![0]], maxShardBytes: 1500 }));
    for (const [{ name }] of [odd[2]!, odd[3]!])
      expect(two.message, 'in shards, both are named').toContain(JSON.stringify(name));
  });

  test('buffers pass without a word; a tensor that is no part of a model is named and changes nothing', () => {
    const buffers =
      family === 'gpt2'
        ? ['transformer.h.0.attn.bias', 'transformer.h.1.attn.masked_bias', 'h.0.crossattention.bias']
        : family === 'gpt_neox'
          ? [`${stem}0.attention.bias`, `${stem}1.attention.masked_bias`, `${stem}0.attention.rotary_emb.inv_freq`]
          : [`${stem}0.self_attn.rotary_emb.inv_freq`, 'model.rotary_emb.inv_freq'];
    const quiet = made(words, { more: buffers.map((name) => tensor(name, [2])) });
    expect(openCheckpoint(quiet).notes).toEqual([]);
    expect(loadCheckpoint(quiet)).toEqual(words);
    const surplus = made(words, { more: [tensor('training.step', [1]), tensor('ema.decay', [3])] });
    expect(openCheckpoint(surplus).notes).toEqual([
      `Not read, for a ${family} model has no part of that name: "training.step", "ema.decay".`,
    ]);
    expect(loadCheckpoint(surplus)).toEqual(words);
  });

  test('a tied flag: an equal head is the embedding, another one is taken and said with the largest difference', () => {
    const tied = tinyModel(family, 1, { tied: true });
    const embedding = tied.weights[`${names.embedding}.weight`]!;
    const shape = [tied.architecture.vocabulary, C];
    const equal = made(tied, { more: [{ name: output, shape, data: embedding.slice() }] });
    expect(openCheckpoint(equal)).toMatchObject({
      notes: [],
      headFrom: 'the embedding, to which it is tied',
      architecture: { tied: true },
    });
    expect(loadCheckpoint(equal)).toEqual(tied);
    const head = embedding.slice();
    head[7]! += 1.5;
    for (const maxShardBytes of [5e9, 1500]) {
      const other = made(tied, { more: [{ name: output, shape, data: head }], maxShardBytes });
      const opened = openCheckpoint(other);
      expect(opened).toMatchObject({ headFrom: `"${output}"`, architecture: { tied: false } });
      expect(opened.notes).toEqual([
        `config.json ties the head to the embedding, but the weights hold another "${output}" (the largest difference is 1.5): that one is taken, as transformers does.`,
      ]);
      expect(loadCheckpoint(other)).toEqual({
        ...tied,
        architecture: { ...tied.architecture, tied: false },
        weights: { ...tied.weights, [output]: head },
      });
      const again = fresh();
      saveCheckpoint(again, loadCheckpoint(other));
      expect(loadCheckpoint(again), 'written, it says so itself').toEqual(loadCheckpoint(other));
      expect(openCheckpoint(again).notes).toEqual([]);
    }
    const swapped = made(tied, {
      without: [`${names.embedding}.weight`],
      more: [{ name: output, shape, data: embedding.slice() }],
    });
    expect(loadCheckpoint(swapped), 'saved under the name of the head').toEqual(tied);
    expect(refusal(made(tied, { more: [tensor(output, [7, C])] })).message).toContain(
      `"${output}" has shape [7, ${C}]`,
    );
  });

  const [weight, bias] = [tensor('v_head.summary.weight', [1, C], 0.25), tensor('v_head.summary.bias', [1], -0.75)];
  const judge: Checkpoint = {
    ...withScoreHead(words, 3),
    weights: { ...withScoreHead(words, 3).weights, 'score.weight': weight.data, 'score.bias': bias.data },
  };

  test('the reward heads of TRL and LlamaFactory are read, and where from is said', () => {
    const inside = made(words, { more: [weight, bias] });
    const beside = made(words);
    writeSafetensors(path.join(beside, 'value_head.safetensors'), [weight, bias]);
    for (const [folder, from] of [
      [inside, '"v_head.summary.weight"'],
      [beside, '"v_head.summary.weight" in value_head.safetensors'],
    ] as const) {
      const opened = openCheckpoint(folder);
      expect(loadCheckpoint(folder)).toEqual(judge);
      expect(opened).toMatchObject({ head: 'linear', headFrom: from });
      expect(opened.notes.join('\n')).toContain(`but the weights hold the head ${from}: it is read as a reward model.`);
      expect(opened.notes.join('\n').includes(`"${output}" is left aside`)).toBe(!words.architecture.tied);
      const again = fresh();
      saveCheckpoint(again, loadCheckpoint(folder));
      expect(loadCheckpoint(again)).toEqual(judge);
    }
    const two = made(withScoreHead(words, 3), { more: [weight] });
    expect(refusal(two).message).toBe(
      `${two} holds two heads that give scores, "score.weight" and "v_head.summary.weight".`,
    );
  });

  test('the bias of a classifier’s head is read, and that transformers leaves it away is said, unless the model is ours', () => {
    const folder = made(judge);
    const note =
      '"score.bias" is read: transformers leaves it away, so its scores are higher by 0.75, for every text alike.';
    expect(loadCheckpoint(folder)).toEqual(judge);
    expect(openCheckpoint(folder).notes).toContain(note);
    fs.writeFileSync(path.join(folder, 'tastemaker.json'), '{"appends_end_of_text": true}');
    expect(openCheckpoint(folder).notes).not.toContain(note);
  });

  test('an adapter with such a head beside or inside; one of SEQ_CLS without any is refused', () => {
    const base = made(words);
    const adapted = withAdapter(judge, {}, { folder: base });
    const bare = withAdapter(words, {}, { folder: base });
    const change = (model: Checkpoint, { more = [], config = {} }: Made) => {
      const folder = fresh();
      const file = path.join(folder, 'adapter_model.safetensors');
      const settings = path.join(folder, 'adapter_config.json');
      saveCheckpoint(folder, model);
      fs.writeFileSync(
        settings,
        JSON.stringify({ ...(JSON.parse(fs.readFileSync(settings, 'utf8')) as object), ...config }),
      );
      writeSafetensors(file, [
        ...[...readSafetensors(file).tensors].map(([name, { shape, load }]) => ({ name, shape, data: load() })),
        ...more,
      ]);
      return folder;
    };
    const inside = change(bare, { more: [weight, bias] });
    const beside = change(bare, {});
    writeSafetensors(path.join(beside, 'value_head.safetensors'), [weight, bias]);
    for (const [folder, from] of [
      [inside, '"v_head.summary.weight"'],
      [beside, '"v_head.summary.weight" in value_head.safetensors'],
    ] as const) {
      expect(loadShared(folder)).toEqual(adapted);
      expect(openCheckpoint(folder)).toMatchObject({
        headFrom: from,
        notes: [
          `adapter_config.json says CAUSAL_LM, but the weights hold the head "v_head.summary.weight": it is read as a reward model.`,
        ],
      });
    }
    const headless = change(bare, { config: { task_type: 'SEQ_CLS' } });
    expect(refusal(headless).message).toBe(
      `${headless} says that it is an adapter of the task SEQ_CLS, but it holds no head: there is no "score.weight".`,
    );
    const below = made(judge);
    const kept = change(withAdapter(withScoreHead(words, 3), {}, { folder: below }), {});
    expect(openCheckpoint(kept).head).toBe('linear');
    const lost = change(withAdapter(words, {}, { folder: below }), {});
    expect(refusal(lost).message).toContain('says that it is an adapter of the task CAUSAL_LM, but its base');
    const partly = change(
      withAdapter(words, { matrices: adapted.adapter!.settings.matrices.slice(1) }, { folder: base }),
      { config: { target_modules: [adapted.adapter!.settings.matrices[0]!.split('.').at(-1)!] } },
    );
    expect(openCheckpoint(partly).notes).toEqual([
      `"target_modules" names "${adapted.adapter!.settings.matrices[0]}", of which the adapter holds nothing: that matrix stays as it is in the base.`,
    ]);
  });

  test('a classifier without a head, a model with two, and heads in files that are not read', () => {
    const headless = made(judge, { without: ['score.weight', 'score.bias'] });
    expect(refusal(headless).message).toMatch(
      /config\.json says that the model is ".*ForSequenceClassification", but the weights hold no head: there is no "score\.weight"\.$/,
    );
    const untied = tinyModel(family, 1, { tied: false });
    const two = made(untied, { more: [tensor('score.weight', [1, C])] });
    expect(refusal(two).message).toBe(
      `${two} holds two heads, "${output}" and "score.weight", and config.json says ${families[family].classes.causal}.`,
    );
    const classifier = made(withScoreHead(untied, 3), { more: [tensor(output, [48, C])] });
    expect(openCheckpoint(classifier)).toMatchObject({
      head: 'linear',
      notes: [`"${output}" is left aside: a reward model does not use it.`],
    });
    const pickled = made(words);
    fs.writeFileSync(path.join(pickled, 'value_head.bin'), 'not opened');
    expect(refusal(pickled).message).toBe(`${pickled} holds a head in value_head.bin, a pickle that is not opened.`);
    const other = made(words);
    writeSafetensors(path.join(other, 'reward_head.safetensors'), [tensor('linear.weight', [1, C])]);
    expect(refusal(other).message).toBe(
      `${other} holds the head "linear.weight" in reward_head.safetensors, which is not read.`,
    );
    fs.renameSync(path.join(other, 'reward_head.safetensors'), path.join(other, 'consolidated.safetensors'));
    expect(openCheckpoint(other).notes).toEqual(['Not read: consolidated.safetensors.']);
  });

  test.each(['F32', 'F16', 'BF16'] as const)(
    'weights that are not finite are named with their number and place (%s)',
    (dtype) => {
      for (const value of [NaN, Infinity, -Infinity]) {
        const broken = {
          ...words,
          weights: {
            ...words.weights,
            [`${at(names.down)}.weight`]: words.weights[`${at(names.down)}.weight`]!.slice(),
          },
        };
        const data = broken.weights[`${at(names.down)}.weight`]!;
        [data[37], data[38]] = [value, NaN];
        const folder = made(broken, { dtype, maxShardBytes: 1500 });
        const columns = checkpointParameters(words).find(({ name }) => name === `${at(names.down)}.weight`)!.shape[1]!;
        const says = `the tensor "${at(names.down)}.weight" holds 2 numbers that are not finite, the first ${value} at [${Math.floor(37 / columns)}, ${37 % columns}].`;
        for (const run of [() => refuseNotFiniteIn(folder, openCheckpoint(folder)), () => loadCheckpoint(folder)])
          expect(refusalOf(run)).toMatchObject({ code: 'not-finite', message: `${folder}: ${says}` });
        expect(
          refusalOf(() => mergedTensors(openCheckpoint(folder)).tensors.forEach(({ load }) => load())).message,
        ).toBe(`The model: ${says}`);
      }
      refuseNotFiniteIn('whole', openCheckpoint(made(words, { dtype })));
    },
  );
});

test('tensors of shards that the index does not list are there all the same, and one in two shards is refused', () => {
  const words = tinyModel('llama');
  const folder = made(words, { maxShardBytes: 1500 });
  const shards = fs.readdirSync(folder).filter((name) => name.startsWith('model-'));
  const last = path.join(folder, shards.at(-1)!);
  const held = () =>
    [...readSafetensors(last).tensors].map(([name, { shape, load }]) => ({ name, shape, data: load() }));
  const before = held();
  writeSafetensors(last, [...before, tensor('reward_head.weight', [1, 16])]);
  expect(refusal(folder).message).toContain(
    `${folder} holds "reward_head.weight", but config.json speaks of no such heads.`,
  );
  writeSafetensors(last, [...before, tensor('model.embed_tokens.weight', [48, 16])]);
  expect(refusal(folder).message).toMatch(/The tensor "model\.embed_tokens\.weight" is in two shards/);
});

test('pieces of a large tensor are the tensor, in order', () => {
  const file = path.join(scratch, 'large.safetensors');
  const data = Float32Array.from({ length: 5_000_000 }, (_, i) => i % 1009);
  for (const dtype of ['F32', 'BF16'] as const) {
    writeSafetensors(file, [{ name: 'a', shape: [5_000_000], data }], { dtype });
    const { load, pieces } = readSafetensors(file).tensors.get('a')!;
    const parts = [...pieces()];
    expect(parts.length).toBeGreaterThan(dtype === 'F32' ? 1 : 0);
    const together = new Float32Array(data.length);
    parts.reduce((from, part) => (together.set(part, from), from + part.length), 0);
    expect(together).toEqual(load());
  }
});

test('an adapter is merged as before where its base has a head of its own', () => {
  const words = tinyModel('qwen2', 1, { tied: true });
  const head = words.weights['model.embed_tokens.weight']!.map((x) => x + 1);
  const base = made(words, { more: [{ name: 'lm_head.weight', shape: [48, 16], data: head }] });
  const read = loadCheckpoint(base);
  const adapted = withAdapter(read, {}, { folder: base });
  const folder = fresh();
  saveCheckpoint(folder, adapted);
  expect(loadShared(folder)).toEqual(adapted);
  expect(loadCheckpoint(folder)).toEqual(mergedCheckpoint(adapted));
  expect(openCheckpoint(folder)).toMatchObject({
    headFrom: '"lm_head.weight" of its base',
    notes: [expect.stringContaining('the largest difference is 1')],
  });
});
