// Models in GGUF files: other programs' files give other programs' numbers, ours come back, and what is not known is
// refused.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { compile } from '#core/autodiff/compile.ts';
import { readGguf } from '#core/formats/gguf.ts';
import type { GgufFile, GgufValue } from '#core/formats/gguf.ts';
import { ggufTokenizerFields } from '#core/formats/gguf-tokenizer-fields.ts';
import { writeGguf } from '#core/formats/gguf-writer.ts';
import { parameters } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';
import {
  loadArchitecture,
  loadCheckpoint,
  openCheckpoint,
  saveCheckpoint,
  withScoreHead,
} from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { ggufArchitecture } from '#core/models/gguf-architecture.ts';
import { saveGguf } from '#core/models/gguf-model.ts';
import { ropeFactors } from '#core/models/gguf-rope.ts';
import { createSampler } from '#core/models/sampler.ts';
import type { Sampled } from '#core/models/sampler.ts';
import { languageModelHead, trunk } from '#core/models/transformer.ts';
import { trainBpe } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { errorOf, shared, temporaryFolder } from '#tests/core/formats/folder.ts';
import { expectClose, noReference, readJson, readNumbers, REFERENCE, SKIPPED } from './reference-numbers.ts';
import { tinyModel } from './tiny-models.ts';

async function logitsOf(
  { architecture, weights }: Checkpoint,
  ids: Int32Array,
  B: number,
  T: number,
): Promise<Float32Array> {
  const executable = await compile(
    {
      state: {},
      frozen: Object.fromEntries(
        parameters(architecture).map(({ name, shape }) => [name, { dtype: 'float32' as const, shape }]),
      ),
      feeds: { ids: { dtype: 'int32' as const, shape: [B, T] } },
      step: ({ graph, frozen, feeds }) => {
        const model = { architecture, weights: frozen, graph };
        return { state: {}, outputs: { logits: languageModelHead(model, trunk(model, { ids: feeds.ids! }).hidden) } };
      },
    },
    { threads: 1 },
  );
  const { outputs } = await executable.run({}, weights, { ids });
  await executable.release();
  return outputs.logits!.data as Float32Array;
}

describe.skipIf(noReference)(`files of gguf-py${SKIPPED}`, () => {
  test.each(['f16', 'q8_0'])('llama-%s: the logits of PyTorch on the same rounded weights', async (kind) => {
    const folder = path.join(REFERENCE, 'formats/gguf');
    const E = readNumbers(path.join(folder, `llama-${kind}.expected.safetensors`));
    const [B, T] = E.shape('input_ids') as [number, number];
    const mask = E.integers('attention_mask');
    const model = loadCheckpoint(path.join(folder, `llama-${kind}.gguf`));
    const { stops: _, ...wanted } = loadArchitecture(path.join(REFERENCE, 'models/llama'));
    expect(model.architecture).toMatchObject(wanted);
    const logits = await logitsOf(model, E.integers('input_ids'), B, T);
    const V = logits.length / (B * T);
    expectClose(
      logits.map((x, i) => x * mask[Math.floor(i / V)]!),
      E.floats('logits'),
      'logits',
    );
  });
});

const smol = noReference ? null : shared('models', 'SmolLM2-135M-Instruct.Q4_1.gguf');
describe.skipIf(!smol)(`SmolLM2-135M-Instruct in Q4_1${smol ? '' : ' (skipped: model not present)'}`, () => {
  interface Expected {
    passage: { ids: number[]; logprobs: number[]; next_top5: [number, string, number][] };
    chat: { ids: number[]; greedy_ids: number[] };
    scitldr: { prompt_tokens: number; completion_tokens: number; mean_logprob: number }[];
  }
  const expected = () => readJson<Expected>(path.join(REFERENCE, 'smollm2/expected.json'));
  const started = performance.now();
  const model = smol ? loadCheckpoint(smol) : null;
  const took = performance.now() - started;
  const close = { relative: 0, absolute: 2e-3 };

  test('is loaded in less than 5 s', () => {
    expect(took).toBeLessThan(5000 * 2); // other tests run beside this one
    expect(Object.values(model!.weights).reduce((sum, { length }) => sum + length, 0)).toBe(134_515_008);
  });

  test('log-probabilities of a passage and of five summaries', async () => {
    const { passage, scitldr } = expected();
    const tokenizer = await loadTokenizer(smol!);
    const evaluator = createEvaluator(model!);
    const rows = fs
      .readFileSync(path.join(process.cwd(), '../shared/data/scitldr/dev.jsonl'), 'utf8')
      .split('\n')
      .slice(0, scitldr.length)
      .map((line) => JSON.parse(line) as { source: string[]; target: string[] });
    const groups = await Promise.all(
      rows.map(async ({ source, target }) => ({
        prompt: (await tokenizer.encode(`${source.join(' ')}\n\nTL;DR:`)).slice(-512),
        completions: [await tokenizer.encode(` ${target[0]}`)],
      })),
    );
    expect(groups.map(({ prompt, completions }) => [prompt.length, completions[0]!.length])).toEqual(
      scitldr.map((row) => [row.prompt_tokens, row.completion_tokens]),
    );
    const next = passage.next_top5.map(([id]) => [id]);
    const found = await evaluator.logprobs(model!.weights, [
      { prompt: passage.ids.slice(0, 1), completions: [passage.ids.slice(1)] },
      { prompt: passage.ids, completions: next },
      ...groups,
    ]);
    await evaluator.release();
    expectClose(found[0]![0]!, passage.logprobs, 'the passage', close);
    expectClose(
      found[1]!.flat(),
      passage.next_top5.map(([, , logprob]) => logprob),
      'what comes next',
      close,
    );
    expectClose(
      found.slice(2).map(([logprobs]) => logprobs!.reduce((a, b) => a + b, 0) / logprobs!.length),
      scitldr.map((row) => row.mean_logprob),
      'the summaries',
      close,
    );
  });

  test('the most likely next tokens, and the greedy reply to a chat', async () => {
    const { passage, chat } = expected();
    const sampler = createSampler(model!.architecture);
    const ask = (prompt: number[]) => ({ prompt, streams: ['greedy'] });
    const [[reply]] = (await sampler.sample(model!.weights, [ask(chat.ids)], {
      temperature: 0,
      topK: 0,
      topP: 1,
      maxNew: 24,
      seed: 1,
    })) as [[Sampled]];
    await sampler.release();
    expect(reply).toMatchObject({ tokenIds: chat.greedy_ids, finish: 'stop' });
    const T = passage.ids.length;
    const last = (await logitsOf(model!, Int32Array.from(passage.ids), 1, T)).slice(-model!.architecture.vocabulary);
    expect([...last.keys()].sort((a, b) => last[b]! - last[a]!).slice(0, 5)).toEqual(
      passage.next_top5.map(([id]) => id),
    );
  });
});

const words = trainBpe(['the ship, the ship on the sea, and the sea'], 300);
const companions = {
  tokenizer: words as unknown as Record<string, unknown>,
  config: { eos_token: '<|endoftext|>', bos_token: '<|endoftext|>', pad_token: '<|pad|>' },
  chatTemplate: null,
};
const wide = { channels: 64, heads: 4, headWidth: 16, rotaryWidth: 16, feedForward: 96, vocabulary: 320 };
const changes: Record<string, [family: 'llama' | 'qwen2' | 'qwen3', changes: Partial<Architecture>]> = {
  llama: ['llama', wide],
  'llama, stretched as Llama 3 is': [
    'llama',
    {
      ...wide,
      tied: true,
      ropeTheta: 500000,
      headWidth: 64,
      rotaryWidth: 64,
      ropeScaling: { factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192 },
    },
  ],
  qwen2: ['qwen2', { ...wide, stops: [0, 5], endOfText: 0 }],
  'qwen3, heads wider than their share': [
    'qwen3',
    { ...wide, headWidth: 32, rotaryWidth: 32, stops: [0, 7, 9], normEpsilon: 1e-6 },
  ],
};
const save = (file: string, model: Checkpoint, type: 'F16' | 'Q8_0' = 'Q8_0') =>
  saveGguf(file, model, {
    type,
    name: 'A small model',
    licence: 'apache-2.0',
    tokenizer: ggufTokenizerFields(companions, {
      vocabulary: model.architecture.vocabulary,
      stops: model.architecture.stops,
      file: 'tokenizer.json',
    }),
  });

describe('saved and opened', () => {
  test.each(Object.entries(changes))(
    '%s: the same architecture, and every number as near as its packing allows',
    (_, [family, changed]) => {
      const file = path.join(temporaryFolder(), 'model.gguf');
      const model = tinyModel(family, 3, changed);
      for (const [type, off] of [
        ['F16', 2 ** -11],
        ['Q8_0', 0.5 / 127 + 2 ** -11],
      ] as const) {
        save(file, model, type);
        const back = loadCheckpoint(file);
        expect(back.architecture).toEqual(model.architecture);
        expect(loadArchitecture(file)).toEqual(model.architecture);
        expect(Object.keys(back.weights)).toEqual(Object.keys(model.weights));
        for (const [name, data] of Object.entries(model.weights)) {
          const largest = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
          expectClose(back.weights[name]!, data, `${type} ${name}`, {
            relative: 0,
            absolute: name.includes('norm') || name.endsWith('.bias') ? 1e-12 : off * largest,
          });
        }
      }
      expect(readGguf(file).metadata).toMatchObject({
        'general.architecture': family,
        'general.name': 'A small model',
        'general.license': 'apache-2.0',
        'general.file_type': 7,
        [`${family}.rope.dimension_count`]: changed.headWidth,
      });
    },
  );

  test('rotary rows lie in the order of llama.cpp for llama, and in that of Hugging Face for qwen', () => {
    const file = path.join(temporaryFolder(), 'model.gguf');
    for (const [family, order] of [
      ['llama', [0, 2, 1, 3]],
      ['qwen2', [0, 1, 2, 3]],
    ] as const) {
      const model = tinyModel(family);
      const C = model.architecture.channels;
      const query = model.weights['model.layers.0.self_attn.q_proj.weight']!;
      query.forEach((_, i) => (query[i] = Math.floor(i / C))); // every number tells its row
      save(file, {
        ...model,
        architecture: { ...model.architecture, vocabulary: 320 },
        weights: {
          ...model.weights,
          'model.embed_tokens.weight': new Float32Array(320 * C),
          'lm_head.weight': new Float32Array(320 * C),
        },
      });
      const rows = readGguf(file)
        .tensors.get('blk.0.attn_q.weight')!
        .load()
        .filter((_, i) => i % C === 0);
      expect(Array.from(rows.subarray(0, 8)), family).toEqual([...order, ...order.map((row) => row + 4)]); // heads of 4
    }
  });

  test('a model tuned from a GGUF file is a folder with the tokenizer of that file', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'base.gguf');
    const out = path.join(folder, 'tuned');
    save(file, tinyModel('llama', 3, wide));
    saveCheckpoint(out, withScoreHead(loadCheckpoint(file), 1), { tokenizerFrom: file });
    expect(openCheckpoint(out)).toMatchObject({ head: 'linear', architecture: { vocabulary: 320 } });
    const [before, after] = await Promise.all([loadTokenizer(file), loadTokenizer(out)]);
    for (const tokenizer of [before, after])
      expect([await tokenizer.encode('the ship, naïve'), tokenizer.endOfText, tokenizer.pad]).toEqual([
        await before.encode('the ship, naïve'),
        0,
        1,
      ]);
  });

  test('what has no place in GGUF is refused, and nothing is written', () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'model.gguf');
    const gpt2 = tinyModel('gpt2', 1, { vocabulary: 320 });
    const llama = tinyModel('llama', 1, { vocabulary: 320 });
    expect(errorOf(() => save(file, gpt2)).message).toMatch(/family gpt2 are not written as GGUF/);
    expect(errorOf(() => save(file, withScoreHead(llama, 1))).message).toMatch(/reward model has no place/);
    expect(fs.readdirSync(folder)).toEqual([]);
  });
});

describe('Llama 3’s stretched frequencies, of which a file holds only the factors', () => {
  const scalings = [
    [8, 1, 4, 8192, 500000, 128],
    [32, 1, 4, 8192, 500000, 64],
    [4, 1, 4, 24, 500, 6],
    [16, 2, 6, 4096, 10000, 128],
    [8, 1.5, 3, 1000, 1e6, 96],
  ] as const;
  test.each(scalings)(
    'factor %d, %d to %d turns of %d at theta %d, heads of %d',
    (factor, lowFrequencyFactor, highFrequencyFactor, originalContext, ropeTheta, headWidth) => {
      const file = path.join(temporaryFolder(), 'model.gguf');
      const scaling = { factor, lowFrequencyFactor, highFrequencyFactor, originalContext };
      save(
        file,
        tinyModel('llama', 1, { vocabulary: 320, ropeTheta, headWidth, rotaryWidth: headWidth, ropeScaling: scaling }),
      );
      const found = loadArchitecture(file).ropeScaling!;
      expectClose(ropeFactors(found, ropeTheta, headWidth), ropeFactors(scaling, ropeTheta, headWidth), 'factors', {
        relative: 1e-5,
        absolute: 0,
      });
      const { tensors } = readGguf(file);
      expect(tensors.get('rope_freqs.weight')).toMatchObject({ type: 'F32', shape: [headWidth / 2] });
    },
  );

  test('factors of any other rule are refused', () => {
    const file = path.join(temporaryFolder(), 'model.gguf');
    const model = tinyModel('llama', 1, { vocabulary: 320, headWidth: 16, rotaryWidth: 16 });
    save(file, model);
    const opened = readGguf(file);
    const withFactors = (factors: number[]) =>
      ggufArchitecture(
        {
          ...opened,
          tensors: new Map([
            ...opened.tensors,
            [
              'rope_freqs.weight',
              {
                type: 'F32',
                shape: [factors.length],
                load: () => Float32Array.from(factors),
                pieces: () => [Float32Array.from(factors)],
              },
            ],
          ]),
        },
        file,
      );
    expect(withFactors([1, 1, 1, 1, 1, 1, 1, 1]).ropeScaling).toBeNull();
    for (const factors of [
      [1, 2, 1, 4, 1, 8, 1, 8],
      [2, 2, 2, 2, 2, 2, 2, 1],
      [1, 1, 1, NaN, 4, 4, 4, 4],
      [1, 1, 1, 1, 0, 0, 0, 0],
    ])
      expect(errorOf(() => withFactors(factors)).message).toMatch(/"rope_freqs\.weight".*not known/);
    expect(errorOf(() => withFactors([1, 2])).message).toMatch(/"rope_freqs\.weight".*shape \[2\]/);
  });
});

describe('metadata that are not understood are refused by their key', () => {
  const file = 'model.gguf';
  function opened(changed: Record<string, GgufValue | undefined>): GgufFile {
    const place = path.join(temporaryFolder(), file);
    save(place, tinyModel('llama', 1, wide));
    const { metadata, tensors } = readGguf(place);
    const all: Record<string, GgufValue | undefined> = { ...metadata, ...changed };
    return {
      metadata: Object.fromEntries(
        Object.entries(all).filter(([, value]) => value !== undefined),
      ) as GgufFile['metadata'],
      tensors,
    };
  }
  const cases: [what: string, changed: Record<string, GgufValue | undefined>, says: RegExp][] = [
    ['a family', { 'general.architecture': 'gemma3' }, /"general\.architecture" in model\.gguf is "gemma3"/],
    ['no family', { 'general.architecture': undefined }, /"general\.architecture".*missing/],
    ['an adapter', { 'general.type': 'adapter' }, /"general\.type".*"adapter"/],
    ['one of several parts', { 'split.count': 3 }, /"split\.count".*one of 3/],
    ['no layers', { 'llama.block_count': undefined }, /"llama\.block_count".*missing/],
    ['half a layer', { 'llama.block_count': 0.5 }, /"llama\.block_count".*0\.5/],
    ['a text for a number', { 'llama.block_count': '2' }, /"llama\.block_count".*not a number/],
    ['heads that do not divide', { 'llama.attention.head_count_kv': 3 }, /"llama\.attention\.head_count_kv".*3/],
    ['heads that differ', { 'llama.attention.head_count_kv': Int32Array.of(2, 1) }, /differs from layer to layer/],
    ['an odd head', { 'llama.attention.key_length': 15 }, /heads of 15/],
    ['another value width', { 'llama.attention.value_length': 8 }, /"llama\.attention\.value_length".*8/],
    ['a rotary part', { 'llama.rope.dimension_count': 8 }, /"llama\.rope\.dimension_count".*8/],
    ['linear scaling', { 'llama.rope.scaling.type': 'linear' }, /"llama\.rope\.scaling\.type".*"linear"/],
    ['linear scaling without a type', { 'llama.rope.scaling.factor': 4 }, /"llama\.rope\.scaling\.factor".*4/],
    ['linear scaling in the older spelling', { 'llama.rope.scale_linear': 4 }, /"llama\.rope\.scale_linear".*4/],
    ['a factor written as text', { 'llama.rope.scaling.factor': '4' }, /"llama\.rope\.scaling\.factor".*not a number/],
    ['another scale of attention', { 'llama.attention.scale': 0.5 }, /"llama\.attention\.scale".*0\.5/],
    ['sections', { 'llama.rope.dimension_sections': Int32Array.of(2, 2) }, /"llama\.rope\.dimension_sections"/],
    ['a list for a number', { 'llama.context_length': ['96'] }, /"llama\.context_length".*not a number/],
    ['truth for a number', { 'llama.rope.freq_base': true }, /"llama\.rope\.freq_base".*not a number/],
    ['a number for a text', { 'general.architecture': 3 }, /"general\.architecture".*not a text/],
    ['a text for zero', { 'llama.expert_count': '0' }, /"llama\.expert_count".*"0"/],
    ['experts', { 'llama.expert_count': 8 }, /"llama\.expert_count".*8/],
    ['a window', { 'llama.attention.sliding_window': 16 }, /"llama\.attention\.sliding_window".*16/],
    ['no epsilon', { 'llama.attention.layer_norm_rms_epsilon': undefined }, /layer_norm_rms_epsilon".*missing/],
    ['a negative theta', { 'llama.rope.freq_base': -1 }, /"llama\.rope\.freq_base".*-1/],
    ['another vocabulary', { 'llama.vocab_size': 10 }, /"llama\.vocab_size".*10.*320 rows/],
    ['an end outside', { 'tokenizer.ggml.eos_token_id': 999 }, /eos_token_id".*999.*320/],
    ['no end', { 'tokenizer.ggml.eos_token_id': undefined }, /eos_token_id".*missing.*which token ends a text/],
  ];
  test.each(cases)('%s', (_, changed, says) => {
    const { code, message } = errorOf(() => ggufArchitecture(opened(changed), file));
    expect(message).toMatch(says);
    expect(['bad-model', 'bad-file']).toContain(code);
  });

  test('what says nothing else than usual is fine, and one number a layer where all are alike', () => {
    const usual = {
      'llama.rope.scaling.type': 'none',
      'llama.rope.scaling.factor': 4,
      'llama.rope.scale_linear': 1,
      'llama.attention.scale': Math.fround(1 / Math.sqrt(tinyModel('llama', 1, wide).architecture.headWidth)),
      'llama.expert_count': 0,
      'llama.logit_scale': 1,
      'llama.attention.head_count_kv': Int32Array.of(2, 2),
      'llama.attention.key_length': undefined,
      'llama.attention.value_length': undefined,
      'llama.rope.dimension_count': undefined,
    };
    expect(ggufArchitecture(opened(usual), file)).toEqual(tinyModel('llama', 1, wide).architecture);
  });

  test('a tensor without a place, one that is missing, and one of another shape', () => {
    const place = path.join(temporaryFolder(), file);
    save(place, tinyModel('llama', 1, wide));
    const { metadata, tensors } = readGguf(place);
    const fields = Object.fromEntries(
      Object.entries(metadata)
        .filter(([key]) => !key.startsWith('tokenizer.') || key === 'tokenizer.ggml.eos_token_id')
        .map(([key, value]) => [
          key,
          typeof value === 'string'
            ? { type: 'text' as const, value }
            : {
                type: key.includes('epsilon') || key.includes('freq') ? ('float32' as const) : ('uint32' as const),
                value: value as number,
              },
        ]),
    );
    const all = [...tensors].map(([name, { shape, load }]) => ({ name, shape, load }));
    const bias = { name: 'blk.0.attn_q.bias', shape: [64], load: () => new Float32Array(64) };
    const with_ = (list: typeof all) => {
      writeGguf(place, fields, list, 'F16');
      return errorOf(() => openCheckpoint(place)).message;
    };
    expect(with_([...all, bias])).toMatch(/"blk\.0\.attn_q\.bias", for which a llama model of 2 layers has no place/);
    expect(with_(all.filter(({ name }) => name !== 'blk.1.ffn_up.weight'))).toMatch(
      /no tensor "blk\.1\.ffn_up\.weight"/,
    );
    expect(
      with_(
        all.map((one) =>
          one.name === 'output_norm.weight' ? { ...one, shape: [32], load: () => new Float32Array(32) } : one,
        ),
      ),
    ).toMatch(/"model\.norm\.weight" has shape \[32\].*\[64\]/);
  });
});
