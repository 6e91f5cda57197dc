// How CUDA builds a training step, run on the processor: sums in a fixed order by products, and what bfloat16 products
// cost in accuracy.
//
// The processor has no bfloat16 products, so there a product's sides and its result are rounded to bfloat16 and back,
// which is
// what the card does (it adds up in float32, as here).

import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { lower } from '#core/autodiff/compile.ts';
import { PROCESSOR } from '#core/autodiff/device.ts';
import { PLAIN } from '#core/autodiff/graph.ts';
import type { Attributes, Graph, Lowering, Tensor } from '#core/autodiff/graph.ts';
import { cuda } from '#core/autodiff/lowerings/cuda.ts';
import { add, scale } from '#core/autodiff/ops/elementwise.ts';
import { matMul } from '#core/autodiff/ops/linalg.ts';
import { cast, transpose } from '#core/autodiff/ops/movement.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { checkpointParameters, loadCheckpoint } from '#core/models/checkpoint.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/objectives/language-model.ts';
import { createTrainer, freshState, trainingProgram } from '#core/training/trainer.ts';
import { expectClose, readJson, readNumbers } from '#tests/core/models/reference-numbers.ts';

const FOLDER = path.join(process.cwd(), 'tests/fixtures/reference/models');

/** Ten AdamW losses, five steps a run. */
async function tenLosses(name: string, lowering?: Lowering) {
  const folder = path.join(FOLDER, name);
  const E = readNumbers(path.join(folder, 'expected.safetensors'));
  const { adamw, adamw_losses } = readJson<{
    adamw: { lr: number; betas: [number, number]; eps: number; weight_decay: number };
    adamw_losses?: number[];
  }>(path.join(folder, 'expected.json'));
  const [B, T] = E.shape('input_ids') as [number, number];
  const ids = E.integers('input_ids');
  const mask = E.integers('attention_mask');
  const K = 5;
  const next = Array.from(
    { length: B * T },
    (_, i) => (i % T === T - 1 ? [0, 0] : [ids[i + 1]!, mask[i + 1]!]) as [number, number],
  );
  const stack = (values: ArrayLike<number>) => Array.from({ length: K }, () => Array.from(values)).flat();
  const checkpoint = loadCheckpoint(folder);
  // torch decays all it is given
  const decayed = checkpointParameters(checkpoint).map((parameter) => ({ ...parameter, decay: true }));
  const trainer = createTrainer(
    decayed,
    freshState(checkpoint.weights),
    languageModelLoss(checkpoint.architecture),
    { betas: adamw.betas, epsilon: adamw.eps, epsilonStyle: 'torch', weightDecay: adamw.weight_decay, clipNorm: null },
    { device: PROCESSOR, threads: 1, ...(lowering ? { lowering } : {}) },
  );
  const feeds = {
    ids: Int32Array.from(stack(ids)),
    targets: Int32Array.from(stack(next.map(([id]) => id))),
    mask: Float32Array.from(stack(next.map(([, weight]) => (weight === 0 ? 0 : 1)))),
    weights: Float32Array.from(stack(next.map(([, weight]) => weight))),
  };
  const losses: number[] = [];
  for (let run = 0; run < 2; run++)
    losses.push(
      ...(await trainer.steps('batch', languageModelFeeds(B, T), feeds, Array<number>(K).fill(adamw.lr))).loss!,
    );
  await trainer.release();
  return { losses, wanted: adamw_losses ?? Array.from(E.floats('adamw_losses')) };
}

const turned = (x: Tensor, asked: unknown): Tensor =>
  asked === 1
    ? transpose(
        x,
        x.shape.map((_, i) => (i < x.shape.length - 2 ? i : 2 * x.shape.length - 3 - i)),
      )
    : x;
const rounded = (x: Tensor): Tensor => cast(cast(x, 'bfloat16'), 'float32');
const product = (a: Tensor, b: Tensor, { transA, transB }: Attributes): Tensor =>
  rounded(matMul(turned(rounded(a), transA), turned(rounded(b), transB)));
const isSum = (...matrices: readonly Tensor[]): boolean =>
  matrices.some(({ shape }) => shape.at(-1) === 1 || shape.at(-2) === 1);
/** The products of `cuda({ precision: 'bf16' })` on a processor. */
const bf16: Lowering = {
  ...cuda({ precision: 'fp32', sums: 'exact' }),
  operators: {
    ...cuda({ precision: 'fp32', sums: 'exact' }).operators,
    Gemm: ([a, b, c], attributes) => {
      if (isSum(a!, b!)) return null;
      const y = product(a!, b!, attributes);
      return [c ? add(y, c) : y];
    },
    FusedMatMul: ([a, b], attributes) =>
      isSum(a!, b!) ? null : [scale(product(a!, b!, attributes), (attributes.alpha as { float: number }).float)],
  },
};

describe.each(['gpt2', 'llama'])('%s', (name) => {
  test.each(['exact', 'fast'] as const)(
    'float32, sums %s: ten losses within 1e-3 of PyTorch’s, and the processor’s own',
    async (sums) => {
      const { losses, wanted } = await tenLosses(name, cuda({ precision: 'fp32', sums }));
      const plain = await tenLosses(name);
      losses.forEach((loss, i) => expect(Math.abs(loss - wanted[i]!), `step ${i + 1}`).toBeLessThan(1e-3));
      // weights would not do: a key's bias has no gradient but rounding, which AdamW makes steps of
      expectClose(losses, plain.losses, 'losses');
    },
  );

  test('bfloat16 products: ten losses within 2e-2 of PyTorch’s in float32, and they are rounded', async () => {
    const { losses, wanted } = await tenLosses(name, bf16);
    const plain = await tenLosses(name);
    const off = losses.map((loss, i) => Math.abs(loss - wanted[i]!));
    expect(Math.max(...off)).toBeLessThan(2e-2);
    expect(Math.max(...losses.map((loss, i) => Math.abs(loss - plain.losses[i]!)))).toBeGreaterThan(1e-5);
  });
});

describe.each(['gpt2', 'llama'])('%s where a tensor may hold few numbers', (name) => {
  test('the loss reads its logits part by part, and the ten losses stay', async () => {
    const { losses } = await tenLosses(name, { ...PLAIN, largest: 2000 });
    const plain = await tenLosses(name);
    expectClose(losses, plain.losses, 'losses');
  });
  test('no part holds more', () => {
    const architecture = newArchitecture({
      family: name as 'gpt2',
      vocabulary: 101,
      channels: 16,
      layers: 1,
      heads: 2,
      feedForward: 32,
      context: 16,
      endOfText: 0,
    });
    const B = 2;
    const T = 16;
    const largest = 5 * architecture.vocabulary;
    const program = trainingProgram(
      parameters(architecture),
      languageModelFeeds(B, T),
      languageModelLoss(architecture),
      { betas: [0.9, 0.999], epsilon: 1e-8, epsilonStyle: 'torch', weightDecay: 0, clipNorm: 1 },
    );
    const wide = ({ graph }: { graph: Graph }) =>
      graph.nodes
        .flatMap(({ outputs }) => outputs)
        .filter(
          ({ shape }) =>
            shape.length === 2 &&
            shape[1] === architecture.vocabulary &&
            shape[0]! > 5 &&
            shape[0] !== architecture.channels,
        );
    expect(wide(lower(program, 1, { lowering: { ...PLAIN, largest } }))).toEqual([]);
    expect(wide(lower(program)).length).toBeGreaterThan(0);
  });
});
