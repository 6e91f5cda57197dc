// Every operator with inputs that it must refuse, and what it must say it got.

import { apply1, constant, input, operators } from '#core/autodiff/graph.ts';
import type { DType, Graph, Shape, Tensor } from '#core/autodiff/graph.ts';
import { loop } from '#core/autodiff/loop.ts';
import * as e from '#core/autodiff/ops/elementwise.ts';
import * as i from '#core/autodiff/ops/indexing.ts';
import * as l from '#core/autodiff/ops/linalg.ts';
import * as m from '#core/autodiff/ops/movement.ts';
import * as n from '#core/autodiff/ops/nn.ts';
import * as r from '#core/autodiff/ops/reduction.ts';

type Refusal = readonly [build: (graph: Graph) => unknown, got: string];
let count = 0;
const t = (graph: Graph, shape: Shape, dtype: DType = 'float32') => input(graph, `x${count++}`, dtype, shape);
const two = (build: (a: Tensor, b: Tensor) => unknown): Refusal[] => [
  [(g) => build(t(g, [2, 3]), t(g, [2])), 'float32[2, 3], float32[2]'],
  [(g) => build(t(g, [2]), t(g, [2], 'int32')), 'float32[2], int32[2]'],
];
const one = (build: (x: Tensor) => unknown): Refusal[] => [[(g) => build(t(g, [2], 'int32')), 'int32[2]']];
const rows = (build: (x: Tensor) => unknown): Refusal[] => [...one(build), [(g) => build(t(g, [])), 'float32[]']];
const axes = (build: (x: Tensor, axes: readonly number[]) => unknown): Refusal[] =>
  [2, -3].map((axis) => [(g) => build(t(g, [2, 3]), [axis]), 'float32[2, 3]']);

/** Every operator, built with inputs it must refuse; the second entry is a part of what it must say it got. */
export const refusals: Readonly<Record<string, readonly Refusal[]>> = {
  Add: two(e.add),
  Sub: two(e.sub),
  Mul: two(e.mul),
  Div: two(e.div),
  Max: two(e.maximum),
  Min: two(e.minimum),
  Neg: one(e.neg),
  Exp: one(e.exp),
  Log: one(e.log),
  Sqrt: one(e.sqrt),
  Tanh: one(e.tanh),
  Sigmoid: one(e.sigmoid),
  Softplus: one(e.softplus),
  QuickGelu: one(e.silu),
  GeluTanh: one(e.gelu),
  Erf: one(e.erf),
  Gelu: one(e.geluErf),
  FastGelu: [...one(e.geluForward), [(g) => e.geluForward(t(g, [])), 'float32[]']],
  Clip: one((x) => apply1(operators.get('Clip')!, [x, x, x])),
  Less: two(e.less),
  LessOrEqual: two(e.lessOrEqual),
  Greater: two(e.greater),
  GreaterOrEqual: two(e.greaterOrEqual),
  Equal: two(e.equal),
  And: two(e.and),
  Or: two(e.or),
  Not: one(e.not),
  Where: [
    [(g) => e.where(t(g, [2]), t(g, [2]), t(g, [2])), 'float32[2]'],
    [(g) => e.where(t(g, [2], 'bool'), t(g, [3]), t(g, [3])), 'bool[2], float32[3]'],
  ],
  Cast: [[(g) => m.cast(t(g, [2]), 'float64' as DType), 'float32[2]']],
  Reshape: [[(g) => m.reshape(t(g, [2, 3]), [4]), 'float32[2, 3]']],
  Transpose: [
    [(g) => m.transpose(t(g, [2, 3]), [0, 0]), 'float32[2, 3]'],
    [(g) => m.transpose(t(g, [2, 3]), [0, 1, 2]), 'float32[2, 3]'],
    [(g) => m.transpose(t(g, [2, 3]), [0, 2]), 'float32[2, 3]'],
  ],
  Concat: [[(g) => m.concat([t(g, [2, 3]), t(g, [3, 3])], 1), 'float32[2, 3], float32[3, 3]']],
  Slice: [
    [(g) => m.slice(t(g, [4]), 0, 2, 5), 'float32[4]'],
    [(g) => m.slice(t(g, [4]), 0, 2, 2), 'float32[4]'],
    [(g) => m.slice(t(g, [4]), 1, 0, 1), 'float32[4]'],
  ],
  Pad: [[(g) => apply1(operators.get('Pad')!, [t(g, [2, 3]), constant(g, 'int64', [2], [1, 1])]), 'float32[2, 3]']],
  Split: [[(g) => m.split(t(g, [2, 6]), [2, 3], 1), 'float32[2, 6]']],
  Gather: [
    [(g) => i.gather(t(g, [2]), t(g, [2])), 'float32[2], float32[2]'],
    [(g) => i.gather(t(g, [2]), t(g, [2], 'int32'), 1), 'float32[2], int32[2]'],
  ],
  GatherElements: [
    [(g) => i.gatherElements(t(g, [2, 3]), t(g, [3], 'int32'), 0), 'int32[3]'],
    [(g) => i.gatherElements(t(g, [2, 3]), t(g, [3, 1], 'int32'), 1), 'int32[3, 1]'],
  ],
  ScatterElements: [
    [(g) => i.scatterElements(t(g, [2, 3]), t(g, [2, 1], 'int32'), t(g, [2, 2]), 1), 'int32[2, 1], float32[2, 2]'],
    [(g) => i.scatterElements(t(g, [2, 3]), t(g, [2, 1]), t(g, [2, 1]), 1), 'float32[2, 1]'],
  ],
  ScatterND: [[(g) => i.replaceRows(t(g, [4, 2]), t(g, [3, 1], 'int64'), t(g, [3, 3])), 'float32[3, 3]']],
  ScatterRowsAdd: [
    [(g) => i.scatterRowsAdd(t(g, [4, 2]), t(g, [3, 1]), t(g, [3, 2])), 'float32[3, 1]'],
    [
      (g) => apply1(operators.get('ScatterRowsAdd')!, [t(g, [4, 2]), t(g, [3, 1], 'int32'), t(g, [3, 3])]),
      'float32[3, 3]',
    ],
  ],
  TopK: [[(g) => i.topK(t(g, [2, 3]), 4), 'float32[2, 3]']],
  Gemm: [
    [(g) => l.gemm(t(g, [2, 3]), t(g, [2, 3])), 'float32[2, 3], float32[2, 3]'],
    [(g) => l.gemm(t(g, [1, 2, 3]), t(g, [3, 2])), 'float32[1, 2, 3]'],
    [(g) => l.gemm(t(g, [2, 3]), t(g, [3, 4]), { add: t(g, [3]) }), 'float32[3]'],
  ],
  FusedMatMul: [
    [(g) => l.batchMatMul(t(g, [2, 2, 3]), t(g, [2, 2, 3])), 'float32[2, 2, 3]'],
    [(g) => l.batchMatMul(t(g, [2, 2, 3]), t(g, [3, 3, 2])), 'float32[3, 3, 2]'],
    [(g) => l.batchMatMul(t(g, [2, 3]), t(g, [3, 2])), 'float32[2, 3]'],
  ],
  MatMul: [
    [(g) => l.matMul(t(g, [2, 3]), t(g, [2, 3])), 'float32[2, 3], float32[2, 3]'],
    [(g) => l.matMul(t(g, [2, 2, 3]), t(g, [3, 2])), 'float32[3, 2]'],
    [(g) => l.matMul(t(g, [2, 3]), t(g, [3, 2], 'int32')), 'int32[3, 2]'],
  ],
  ReduceSum: axes(r.reduceSum),
  ReduceMean: [...axes(r.reduceMean), [(g) => r.reduceMean(t(g, [2]), []), 'float32[2]']],
  ReduceMax: axes(r.reduceMax),
  ReduceSumSquare: axes(r.reduceSumSquare),
  Expand: [
    [(g) => r.expand(t(g, [2, 3]), [2, 4]), 'float32[2, 3]'],
    [(g) => r.expand(t(g, [2, 3]), [3]), 'float32[2, 3]'],
  ],
  CumSum: [[(g) => r.cumulativeSum(t(g, [2]), 1), 'float32[2]']],
  ArgMax: [[(g) => r.argMax(t(g, [2]), 1), 'float32[2]']],
  Softmax: rows(n.softmax),
  LogSumExp: rows(n.logSumExp),
  LayerNormalization: [
    [(g) => n.layerNorm(t(g, [2, 3]), t(g, [2]), t(g, [3]), 1e-5), 'float32[2]'],
    [(g) => n.layerNorm(t(g, [2, 3]), t(g, [3]), t(g, [1]), 1e-5), 'float32[1]'],
  ],
  SimplifiedLayerNormalization: [[(g) => n.rmsNorm(t(g, [2, 3]), t(g, [2]), 1e-5), 'float32[2]']],
  RotaryEmbedding: [
    [(g) => n.rotary(t(g, [2, 2, 3, 4]), t(g, [2, 2], 'int64'), t(g, [5, 2]), t(g, [5, 2])), 'int64[2, 2]'],
    [(g) => n.rotary(t(g, [2, 2, 3, 4]), t(g, [2, 3], 'int64'), t(g, [5, 4]), t(g, [5, 4])), 'float32[5, 4]'],
  ],
  Loop: [[(g) => loop(g, 2, [t(g, [2])], (_, [x]) => ({ carried: [r.sumAll(x!)], stacked: [] })), 'float32[2]']],
};
