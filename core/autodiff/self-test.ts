// Whether a device computes what the processor does: every operator that our graphs emit, forward and backward, on
// small inputs.
//
// A check is one graph: the operator on inputs of sizes that are not round, and the gradient of the sum of its squares.
// The
// reference is the same graph built plainly, run on the processor without the runtime's optimisations.

import { sentenceOf } from '#core/errors.ts';
import { createRandom } from '#core/random.ts';
import { loweringOf } from './compile.ts';
import type { Device } from './device.ts';
import { PROCESSOR } from './device.ts';
import { gradients } from './gradient.ts';
import { createGraph, input, PLAIN, sizeOf } from './graph.ts';
import type { Lowering, Shape, Tensor, TensorData } from './graph.ts';
import { encodeModel } from './onnx.ts';
import * as e from './ops/elementwise.ts';
import { gather, gatherElements, topK } from './ops/indexing.ts';
import { batchMatMul, gemm } from './ops/linalg.ts';
import * as m from './ops/movement.ts';
import * as n from './ops/nn.ts';
import * as r from './ops/reduction.ts';
import { openSession } from './session.ts';
import type { SessionOptions, Value } from './session.ts';

export interface Check {
  /** the operator's name, or what else was computed */
  name: string;
  ok: boolean;
  /**
   * the largest difference, measured against 1 + the largest number that was expected; OFF where there is nothing to
   * measure
   */
  worst: number;
  tolerance: number;
  /** what is wrong, in a sentence; null where nothing is */
  problem: string | null;
}
/** Stands for a result that is no number, or for none at all. */
export const OFF = 1e9;

/** What a single operator may be off by. CUDA multiplies float32 as TF32, of 10 bits; bfloat16 has 7. */
export const toleranceOf = ({ provider, precision }: Device): number =>
  precision === 'bf16' ? 2e-2 : { cpu: 1e-5, cuda: 2e-3, webgpu: 1e-4 }[provider];

/** The largest difference of two results, as `Check.worst` is measured. */
export function differenceOf(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) return OFF;
  let off = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const d = Math.abs(got[i]! - expected[i]!);
    if (!(d < OFF)) return OFF;
    off = Math.max(off, d);
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return off / (1 + largest);
}

/**
 * The first thing that is wrong; what an operator computes comes before its gradient, which is made of other operators.
 */
export const firstProblem = (checks: readonly Check[]): Check | null =>
  checks.find(({ problem }) => problem !== null && !problem.startsWith(SLOPE)) ??
  checks.find(({ problem }) => problem !== null) ??
  null;
const SLOPE = 'The gradient of ';

interface Given {
  dtype: 'float32' | 'int32';
  shape: Shape;
  /** from a standard normal number to the value */
  of?: (z: number) => number;
  values?: readonly number[];
}
const f = (...shape: number[]): Given => ({ dtype: 'float32', shape });
const positive = (...shape: number[]): Given => ({ dtype: 'float32', shape, of: (z) => 0.4 + Math.abs(z) });
const i = (shape: Shape, values: readonly number[]): Given => ({ dtype: 'int32', shape, values });
type OperatorCheck = readonly [
  name: string,
  given: readonly Given[],
  build: (...inputs: Tensor[]) => Tensor | Tensor[],
];

const one = (x: Tensor) => m.cast(x, 'float32');
const wave = (rows: number, columns: number, of: (angle: number) => number) =>
  Array.from({ length: rows * columns }, (_, k) => of(Math.floor(k / columns) * 7 ** -(k % columns)));
const tables: readonly Given[] = [
  { ...f(9, 3), values: wave(9, 3, Math.cos) },
  { ...f(9, 3), values: wave(9, 3, Math.sin) },
];
const POSITIONS = [0, 1, 2, 5, 8, 3, 4, 0, 7, 6];

/** Those come first that the gradients of later ones are made of. */
const CHECKS: readonly OperatorCheck[] = [
  ['Identity', [f(3, 5)], (x) => m.identity(x!)],
  ['Reshape', [f(3, 10)], (x) => m.reshape(x!, [5, 6])],
  ['Cast', [f(3, 7)], (x) => one(m.cast(e.scale(x!, 9), 'int32'))],
  ['Mul', [f(2, 3, 7), f(3, 1)], (a, b) => e.mul(a!, b!)],
  ['ReduceSum', [f(3, 5, 7)], (x) => r.reduceSum(x!, [1])],
  ['Expand', [f(3, 1, 7)], (x) => r.expand(x!, [2, 3, 5, 7])],
  ['Add', [f(2, 3, 7), f(7)], (a, b) => e.add(a!, b!)],
  ['Sub', [f(2, 3, 7), f(7)], (a, b) => e.sub(a!, b!)],
  ['Neg', [f(3, 7)], (x) => e.neg(x!)],
  ['Div', [f(2, 3, 7), positive(3, 7)], (a, b) => e.div(a!, b!)],
  ['Exp', [f(3, 7)], (x) => e.exp(x!)],
  ['Log', [positive(3, 7)], (x) => e.log(x!)],
  ['Sqrt', [positive(3, 7)], (x) => e.sqrt(x!)],
  ['Less', [f(3, 7), f(7)], (a, b) => [one(e.less(a!, b!)), one(e.lessOrEqual(a!, b!))]],
  ['Greater', [f(3, 7), f(7)], (a, b) => [one(e.greater(a!, b!)), one(e.greaterOrEqual(a!, b!))]],
  ['Equal', [i([3, 3], [0, 1, 2, 2, 1, 0, 1, 1, 1]), i([3], [0, 1, 1])], (a, b) => one(e.equal(a!, b!))],
  [
    'And, Or, Not',
    [f(3, 7), f(7)],
    (a, b) => [one(e.and(e.less(a!, b!), e.greater(a!, e.neg(b!)))), one(e.or(e.less(a!, b!), e.not(e.less(b!, a!))))],
  ],
  ['Where', [f(3, 7), f(7)], (a, b) => e.where(e.less(a!, b!), a!, e.mul(b!, b!))],
  ['Max, Min', [f(3, 7), f(7)], (a, b) => [e.maximum(a!, b!), e.minimum(a!, b!)]],
  ['Clip', [f(3, 7)], (x) => e.clip(x!, -0.6, 0.9)],
  ['Gemm', [f(13, 7), f(7, 11), f(11)], (a, b, c) => gemm(a!, b!, { add: c! })],
  ['Gemm, first side transposed', [f(7, 13), f(7, 11)], (a, b) => gemm(a!, b!, { transA: true })],
  [
    'Gemm, second side transposed',
    [f(13, 7), f(11, 7), f(13, 11)],
    (a, b, c) => gemm(a!, b!, { transB: true, add: c! }),
  ],
  ['FusedMatMul', [f(2, 3, 5, 7), f(2, 3, 7, 11)], (a, b) => batchMatMul(a!, b!, { scale: 0.37 })],
  [
    'FusedMatMul, first side transposed',
    [f(2, 3, 7, 5), f(2, 3, 7, 11)],
    (a, b) => batchMatMul(a!, b!, { transA: true }),
  ],
  [
    'FusedMatMul, second side transposed',
    [f(2, 3, 5, 7), f(2, 3, 11, 7)],
    (a, b) => batchMatMul(a!, b!, { transB: true, scale: 0.37 }),
  ],
  ['Transpose', [f(2, 3, 5, 7)], (x) => m.transpose(x!, [0, 2, 1, 3])],
  ['Concat', [f(2, 3, 5), f(2, 7, 5)], (a, b) => m.concat([a!, b!], 1)],
  ['Split', [f(47)], (x) => m.split(x!, [3, 5, 1, 7, 11, 2, 13, 5], 0).map((part, k) => e.scale(part, k + 1))],
  ['Slice', [f(3, 11)], (x) => m.slice(x!, 1, 2, 9)],
  ['Pad', [f(3, 5)], (x) => m.pad(x!, 1, 2, 3)],
  ['Tanh', [f(3, 7)], (x) => e.tanh(x!)],
  ['Sigmoid', [f(3, 7)], (x) => e.sigmoid(x!)],
  ['Softplus', [f(3, 7)], (x) => e.softplus(x!)],
  ['Erf', [f(3, 7)], (x) => e.erf(x!)],
  ['Gelu', [f(3, 7)], (x) => e.geluErf(x!)],
  ['GeluTanh', [f(3, 7)], (x) => e.gelu(x!)],
  ['FastGelu', [f(3, 7)], (x) => e.geluForward(x!)],
  ['QuickGelu', [f(3, 7)], (x) => e.silu(x!)],
  ['ReduceMean', [f(3, 5, 7)], (x) => r.reduceMean(x!, [-1], true)],
  ['ReduceMax', [f(3, 5, 7)], (x) => r.reduceMax(x!, [-1], true)],
  ['ReduceSumSquare', [f(3, 5, 7)], (x) => r.reduceSumSquare(x!, [0, 1, 2])],
  ['Softmax', [f(5, 13)], (x) => n.softmax(x!)],
  ['LogSumExp', [f(5, 13)], (x) => n.logSumExp(x!)],
  ['LayerNormalization', [f(3, 5, 23), f(23), f(23)], (x, g, b) => n.layerNorm(x!, g!, b!, 1e-5)],
  ['SimplifiedLayerNormalization', [f(3, 5, 23), f(23)], (x, g) => n.rmsNorm(x!, g!, 1e-5)],
  [
    'RotaryEmbedding',
    [f(2, 3, 5, 6), i([2, 5], POSITIONS), ...tables],
    (x, at, cosine, sine) => n.rotary(x!, m.cast(at!, 'int64'), cosine!, sine!),
  ],
  ['Gather', [f(11, 6), i([2, 5], [3, 0, 3, 10, 7, 3, 3, 1, 0, 5])], (x, at) => gather(x!, at!)],
  [
    'GatherElements',
    [f(5, 9), i([5, 3], [8, 0, 8, 4, 4, 4, 1, 2, 3, 0, 0, 7, 6, 5, 6])],
    (x, at) => gatherElements(x!, at!, 1),
  ],
  ['CumSum', [f(3, 17)], (x) => r.cumulativeSum(x!, 1)],
  ['CumSum, long', [positive(2, 5003)], (x) => r.cumulativeSum(x!, 1)],
  ['TopK', [f(3, 17)], (x) => topK(x!, 5)[0]],
  ['ArgMax', [f(5, 17)], (x) => one(r.argMax(x!, 1))],
];

/** What no gradient is taken of: steps, and what is used where none is needed. */
const LEVELS = new Set([
  'Less',
  'Greater',
  'Equal',
  'And, Or, Not',
  'Cast',
  'FastGelu',
  'ReduceMean',
  'ReduceMax',
  'ReduceSumSquare',
  'CumSum',
  'CumSum, long',
  'TopK',
  'ArgMax',
]);

interface Built {
  outputs: Tensor[];
  model: Uint8Array;
  operators: string[];
  forward: number;
}

function build([name, given, make]: OperatorCheck, lowering: Lowering, withSlopes: boolean): Built {
  const graph = createGraph(null, lowering);
  const inputs = given.map(({ dtype, shape }, k) => input(graph, `x${k}`, dtype, shape));
  const made = [make(...inputs)].flat() as Tensor[];
  const wanted =
    withSlopes && !LEVELS.has(name)
      ? inputs.filter(({ dtype }, k) => dtype === 'float32' && !tables.includes(given[k]!))
      : [];
  const slopes = wanted.length ? gradients(made.map((y) => r.sumAll(e.mul(y, y))).reduce(e.add), wanted) : [];
  const outputs = [...made, ...slopes].map(m.identity);
  return {
    outputs,
    model: encodeModel(graph, outputs),
    operators: graph.nodes.filter(({ composed }) => !composed).map(({ operator }) => operator.name),
    forward: made.length,
  };
}

function valuesFor([name, given]: OperatorCheck): Record<string, Value> {
  const random = createRandom(11, `self-test/${name}`);
  return Object.fromEntries(
    given.map(({ dtype, shape, of = (z) => 0.8 * z, values }, k) => {
      const drawn = values ?? Array.from({ length: sizeOf(shape) }, () => of(random.normal()));
      const data: TensorData = dtype === 'int32' ? Int32Array.from(drawn) : Float32Array.from(drawn);
      return [`x${k}`, { dtype, shape, data }];
    }),
  );
}

/** The names of all operators in the checks' graphs. */
export function testedOperators(lowering: Lowering): Set<string> {
  return new Set(CHECKS.flatMap((check) => build(check, lowering, true).operators));
}

async function compute(
  { outputs, model }: Built,
  values: Record<string, Value>,
  options: SessionOptions,
): Promise<ArrayLike<number>[]> {
  const session = await openSession(model, { ...options, threads: 1, spin: false });
  try {
    const results = await session.run(values);
    return outputs.map(({ name }) => results[name]!.data as Float32Array);
  } finally {
    await session.release();
  }
}

const figure = (value: number): string => (value >= OFF ? 'no number' : value.toPrecision(2));

async function checkOne(check: OperatorCheck, device: Device, lowering: Lowering): Promise<Check> {
  const [name] = check;
  const tolerance = toleranceOf(device);
  const values = valuesFor(check);
  const expected = await compute(build(check, PLAIN, true), values, { device: PROCESSOR, optimisation: 'disabled' });
  const judge = (got: readonly ArrayLike<number>[], forward: number): Check => {
    const off = got.map((values, k) => differenceOf(values, expected[k]!));
    const at = off.findIndex((value) => value > tolerance);
    const problem =
      at < 0
        ? null
        : `${at < forward ? '' : SLOPE}${name} is off by ${figure(off[at]!)}, and ${figure(tolerance)} is allowed.`;
    return { name, ok: at < 0, worst: Math.max(0, ...off), tolerance, problem };
  };
  const refused = (error: unknown, what: string): Check => ({
    name,
    ok: false,
    worst: OFF,
    tolerance,
    problem: `${what}${name} was refused: ${sentenceOf(error)}`,
  });
  try {
    const built = build(check, lowering, true);
    return judge(await compute(built, values, { device }), built.forward);
  } catch (error) {
    try {
      // without its gradient, to tell which of the two it is
      const built = build(check, lowering, false);
      const forward = judge(await compute(built, values, { device }), built.forward);
      return forward.ok ? refused(error, SLOPE) : forward;
    } catch (again) {
      return refused(again, '');
    }
  }
}

/**
 * Checks every operator on `device`, built its own way unless a test says another; `before` is told the name of each.
 * Never throws for what the device does.
 */
export async function testOperators(
  device: Device,
  {
    lowering = loweringOf(device),
    before = () => {},
  }: { lowering?: Lowering; before?: (name: string) => void | Promise<void> } = {},
): Promise<Check[]> {
  const checks: Check[] = [];
  for (const check of CHECKS) {
    await before(check[0]);
    checks.push(await checkOne(check, device, lowering));
  }
  return checks;
}
