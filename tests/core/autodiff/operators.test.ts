// Every operator against the float64 interpreter and finite differences: forward, gradient, shape rule, none left out.

import { describe, expect, test } from 'vitest';
import { apply, constant, createGraph, input, operators, scoped, sizeOf, toData } from '#core/autodiff/graph.ts';
import type { Graph, Node, Tensor } from '#core/autodiff/graph.ts';
import { gradients } from '#core/autodiff/gradient.ts';
import { loweringOf } from '#core/autodiff/compile.ts';
import { chosenDevice } from '#core/autodiff/device.ts';
import { encodeModel } from '#core/autodiff/onnx.ts';
import { add, clip, mul, where } from '#core/autodiff/ops/elementwise.ts';
import { gather } from '#core/autodiff/ops/indexing.ts';
import { cast, identity } from '#core/autodiff/ops/movement.ts';
import { sumAll } from '#core/autodiff/ops/reduction.ts';
import { openSession } from '#core/autodiff/session.ts';
import { createRandom } from '#core/random.ts';
import { expectClose, refusalOf, slopes } from './comparisons.ts';
import { formulas, interpret, values } from './interpreter.ts';
import type { Values } from './interpreter.ts';
import { cases } from './operator-cases.ts';
import { refusals } from './operator-refusals.ts';
import type { Case } from './operator-cases.ts';

/** The processor, unless the whole file is run on another device. */
const DEVICE = chosenDevice();
/** WebGPU takes no int64, and no bools in comparisons; our graphs give it none. */
const runs = (name: string, { given }: Case) =>
  DEVICE.provider !== 'webgpu' ||
  (name !== 'Loop' && !given.some(({ dtype }) => dtype === 'int64' || (name === 'Equal' && dtype === 'bool')));

/** An Identity passes anything on. */
const TAKES_ANYTHING = ['Identity'];
const nodesOf = (graph: Graph): Node[] =>
  graph.nodes.flatMap((node) => [node, ...(node.body ? nodesOf(node.body.graph) : [])]);

function built({ given, build }: Case) {
  const graph = createGraph(null, loweringOf(DEVICE));
  const inputs = given.map(({ dtype, shape }, n) => input(graph, `x${n}`, dtype, shape));
  const outputs = [build(...inputs)].flat() as Tensor[];
  const fed = new Map<Tensor, Values>(inputs.map((tensor, n) => [tensor, values(tensor.shape, given[n]!.values)]));
  return { graph, inputs, outputs, fed, floats: inputs.filter((tensor) => tensor.dtype === 'float32') };
}
/** sum of y w over all outputs: one number that depends on every element in its own way */
function projected(outputs: readonly Tensor[]): Tensor {
  const random = createRandom(3, 'projection');
  return outputs
    .map((y) => {
      const w = constant(
        y.graph,
        'float32',
        y.shape,
        Float32Array.from({ length: sizeOf(y.shape) }, () => random.normal()),
      );
      return sumAll(mul(cast(y, 'float32'), w));
    })
    .reduce((a, b) => add(a, b));
}
async function runtimeOf(graph: Graph, wanted: readonly Tensor[], { given }: Case) {
  const named = wanted.map((tensor) => identity(tensor));
  const session = await openSession(encodeModel(graph, named), { threads: 1, spin: false });
  const results = await session.run(
    Object.fromEntries(
      given.map(({ dtype, shape, values }, n) => [`x${n}`, { dtype, shape, data: toData(dtype, values) }]),
    ),
  );
  await session.release();
  return named.map((tensor) => results[tensor.name]!);
}

const tried = Object.entries(cases).flatMap(([name, list]) =>
  list.some((one) => runs(name, one)) ? [[name, list.filter((one) => runs(name, one))] as const] : [],
);
describe.each(tried)('%s', (name, list) => {
  test.each(list.map((one) => [one.about, one] as const))('%s', async (_, one) => {
    const { graph, inputs, outputs, fed, floats } = built(one);
    const { gradient } = operators.get(name)!;
    expect(nodesOf(graph).map((node) => node.operator.name)).toContain(name);
    const wanted = one.by ? one.by.map((n) => inputs[n]!) : gradient ? floats : [];
    const expected = interpret(outputs, fed);
    const loss = wanted.length > 0 ? projected(outputs) : null;
    const slope = loss ? slopes(loss, wanted, fed) : [];
    const given = loss ? gradients(loss, wanted) : [];
    const exact = given.length > 0 ? interpret(given, fed) : [];

    exact.forEach((values, n) => {
      expect(values.shape).toEqual(wanted[n]!.shape);
      expectClose(values.data, slope[n]!, 1e-6, `gradient of ${wanted[n]!.name}, against finite differences`);
    });
    const results = await runtimeOf(graph, [...outputs, ...given], one);
    [...expected, ...exact].forEach((values, n) => {
      expect(results[n]!.shape).toEqual(values.shape);
      expect(results[n]!.dtype).toBe([...outputs, ...given][n]!.dtype);
      expectClose(
        results[n]!.data,
        values.data,
        DEVICE.provider === 'cpu' ? 1e-5 : 1e-4,
        n < expected.length ? `output ${n} of the runtime` : `gradient ${n - expected.length} of the runtime`,
      );
    });
  });
});

describe('no operator is left out', () => {
  test('each has cases, a formula and a refusal, and no other name has', () => {
    const names = [...operators.keys()].sort();
    expect(names.length).toBeGreaterThan(50);
    expect(
      Object.keys(cases)
        .filter((name) => cases[name]!.length > 0)
        .sort(),
    ).toEqual(names);
    expect(Object.keys(formulas).sort()).toEqual(names);
    expect([...Object.keys(refusals).filter((name) => refusals[name]!.length > 0), ...TAKES_ANYTHING].sort()).toEqual(
      names,
    );
  });
  test('each with a gradient has a case that differentiates by every float input it can', () => {
    const isFull = (name: string) =>
      cases[name]!.some((one) => one.by === undefined && one.given.some((x) => x.dtype === 'float32'));
    const without = [...operators].filter(([name, { gradient }]) => gradient && !isFull(name)).map(([name]) => name);
    expect(without).toEqual([]);
  });
});

describe('a shape rule refuses', () => {
  test.each(Object.entries(refusals))('%s', (name, list) => {
    for (const [build, got] of list) {
      const graph = createGraph();
      const error = refusalOf(() => scoped(graph, 'block 3', () => build(graph)));
      expect(error.code).toBe('bad-graph');
      expect(error.message).toMatch(
        new RegExp(`^${name} "block 3/${name}\\.\\d+": expected .+, got (float32|int32|int64|bool)\\[.*\\]\\.$`),
      );
      expect(error.message.slice(error.message.indexOf(', got '))).toContain(got);
      expect(graph.nodes.filter((node) => node.operator.name === name)).toEqual([]);
    }
  });
  test('and its own mistakes pass as they are', () => {
    const graph = createGraph();
    const broken = {
      name: 'Broken',
      infer: () => {
        throw new RangeError('a slip');
      },
      gradient: null,
    };
    expect(() => apply(broken, [input(graph, 'x', 'float32', [2])])).toThrow(RangeError);
  });
});

describe('an operator without a derivative is named', () => {
  const without = [...operators.values()].filter((op) => !op.gradient).map((op) => op.name);
  test.each(without.filter((name) => cases[name]!.some((one) => one.given.some((x) => x.dtype === 'float32'))))(
    '%s',
    (name) => {
      const { graph, outputs, floats } = built(
        cases[name]!.find((one) => one.given.some((x) => x.dtype === 'float32'))!,
      );
      const culprit = graph.nodes.find((node) => node.operator.name === name)!;
      // what is not float reaches the loss through a Cast, which is then the first to have no derivative
      const y = outputs[0]!;
      const named = y.dtype === 'float32' ? `${name} "${culprit.name}"` : 'Cast "Cast.';
      const error = refusalOf(() => gradients(sumAll(cast(y, 'float32')), floats));
      expect(error.code).toBe('bad-graph');
      expect(error.message).toContain(named);
      expect(error.message).toContain('has no derivative');
    },
  );
  test('Gather on another axis than the first', () => {
    const { outputs, floats } = built(cases.Gather!.at(-1)!);
    expect(refusalOf(() => gradients(sumAll(outputs[0]!), floats)).message).toMatch(
      /^Gather along axis 1 .* has no derivative/,
    );
  });
});

test('Clip passes the gradient at its very bounds, as PyTorch does', () => {
  const graph = createGraph();
  const x = input(graph, 'x', 'float32', [5]);
  const [dx] = gradients(sumAll(clip(x, -1, 1)), [x]);
  expect([...interpret([dx!], new Map([[x, values([5], [-1.5, -1, 0, 1, 1.5])]]))[0]!.data]).toEqual([0, 1, 1, 1, 0]);
});

test('conditions and indices take no gradient, and do not stand in its way', () => {
  const graph = createGraph();
  const x = input(graph, 'x', 'float32', [3]);
  const table = input(graph, 'table', 'float32', [4]);
  const chosen = where(cast(x, 'bool'), x, mul(x, x));
  const picked = gather(table, cast(x, 'int32'));
  const [dx] = gradients(sumAll(mul(chosen, picked)), [x]);
  const [got] = interpret(
    [dx!],
    new Map([
      [x, values([3], [0, 2, 3])],
      [table, values([4], [5, 6, 7, 8])],
    ]),
  );
  expect([...got!.data]).toEqual([0, 7, 8]);
});
