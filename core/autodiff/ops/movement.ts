// Operators that move, join or relabel elements without computing on them.

import { apply, apply1, constant, ints, mismatch, operator, show, sizeOf, wholeNumbers } from '#core/autodiff/graph.ts';
import type { DType, Shape, Tensor } from '#core/autodiff/graph.ts';

const CAST_CODE = { float32: 1, int32: 6, int64: 7, bool: 9, bfloat16: 16 } as const satisfies Record<DType, number>;
const Cast = operator({
  name: 'Cast',
  infer: ([x], { to }) => {
    const dtype = (Object.keys(CAST_CODE) as DType[]).find((key) => CAST_CODE[key] === to);
    return [{ dtype: dtype ?? mismatch('a known type to cast to'), shape: x!.shape }];
  },
  gradient: null,
});
// y = x: a second name for one tensor, which Loop and outputs need
const Identity = operator({
  name: 'Identity',
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  gradient: ({ dy }) => [dy],
});
// y = x in another shape; dx = dy in the first shape
const Reshape = operator({
  name: 'Reshape',
  infer: ([x, to]) => {
    const shape = wholeNumbers(to);
    if (sizeOf(x!.shape) !== sizeOf(shape)) mismatch(`a tensor of ${sizeOf(shape)} elements to fit ${show(shape)}`);
    return [{ dtype: x!.dtype, shape }];
  },
  gradient: ({ inputs, dy }) => [reshape(dy, inputs[0]!.shape), null],
});
// y = x's axes in another order; dx = dy with the order undone
const Transpose = operator({
  name: 'Transpose',
  infer: ([x], attributes) => {
    const perm = attributes.perm as readonly number[];
    if (perm.length !== x!.shape.length || new Set(perm).size !== perm.length)
      mismatch(`a permutation of ${x!.shape.length} axes`);
    return [{ dtype: x!.dtype, shape: perm.map((axis) => x!.shape[axis] ?? mismatch('axes that exist')) }];
  },
  gradient: ({ attributes, dy }) => {
    const perm = attributes.perm as readonly number[];
    return [
      transpose(
        dy,
        perm.map((_, i) => perm.indexOf(i)),
      ),
    ];
  },
});
// y = [x1 | x2 | ...]; dxi = its part of dy
const Concat = operator({
  name: 'Concat',
  infer: (inputs, { axis }) => {
    const first = inputs[0]!;
    const at = axis as number;
    for (const x of inputs) {
      if (
        x.dtype !== first.dtype ||
        x.shape.length !== first.shape.length ||
        x.shape.some((size, i) => i !== at && size !== first.shape[i])
      ) {
        mismatch(`parts that agree except on axis ${at}`);
      }
    }
    return [
      {
        dtype: first.dtype,
        shape: first.shape.map((size, i) => (i === at ? inputs.reduce((sum, x) => sum + x.shape[at]!, 0) : size)),
      },
    ];
  },
  gradient: ({ inputs, attributes, dy }) => {
    const axis = attributes.axis as number;
    return split(
      dy,
      inputs.map((x) => x.shape[axis]!),
      axis,
    );
  },
});
// y = x[from:to] on one axis; dx = dy between zeros
const Slice = operator({
  name: 'Slice',
  infer: ([x, ...bounds]) => {
    const [from, to, axis] = bounds.map((bound) => wholeNumbers(bound)[0]!) as [number, number, number];
    if (from < 0 || from >= to || to > (x!.shape[axis] ?? 0))
      mismatch(`a range inside axis ${axis}, not ${from} to ${to}`);
    return [{ dtype: x!.dtype, shape: x!.shape.map((size, i) => (i === axis ? to - from : size)) }];
  },
  gradient: ({ inputs, dy }) => {
    const [from, to, axis] = inputs.slice(1).map((bound) => wholeNumbers(bound)[0]!) as [number, number, number];
    return [pad(dy, axis, from, inputs[0]!.shape[axis]! - to), null, null, null];
  },
});
// y = zeros, x, zeros; dx = the middle of dy
const Pad = operator({
  name: 'Pad',
  infer: ([x, pads]) => {
    const widths = wholeNumbers(pads);
    const rank = x!.shape.length;
    if (widths.length !== 2 * rank) mismatch(`${2 * rank} pad widths`);
    return [{ dtype: x!.dtype, shape: x!.shape.map((size, i) => widths[i]! + size + widths[i + rank]!) }];
  },
  gradient: ({ inputs, dy }) => {
    const widths = wholeNumbers(inputs[1]);
    const middle = inputs[0]!.shape.reduce(
      (part, size, axis) => (size === part.shape[axis] ? part : slice(part, axis, widths[axis]!, widths[axis]! + size)),
      dy,
    );
    return [middle, null];
  },
});
// y1, y2, ... = parts of x along one axis; dx = [dy1 | dy2 | ...]
const Split = operator({
  name: 'Split',
  infer: ([x, parts], { axis }) => {
    const sizes = wholeNumbers(parts);
    const at = axis as number;
    if (sizes.reduce((a, b) => a + b, 0) !== x!.shape[at]) mismatch(`parts that add up to ${x!.shape[at]}`);
    return sizes.map((size) => ({ dtype: x!.dtype, shape: x!.shape.map((n, i) => (i === at ? size : n)) }));
  },
  gradient: ({ outputs, attributes, dys }) => [
    concat(
      outputs.map((y, i) => dys[i] ?? constant(y.graph, 'float32', y.shape, new Float32Array(sizeOf(y.shape)))),
      attributes.axis as number,
    ),
    null,
  ],
});
export const cast = (x: Tensor, dtype: DType): Tensor =>
  x.dtype === dtype ? x : apply1(Cast, [x], { to: CAST_CODE[dtype] });
export const identity = (x: Tensor): Tensor => apply1(Identity, [x]);
export const reshape = (x: Tensor, shape: Shape): Tensor =>
  show(x.shape) === show(shape) ? x : apply1(Reshape, [x, ints(x.graph, shape)]);
export const transpose = (x: Tensor, perm: readonly number[]): Tensor => apply1(Transpose, [x], { perm });
export const concat = (inputs: readonly Tensor[], axis: number): Tensor => apply1(Concat, inputs, { axis });
export function slice(x: Tensor, axis: number, from: number, to: number): Tensor {
  return apply1(Slice, [x, ...[from, to, axis].map((bound) => ints(x.graph, [bound]))]);
}
/** Zeros before and after x on one axis. */
export function pad(x: Tensor, axis: number, before: number, after: number): Tensor {
  const widths = [
    ...x.shape.map((_, i) => (i === axis ? before : 0)),
    ...x.shape.map((_, i) => (i === axis ? after : 0)),
  ];
  return apply1(Pad, [x, ints(x.graph, widths)]);
}
/** Parts of x along an axis. */
export const split = (x: Tensor, sizes: readonly number[], axis: number): Tensor[] =>
  sizes.length === 1 ? [x] : apply(Split, [x, ints(x.graph, sizes)], { axis });
