// The kernels of ONNX Runtime 1.30's WebGPU provider for opset 21: which operators, which types, which inputs on the
// host.
//
// Source: the placements that the runtime of onnxruntime-node 1.30.0 reports for graphs of one node, of each of nine
// types
// (float32, float16, bfloat16, float64, int32, int64, uint32, uint8, bool), graph optimisation off; `host` is what it
// copies
// to the host in front of such a node. What is not named here runs on the processor: Loop, FusedMatMul, LogSoftmax of
// float32, Sum, Or, Xor, Mod, Sign, Round, IsNaN, IsInf, OneHot, ConstantOfShape, Dropout, random numbers; and int64
// nearly
// always.

import { INDICES, indexed, MICROSOFT, nested, plain, predicate, shaped } from './kernel-forms.ts';
import type { KernelTable } from './placement.ts';

const FLOATS = ['float32', 'float16'] as const;
const NUMBERS = [...FLOATS, 'int32', 'uint32'] as const;
const WITH_BOOL = [...NUMBERS, 'bool'] as const;
const WITH_BYTES = [...WITH_BOOL, 'uint8'] as const;

export const WEBGPU_KERNELS: KernelTable = {
  // elementwise
  Add: [plain(14, NUMBERS)],
  Sub: [plain(14, NUMBERS)],
  Mul: [plain(14, NUMBERS)],
  Div: [plain(14, NUMBERS)],
  Max: [plain(13, NUMBERS)],
  Min: [plain(13, NUMBERS)],
  Pow: [plain(15, ['float32', 'float16', 'int32'])],
  Neg: [plain(13, FLOATS)],
  Abs: [plain(13, FLOATS)],
  Exp: [plain(13, FLOATS)],
  Log: [plain(13, FLOATS)],
  Sqrt: [plain(13, FLOATS)],
  Reciprocal: [plain(13, FLOATS)],
  Tanh: [plain(13, FLOATS)],
  Sigmoid: [plain(13, FLOATS)],
  Softplus: [plain(1, FLOATS)],
  Erf: [plain(13, FLOATS)],
  Relu: [plain(14, FLOATS)],
  Floor: [plain(13, FLOATS)],
  Ceil: [plain(13, FLOATS)],
  Sin: [plain(7, FLOATS)],
  Cos: [plain(7, FLOATS)],
  Gelu: [plain(20, FLOATS), plain(1, FLOATS, MICROSOFT)],
  FastGelu: [plain(1, FLOATS, MICROSOFT)],
  QuickGelu: [plain(1, FLOATS, MICROSOFT)],
  Less: [predicate(13, NUMBERS)],
  LessOrEqual: [predicate(16, NUMBERS)],
  Greater: [predicate(13, NUMBERS)],
  GreaterOrEqual: [predicate(16, NUMBERS)],
  Equal: [predicate(19, NUMBERS)],
  And: [predicate(7, ['bool'])],
  Not: [predicate(1, ['bool'])],
  Where: [plain(16, WITH_BOOL, { inputs: ['bool', 'T'] })],
  Clip: [plain(13, NUMBERS, { host: [1, 2] })],

  // picking by index
  Gather: [indexed(13, WITH_BYTES)],
  GatherElements: [indexed(13, FLOATS)],
  GatherND: [nested(13, NUMBERS)],
  ScatterElements: [indexed(18, NUMBERS, ['T'])],
  ScatterND: [nested(18, NUMBERS, ['T'])],
  TopK: [plain(11, FLOATS, { inputs: ['T', 'int64'], outputs: ['T', 'int64'], host: [1] })],
  ArgMax: [plain(13, NUMBERS, { outputs: ['int64'] })],

  // matrix products
  Gemm: [plain(13, NUMBERS)],
  MatMul: [plain(13, FLOATS)],
  Einsum: [plain(12, FLOATS)],

  // moving and relabelling
  Cast: [{ since: 21, inputs: ['T1'], outputs: ['T2'], types: { T1: WITH_BYTES, T2: [...WITH_BYTES, 'int64'] } }],
  Identity: [plain(21, NUMBERS)],
  Reshape: [shaped(21, WITH_BYTES)],
  Squeeze: [shaped(21, NUMBERS)],
  Unsqueeze: [shaped(21, WITH_BOOL)],
  Transpose: [plain(21, NUMBERS)],
  Concat: [plain(13, NUMBERS)],
  Slice: [plain(13, FLOATS, { inputs: ['T', 'Tind'], types: { T: FLOATS, Tind: INDICES }, host: [1, 2, 3, 4] })],
  Pad: [
    plain(21, NUMBERS, { inputs: ['T', 'int64', 'T', 'Tind'], types: { T: NUMBERS, Tind: INDICES }, host: [1, 2, 3] }),
  ],
  Split: [shaped(18, NUMBERS)],
  Tile: [shaped(13, NUMBERS)],
  Trilu: [shaped(14, NUMBERS)],
  Expand: [shaped(13, WITH_BYTES)],
  Range: [plain(11, ['float32', 'int32'], { host: [0, 1, 2] })],
  Shape: [plain(21, NUMBERS, { outputs: ['int64'] })],

  // sums along axes
  ReduceSum: [shaped(13, NUMBERS)],
  ReduceMean: [shaped(18, NUMBERS)],
  ReduceMax: [shaped(20, NUMBERS)],
  ReduceMin: [shaped(20, NUMBERS)],
  ReduceProd: [shaped(18, NUMBERS)],
  ReduceL2: [shaped(18, NUMBERS)],
  ReduceSumSquare: [shaped(18, NUMBERS)],
  ReduceLogSumExp: [shaped(18, NUMBERS)],
  CumSum: [plain(14, NUMBERS, { inputs: ['T', 'T2'], types: { T: NUMBERS, T2: INDICES }, host: [1] })],

  // the network's own; SimplifiedLayerNormalization's second output is placed, but wrong
  Softmax: [plain(13, FLOATS)],
  LayerNormalization: [plain(17, FLOATS, { outputs: ['T', 'float32'] })],
  SimplifiedLayerNormalization: [plain(1, FLOATS, { outputs: ['T', 'float32'] })],
  RotaryEmbedding: [plain(1, FLOATS, { ...MICROSOFT, inputs: ['T', 'int64', 'T'] })],
};
