// One fine-tuning measurement in a process of its own: sets up and warms up, then takes one turn for every line on
// stdin.
//
// Run: node bench-finetune-process.ts PART. Every answer is one JSON line on stdout: first what was set up, then
// {ms, gemm_gflops} a turn, and at the end of stdin the peak of this process's memory.

import { sentenceOf } from '#core/errors.ts';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { createRandom } from '#core/random.ts';
import { createGraph, input } from '#core/autodiff/graph.ts';
import { encodeModel } from '#core/autodiff/onnx.ts';
import { gemm } from '#core/autodiff/ops/linalg.ts';
import { concat, slice } from '#core/autodiff/ops/movement.ts';
import { openSession } from '#core/autodiff/session.ts';
import type { Value } from '#core/autodiff/session.ts';
import { readConfig } from '#core/recipes/settings.ts';
import { computeFeatures } from '#core/recipes/parts/frozen-features.ts';
import { tuned, TUNING_SETTINGS } from '#core/recipes/parts/tuning.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint, WeightArrays } from '#core/models/checkpoint.ts';
import { packRows, rowShape } from '#core/models/rows.ts';
import type { Group } from '#core/models/rows.ts';
import { createSampler } from '#core/models/sampler.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/objectives/language-model.ts';
import { pairWeights } from '#core/training/objectives/pair-losses.ts';
import { rewardFeeds, rewardLoss } from '#core/training/objectives/row-losses.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';

/** SmolLM2-135M's shape. */
const architecture = newArchitecture({
  family: 'llama',
  vocabulary: 49152,
  channels: 576,
  layers: 30,
  heads: 9,
  keyValueHeads: 3,
  feedForward: 1536,
  context: 2048,
  endOfText: 0,
});
const ADAM = { betas: [0.9, 0.999], epsilon: 1e-8, epsilonStyle: 'torch', weightDecay: 0.01, clipNorm: 1 } as const;
const random = createRandom(1, 'bench/finetune');
const tokens = (count: number): number[] =>
  Array.from({ length: count }, () => random.integer(architecture.vocabulary));

interface Measured {
  /** figures of the set-up itself */
  made?: Record<string, number>;
  /** what is timed */
  turn(): Promise<void>;
}

/**
 * Weights within ±0.03 and gains of 1: their values do not change the time, and normal ones take ten seconds to draw.
 */
function randomModel(): Checkpoint {
  const draw = (size: number) =>
    Float32Array.from({ length: size }, (_, i) => (((i * 2654435761) % 4096) / 4096 - 0.5) * 0.06);
  const weights: WeightArrays = Object.fromEntries(
    parameters(architecture).map(({ name, shape, start }) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return [name, start === 'one' ? new Float32Array(size).fill(1) : draw(size)];
    }),
  );
  return { architecture, head: 'language-model', weights };
}

/** One AdamW step on B 4 x T 128, every position a target. */
async function language(tune: 'full' | 'lora' | 'blocks'): Promise<Measured> {
  const B = 4;
  const T = 128;
  const { parameters: list, weights, options } = tuned(randomModel(), '.', readConfig(TUNING_SETTINGS, { tune }), 1);
  const trainer = createTrainer(list, freshState(weights), languageModelLoss(architecture), ADAM, options);
  const turn = async () => {
    await trainer.steps(
      'bench',
      languageModelFeeds(B, T),
      {
        ids: Int32Array.from(tokens(B * T)),
        targets: Int32Array.from(tokens(B * T)),
        mask: new Float32Array(B * T).fill(1),
        weights: new Float32Array(B * T).fill(1),
      },
      [1e-4],
    );
  };
  return { made: { trained: list.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0) }, turn };
}

/**
 * One step of a reward model on one prompt (256 tokens) with 4 completions (53 each), above `30 - blocks` frozen blocks
 * whose outputs are kept on disk.
 */
async function reward(blocks: number): Promise<Measured> {
  const groups = Array.from({ length: 16 }, (): Group => ({
    prompt: tokens(256),
    completions: Array.from({ length: 4 }, () => tokens(53)),
  }));
  const layer = architecture.layers - blocks;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tastemaker-bench-'));
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  const {
    start,
    parameters: list,
    weights,
    options,
  } = tuned(
    withScoreHead(randomModel(), 1),
    folder,
    readConfig(TUNING_SETTINGS, { tune: 'blocks', tuned_blocks: blocks }),
    1,
  );
  const passes: { done: number; at: number }[] = []; // the first one also opens the graph
  const features = await computeFeatures(folder, start, layer, groups, (done) =>
    passes.push({ done, at: performance.now() }),
  );
  const [first, last] = [passes[0]!, passes.at(-1)!];
  const features_ms = (last.at - first.at) / (last.done - first.done);
  const above = new Set(list.map(({ name }) => name));
  const frozen = options.frozen && {
    ...options.frozen,
    parameters: options.frozen.parameters.filter(({ name }) => above.has(name)),
  };
  const trainer = createTrainer(list, freshState(weights), rewardLoss(start, layer), ADAM, {
    ...options,
    ...(frozen ? { frozen } : {}),
  });
  let at = 0;
  const turn = async () => {
    const batch = [groups[at++ % groups.length]!];
    const shape = rowShape(batch, 1, 'last');
    const pairs = pairWeights([1, 2, 3, 4], shape.Q);
    const rows = layer === architecture.layers ? {} : packRows(batch, shape, 1, 'last').arrays;
    const given = { ...rows, ...features.of(batch, shape, 1), pairs };
    await trainer.steps('bench', rewardFeeds(start, shape, null, layer), given, [1e-4]);
  };
  return { made: { features_ms }, turn };
}

/** 64 -> 32 tokens in 8 rows. */
async function sampling(): Promise<Measured> {
  const { weights } = randomModel();
  const sampler = createSampler({ ...architecture, stops: [] });
  const turn = async () => {
    const requests = Array.from({ length: 8 }, (_, b) => ({ prompt: tokens(64), streams: [`bench/${b}`] }));
    await sampler.sample(weights, requests, { temperature: 0.7, topK: 0, topP: 1, maxNew: 32, seed: 1, rows: 8 });
  };
  return { turn };
}

const PARTS: Readonly<Record<string, () => Promise<Measured>>> = {
  full: () => language('full'),
  lora: () => language('lora'),
  blocks: () => language('blocks'),
  'reward-head': () => reward(0),
  'reward-block': () => reward(1),
  sample: sampling,
};

/** The runtime's rate: five products of 1024 x 1024 x 1024, as the peer's is measured. */
async function squareProducts(): Promise<() => Promise<number>> {
  const N = 1024;
  const graph = createGraph();
  const feeds: Record<string, Value> = {};
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const [first, ...others] = names.map((name) => {
    feeds[name] = { dtype: 'float32', shape: [N, N], data: new Float32Array(N * N).fill(0.5) };
    return input(graph, name, 'float32', [N, N]);
  });
  const session = await openSession(
    encodeModel(graph, [
      concat(
        others.map((other) => slice(slice(gemm(first!, other), 0, 0, 1), 1, 0, 1)),
        0,
      ),
    ]),
  );
  return async () => {
    const started = performance.now();
    await session.run(feeds);
    return (5 * 2 * N ** 3) / (performance.now() - started) / 1e6;
  };
}

async function main(part: string): Promise<void> {
  const answer = (figures: object) => void process.stdout.write(`${JSON.stringify(figures)}\n`);
  const rate = await squareProducts();
  const { made = {}, turn } = await PARTS[part]!();
  for (let i = 0; i < 2; i++) {
    await turn();
    await rate();
  }
  answer(made);
  for await (const _ of createInterface({ input: process.stdin })) {
    const gemm_gflops = await rate();
    const started = performance.now();
    await turn();
    answer({ ms: performance.now() - started, gemm_gflops });
  }
  answer({ peak_gb: process.resourceUsage().maxRSS / 1e6 });
}

await main(process.argv[2] ?? '').catch((error: unknown) => {
  process.stdout.write(`${JSON.stringify({ error: sentenceOf(error) })}\n`);
});
process.exit(0); // at once: sessions hold threads, and exit removes the folder
