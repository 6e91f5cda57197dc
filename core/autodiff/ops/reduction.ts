// Sums along axes and their transpose, repetition.

import {
  apply1,
  constant,
  ints,
  mismatch,
  operator,
  scalar,
  show,
  sizeOf,
  wholeNumbers,
} from '#core/autodiff/graph.ts';
import type { Operator, Shape, Tensor } from '#core/autodiff/graph.ts';
import { gemm } from './linalg.ts';
import { reshape } from './movement.ts';

const axisOf = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);
const reduced = (shape: Shape, axes: readonly number[], keep: boolean): number[] =>
  keep ? shape.map((size, i) => (axes.includes(i) ? 1 : size)) : shape.filter((_, i) => !axes.includes(i));

/** A reduction over the axes of its second input; the gradient rule gets dy with those axes kept as 1. */
function reduction(name: string, gradient: ((dy: Tensor, x: Tensor) => Tensor) | null): Operator {
  return operator({
    name,
    infer: ([x, axes], { keepdims }) => {
      const list = wholeNumbers(axes);
      if (list.some((axis) => axis < 0 || axis >= x!.shape.length)) mismatch(`axes below ${x!.shape.length}`);
      if (list.length === 0 && x!.shape.length > 0) mismatch('at least one axis'); // to ONNX, none means all
      return [{ dtype: x!.dtype, shape: reduced(x!.shape, list, keepdims === 1) }];
    },
    gradient:
      gradient &&
      (({ inputs, dy }) => {
        const [x, axes] = inputs as [Tensor, Tensor];
        return [gradient(reshape(dy, reduced(x.shape, wholeNumbers(axes), true)), x), null];
      }),
  });
}

// y = sum x; dx = dy everywhere
const ReduceSum = reduction('ReduceSum', (dy, x) => expand(dy, x.shape));
// y = (sum x) / n: the norms' gradients use it; its own derivative is not needed
const ReduceMean = reduction('ReduceMean', null);
// y = max x and y = sum x^2: used where no derivative is taken
const ReduceMax = reduction('ReduceMax', null);
const ReduceSumSquare = reduction('ReduceSumSquare', null);
// y = x repeated to a larger shape; dx = the sum over what was repeated
const Expand = operator({
  name: 'Expand',
  infer: ([x, to]) => {
    const shape = wholeNumbers(to);
    const lead = shape.length - x!.shape.length;
    if (lead < 0 || x!.shape.some((size, i) => size !== 1 && size !== shape[i + lead]))
      mismatch(`a tensor that broadcasts to ${show(shape)}`);
    return [{ dtype: x!.dtype, shape }];
  },
  gradient: ({ inputs, dy }) => [sumTo(dy, inputs[0]!.shape), null],
});
// y_i = x_1 + ... + x_i (the sampler's inverse distribution)
const CumSum = operator({
  name: 'CumSum',
  infer: ([x, axis]) => {
    if (!(wholeNumbers(axis)[0]! < x!.shape.length)) mismatch(`a tensor that has an axis ${wholeNumbers(axis)[0]}`);
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  gradient: null,
});
// y = the index of the largest
const ArgMax = operator({
  name: 'ArgMax',
  infer: ([x], { axis }) => {
    if (!((axis as number) < x!.shape.length)) mismatch(`a tensor that has an axis ${String(axis)}`);
    return [{ dtype: 'int64', shape: x!.shape.filter((_, i) => i !== axis) }];
  },
  gradient: null,
});

function reduce(op: Operator, x: Tensor, axes: readonly number[], keep: boolean): Tensor {
  return apply1(
    op,
    [
      x,
      ints(
        x.graph,
        axes.map((axis) => axisOf(axis, x.shape.length)),
      ),
    ],
    { keepdims: keep ? 1 : 0 },
  );
}
export const reduceSum = (x: Tensor, axes: readonly number[], keep = false): Tensor =>
  axes.length === 0 ? x : reduce(ReduceSum, x, axes, keep);
export const reduceMean = (x: Tensor, axes: readonly number[], keep = false): Tensor =>
  reduce(ReduceMean, x, axes, keep);
export const reduceMax = (x: Tensor, axes: readonly number[], keep = false): Tensor => reduce(ReduceMax, x, axes, keep);
export const reduceSumSquare = (x: Tensor, axes: readonly number[], keep = false): Tensor =>
  reduce(ReduceSumSquare, x, axes, keep);
/** Everything added up: a scalar. */
export const sumAll = (x: Tensor): Tensor =>
  reduceSum(
    x,
    x.shape.map((_, i) => i),
  );
export const expand = (x: Tensor, shape: Shape): Tensor =>
  show(x.shape) === show(shape) ? x : apply1(Expand, [x, ints(x.graph, shape)]);
export const cumulativeSum = (x: Tensor, axis: number): Tensor =>
  apply1(CumSum, [x, constant(x.graph, 'int32', [], [axisOf(axis, x.shape.length)])]);
export const argMax = (x: Tensor, axis: number): Tensor =>
  apply1(ArgMax, [x], { axis: axisOf(axis, x.shape.length), keepdims: 0 });
/** A full tensor of zeros in `like`'s graph. */
export const zeros = (like: Tensor, shape: Shape): Tensor => expand(scalar(like.graph, 0), shape);

/** The transpose of broadcasting: sums a gradient back to the shape its input had. */
export function sumTo(dy: Tensor, shape: Shape): Tensor {
  const lead = dy.shape.length - shape.length;
  const axes = dy.shape.flatMap((size, i) => (i < lead || (shape[i - lead] === 1 && size !== 1) ? [i] : []));
  if (axes.length === 0) return dy;
  if (shape.length === 1 && axes.length === lead) {
    // to one row: a product with ones takes half the time of ReduceSum
    const rows = sizeOf(dy.shape.slice(0, lead));
    return reshape(gemm(expand(scalar(dy.graph, 1), [1, rows]), reshape(dy, [rows, shape[0]!])), shape);
  }
  return reshape(reduceSum(dy, axes, true), shape);
}
