// The kernels of ONNX Runtime 1.30's CUDA provider for opset 21: which operators, which types, which inputs on the
// host.
//
// Source: docs/OperatorKernels.md of microsoft/onnxruntime at 001d12d2623fd411ce0f83d05abb5e82304a3389, section
// "Operators
// implemented by CUDAExecutionProvider", newest version up to 21 of each operator; 8-bit floats, strings and sequences
// are
// left out. That file is older than 1.30.0, so every entry was held against the placements that the provider library of
// 1.30.0 (CUDA 13) reports for graphs of one node of each of nine types; where the library covers more than the file, a
// comment says "library". A kernel without a last version takes only the operator's version that it names, which is why
// the file's own ranges would leave out Loop and Identity. `host` is what the library copies to the host in front of
// such
// a node; of Loop and If, what core/providers/cuda/controlflow registers as CPU inputs.

import { INDICES, indexed, MICROSOFT, nested, plain, predicate, shaped } from './kernel-forms.ts';
import type { KernelTable } from './placement.ts';

const FLOATS = ['float32', 'float16', 'float64'] as const;
const WITH_BF16 = [...FLOATS, 'bfloat16'] as const;
const WHOLE = ['int32', 'int64', 'uint32', 'uint64'] as const;
const NUMBERS = [...WITH_BF16, 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'] as const;
const ANY = [...NUMBERS, 'bool'] as const;
const BOOL = ['bool'] as const;

const TO_22 = { until: 22 } as const;

export const CUDA_KERNELS: KernelTable = {
  // elementwise
  Add: [plain(14, NUMBERS)],
  Sub: [plain(14, NUMBERS)],
  Mul: [plain(14, NUMBERS)],
  Div: [plain(14, NUMBERS)],
  Max: [plain(13, [...WITH_BF16, ...WHOLE])],
  Min: [plain(13, [...WITH_BF16, ...WHOLE])],
  Mod: [plain(13, [...WITH_BF16, ...WHOLE])],
  Sum: [plain(13, WITH_BF16)],
  Pow: [
    plain(15, [...WITH_BF16, ...INDICES], {
      inputs: ['T', 'T1'],
      types: { T: [...WITH_BF16, ...INDICES], T1: [...WITH_BF16, ...INDICES] },
    }),
  ],
  Neg: [plain(13, [...WITH_BF16, 'int8', 'int16', 'int32', 'int64'])],
  Abs: [plain(13, NUMBERS)],
  Sign: [plain(13, NUMBERS)],
  Exp: [plain(13, WITH_BF16)],
  Log: [plain(13, FLOATS)],
  Sqrt: [plain(13, WITH_BF16)],
  Reciprocal: [plain(13, FLOATS)],
  Tanh: [plain(13, WITH_BF16)],
  Sigmoid: [plain(13, WITH_BF16)],
  Softplus: [plain(1, FLOATS)],
  Erf: [plain(13, WITH_BF16)],
  Relu: [plain(14, WITH_BF16)],
  Floor: [plain(13, FLOATS)],
  Ceil: [plain(13, FLOATS)],
  Round: [plain(11, FLOATS)],
  Sin: [plain(7, FLOATS)],
  Cos: [plain(7, FLOATS)],
  Gelu: [plain(20, WITH_BF16), plain(1, WITH_BF16, MICROSOFT)],
  FastGelu: [plain(1, WITH_BF16, MICROSOFT)],
  QuickGelu: [plain(1, WITH_BF16, MICROSOFT)],
  Less: [predicate(13, [...FLOATS, ...WHOLE])],
  LessOrEqual: [predicate(16, [...FLOATS, ...WHOLE])],
  Greater: [predicate(13, [...FLOATS, ...WHOLE])],
  GreaterOrEqual: [predicate(16, [...FLOATS, ...WHOLE])],
  Equal: [predicate(19, ['bool', ...FLOATS, ...WHOLE])], // file: 13 to 18; library
  And: [predicate(7, BOOL)],
  Or: [predicate(7, BOOL)],
  Xor: [predicate(7, BOOL)],
  Not: [predicate(1, BOOL)],
  IsNaN: [predicate(20, WITH_BF16)],
  IsInf: [predicate(20, WITH_BF16)],
  Where: [plain(16, [...WITH_BF16, 'int32', 'int64', 'uint8'], { inputs: ['bool', 'T'] })],
  Clip: [plain(13, [...FLOATS, 'int8', 'int64', 'uint8', 'uint64'])],
  Dropout: [
    plain(13, WITH_BF16, {
      inputs: ['T', 'T1', 'bool'],
      outputs: ['T', 'bool'],
      types: { T: WITH_BF16, T1: WITH_BF16 },
      host: [1, 2],
    }),
  ],

  // picking by index
  Gather: [indexed(13, ANY)],
  GatherElements: [indexed(13, ANY)],
  GatherND: [nested(13, [...WITH_BF16, 'int64', 'bool'])],
  ScatterElements: [indexed(18, ANY, ['T'])],
  ScatterND: [nested(18, ANY, ['T'])],
  // uint8: library
  TopK: [plain(11, [...FLOATS, ...INDICES, 'uint8'], { inputs: ['T', 'int64'], outputs: ['T', 'int64'], host: [1] })],
  ArgMax: [plain(13, FLOATS, { outputs: ['int64'] })],
  // indices and depth share a type
  OneHot: [
    {
      since: 11,
      inputs: ['int64', 'int64', 'T3'],
      outputs: ['T3'],
      types: { T3: ['float32', 'float16', 'int64'] },
      host: [1, 2],
    },
    {
      since: 11,
      inputs: ['int32', 'int32', 'T3'],
      outputs: ['T3'],
      types: { T3: ['float32', 'float16'] },
      host: [1, 2],
    },
  ],

  // matrix products
  Gemm: [plain(13, WITH_BF16)],
  MatMul: [plain(13, WITH_BF16)],
  FusedMatMul: [plain(1, WITH_BF16, MICROSOFT)],
  Einsum: [plain(12, FLOATS)],

  // moving and relabelling
  Cast: [{ since: 21, ...TO_22, inputs: ['T1'], outputs: ['T2'], types: { T1: ANY, T2: ANY } }],
  Identity: [plain(21, ANY)], // file: 19; library
  Reshape: [shaped(21, ANY, TO_22)],
  Squeeze: [shaped(21, ANY, TO_22)],
  Unsqueeze: [shaped(21, ANY, TO_22)],
  Transpose: [plain(21, ANY, TO_22)],
  Concat: [plain(13, ANY)],
  Slice: [plain(13, ANY, { inputs: ['T', 'Tind'], types: { T: ANY, Tind: INDICES }, host: [1, 2, 3, 4] })],
  Pad: [
    plain(21, [...FLOATS, 'bool'], {
      inputs: ['T', 'int64', 'T', 'Tind'],
      types: { T: [...FLOATS, 'bool'], Tind: INDICES },
      host: [1, 2, 3],
    }),
  ], // file: 18; library
  Split: [shaped(18, ANY)],
  Tile: [shaped(13, [...WITH_BF16, 'int32', 'int64'])],
  Trilu: [shaped(14, ANY)],
  Expand: [shaped(13, ANY)],
  Range: [plain(11, ['float32', 'float64', 'int16', 'int32', 'int64'], { host: [0, 1, 2] })],
  // file: 9; library
  ConstantOfShape: [{ since: 21, inputs: ['int64'], outputs: ['T2'], types: { T2: ANY }, host: [0] }],
  Shape: [plain(21, ANY, { ...TO_22, outputs: ['int64'] })], // its output lies on the host too

  // sums along axes
  ReduceSum: [shaped(13, [...WITH_BF16, 'int32', 'int64'])],
  ReduceMean: [shaped(18, [...WITH_BF16, 'int32'])], // bfloat16: library
  ReduceMax: [shaped(20, [...FLOATS, 'int32', 'int64', 'uint8'])], // file: 18; 20 and uint8: library
  ReduceMin: [shaped(20, [...FLOATS, 'int32', 'int64', 'int8', 'uint8'])], // file: 18; 20: library
  ReduceProd: [shaped(18, [...FLOATS, 'int32'])],
  ReduceL2: [shaped(18, [...FLOATS, 'int32'])],
  ReduceSumSquare: [shaped(18, WITH_BF16)], // bfloat16: library
  ReduceLogSumExp: [shaped(18, FLOATS)],
  CumSum: [
    plain(14, [...FLOATS, ...WHOLE], {
      inputs: ['T', 'T2'],
      types: { T: [...FLOATS, ...WHOLE], T2: INDICES },
      host: [1],
    }),
  ],

  // the network's own
  Softmax: [plain(13, WITH_BF16)],
  LogSoftmax: [plain(13, FLOATS)],
  LayerNormalization: [plain(17, WITH_BF16, { outputs: ['T', 'float32'] })],
  SimplifiedLayerNormalization: [plain(1, ['float32', 'float16', 'bfloat16'], { outputs: ['T', 'float32'] })],
  RotaryEmbedding: [plain(1, ['float32', 'float16', 'bfloat16'], { ...MICROSOFT, inputs: ['T', 'int64', 'T'] })],

  // control: file: 19; library
  Loop: [{ since: 21, inputs: ['int64', 'bool', 'V'], outputs: ['V'], types: { V: ANY }, host: [0, 1] }],
  If: [{ since: 21, inputs: ['bool'], outputs: ['V'], types: { V: ANY }, host: [0] }],
};
