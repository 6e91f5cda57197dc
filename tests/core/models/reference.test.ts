// Our models against PyTorch's numbers: logits, residual stream, losses, every gradient, ten AdamW steps, reward head,
// greedy text.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { compile } from '#core/autodiff/compile.ts';
import { gradients } from '#core/autodiff/gradient.ts';
import { constant } from '#core/autodiff/graph.ts';
import { reshape } from '#core/autodiff/ops/movement.ts';
import { readArchitecture } from '#core/models/config-json.ts';
import { checkpointParameters, loadCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { families } from '#core/models/families.ts';
import { createSampler } from '#core/models/sampler.ts';
import { tokenLogprobs } from '#core/models/token-logprobs.ts';
import { readHead } from '#core/models/heads.ts';
import { languageModelHead, trunk } from '#core/models/transformer.ts';
import { SEQUENCE_LOSSES } from '#core/training/objectives/sequence-losses.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/objectives/language-model.ts';
import { rankingLoss } from '#core/training/objectives/ranking-losses.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import {
  expectClose,
  noReference,
  NUMBERS,
  OWN,
  readJson,
  readNumbers,
  REFERENCE,
  SKIPPED,
} from './reference-numbers.ts';

const ONE = { threads: 1 }; // tiny graphs: more threads only wait for one another

/**
 * GPT-NeoX's output matrix is called embed_out in files and lm_head in the modules that the numbers were computed with.
 */
const inPyTorch = (name: string) => name.replace(/^embed_out\./, 'lm_head.');

interface Settings {
  adamw: { lr: number; betas: [number, number]; eps: number; weight_decay: number };
  temperature: number;
  prompt_ids: number[][];
}

const modelsIn = (folder: string) => (fs.existsSync(folder) ? fs.readdirSync(folder).toSorted() : []);
/**
 * `paddedGreedy`: the file's second greedy row came from a left-padded batch in which PyTorch's fully masked pads gave
 * NaN, so only its log-probabilities count.
 */
const MODELS = NUMBERS.flatMap(({ title, folder: numbers }) =>
  modelsIn(path.join(numbers, 'models')).map((name) => ({
    title,
    name,
    folder: path.join(numbers, 'models', name),
    paddedGreedy: numbers === REFERENCE && name !== 'gpt2',
  })),
);

describe.each(MODELS)('$title: $name', ({ folder, paddedGreedy }) => {
  const numbers = () => readNumbers(path.join(folder, 'expected.safetensors'));
  const settings = () => readJson<Settings>(path.join(folder, 'expected.json'));

  /** The batch as the trainer takes it: targets are the next tokens, weights 0 where there is none. */
  function batch() {
    const E = numbers();
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
    const last = Array.from({ length: B }, (_, b) => mask.slice(b * T, (b + 1) * T).lastIndexOf(1));
    return { B, T, ids, mask, targets, weights, last };
  }

  test('logits, residual stream, loss, reward scores and every gradient of both losses', async () => {
    const E = numbers();
    const { B, T, ids, mask, targets, weights, last } = batch();
    const checkpoint = loadCheckpoint(folder);
    const { architecture } = checkpoint;
    const C = architecture.channels;
    const shapes = [...checkpointParameters(checkpoint), { name: 'score.weight', shape: [1, C] }];
    const executable = await compile(
      {
        state: {},
        frozen: Object.fromEntries(shapes.map(({ name, shape }) => [name, { dtype: 'float32' as const, shape }])),
        feeds: languageModelFeeds(B, T),
        step: ({ graph, frozen, feeds }) => {
          const model = { architecture, weights: frozen, graph };
          const { hidden, stream } = trunk(model, { ids: feeds.ids! });
          const logits = languageModelHead(model, hidden);
          const { loss } = SEQUENCE_LOSSES.likelihood.loss(
            tokenLogprobs(logits, feeds.targets!),
            feeds.mask!,
            feeds.weights!,
          );
          const scores = readHead(
            'linear',
            model,
            trunk(model, { ids: feeds.ids!, at: constant(graph, 'int32', [B, 1], last) }),
          );
          const pair = rankingLoss(reshape(scores, [1, B]), constant(graph, 'float32', [1, 2, 2], [0, 1, 0, 0])).loss;
          const outputs = {
            logits,
            loss,
            'rm/scores': scores,
            ...Object.fromEntries(stream.map((x, k) => [`hidden/${k}`, x])),
          };
          const slopes = (of: typeof loss, prefix: string, names: string[]) => {
            const wanted = names.filter((name) => E.names().includes(prefix + inPyTorch(name)));
            return Object.fromEntries(
              gradients(
                of,
                wanted.map((name) => frozen[name]!),
              ).map((slope, i) => [prefix + inPyTorch(wanted[i]!), slope]),
            );
          };
          const names = shapes.map(({ name }) => name);
          return {
            state: {},
            outputs: { ...outputs, ...slopes(loss, 'grad/', names), ...slopes(pair, 'rm/grad/', names) },
          };
        },
      },
      ONE,
    );
    const { outputs } = await executable.run(
      {},
      { ...checkpoint.weights, 'score.weight': E.floats('rm/score.weight') },
      { ids, targets, mask: weights, weights },
    );
    await executable.release();
    for (const name of E.names().filter((name) => /^(logits|loss|rm\/scores|hidden\/|grad\/|rm\/grad\/)/.test(name))) {
      const wanted = E.floats(name);
      const found = outputs[name];
      expect(found, `${name} is computed by us too`).toBeDefined();
      const data = Float32Array.from(found!.data as Float32Array);
      if (name === 'logits' || name.startsWith('hidden/')) {
        const width = data.length / (B * T);
        data.forEach((_, i) => (data[i]! *= mask[Math.floor(i / width)]!)); // the file has 0 on padding
      }
      expectClose(data, wanted, name);
    }
    const parameters = checkpointParameters(checkpoint).map(({ name }) => inPyTorch(name));
    expect(
      E.names()
        .filter((name) => name.startsWith('grad/'))
        .map((name) => name.slice(5))
        .toSorted(),
      'every parameter has its gradient in the file',
    ).toEqual(parameters.toSorted());
  });

  test.each([
    [1, false],
    [5, false],
    [5, true],
  ])('ten AdamW losses, %d steps a call, in place %s', async (K, inPlace) => {
    const { adamw } = settings();
    const { B, T, ids, targets, weights } = batch();
    const checkpoint = loadCheckpoint(folder);
    // torch decays all it is given
    const decayed = checkpointParameters(checkpoint).map((parameter) => ({ ...parameter, decay: true }));
    const trainer = createTrainer(
      decayed,
      freshState(checkpoint.weights),
      languageModelLoss(checkpoint.architecture),
      {
        betas: adamw.betas,
        epsilon: adamw.eps,
        epsilonStyle: 'torch',
        weightDecay: adamw.weight_decay,
        clipNorm: null,
      },
      { ...ONE, inPlace },
    );
    const stacked = {
      ids: Int32Array.from({ length: K * B * T }, (_, i) => ids[i % (B * T)]!),
      targets: Int32Array.from({ length: K * B * T }, (_, i) => targets[i % (B * T)]!),
      mask: new Float32Array(K * B * T).fill(1),
      weights: Float32Array.from({ length: K * B * T }, (_, i) => weights[i % (B * T)]!),
    };
    const losses: number[] = [];
    while (losses.length < 10)
      losses.push(
        ...(await trainer.steps('batch', languageModelFeeds(B, T), stacked, Array<number>(K).fill(adamw.lr))).loss!,
      );
    await trainer.release();
    const wanted =
      readJson<{ adamw_losses?: number[] }>(path.join(folder, 'expected.json')).adamw_losses ??
      numbers().floats('adamw_losses');
    expectClose(losses, wanted, 'losses');
    expect(losses[9]!, 'the loss falls').toBeLessThan(losses[0]!);
  });

  test('greedy continuation of a left-padded batch, and its log-probabilities at T (D3, D4)', async () => {
    const E = numbers();
    const { temperature, prompt_ids: prompts } = settings();
    const checkpoint = loadCheckpoint(folder);
    const tokens = E.rows('greedy');
    const N = tokens[0]!.length;
    const evaluator = createEvaluator(checkpoint, ONE);
    const forced = await evaluator.logprobs(
      checkpoint.weights,
      prompts.map((prompt, i) => ({ prompt, completions: [tokens[i]!] })),
      temperature,
    );
    expectClose(forced.flat(2), E.floats('greedy_logprobs'), 'log-probabilities of the given tokens');

    const sampler = createSampler({ ...checkpoint.architecture, stops: [] }, ONE);
    const choice = { temperature: 0, topK: 0, topP: 1, maxNew: N, seed: 1 };
    const ask = (prompt: number[]) => ({ prompt, streams: ['greedy'] });
    const together = (await sampler.sample(checkpoint.weights, prompts.map(ask), choice)).map(([only]) => only!);
    const exact = paddedGreedy ? [0] : prompts.map((_, i) => i);
    for (const i of exact) expect(together[i]!.tokenIds, `row ${i}`).toEqual(tokens[i]);
    expect(prompts[1]!.length, 'the second row is the padded one').toBeLessThan(prompts[0]!.length);
    for (const [i, prompt] of prompts.entries()) {
      const [[alone]] = (await sampler.sample(checkpoint.weights, [ask(prompt)], choice)) as [
        [(typeof together)[number]],
      ];
      expect(alone.tokenIds, `row ${i} alone`).toEqual(together[i]!.tokenIds);
      expectClose(alone.logprobs, together[i]!.logprobs, `row ${i} alone`, { relative: 0, absolute: 1e-4 });
    }
    await evaluator.release();
    await sampler.release();
  });
});

test.skipIf(noReference)(`numbers beside the project are compared, too${SKIPPED}`, () => {
  expect(modelsIn(path.join(REFERENCE, 'models')).length).toBeGreaterThan(0);
});

test('every family has a model among the project’s own numbers', () => {
  const found = modelsIn(path.join(OWN, 'models')).map(
    (name) => loadCheckpoint(path.join(OWN, 'models', name)).architecture.family,
  );
  expect(new Set(found)).toEqual(new Set(Object.keys(families)));
});

describe.skipIf(noReference)(`reference models${SKIPPED}`, () => {
  test.each(['llama', 'llama-untied', 'qwen2', 'gpt_neox'])(
    '%s: the older spelling of config.json reads as the same architecture',
    (name) => {
      const read = (file: string) => readArchitecture(readJson(file), file);
      expect(read(path.join(REFERENCE, 'formats/legacy-configs', `${name}.json`))).toEqual(
        read(path.join(REFERENCE, 'models', name, 'config.json')),
      );
    },
  );
});

describe('config.json in older spellings', () => {
  const current = readJson<Record<string, unknown>>(path.join(OWN, 'models/llama/config.json'));
  test('rope_theta and rope_scaling read as rope_parameters do', () => {
    const { rope_parameters: rope, ...rest } = current as { rope_parameters: Record<string, unknown> };
    const { rope_theta, ...scaling } = rope;
    expect(readArchitecture({ ...rest, rope_theta, rope_scaling: scaling }, 'older')).toEqual(
      readArchitecture(current, 'current'),
    );
    const { rope_type: type, ...unnamed } = scaling;
    expect(readArchitecture({ ...rest, rope_theta, rope_scaling: { ...unnamed, type } }, 'oldest')).toEqual(
      readArchitecture(current, 'current'),
    );
  });
});
