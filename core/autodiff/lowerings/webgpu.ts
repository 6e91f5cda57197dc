// What the WebGPU provider lacks, built from what it has. It has no Loop either: trips are built one after the other.

import { constant, scalar, wholeNumbers } from '#core/autodiff/graph.ts';
import type { Lowering, Tensor } from '#core/autodiff/graph.ts';
import { and, div, equal, mul, not, scale, shift, sqrt, sub, where } from '#core/autodiff/ops/elementwise.ts';
import { matMul } from '#core/autodiff/ops/linalg.ts';
import { cast, reshape, slice, transpose } from '#core/autodiff/ops/movement.ts';
import { reduceMax, reduceMean } from '#core/autodiff/ops/reduction.ts';

const turned = (x: Tensor, asked: unknown): Tensor => {
  const rank = x.shape.length;
  return asked === 1
    ? transpose(
        x,
        Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : i === rank - 2 ? rank - 1 : rank - 2)),
      )
    : x;
};
const MOST_PARTS = 4;
const number = (attribute: unknown): number => (attribute as { float: number }).float;

export const webgpu: Lowering = {
  unrolled: true,
  largest: 2 ** 25, // 128 MiB: what every adapter binds to a kernel at once
  operators: {
    FusedMatMul: ([a, b], { transA, transB, alpha }) => {
      const product = matMul(turned(a!, transA), turned(b!, transB));
      return [number(alpha) === 1 ? product : scale(product, number(alpha))];
    },
    // its second output is the mean there, not 1 / rms
    SimplifiedLayerNormalization: ([x, g], { epsilon }) => {
      const r = div(scalar(x!.graph, 1), sqrt(shift(reduceMean(mul(x!, x!), [-1], true), number(epsilon))));
      return [mul(mul(x!, r), g!), r];
    },
    // a kernel binds at most eight buffers
    Split: ([x, sizes], { axis }) => {
      const widths = wholeNumbers(sizes);
      if (widths.length <= MOST_PARTS) return null;
      return widths.map((width, i) => {
        const from = widths.slice(0, i).reduce((a, b) => a + b, 0);
        return slice(x!, axis as number, from, from + width);
      });
    },
    // its result is of int64, which nothing else there reads: the place of the largest, and of several the first
    ArgMax: ([x], { axis }) => {
      const at = axis as number;
      const n = x!.shape[at]!;
      const fromTheEnd = reshape(
        constant(
          x!.graph,
          'float32',
          [n],
          Array.from({ length: n }, (_, i) => n - i),
        ),
        [n, ...x!.shape.slice(at + 1).map(() => 1)],
      );
      const first = reduceMax(where(equal(x!, reduceMax(x!, [at], true)), fromTheEnd, scalar(x!.graph, 0)), [at]);
      return [cast(sub(scalar(x!.graph, n), first), 'int32')];
    },
    Or: ([a, b]) => [not(and(not(a!), not(b!)))],
  },
};
