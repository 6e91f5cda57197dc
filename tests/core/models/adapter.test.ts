// Low-rank adapters against PEFT's numbers, against the merged matrices, and against the chain rule through them.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { compile } from '#core/autodiff/compile.ts';
import { gradients } from '#core/autodiff/gradient.ts';
import { constant } from '#core/autodiff/graph.ts';
import { mul } from '#core/autodiff/ops/elementwise.ts';
import { sumAll } from '#core/autodiff/ops/reduction.ts';
import { adapterParameters, adapterScales, chosenMatrices, freshAdapter, mergeAdapter } from '#core/models/adapter.ts';
import { blockMatrices } from '#core/models/architecture.ts';
import {
  checkpointParameters,
  loadCheckpoint,
  loadShared,
  mergedCheckpoint,
  scalesOf,
  withScoreHead,
} from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { families } from '#core/models/families.ts';
import type { Group } from '#core/models/rows.ts';
import { createSampler } from '#core/models/sampler.ts';
import { isScoreHead, readHead } from '#core/models/heads.ts';
import { languageModelHead, trunk } from '#core/models/transformer.ts';
import { createRandom } from '#core/random.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/objectives/language-model.ts';
import { expectClose, noReference, readJson, readNumbers, REFERENCE, SKIPPED } from './reference-numbers.ts';
import { refusalOf } from './refusal.ts';
import { FAMILIES, randomTokens, tinyArchitectures, tinyModel, withAdapter } from './tiny-models.ts';

const ONE = { threads: 1 }; // tiny graphs: more threads only wait for one another
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'adapter-'));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

describe.skipIf(noReference)(`PEFT’s numbers${SKIPPED}`, () => {
  /** The reference adapter, with its base's folder written out. */
  function placed(): string {
    const from = path.join(REFERENCE, 'formats/lora');
    const folder = fs.mkdtempSync(path.join(scratch, 'lora-'));
    const config = readJson<object>(path.join(from, 'adapter_config.json'));
    fs.copyFileSync(path.join(from, 'adapter_model.safetensors'), path.join(folder, 'adapter_model.safetensors'));
    fs.writeFileSync(
      path.join(folder, 'adapter_config.json'),
      JSON.stringify({ ...config, base_model_name_or_path: path.join(REFERENCE, 'models/llama') }),
    );
    return folder;
  }
  const numbers = () => readNumbers(path.join(REFERENCE, 'formats/lora/expected.safetensors'));

  test('logits, loss and the gradient of every adapter tensor, adapter apart from its base', async () => {
    const E = numbers();
    const checkpoint = loadShared(placed());
    const { architecture } = checkpoint;
    const [B, T] = E.shape('input_ids') as [number, number];
    const ids = E.integers('input_ids');
    const mask = E.integers('attention_mask');
    const targets = new Int32Array(B * T);
    const weights = new Float32Array(B * T);
    for (let i = 0; i < B * T; i++) {
      if (i % T === T - 1) continue;
      targets[i] = ids[i + 1]!;
      weights[i] = mask[i + 1]!;
    }
    const own = adapterParameters(architecture, checkpoint.adapter!.settings).map(({ name }) => name);
    const adapters = scalesOf(checkpoint);
    const executable = await compile(
      {
        state: {},
        frozen: Object.fromEntries(
          checkpointParameters(checkpoint).map(({ name, shape }) => [name, { dtype: 'float32' as const, shape }]),
        ),
        feeds: languageModelFeeds(B, T),
        step: ({ graph, frozen, feeds }) => {
          const model = { architecture, weights: frozen, adapters, graph };
          const { loss } = languageModelLoss(architecture)({ graph, weights: frozen, adapters, feeds });
          const slopes = gradients(
            loss,
            own.map((name) => frozen[name]!),
          );
          return {
            state: {},
            outputs: {
              logits: languageModelHead(model, trunk(model, { ids: feeds.ids! }).hidden),
              loss,
              ...Object.fromEntries(own.map((name, i) => [`grad/base_model.model.${name}`, slopes[i]!])),
            },
          };
        },
      },
      ONE,
    );
    const { outputs } = await executable.run({}, checkpoint.weights, { ids, targets, mask: weights, weights });
    await executable.release();
    const logits = Float32Array.from(
      outputs.logits!.data as Float32Array,
      (value, i) => value * mask[Math.floor(i / architecture.vocabulary)]!,
    ); // the file has 0 on padding
    expectClose(logits, E.floats('logits'), 'logits');
    expectClose(outputs.loss!.data as Float32Array, E.floats('loss'), 'loss');
    const slopes = E.names().filter((name) => name.startsWith('grad/'));
    expect(slopes.toSorted(), 'every adapter tensor has its gradient in the file').toEqual(
      own.map((name) => `grad/base_model.model.${name}`).toSorted(),
    );
    expect(slopes.length).toBe(18);
    for (const name of slopes) expectClose(outputs[name]!.data as Float32Array, E.floats(name), name);
  });

  test('merged matrices, and only those of the adapter change', () => {
    const E = numbers();
    const folder = placed();
    const merged = loadCheckpoint(folder);
    const base = loadCheckpoint(path.join(REFERENCE, 'models/llama'));
    expect(merged).not.toHaveProperty('adapter');
    expect(Object.keys(merged.weights)).toEqual(Object.keys(base.weights));
    const adapted = new Set(E.names().filter((name) => name.startsWith('merged/')));
    const { true: changed = [], false: others = [] } = Object.groupBy(Object.keys(merged.weights), (name) =>
      String(adapted.has(`merged/${name}`)),
    );
    expect(changed.length).toBeGreaterThan(0);
    for (const name of others) expect(merged.weights[name], name).toEqual(base.weights[name]);
    for (const name of changed) {
      expectClose(merged.weights[name]!, E.floats(`merged/${name}`), name);
      expect(merged.weights[name], name).not.toEqual(base.weights[name]);
    }
    const kept = loadShared(folder);
    const before = kept.weights['model.layers.0.mlp.down_proj.weight']!.slice();
    expect(mergeAdapter(kept.architecture, kept.weights, scalesOf(kept)!)).toEqual(merged.weights);
    expect(kept.weights['model.layers.0.mlp.down_proj.weight'], 'merging copies unless told otherwise').toEqual(before);
  });
});

const random = createRandom(11, 'adapter texts');
/** Rows with one completion and rows with several. */
const GROUPS: Group[] = [
  [5, [4]],
  [3, [6, 2, 5]],
  [9, [1, 3]],
].map(([prompt, lengths]) => ({
  prompt: randomTokens(random, prompt as number),
  completions: (lengths as number[]).map((n) => randomTokens(random, n)),
}));

/** Logits (or scores) at all positions or at some, and the gradient of a weighted sum of them by every parameter. */
async function through(checkpoint: Checkpoint, at: readonly number[] | null) {
  const { architecture } = checkpoint;
  const parameters = checkpointParameters(checkpoint);
  const B = 2;
  const T = 11;
  const draw = createRandom(3, 'through');
  const ids = Int32Array.from({ length: B * T }, () => 2 + draw.integer(architecture.vocabulary - 2));
  const executable = await compile(
    {
      state: {},
      frozen: Object.fromEntries(parameters.map(({ name, shape }) => [name, { dtype: 'float32' as const, shape }])),
      feeds: { ids: { dtype: 'int32', shape: [B, T] } },
      step: ({ graph, frozen, feeds }) => {
        const model = { architecture, weights: frozen, adapters: scalesOf(checkpoint), graph };
        const taps = trunk(model, {
          ids: feeds.ids!,
          ...(at ? { at: constant(graph, 'int32', [B, at.length], [...at, ...at]) } : {}),
        });
        const y = readHead(checkpoint.head, model, taps);
        const size = y.shape.reduce((a, b) => a * b, 1);
        const slopes = gradients(
          sumAll(
            mul(
              y,
              constant(
                graph,
                'float32',
                y.shape,
                Array.from({ length: size }, () => draw.normal()),
              ),
            ),
          ),
          parameters.map(({ name }) => frozen[name]!),
        );
        return {
          state: {},
          outputs: { y, ...Object.fromEntries(parameters.map(({ name }, i) => [name, slopes[i]!])) },
        };
      },
    },
    ONE,
  );
  const { outputs } = await executable.run({}, checkpoint.weights, { ids });
  await executable.release();
  const { y, ...slopes } = Object.fromEntries(
    Object.entries(outputs).map(([name, { data }]) => [name, data as Float32Array]),
  );
  return { y: y!, slopes };
}

/** What the chain rule makes of the gradient G of the whole matrix: dB = s G Aᵀ and dA = s Bᵀ G, all as [out, in]. */
function bySlopeOfMatrix(
  G: Float32Array,
  across: boolean,
  A: Float32Array,
  B: Float32Array,
  s: number,
  input: number,
  output: number,
) {
  const r = A.length / input;
  const dA = new Float64Array(r * input);
  const dB = new Float64Array(output * r);
  for (let o = 0; o < output; o++) {
    for (let k = 0; k < r; k++) {
      for (let i = 0; i < input; i++) {
        const g = s * G[across ? i * output + o : o * input + i]!;
        dB[o * r + k]! += g * A[k * input + i]!;
        dA[k * input + i]! += g * B[o * r + k]!;
      }
    }
  }
  return { dA, dB };
}
const largest = (data: ArrayLike<number>): number =>
  Array.from(data).reduce((most, x) => Math.max(most, Math.abs(x)), 0);

describe.each(FAMILIES)('%s', (family) => {
  const words = tinyModel(family);
  const scorer = withScoreHead(words, 3);
  scorer.weights['score.bias']![0] = 0.3;
  const matrices = chosenMatrices(words.architecture, 'all');
  const uneven = {
    rank: 3,
    ranks: { ...Object.fromEntries(matrices.map((name) => [name, 3])), [matrices[0]!]: 1, [matrices.at(-1)!]: 5 },
    alphas: { [matrices[1]!]: 2.5 },
    rankStabilised: true,
  };
  // the first also covers some of query, key and value adapted and others not, where they are apart
  const adapted: [string, Checkpoint][] = [
    ['all matrices', withAdapter(words)],
    ['uneven ranks', withAdapter(words, uneven)],
    ['every other matrix', withAdapter(words, { matrices: matrices.filter((_, i) => i % 2 === 1) })],
    ['a score head', withAdapter(scorer)],
  ];

  test.each(adapted)(
    '%s: outputs and base gradients are the merged model’s, adapter gradients follow from them by the chain rule',
    async (_, checkpoint) => {
      const merged = mergedCheckpoint(checkpoint);
      const scales = scalesOf(checkpoint)!;
      const across = families[family].layout === 'in-out';
      const adaptedMatrices = Array.from({ length: words.architecture.layers }, (_, layer) =>
        blockMatrices(words.architecture, layer),
      )
        .flat()
        .filter(({ name }) => name in scales);
      expect(adaptedMatrices.length).toBe(checkpoint.adapter!.settings.matrices.length);
      for (const at of [null, [3, 10, 7]]) {
        const apart = await through(checkpoint, at);
        const whole = await through(merged, at);
        expectClose(apart.y, whole.y, 'outputs', { relative: 1e-4, absolute: 1e-5 * (1 + largest(whole.y)) });
        for (const [name, slope] of Object.entries(whole.slopes))
          expectClose(apart.slopes[name]!, slope, `gradient of ${name}`, {
            relative: 1e-3,
            absolute: 2e-5 * (0.1 + largest(slope)),
          });
        for (const { name, input, output } of adaptedMatrices) {
          const A = `${name}.lora_A.weight`;
          const B = `${name}.lora_B.weight`;
          const { dA, dB } = bySlopeOfMatrix(
            whole.slopes[`${name}.weight`]!,
            across,
            checkpoint.weights[A]!,
            checkpoint.weights[B]!,
            scales[name]!,
            input,
            output,
          );
          expect(largest(dA)).toBeGreaterThan(0);
          expectClose(apart.slopes[A]!, dA, A, { relative: 1e-3, absolute: 2e-5 * (0.1 + largest(dA)) });
          expectClose(apart.slopes[B]!, dB, B, { relative: 1e-3, absolute: 2e-5 * (0.1 + largest(dB)) });
        }
      }
    },
  );

  test('log-probabilities, scores and values of packed rows are the merged model’s', async () => {
    for (const checkpoint of [withAdapter(words), withAdapter(scorer)]) {
      const merged = mergedCheckpoint(checkpoint);
      const apart = createEvaluator(checkpoint, ONE);
      const whole = createEvaluator(merged, ONE);
      for (const what of isScoreHead(checkpoint.head) ? (['scores', 'values'] as const) : (['logprobs'] as const)) {
        const found = (await apart[what](checkpoint.weights, GROUPS)).flat(3);
        const wanted = (await whole[what](merged.weights, GROUPS)).flat(3);
        expectClose(found, wanted, what, { relative: 1e-4, absolute: 1e-4 });
        const base = (
          await createEvaluator({ ...merged, weights: {} }, ONE)[what](
            isScoreHead(checkpoint.head) ? scorer.weights : words.weights,
            GROUPS,
          )
        ).flat(3);
        expect(Math.max(...found.map((x, i) => Math.abs(x - base[i]!))), 'the adapter matters').toBeGreaterThan(0.05);
      }
      await apart.release();
      await whole.release();
    }
  });

  test('samples are the merged model’s', async () => {
    const checkpoint = withAdapter(words, uneven);
    const merged = mergedCheckpoint(checkpoint);
    const requests = GROUPS.map(({ prompt }, i) => ({ prompt, streams: [`${i}/a`, `${i}/b`] }));
    const choice = { temperature: 0.8, topK: 0, topP: 1, maxNew: 6, seed: 4 };
    const apart = createSampler(words.architecture, { adapter: checkpoint.adapter!.settings, ...ONE });
    const whole = createSampler(words.architecture, ONE);
    const found = (await apart.sample(checkpoint.weights, requests, choice)).flat();
    const wanted = (await whole.sample(merged.weights, requests, choice)).flat();
    const plain = (await whole.sample(words.weights, requests, choice)).flat();
    await apart.release();
    await whole.release();
    expect(found.map(({ tokenIds }) => tokenIds)).toEqual(wanted.map(({ tokenIds }) => tokenIds));
    expectClose(
      found.flatMap(({ logprobs }) => logprobs),
      wanted.flatMap(({ logprobs }) => logprobs),
      'log-probabilities',
      { relative: 1e-4, absolute: 1e-4 },
    );
    expect(
      found.map(({ tokenIds }) => tokenIds),
      'the adapter matters',
    ).not.toEqual(plain.map(({ tokenIds }) => tokenIds));
  });

  test('a fresh adapter changes no bit, merged or not', async () => {
    const blank = withAdapter(words);
    const fresh: Checkpoint = {
      ...blank,
      weights: { ...words.weights, ...freshAdapter(adapterParameters(words.architecture, blank.adapter!.settings), 9) },
    };
    expect(mergedCheckpoint(fresh).weights).toEqual(words.weights);
    expect((await through(fresh, null)).y).toEqual((await through(words, null)).y);
    expect((await through(fresh, [2, 5])).y).toEqual((await through(words, [2, 5])).y);
    for (const { name, input } of blockMatrices(words.architecture, 0)) {
      const A = fresh.weights[`${name}.lora_A.weight`]!;
      const bound = 1 / Math.sqrt(input);
      expect(
        A.every((a) => Math.abs(a) <= bound),
        `${name}: within ±1/√in`,
      ).toBe(true);
      expect(largest(A)).toBeGreaterThan(0.8 * bound);
      expect(fresh.weights[`${name}.lora_B.weight`]!.every((b) => b === 0)).toBe(true);
    }
    const { adapter: { settings } = {} } = blank;
    expect(freshAdapter(adapterParameters(words.architecture, settings!), 9), 'the seed decides').toEqual(
      Object.fromEntries(Object.entries(fresh.weights).filter(([name]) => name.includes('lora'))),
    );
    expect(
      freshAdapter(adapterParameters(words.architecture, settings!), 10)[`${matrices[0]!}.lora_A.weight`],
    ).not.toEqual(fresh.weights[`${matrices[0]!}.lora_A.weight`]);
  });

  test('words choose matrices: all, attention, single ones; what there is not is named', () => {
    const { architecture } = words;
    const { queryKeyValue, attentionOut } = families[family].names;
    const all = Array.from({ length: 2 }, (_, layer) =>
      blockMatrices(architecture, layer).map(({ name }) => name),
    ).flat();
    expect(chosenMatrices(architecture, 'all')).toEqual(all);
    expect(chosenMatrices(architecture, 'all-linear')).toEqual(all);
    const attention = [0, 1].flatMap((layer) =>
      [...queryKeyValue, attentionOut].map((name) => name.replace('{}', String(layer))),
    );
    expect(chosenMatrices(architecture, 'attention')).toEqual(attention);
    const first = queryKeyValue[0].split('.').at(-1)!;
    const down = families[family].names.down.split('.').slice(-2).join('.');
    expect(chosenMatrices(architecture, ` ${first},${down} `).toSorted()).toEqual(
      all.filter((name) => name.endsWith(`.${first}`) || name.endsWith(`.${down}`)).toSorted(),
    );
    for (const [said, sentence] of [
      ['', 'No matrices are named for the adapter.'],
      [`${first} w_proj`, 'This model has no matrices called "w_proj".'],
      ['constructor', 'This model has no matrices called "constructor".'],
    ] as const) {
      const error = refusalOf(() => chosenMatrices(architecture, said));
      expect(error).toMatchObject({ code: 'bad-argument', message: sentence });
      expect(error.hint).toContain(first);
    }
  });
});

test('s is alpha / r, or alpha / √r, with each matrix’s own rank and alpha', () => {
  const settings = {
    rank: 4,
    alpha: 8,
    rankStabilised: false,
    matrices: ['a', 'b', 'c'],
    ranks: { b: 16 },
    alphas: { c: 3 },
  };
  expect(adapterScales(settings)).toEqual({ a: 2, b: 0.5, c: 0.75 });
  expect(adapterScales({ ...settings, rankStabilised: true })).toEqual({ a: 4, b: 2, c: 1.5 });
});

test('merging is linear in s, and an adapter subtracted again leaves the base', () => {
  const checkpoint = withAdapter(tinyModel('gpt2'));
  const { architecture } = checkpoint;
  const scales = scalesOf(checkpoint)!;
  fc.assert(
    fc.property(fc.double({ min: -3, max: 3, noNaN: true }), (by) => {
      const times = (factor: number) =>
        Object.fromEntries(Object.entries(scales).map(([name, s]) => [name, factor * s]));
      const there = mergeAdapter(architecture, checkpoint.weights, times(by));
      const factors = Object.fromEntries(Object.entries(checkpoint.weights).filter(([name]) => name.includes('lora_')));
      const back = mergeAdapter(architecture, { ...there, ...factors }, times(-by));
      for (const name of Object.keys(there))
        expectClose(back[name]!, checkpoint.weights[name]!, name, { relative: 1e-5, absolute: 1e-6 });
    }),
    { numRuns: 10 },
  );
});

test('A is [r, in] and B [out, r], whichever way the matrix itself is stored', () => {
  const { gpt2 } = tinyArchitectures;
  const list = adapterParameters(gpt2, { rank: 2, matrices: ['transformer.h.1.mlp.c_fc'] });
  expect(list.map(({ name, shape }) => [name, shape])).toEqual([
    ['transformer.h.1.mlp.c_fc.lora_A.weight', [2, 16]],
    ['transformer.h.1.mlp.c_fc.lora_B.weight', [32, 2]],
  ]);
});
