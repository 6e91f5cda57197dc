// Operators that pick elements by index, and their transposes, which add into them.

import { TastemakerError } from '#core/errors.ts';
import { apply, apply1, constant, ints, mismatch, operator, show, sizeOf, wholeNumbers } from '#core/autodiff/graph.ts';
import type { DType, Tensor } from '#core/autodiff/graph.ts';
import { cast, reshape } from './movement.ts';
import { expand, zeros } from './reduction.ts';

const wholeIndices = (i: Tensor) => {
  if (i.dtype !== 'int32' && i.dtype !== 'int64') mismatch('whole numbers as indices');
};
/** indices (and updates) that match x on every axis but one, where there may be fewer or more of them */
const besides = (x: Tensor, i: Tensor, axis: number) => {
  wholeIndices(i);
  if (
    x.shape.length !== i.shape.length ||
    axis >= x.shape.length ||
    i.shape.some((size, n) => n !== axis && size > x.shape[n]!)
  )
    mismatch(`indices that fit the data on all axes but ${axis}`);
};

// y = x[i] on axis 0; dx[i] += dy
const Gather = operator({
  name: 'Gather',
  infer: ([x, i], { axis }) => {
    const at = axis as number;
    wholeIndices(i!);
    if (at < 0 || at >= x!.shape.length) mismatch(`a tensor that has an axis ${at}`);
    return [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, at), ...i!.shape, ...x!.shape.slice(at + 1)] }];
  },
  gradient: ({ inputs, attributes, dy }) => {
    const [x, i] = inputs as [Tensor, Tensor];
    if (attributes.axis !== 0)
      throw new TastemakerError(
        'bad-graph',
        `Gather along axis ${String(attributes.axis)} of ${show(x.shape)} has no derivative, but the loss depends on it.`,
        'Gather along axis 0, or slice.',
      );
    const rows = sizeOf(i.shape);
    const width = x.shape.slice(1);
    return [
      {
        into: (sum) => scatterRowsAdd(sum ?? zeros(dy, x.shape), reshape(i, [rows, 1]), reshape(dy, [rows, ...width])),
      },
      null,
    ];
  },
});
// y = x[.., i[..], ..] along an axis; dx[.., i[..], ..] += dy
const GatherElements = operator({
  name: 'GatherElements',
  infer: ([x, i], { axis }) => {
    besides(x!, i!, axis as number);
    return [{ dtype: x!.dtype, shape: i!.shape }];
  },
  gradient: ({ inputs, attributes, dy }) => {
    const [x, i] = inputs as [Tensor, Tensor];
    return [
      { into: (sum) => scatterElements(sum ?? zeros(dy, x.shape), i, dy, attributes.axis as number, 'add') },
      null,
    ];
  },
});
const ScatterElements = operator({
  name: 'ScatterElements',
  infer: ([x, i, updates], { axis }) => {
    besides(x!, i!, axis as number);
    if (updates!.dtype !== x!.dtype || show(updates!.shape) !== show(i!.shape))
      mismatch("one update of the data's type per index");
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  gradient: null,
});
const ScatterND = operator({
  name: 'ScatterND',
  infer: ([x, i, updates]) => {
    wholeIndices(i!);
    const expected = [...i!.shape.slice(0, -1), ...x!.shape.slice(i!.shape.at(-1))];
    if (updates!.dtype !== x!.dtype || show(updates!.shape) !== show(expected))
      mismatch(`updates of ${x!.dtype}${show(expected)}`);
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  gradient: null,
});
// y = x; y[i_r] += u_r. Composed element by element and in order: the processor's ScatterND adds from several threads
// at
// once, so rows named twice lose updates and bits differ.
const ScatterRowsAdd = operator({
  name: 'ScatterRowsAdd',
  infer: ([x, i, updates]) => {
    wholeIndices(i!);
    if (
      x!.shape.length !== 2 ||
      i!.shape.length !== 2 ||
      i!.shape[1] !== 1 ||
      show(updates!.shape) !== show([i!.shape[0]!, x!.shape[1]!])
    )
      mismatch('rows [N, W], indices [R, 1] and updates [R, W]');
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  compose: ([x, i, updates]) => [scatterElements(x!, expand(i!, updates!.shape), updates!, 0, 'add')],
  gradient: null,
});
const TopK = operator({
  name: 'TopK',
  infer: ([x, k]) => {
    const shape = [...x!.shape.slice(0, -1), wholeNumbers(k)[0]!];
    if (!(shape.at(-1)! <= (x!.shape.at(-1) ?? 0))) mismatch(`at least ${shape.at(-1)} to choose from`);
    return [
      { dtype: x!.dtype, shape },
      { dtype: 'int64', shape },
    ];
  },
  gradient: null,
});

export const gather = (x: Tensor, indices: Tensor, axis = 0): Tensor => apply1(Gather, [x, indices], { axis });
export const gatherElements = (x: Tensor, indices: Tensor, axis: number): Tensor =>
  apply1(GatherElements, [x, indices], { axis });
export function scatterElements(
  x: Tensor,
  indices: Tensor,
  updates: Tensor,
  axis: number,
  reduction: 'add' | 'none' = 'none',
): Tensor {
  return apply1(ScatterElements, [x, indices, updates], { axis, reduction });
}
/** x [N, W] with updates [R, W] added to the rows that indices [R, 1] name; a row may be named often. */
export function scatterRowsAdd(x: Tensor, indices: Tensor, updates: Tensor): Tensor {
  const rows = indices.shape[0]!;
  const width = sizeOf(x.shape.slice(1));
  return reshape(
    apply1(ScatterRowsAdd, [reshape(x, [x.shape[0]!, width]), indices, reshape(updates, [rows, width])]),
    x.shape,
  );
}
/** The same in whatever order the provider adds. */
export const scatterRowsAddAnyOrder = (x: Tensor, indices: Tensor, updates: Tensor): Tensor =>
  apply1(ScatterND, [x, cast(indices, 'int64'), updates], { reduction: 'add' });
/**
 * x with the rows that indices [R, 1] name replaced by updates [R, ...]: a plain copy with few rows changed, where
 * ScatterElements visits every index.
 */
export const replaceRows = (x: Tensor, indices: Tensor, updates: Tensor): Tensor =>
  apply1(ScatterND, [x, cast(indices, 'int64'), updates], { reduction: 'none' });
/** The k largest along the last axis, largest first, with their indices. */
export function topK(x: Tensor, k: number): [Tensor, Tensor] {
  const [values, indices] = apply(TopK, [x, ints(x.graph, [k])], { axis: -1 });
  return [values!, indices!];
}
/** 0, 1, ..., n - 1 as a constant. */
export const range = (like: Tensor, n: number, dtype: DType = 'int32'): Tensor =>
  constant(
    like.graph,
    dtype,
    [n],
    Array.from({ length: n }, (_, i) => i),
  );
