// Matrix products: plain (Gemm), batched (MatMul, FusedMatMul), and what their gradients need of each other.

import { apply1, constant, mismatch, operator, show, sizeOf } from '#core/autodiff/graph.ts';
import type { DType, Shape, Tensor } from '#core/autodiff/graph.ts';
import { reshape } from './movement.ts';

/** the one float type of two matrices */
const one = (a: Tensor, b: Tensor): DType =>
  a.dtype === b.dtype && (a.dtype === 'float32' || a.dtype === 'bfloat16')
    ? a.dtype
    : mismatch('two matrices of one float type');

// y = op(a) op(b) (+ c), op transposing where asked; da = dy op(b)ᵀ, db = op(a)ᵀ dy (each transposed back), dc = dy.
// A gradient that is already being gathered enters as c, so that a weight used twice costs no extra addition.
const Gemm = operator({
  name: 'Gemm',
  infer: ([a, b, c], { transA, transB }) => {
    if (a!.shape.length !== 2 || b!.shape.length !== 2) mismatch('two matrices');
    const [m, k] = transA ? [a!.shape[1]!, a!.shape[0]!] : [a!.shape[0]!, a!.shape[1]!];
    const [k2, n] = transB ? [b!.shape[1]!, b!.shape[0]!] : [b!.shape[0]!, b!.shape[1]!];
    if (k !== k2) mismatch(`an inner dimension of ${k} on both sides`);
    if (c && ![[n], [m, 1], [m, n]].some((shape) => show(shape) === show(c.shape)))
      mismatch(`a third input of [${n}], [${m}, 1] or [${m}, ${n}]`);
    return [{ dtype: one(a!, b!), shape: [m, n] }];
  },
  gradient: ({ inputs, attributes, dy }) => {
    const [a, b, c] = inputs as [Tensor, Tensor, Tensor | undefined];
    const ta = attributes.transA === 1;
    const tb = attributes.transB === 1;
    const da = {
      into: (sum: Tensor | null) =>
        ta ? gemm(b, dy, { transA: tb, transB: true, add: sum }) : gemm(dy, b, { transB: !tb, add: sum }),
    };
    const db = {
      into: (sum: Tensor | null) =>
        tb ? gemm(dy, a, { transA: true, transB: ta, add: sum }) : gemm(a, dy, { transA: !ta, add: sum }),
    };
    return c ? [da, db, sumLike(dy, c.shape)] : [da, db];
  },
});

/** dy [M, N] summed to the shape of what was added: itself, its columns' sums [N] or its rows' [M, 1]. */
function sumLike(dy: Tensor, shape: Shape): Tensor {
  const ones = (of: Shape) => constant(dy.graph, 'float32', of, new Float32Array(sizeOf(of)).fill(1));
  const [m, n] = dy.shape as [number, number];
  if (show(shape) === show(dy.shape)) return dy;
  return shape.length === 1 ? reshape(gemm(ones([1, m]), dy), [n]) : gemm(dy, ones([n, 1]));
}

// y = scale · op(a) op(b) over leading batch dimensions; da = scale · dy op(b)ᵀ, db = scale · op(a)ᵀ dy
const FusedMatMul = operator({
  name: 'FusedMatMul',
  domain: 'com.microsoft',
  infer: ([a, b], { transA, transB }) => {
    const ra = a!.shape;
    const rb = b!.shape;
    const batch = ra.slice(0, -2);
    if (ra.length < 3 || ra.length !== rb.length || show(batch) !== show(rb.slice(0, -2)))
      mismatch('two stacks of matrices with the same leading dimensions');
    const [m, k] = transA ? [ra.at(-1)!, ra.at(-2)!] : [ra.at(-2)!, ra.at(-1)!];
    const [k2, n] = transB ? [rb.at(-1)!, rb.at(-2)!] : [rb.at(-2)!, rb.at(-1)!];
    if (k !== k2) mismatch(`an inner dimension of ${k} on both sides`);
    return [{ dtype: one(a!, b!), shape: [...batch, m, n] }];
  },
  gradient: ({ inputs, attributes, dy }) => {
    const [a, b] = inputs as [Tensor, Tensor];
    const ta = attributes.transA === 1;
    const tb = attributes.transB === 1;
    const by = (attributes.alpha as { float: number }).float;
    return [
      ta ? batchMatMul(b, dy, { transA: tb, transB: true, scale: by }) : batchMatMul(dy, b, { transB: !tb, scale: by }),
      tb ? batchMatMul(dy, a, { transA: true, transB: ta, scale: by }) : batchMatMul(a, dy, { transA: !ta, scale: by }),
    ];
  },
});

// y = a b over leading batch dimensions: what FusedMatMul is built from where a provider lacks it
const MatMul = operator({
  name: 'MatMul',
  infer: ([a, b]) => {
    const batch = a!.shape.slice(0, -2);
    const [m, k] = a!.shape.slice(-2);
    const [k2, n] = b!.shape.slice(-2);
    if (
      a!.shape.length < 2 ||
      a!.shape.length !== b!.shape.length ||
      show(batch) !== show(b!.shape.slice(0, -2)) ||
      k !== k2
    )
      mismatch('two stacks of matrices that fit');
    return [{ dtype: one(a!, b!), shape: [...batch, m!, n!] }];
  },
  gradient: null,
});

export interface GemmOptions {
  transA?: boolean;
  transB?: boolean;
  /** a row [N], a column [M, 1] or a matrix [M, N] to add */
  add?: Tensor | null;
}
/** [M, K] x [K, N] (+ add) -> [M, N] */
export function gemm(a: Tensor, b: Tensor, { transA = false, transB = false, add = null }: GemmOptions = {}): Tensor {
  return apply1(Gemm, add ? [a, b, add] : [a, b], { transA: transA ? 1 : 0, transB: transB ? 1 : 0 });
}
/** [..., M, K] x [..., K, N] · scale -> [..., M, N] */
export function batchMatMul(
  a: Tensor,
  b: Tensor,
  { transA = false, transB = false, scale = 1 }: { transA?: boolean; transB?: boolean; scale?: number } = {},
): Tensor {
  return apply1(FusedMatMul, [a, b], { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: { float: scale } });
}
/** [..., M, K] x [..., K, N] -> [..., M, N], without a derivative */
export const matMul = (a: Tensor, b: Tensor): Tensor => apply1(MatMul, [a, b]);
