// What CUDA does otherwise: rows that are added to in a fixed order, running sums in two levels, and matrix products of
// bfloat16.

import { wholeNumbers } from '#core/autodiff/graph.ts';
import type { Attributes, Lowering, Tensor } from '#core/autodiff/graph.ts';
import type { Device } from '#core/autodiff/device.ts';
import { add, equal } from '#core/autodiff/ops/elementwise.ts';
import { range, scatterRowsAddAnyOrder } from '#core/autodiff/ops/indexing.ts';
import { batchMatMul, gemm, matMul } from '#core/autodiff/ops/linalg.ts';
import { cast, concat, reshape, slice } from '#core/autodiff/ops/movement.ts';
import { cumulativeSum, zeros } from '#core/autodiff/ops/reduction.ts';

const MOST = 2 ** 26; // numbers of a one-hot matrix at once

/** x + one-hot(i)ᵀ u: atomic adds come in any order, a product does not. As many rows of u at a time as MOST allows. */
function addByProduct(x: Tensor, indices: Tensor, updates: Tensor): Tensor {
  const N = x.shape[0]!;
  const R = indices.shape[0]!;
  const most = Math.max(1, Math.floor(MOST / N));
  const names = reshape(range(x, N), [N, 1]);
  const asked = reshape(cast(indices, 'int32'), [1, R]);
  let sum = x;
  for (let from = 0; from < R; from += most) {
    const to = Math.min(R, from + most);
    const part = (y: Tensor, axis: number) => (to - from === R ? y : slice(y, axis, from, to));
    // [N, to - from] x [to - from, W]
    sum = add(sum, matMul(cast(equal(names, part(asked, 1)), 'float32'), part(updates, 0)));
  }
  return sum;
}

/** The kernel adds up for each number all that lie before it: n² of them, 30 ms for 32 vocabularies. */
const LONG = 1024;

/**
 * The running sum along the last axis [.., n] in parts of about √n: sums inside each part, and what the parts before it
 * come to.
 * It never falls from one part to the next: both sides of the border are the same sum.
 */
function sumInParts(x: Tensor): Tensor {
  const n = x.shape.at(-1)!;
  const rows = x.shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const width = Math.ceil(Math.sqrt(n));
  const parts = Math.ceil(n / width);
  const spare = parts * width - n;
  const flat = reshape(x, [rows, n]);
  const full = spare ? concat([flat, zeros(x, [rows, spare])], 1) : flat; // [rows, parts · width]
  const inside = cumulativeSum(reshape(full, [rows, parts, width]), 2);
  const totals = reshape(slice(inside, 2, width - 1, width), [rows, parts]);
  const upTo = cumulativeSum(totals, 1);
  const before = concat([zeros(x, [rows, 1]), slice(upTo, 1, 0, parts - 1)], 1); // [rows, parts]
  const sums = reshape(add(inside, reshape(before, [rows, parts, 1])), [rows, parts * width]);
  return reshape(spare ? slice(sums, 1, 0, n) : sums, x.shape);
}

/** A tensor as bfloat16, made once where it is. */
const narrowed = new WeakMap<Tensor, Tensor>();
function narrow(x: Tensor): Tensor {
  const known = narrowed.get(x) ?? cast(x, 'bfloat16');
  narrowed.set(x, known);
  return known;
}
const flags = ({ transA, transB }: Attributes) => ({ transA: transA === 1, transB: transB === 1 });
/** Products with a row or a column are sums in disguise, and as fast in float32. */
const isSum = (...matrices: readonly Tensor[]): boolean =>
  matrices.some(({ shape }) => shape.at(-1) === 1 || shape.at(-2) === 1);

const products: Lowering['operators'] = {
  Gemm: ([a, b, c], attributes) => {
    if (a!.dtype === 'bfloat16' || isSum(a!, b!)) return null;
    const y = cast(gemm(narrow(a!), narrow(b!), flags(attributes)), 'float32');
    return [c ? add(y, c) : y];
  },
  FusedMatMul: ([a, b], attributes) =>
    a!.dtype === 'bfloat16' || isSum(a!, b!)
      ? null
      : [
          cast(
            batchMatMul(narrow(a!), narrow(b!), {
              ...flags(attributes),
              scale: (attributes.alpha as { float: number }).float,
            }),
            'float32',
          ),
        ],
};

/** TF32 is what the runtime multiplies float32 with by default; nothing to build for it. */
export const cuda = ({ precision, sums }: Pick<Device, 'precision' | 'sums'>): Lowering => ({
  unrolled: false,
  largest: Infinity,
  operators: {
    ScatterRowsAdd: ([x, indices, updates]) => [
      sums === 'exact' ? addByProduct(x!, indices!, updates!) : scatterRowsAddAnyOrder(x!, indices!, updates!),
    ],
    CumSum: ([x, axis]) =>
      wholeNumbers(axis)[0] === x!.shape.length - 1 && x!.shape.at(-1)! > LONG ? [sumInParts(x!)] : null,
    ...(precision === 'bf16' ? products : {}),
  },
});
