// The benchmarks' shapes and measurements: our figure beside the runtime's own matrix products, taken turn by turn in
// one run.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRandom } from '#core/random.ts';
import { createGraph, input } from '#core/autodiff/graph.ts';
import { encodeModel } from '#core/autodiff/onnx.ts';
import { gemm } from '#core/autodiff/ops/linalg.ts';
import { concat, slice } from '#core/autodiff/ops/movement.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { openSession } from '#core/autodiff/session.ts';
import type { Value } from '#core/autodiff/session.ts';
import { drawRecord, writePost } from '#core/demo/world.ts';
import { createRunFolder } from '#core/runs/folder.ts';
import { openRun } from '#core/runs/open.ts';
import { readConfig } from '#core/recipes/settings.ts';
import { PPO_SETTINGS, ppo } from '#core/recipes/ppo.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { freshWeights, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import type { WeightArrays } from '#core/models/checkpoint.ts';
import { createSampler } from '#core/models/sampler.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { languageModelFeeds, languageModelLoss, languageModelRows } from '#core/training/objectives/language-model.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';

/** A GPT-2-shaped model of the given size. */
export const gpt2 = (
  layers: number,
  channels: number,
  heads: number,
  vocabulary: number,
  context: number,
): Architecture =>
  newArchitecture({
    family: 'gpt2',
    vocabulary,
    channels,
    layers,
    heads,
    feedForward: 4 * channels,
    context,
    endOfText: 0,
    pad: 1,
  });
export const countParameters = (architecture: Architecture): number =>
  parameters(architecture).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
const randomWeights = (architecture: Architecture): WeightArrays =>
  freshWeights(parameters(architecture), architecture.layers, 1);

/**
 * M x K x N of the matrix products of one training step on `rows` tokens: each forward product and its two gradients.
 */
function stepProducts(
  { channels: C, feedForward: F, layers, vocabulary: V }: Architecture,
  rows: number,
): [number, number, number][] {
  const forward: [number, number, number][] = [
    ...Array.from({ length: layers }, (): [number, number, number][] => [
      [rows, C, C],
      [rows, C, C],
      [rows, C, C],
      [rows, C, C],
      [rows, C, F],
      [rows, F, C],
    ]).flat(),
    [rows, C, V],
  ];
  return forward.flatMap(([m, k, n]): [number, number, number][] => [
    [m, k, n],
    [m, n, k],
    [k, m, n],
  ]);
}

export interface ProductMeter {
  /** one pass over all products: GFLOP/s */
  measure(): Promise<number>;
  release(): Promise<void>;
}

/** The runtime's bare matrix products in the shapes of a training step, all in one session. */
export async function productMeter(architecture: Architecture, rows: number): Promise<ProductMeter> {
  const products = stepProducts(architecture, rows);
  const graph = createGraph();
  const feeds: Record<string, Value> = {};
  const numbers = products.map(([m, k, n], i) => {
    // inputs of their own, or the runtime would compute equal products once; one number out, because copying a product
    // to JavaScript is not the product
    const [a, b] = (
      [
        ['a', [m, k]],
        ['b', [k, n]],
      ] as const
    ).map(([name, shape]) => {
      feeds[`${name}${i}`] = { dtype: 'float32', shape, data: new Float32Array(shape[0] * shape[1]).fill(0.5) };
      return input(graph, `${name}${i}`, 'float32', shape);
    }) as [Tensor, Tensor];
    return slice(slice(gemm(a, b), 0, 0, 1), 1, 0, 1);
  });
  const session = await openSession(encodeModel(graph, [concat(numbers, 0)]));
  const flops = products.reduce((sum, [m, k, n]) => sum + 2 * m * k * n, 0);
  return {
    measure: async () => {
      await session.run(feeds); // wakes the threads and fills the caches
      const started = performance.now();
      await session.run(feeds);
      return flops / (performance.now() - started) / 1e6;
    },
    release: session.release,
  };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

export interface Figure {
  what: string;
  parameters: number;
  /** of the runtime's own products, in the same run */
  gemm_gflops: number;
  [measure: string]: number | string;
}

/** Training step: L4 D256 H4, B 8 x T 128, V 5,000. GFLOP/s counts 6 · parameters · tokens. */
export async function benchTrain(rounds = 6): Promise<Figure> {
  const architecture = gpt2(4, 256, 4, 5000, 128);
  const B = 8;
  const T = 128;
  const K = 8;
  const list = parameters(architecture);
  const P = countParameters(architecture);
  const trainer = createTrainer(list, freshState(randomWeights(architecture)), languageModelLoss(architecture), {
    betas: [0.9, 0.999],
    epsilon: 1e-8,
    epsilonStyle: 'torch',
    weightDecay: 0.01,
    clipNorm: 1,
  });
  const meter = await productMeter(architecture, B * T);
  const random = createRandom(1, 'bench');
  const batches = Array.from({ length: K }, () =>
    Array.from({ length: B }, () => ({
      ids: Array.from({ length: T + 1 }, () => random.integer(5000)),
      weights: new Array<number>(T + 1).fill(1),
    })),
  );
  const step = async () => {
    const started = performance.now();
    await trainer.steps(
      'bench',
      languageModelFeeds(B, T),
      languageModelRows(batches, T),
      new Array<number>(K).fill(1e-4),
    );
    return (performance.now() - started) / K;
  };
  await step();
  await meter.measure();
  const times: number[] = [];
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    rates.push(await meter.measure());
    times.push(await step());
    rates.push(await meter.measure());
  }
  await trainer.release();
  await meter.release();
  const gflops = (6 * P * B * T) / median(times) / 1e6;
  return {
    what: 'train: one AdamW step, L4 D256 H4, B 8 x T 128, V 5000',
    parameters: P,
    gemm_gflops: median(rates),
    step_ms: median(times),
    step_ms_best: Math.min(...times),
    gflops,
    share_of_gemm: gflops / median(rates),
  };
}

/** Sampling: the same model, 64 -> 53 tokens, at B 8 and B 32. */
export async function benchSample(rounds = 5): Promise<Figure> {
  const architecture = gpt2(4, 256, 4, 5000, 128);
  const weights = randomWeights(architecture);
  const random = createRandom(1, 'bench');
  const meter = await productMeter(architecture, 1024);
  const sampler = createSampler({ ...architecture, stops: [] });
  const run = async (B: number) => {
    const requests = Array.from({ length: B }, (_, b) => ({
      prompt: Array.from({ length: 64 }, () => random.integer(5000)),
      streams: [`bench/${b}`],
    }));
    const started = performance.now();
    await sampler.sample(weights, requests, { temperature: 0.7, topK: 0, topP: 1, maxNew: 53, seed: 1, rows: B });
    return (B * 53) / ((performance.now() - started) / 1000);
  };
  const rates: number[] = [];
  const at8: number[] = [];
  const at32: number[] = [];
  await run(8);
  await run(32);
  for (let round = 0; round < rounds; round++) {
    rates.push(await meter.measure());
    at8.push(await run(8));
    at32.push(await run(32));
  }
  await sampler.release();
  await meter.release();
  const gemm = median(rates);
  return {
    what: 'sample: same model, 64 -> 53 tokens',
    parameters: countParameters(architecture),
    gemm_gflops: gemm,
    tokens_per_second_b8: median(at8),
    tokens_per_second_b32: median(at32),
    goal_b8: (1500 * gemm) / 120,
  };
}

/** One PPO update through the real job: 32 episodes, 3.5 M parameters, P 64, N 53, 4 epochs, separate critic. */
export async function benchPpo(rounds = 3): Promise<Figure> {
  const architecture = gpt2(4, 256, 4, 1024, 128);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tastemaker-bench-'));
  try {
    const texts = demoTexts(400);
    await writeTokenizer(path.join(folder, 'tokenizer'), trainBpe(texts, 1024));
    const tokenizer = await loadTokenizer(path.join(folder, 'tokenizer'));
    const base = { architecture, head: 'language-model' as const, weights: randomWeights(architecture) };
    saveCheckpoint(path.join(folder, 'policy'), base, { tokenizerFrom: path.join(folder, 'tokenizer') });
    saveCheckpoint(path.join(folder, 'reward'), withScoreHead(base, 1), {
      tokenizerFrom: path.join(folder, 'tokenizer'),
    });
    const ids = await tokenizer.encodeBatch([texts.join(' ')]);
    const prompts = await tokenizer.decodeBatch(
      Array.from({ length: 64 }, (_, i) => ids[0]!.slice(i * 64, i * 64 + 64)),
    );
    const config = readConfig(PPO_SETTINGS, {
      updates: rounds + 1,
      episodes: 32,
      epochs: 4,
      minibatches: 1,
      max_new: 53,
      fixed_length: true,
      evaluate_every: 0,
      checkpoint_every: 1e6,
      missing_end: 'keep',
    });
    const data = prompts.map((text, promptId) => ({ promptId, text, split: 'train', facts: null }));
    const manifest = createRunFolder(folder, '0001-ppo', 'ppo', 'bench', config, {
      models: { policy: path.join(folder, 'policy'), reward: path.join(folder, 'reward') },
      data,
    });
    const meter = await productMeter(architecture, 1024);
    const rates: number[] = [await meter.measure()];
    const times: number[] = [];
    let last = performance.now();
    await ppo.run(
      openRun(folder, manifest.id, {
        onReport: () => {
          times.push((performance.now() - last) / 1000);
          last = performance.now();
        },
      }),
      config,
    );
    for (let round = 0; round < 3; round++) rates.push(await meter.measure());
    await meter.release();
    const seconds = median(times.slice(1));
    const gemm = median(rates.slice(1)); // the first update compiles its graphs
    return {
      what: 'ppo: one update, 32 episodes, P 64, N 53, 4 epochs, separate critic',
      parameters: countParameters(architecture),
      gemm_gflops: gemm,
      update_seconds: seconds,
      goal_seconds: (7 * 120) / gemm,
    };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function demoTexts(count: number): string[] {
  const random = createRandom(1, 'bench/texts');
  return Array.from({ length: count }, () => writePost(drawRecord(random), random));
}
