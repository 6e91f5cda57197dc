// What every operator is tried with: inputs that run, in all the shapes that its rule knows.

import { apply1, constant, ints, operators } from '#core/autodiff/graph.ts';
import type { DType, Shape, Tensor } from '#core/autodiff/graph.ts';
import { loop } from '#core/autodiff/loop.ts';
import * as e from '#core/autodiff/ops/elementwise.ts';
import * as i from '#core/autodiff/ops/indexing.ts';
import * as l from '#core/autodiff/ops/linalg.ts';
import * as m from '#core/autodiff/ops/movement.ts';
import * as n from '#core/autodiff/ops/nn.ts';
import * as r from '#core/autodiff/ops/reduction.ts';
import { createRandom } from '#core/random.ts';

export interface Given {
  dtype: DType;
  shape: Shape;
  values: readonly number[];
}
export interface Case {
  about: string;
  given: readonly Given[];
  build: (...x: Tensor[]) => Tensor | readonly Tensor[];
  /** which inputs to differentiate by; all floats when absent, none where the rule is documented not to have one */
  by?: readonly number[];
}

const random = createRandom(20, 'operator cases');
/** random float32 values in [low, high) */
const float = (shape: Shape, low = -2, high = 2): Given => {
  const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
    Math.fround(low + (high - low) * random.uniform()),
  );
  return { dtype: 'float32', shape, values };
};
const given = (dtype: DType, shape: Shape, values: readonly number[]): Given => ({ dtype, shape, values });
const bools = (shape: Shape) =>
  given(
    'bool',
    shape,
    float(shape).values.map((v) => (v > 0 ? 1 : 0)),
  );
const of = (about: string, given: readonly Given[], build: Case['build'], by?: readonly number[]): Case => ({
  about,
  given,
  build,
  ...(by ? { by } : {}),
});

const PAIRS: readonly [string, Shape, Shape][] = [
  ['same shapes', [2, 3], [2, 3]],
  ['a row', [2, 3], [3]],
  ['a row first', [3], [2, 3]],
  ['a column and a row', [2, 1], [1, 3]],
  ['a scalar', [2, 3], []],
  ['two scalars', [], []],
  ['ranks 2 and 3', [4, 1], [2, 1, 3]],
  ['one element against many', [1, 1], [2, 3]],
];
/** every way of broadcasting, and the two sides being one tensor */
const pairs = (build: (a: Tensor, b: Tensor) => Tensor, low = -2, high = 2): Case[] => [
  ...PAIRS.map(([about, a, b]) => of(about, [float(a, low, high), float(b, low, high)], build)),
  of('one tensor twice', [float([2, 3], low, high)], (x) => build(x!, x!)),
];
const wholes = (build: (a: Tensor, b: Tensor) => Tensor): Case[] =>
  (['int32', 'int64'] as const).map((dtype) =>
    of(dtype, [given(dtype, [2, 3], [-7, 0, 7, 9, 1, 5]), given(dtype, [3], [2, 3, 5])], build),
  );
const single = (build: (x: Tensor) => Tensor, low = -3, high = 3): Case[] =>
  ([[], [5], [2, 1, 3]] as Shape[]).map((shape) => of(`rank ${shape.length}`, [float(shape, low, high)], build));
const TIES = [float([2, 3], 0, 1), float([2, 3], 0, 1)].map((x) => ({
  ...x,
  values: x.values.map((v) => Math.round(4 * v) / 4),
}));
const ONE_AND_TWO: readonly Given[] = (['int32', 'int64', 'float32'] as const).map((dtype) =>
  given(dtype, [2, 3], [1, 2, 2, 1, 2, 3]),
);
const compared = (build: (a: Tensor, b: Tensor) => Tensor): Case[] =>
  ONE_AND_TWO.map((x) => of(x.dtype, [x, given(x.dtype, [3], [1, 2, 3])], build));
const logical = (build: (a: Tensor, b: Tensor) => Tensor): Case[] => [of('a row', [bools([4, 3]), bools([3])], build)];
const reductions = (build: (x: Tensor, axes: readonly number[], keep?: boolean) => Tensor): Case[] => [
  of('first axis', [float([2, 3, 4])], (x) => build(x!, [0])),
  of('last axis, kept', [float([2, 3, 4])], (x) => build(x!, [-1], true)),
  of('outer axes', [float([2, 3, 4])], (x) => build(x!, [0, 2])),
  of('outer axes, kept', [float([2, 3, 4])], (x) => build(x!, [0, 2], true)),
  of('all axes', [float([2, 3])], (x) => build(x!, [0, 1])),
  of('an axis of 1', [float([2, 1])], (x) => build(x!, [1])),
];
const sides = (
  a: readonly [Shape, Shape],
  b: readonly [Shape, Shape],
  build: (a: Tensor, b: Tensor, options: { transA: boolean; transB: boolean }) => Tensor,
): Case[] =>
  [0, 1, 2, 3].map((bits) => {
    const ta = bits & 1;
    const tb = bits >> 1;
    return of(`transA ${ta} transB ${tb}`, [float(a[ta]!), float(b[tb]!)], (x, y) =>
      build(x!, y!, { transA: ta === 1, transB: tb === 1 }),
    );
  });
const repeated = (shape: Shape, values: readonly number[], dtype: DType = 'int32') => given(dtype, shape, values);
const angles = float([5, 2], -3, 3).values;
const COSINE = given(
  'float32',
  [5, 2],
  angles.map((a) => Math.fround(Math.cos(a))),
);
const SINE = given(
  'float32',
  [5, 2],
  angles.map((a) => Math.fround(Math.sin(a))),
);
const POSITIONS = repeated([2, 3], [0, 0, 4, 1, 2, 3], 'int64');

export const cases: Readonly<Record<string, readonly Case[]>> = {
  Add: [...pairs(e.add), ...wholes(e.add)],
  Sub: [...pairs(e.sub), ...wholes(e.sub)],
  Mul: [...pairs(e.mul), ...wholes(e.mul)],
  Div: [...pairs(e.div, 0.5, 2), ...pairs(e.div, -2, -0.5), ...wholes(e.div)],
  Max: [...pairs(e.maximum), of('ties share', TIES, (a, b) => e.maximum(a!, b!))],
  Min: [...pairs(e.minimum), of('ties share', TIES, (a, b) => e.minimum(a!, b!))],
  Neg: single(e.neg),
  Exp: single(e.exp),
  Log: single(e.log, 0.2, 4),
  Sqrt: single(e.sqrt, 0.2, 4),
  Tanh: single(e.tanh),
  Sigmoid: [
    ...single(e.sigmoid),
    of('far out', [given('float32', [5], [-30, -12, 0.5, 12, 30])], (x) => e.sigmoid(x!)),
  ],
  Softplus: [...single(e.softplus), of('far out', [given('float32', [4], [-60, -12, 12, 60])], (x) => e.softplus(x!))],
  QuickGelu: single(e.silu, -6, 6),
  GeluTanh: [
    ...single(e.gelu, -4, 4),
    of('far out', [given('float32', [5], [-30, -9, 0.5, 9, 30])], (x) => e.gelu(x!)),
  ],
  FastGelu: [
    of('three axes', [float([2, 1, 3], -4, 4)], (x) => e.geluForward(x!)),
    of('far out', [given('float32', [5], [-30, -9, 0.5, 9, 30])], (x) => e.geluForward(x!)),
  ],
  Erf: [...single(e.erf), of('far out', [given('float32', [5], [-6, -3, 0.5, 3, 6])], (x) => e.erf(x!))],
  Gelu: [
    ...single(e.geluErf, -4, 4),
    of('far out', [given('float32', [5], [-30, -9, 0.5, 9, 30])], (x) => e.geluErf(x!)),
  ],
  Less: compared(e.less),
  LessOrEqual: compared(e.lessOrEqual),
  Greater: compared(e.greater),
  GreaterOrEqual: compared(e.greaterOrEqual),
  Equal: [...compared(e.equal), of('bool', [bools([4]), bools([4])], (a, b) => e.equal(a!, b!))],
  And: logical(e.and),
  Or: logical(e.or),
  Not: [of('rank 2', [bools([2, 3])], (x) => e.not(x!))],
  Where: [
    of('same shapes', [bools([2, 3]), float([2, 3]), float([2, 3])], (c, a, b) => e.where(c!, a!, b!)),
    of('all three broadcast', [bools([3, 1]), float([2, 1, 1]), float([4])], (c, a, b) => e.where(c!, a!, b!)),
    of('one tensor twice', [bools([3]), float([2, 3])], (c, a) => e.where(c!, a!, a!)),
    of('int32', [bools([3]), repeated([3], [1, 2, 3]), repeated([], [9])], (c, a, b) => e.where(c!, a!, b!)),
  ],
  Clip: single((x) => e.clip(x, -0.7, 1.1)),

  Cast: [
    of('float32 to int32', [given('float32', [4], [-1.7, -0.2, 0.9, 2.5])], (x) => m.cast(x!, 'int32')),
    of('float32 to bool', [given('float32', [4], [0, -0.2, 0.9, 2.5])], (x) => m.cast(x!, 'bool')),
    of('int32 to float32', [repeated([3], [-2, 0, 7])], (x) => m.cast(x!, 'float32')),
    of('int64 to int32', [repeated([3], [-2, 0, 7], 'int64')], (x) => m.cast(x!, 'int32')),
    of('bool to float32', [bools([5])], (x) => m.cast(x!, 'float32')),
  ],
  Identity: single(m.identity),
  Reshape: [
    of('split', [float([4, 6])], (x) => m.reshape(x!, [2, 2, 3, 2])),
    of('flat', [float([2, 3])], (x) => m.reshape(x!, [6])),
    of('to a scalar', [float([1, 1])], (x) => m.reshape(x!, [])),
  ],
  Transpose: [
    of('matrix', [float([2, 3])], (x) => m.transpose(x!, [1, 0])),
    of('a rotation, its own inverse not', [float([2, 3, 4])], (x) => m.transpose(x!, [2, 0, 1])),
    of('heads', [float([2, 3, 2, 2])], (x) => m.transpose(x!, [0, 2, 1, 3])),
  ],
  Concat: [
    of('axis 0', [float([1, 3]), float([2, 3])], (a, b) => m.concat([a!, b!], 0)),
    of('axis 1, three parts', [float([2, 1]), float([2, 3]), float([2, 2])], (a, b, c) => m.concat([a!, b!, c!], 1)),
    of('one tensor twice', [float([2, 3])], (a) => m.concat([a!, a!], 1)),
  ],
  Slice: [
    of('middle of axis 1', [float([2, 5])], (x) => m.slice(x!, 1, 1, 4)),
    of('end of axis 0', [float([4, 2])], (x) => m.slice(x!, 0, 3, 4)),
    of('two that overlap', [float([5])], (x) => [m.slice(x!, 0, 0, 3), m.slice(x!, 0, 2, 5)]),
  ],
  Pad: [
    of('before and after', [float([2, 3])], (x) => m.pad(x!, 1, 2, 1)),
    of('two axes', [float([2, 3])], (x) => apply1(operators.get('Pad')!, [x!, ints(x!.graph, [1, 0, 0, 2])])),
  ],
  Split: [
    of('three parts', [float([2, 6])], (x) => m.split(x!, [1, 3, 2], 1)),
    of('a part that nobody reads', [float([4, 2])], (x) => m.split(x!, [1, 3], 0).slice(1)),
  ],

  Gather: [
    of('rows, some twice', [float([5, 2]), repeated([2, 3], [4, 0, 4, 4, 1, 0])], (x, at) => i.gather(x!, at!)),
    of('one row', [float([5, 2]), repeated([], [3], 'int64')], (x, at) => i.gather(x!, at!)),
    of('from a vector', [float([5]), repeated([3], [3, 3, 0])], (x, at) => i.gather(x!, at!)),
    of('axis 1, forward only', [float([2, 4, 2]), repeated([3], [3, 0, 3])], (x, at) => i.gather(x!, at!, 1), []),
  ],
  GatherElements: [
    of('axis 1, some twice', [float([2, 4]), repeated([2, 3], [3, 0, 3, 1, 1, 1])], (x, at) =>
      i.gatherElements(x!, at!, 1),
    ),
    of('axis 0, int64', [float([3, 2]), repeated([2, 2], [2, 0, 2, 1], 'int64')], (x, at) =>
      i.gatherElements(x!, at!, 0),
    ),
    of('one table read twice', [float([2, 4]), repeated([2, 1], [3, 0])], (x, at) => [
      i.gatherElements(x!, at!, 1),
      e.exp(i.gatherElements(x!, at!, 1)),
    ]),
  ],
  ScatterElements: [
    of('written', [float([2, 4]), repeated([2, 2], [3, 0, 1, 2]), float([2, 2])], (x, at, u) =>
      i.scatterElements(x!, at!, u!, 1),
    ),
    of('added, some twice', [float([2, 4]), repeated([2, 3], [3, 0, 3, 1, 1, 1]), float([2, 3])], (x, at, u) =>
      i.scatterElements(x!, at!, u!, 1, 'add'),
    ),
    of('axis 0, int64', [float([4, 2]), repeated([1, 2], [3, 0], 'int64'), float([1, 2])], (x, at, u) =>
      i.scatterElements(x!, at!, u!, 0),
    ),
  ],
  ScatterRowsAdd: [
    of('some twice', [float([4, 2]), repeated([3, 1], [3, 0, 3]), float([3, 2])], (x, at, u) =>
      i.scatterRowsAdd(x!, at!, u!),
    ),
    of('int64', [float([3, 2]), repeated([2, 1], [2, 2], 'int64'), float([2, 2])], (x, at, u) =>
      i.scatterRowsAdd(x!, at!, u!),
    ),
  ],
  ScatterND: [
    of(
      'rows replaced',
      [float([4, 2]), repeated([2, 1], [3, 0]), float([2, 2])],
      (x, at, u) => i.replaceRows(x!, at!, u!),
      [],
    ),
    of(
      'rows added to',
      [float([4, 2]), repeated([2, 1], [3, 0]), float([2, 2])],
      (x, at, u) => i.scatterRowsAddAnyOrder(x!, at!, u!),
      [],
    ),
  ],
  TopK: [
    of('two of five', [float([3, 5])], (x) => i.topK(x!, 2)),
    of('all, ties by place', [given('float32', [5], [1, 3, 3, 2, 1])], (x) => i.topK(x!, 5)),
  ],

  Gemm: [
    ...sides(
      [
        [2, 3],
        [3, 2],
      ],
      [
        [3, 4],
        [4, 3],
      ],
      l.gemm,
    ),
    of('a row added', [float([2, 3]), float([3, 4]), float([4])], (a, b, c) => l.gemm(a!, b!, { add: c! })),
    of('a column added', [float([2, 3]), float([3, 4]), float([2, 1])], (a, b, c) => l.gemm(a!, b!, { add: c! })),
    of('a matrix added, transposed', [float([3, 2]), float([4, 3]), float([2, 4])], (a, b, c) =>
      l.gemm(a!, b!, { transA: true, transB: true, add: c! }),
    ),
    of('one tensor on both sides', [float([2, 3])], (a) => l.gemm(a!, a!, { transB: true })),
    of('a row added to one row', [float([1, 3]), float([3, 2]), float([2])], (a, b, c) => l.gemm(a!, b!, { add: c! })),
  ],
  FusedMatMul: [
    ...sides(
      [
        [2, 2, 3],
        [2, 3, 2],
      ],
      [
        [2, 3, 4],
        [2, 4, 3],
      ],
      (a, b, options) => l.batchMatMul(a, b, { ...options, scale: 0.5 }),
    ),
    ...sides(
      [
        [2, 1, 2, 3],
        [2, 1, 3, 2],
      ],
      [
        [2, 1, 3, 2],
        [2, 1, 2, 3],
      ],
      l.batchMatMul,
    ),
    of('one tensor on both sides', [float([2, 2, 3])], (a) => l.batchMatMul(a!, a!, { transB: true, scale: 0.3 })),
  ],
  MatMul: [
    of('matrices', [float([2, 3]), float([3, 4])], (a, b) => l.matMul(a!, b!), []),
    of('stacks', [float([2, 2, 3]), float([2, 3, 4])], (a, b) => l.matMul(a!, b!), []),
  ],

  ReduceSum: [...reductions(r.reduceSum), of('int32', [repeated([2, 2], [1, 2, 3, 4])], (x) => r.reduceSum(x!, [1]))],
  ReduceMean: reductions(r.reduceMean),
  ReduceMax: reductions(r.reduceMax),
  ReduceSumSquare: reductions(r.reduceSumSquare),
  Expand: [
    of('a scalar', [float([])], (x) => r.expand(x!, [2, 3])),
    of('a row', [float([3])], (x) => r.expand(x!, [2, 3])),
    of('inner and new axes', [float([2, 1, 3])], (x) => r.expand(x!, [2, 2, 4, 3])),
  ],
  CumSum: [0, 1, -1].map((axis) => of(`axis ${axis}`, [float([2, 3])], (x) => r.cumulativeSum(x!, axis))),
  ArgMax: [
    ...[0, 1, -1].map((axis) => of(`axis ${axis}`, [float([3, 4])], (x) => r.argMax(x!, axis))),
    of('the first of equals', [given('float32', [4], [1, 3, 3, 2])], (x) => r.argMax(x!, 0)),
  ],

  Softmax: [
    ...[[5], [2, 3], [2, 2, 3]].map((shape) => of(`rank ${shape.length}`, [float(shape)], (x) => n.softmax(x!))),
    of('far apart', [given('float32', [1, 4], [-80, 0, 60, 61])], (x) => n.softmax(x!)),
  ],
  LogSumExp: [
    ...[[5], [2, 3], [2, 2, 3]].map((shape) => of(`rank ${shape.length}`, [float(shape)], (x) => n.logSumExp(x!))),
    of('far out', [given('float32', [2, 2], [-90, -91, 90, 91])], (x) => n.logSumExp(x!)),
  ],
  LayerNormalization: [
    of('rank 2', [float([3, 4]), float([4]), float([4])], (x, g, b) => n.layerNorm(x!, g!, b!, 1e-5)),
    of('rank 3, off centre', [float([2, 2, 5], 3, 5), float([5]), float([5])], (x, g, b) =>
      n.layerNorm(x!, g!, b!, 1e-3),
    ),
    of('one row', [float([6]), float([6]), float([6])], (x, g, b) => n.layerNorm(x!, g!, b!, 1e-5)),
  ],
  SimplifiedLayerNormalization: [
    of('rank 2', [float([3, 4]), float([4])], (x, g) => n.rmsNorm(x!, g!, 1e-5)),
    of('rank 3, off centre', [float([2, 2, 5], 3, 5), float([5])], (x, g) => n.rmsNorm(x!, g!, 1e-3)),
    of('one row', [float([6]), float([6])], (x, g) => n.rmsNorm(x!, g!, 1e-5)),
  ],
  RotaryEmbedding: [
    of(
      'tables as inputs',
      [float([2, 2, 3, 4]), POSITIONS, COSINE, SINE],
      (x, p, c, s) => n.rotary(x!, p!, c!, s!),
      [0],
    ),
    of('tables as constants', [float([2, 2, 3, 4]), POSITIONS], (x, p) => {
      const [c, s] = [COSINE, SINE].map((table) =>
        constant(x!.graph, 'float32', table.shape, Float32Array.from(table.values)),
      );
      return n.rotary(x!, p!, c!, s!);
    }),
  ],

  Loop: [
    of('carries, stacks and reads from outside', [float([2]), float([2])], (x, w) => {
      const { carried, stacked } = loop(x!.graph, 3, [x!], (step, [state]) => {
        const next = e.add(e.mul(state!, w!), m.cast(step, 'float32'));
        return { carried: [next], stacked: [state!, r.sumAll(next)] };
      });
      return [...carried, ...stacked];
    }),
    of('ends early', [float([2])], (x) => {
      const { carried, stacked } = loop(x!.graph, 5, [x!], (step, [state]) => ({
        carried: [e.shift(state!, 1)],
        stacked: [state!],
        goOn: e.less(step, e.whole(step, 2)),
      }));
      return [...carried, ...stacked];
    }),
    of(
      'a loop in a loop, states that change places',
      [float([2]), float([2])],
      (a, b) =>
        loop(a!.graph, 3, [a!, b!], (_, [x, y], graph) => {
          const inner = loop(graph, 2, [x!], (_, [state]) => ({
            carried: [e.add(e.scale(state!, 0.5), y!)],
            stacked: [],
          }));
          return { carried: [y!, inner.carried[0]!], stacked: [] };
        }).carried,
    ),
  ],
};
