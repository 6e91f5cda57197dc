// A small trained network that uses what the real ones use, as a program: one block, tied head, momentum.

import type { Arrays, Program } from '#core/autodiff/compile.ts';
import { constant, sizeOf } from '#core/autodiff/graph.ts';
import type { Shape, Tensor, TensorType } from '#core/autodiff/graph.ts';
import { gradients } from '#core/autodiff/gradient.ts';
import { add, gelu, mul, scale, silu, sub, where } from '#core/autodiff/ops/elementwise.ts';
import { gather, gatherElements } from '#core/autodiff/ops/indexing.ts';
import { batchMatMul, gemm } from '#core/autodiff/ops/linalg.ts';
import { reshape, split, transpose } from '#core/autodiff/ops/movement.ts';
import { layerNorm, logSumExp, rmsNorm, rotary, softmax } from '#core/autodiff/ops/nn.ts';
import { reduceSum, reduceSumSquare, sumAll } from '#core/autodiff/ops/reduction.ts';
import { createRandom } from '#core/random.ts';

// B rows, T tokens, C channels, H heads of D, V tokens in the vocabulary
const B = 3;
const T = 24;
const C = 32;
const H = 2;
const D = C / H;
const V = 64;
const WEIGHTS: Readonly<Record<string, Shape>> = {
  embedding: [V, C],
  norm: [C],
  attention: [C, 3 * C],
  out: [C, C],
  gain: [C],
  bias: [C],
  up: [C, 4 * C],
  upBias: [4 * C],
  down: [4 * C, C],
};
const float = (shape: Shape): TensorType => ({ dtype: 'float32', shape });
const int = (shape: Shape): TensorType => ({ dtype: 'int32', shape });

const records = Object.entries(WEIGHTS);
const state = Object.fromEntries(
  records.flatMap(([name, shape]) => [
    [name, float(shape)],
    [`momentum/${name}`, float(shape)],
  ]),
);
const frozen = { cosine: float([T, D / 2]), sine: float([T, D / 2]) };
const feeds = { tokens: int([B * T]), targets: int([B * T]), rate: float([]) };

function lossOf(
  w: Record<string, Tensor>,
  { tokens, targets }: { tokens: Tensor; targets: Tensor },
  tables: { cosine: Tensor; sine: Tensor },
): Tensor {
  const { graph } = tokens;
  const positions = constant(
    graph,
    'int64',
    [B, T],
    Array.from({ length: B * T }, (_, i) => i % T),
  );
  const visible = constant(
    graph,
    'bool',
    [T, T],
    Array.from({ length: T * T }, (_, i) => (i % T <= Math.floor(i / T) ? 1 : 0)),
  );
  const heads = (x: Tensor) => transpose(reshape(x, [B, T, H, D]), [0, 2, 1, 3]);
  let x = gather(w.embedding!, tokens); // [B·T, C]
  const [q, k, v] = split(gemm(rmsNorm(x, w.norm!, 1e-5), w.attention!), [C, C, C], 1).map(heads) as [
    Tensor,
    Tensor,
    Tensor,
  ]; // [B, H, T, D]
  const turned = (x: Tensor) => rotary(x, positions, tables.cosine, tables.sine);
  const scores = batchMatMul(turned(q), turned(k), { transB: true, scale: 1 / Math.sqrt(D) }); // [B, H, T, T]
  const mixed = batchMatMul(softmax(where(visible, scores, constant(graph, 'float32', [], [-1e9]))), v);
  x = add(x, gemm(reshape(transpose(mixed, [0, 2, 1, 3]), [B * T, C]), w.out!));
  const [gate, up] = split(
    gemm(layerNorm(x, w.gain!, w.bias!, 1e-5), w.up!, { add: w.upBias! }),
    [2 * C, 2 * C],
    1,
  ) as [Tensor, Tensor];
  x = add(x, gemm(mul(silu(gate), gelu(up)), split(w.down!, [2 * C, 2 * C], 0)[0]!));
  const logits = gemm(x, w.embedding!, { transB: true }); // [B·T, V]
  return scale(sumAll(sub(logSumExp(logits), gatherElements(logits, reshape(targets, [B * T, 1]), 1))), 1 / (B * T));
}

/** One step: loss, gradients, momentum 0.9, weights moved. */
export const network: Program = {
  state,
  frozen,
  feeds,
  step: ({ state, frozen, feeds }) => {
    const names = Object.keys(WEIGHTS);
    const loss = lossOf(
      state,
      feeds as { tokens: Tensor; targets: Tensor },
      frozen as { cosine: Tensor; sine: Tensor },
    );
    const slope = gradients(
      loss,
      names.map((name) => state[name]!),
    );
    const next = names.flatMap((name, i): [string, Tensor][] => {
      const momentum = add(scale(state[`momentum/${name}`]!, 0.9), slope[i]!);
      return [
        [`momentum/${name}`, momentum],
        [name, sub(state[name]!, mul(momentum, feeds.rate!))],
      ];
    });
    const norm = slope
      .map((g) =>
        reduceSumSquare(
          g,
          g.shape.map((_, i) => i),
        ),
      )
      .reduce((a, b) => add(a, b));
    return { state: Object.fromEntries(next), outputs: { loss, norm, rows: reduceSum(slope[0]!, [1]) } };
  },
};

const random = createRandom(5, 'small network');
const filled = (shape: Shape, element: (i: number) => number) =>
  Float32Array.from({ length: sizeOf(shape) }, (_, i) => element(i));
const angle = (i: number) => Math.floor(i / (D / 2)) * 0.5 ** (i % (D / 2));

export const start: Arrays = Object.fromEntries(
  records.flatMap(([name, shape]) => [
    [name, filled(shape, () => (shape.length === 1 ? 1 : 0.2) * random.normal())],
    [`momentum/${name}`, filled(shape, () => 0)],
  ]),
);
export const tables: Arrays = {
  cosine: filled([T, D / 2], (i) => Math.cos(angle(i))),
  sine: filled([T, D / 2], (i) => Math.sin(angle(i))),
};

/** feeds for `steps` steps, one record each */
export const batches = (steps: number): Arrays[] =>
  Array.from({ length: steps }, (_, step) => ({
    tokens: Int32Array.from({ length: B * T }, () => random.integer(V)),
    targets: Int32Array.from({ length: B * T }, () => random.integer(V)),
    rate: Float32Array.of(0.01 / (1 + step)),
  }));
/** several steps' feeds as one, stacked along a new first axis */
export const stacked = (list: readonly Arrays[]): Arrays => ({
  tokens: Int32Array.from(list.flatMap(({ tokens }) => Array.from(tokens as Int32Array))),
  targets: Int32Array.from(list.flatMap(({ targets }) => Array.from(targets as Int32Array))),
  rate: Float32Array.from(list.flatMap(({ rate }) => Array.from(rate as Float32Array))),
});
