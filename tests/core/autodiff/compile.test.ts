// Lowerings, threads, repeats and optimisation do not change what a program computes; refusals of the runtime are ours.

import { afterAll, describe, expect, test } from 'vitest';
import { compile } from '#core/autodiff/compile.ts';
import type { Arrays, Executable, Program } from '#core/autodiff/compile.ts';
import { createGraph, input, outermost } from '#core/autodiff/graph.ts';
import type { Shape, Tensor } from '#core/autodiff/graph.ts';
import { loop } from '#core/autodiff/loop.ts';
import { encodeModel } from '#core/autodiff/onnx.ts';
import { add, less, mul, scale, whole } from '#core/autodiff/ops/elementwise.ts';
import { gather, scatterRowsAdd } from '#core/autodiff/ops/indexing.ts';
import { cast, identity } from '#core/autodiff/ops/movement.ts';
import { sumAll } from '#core/autodiff/ops/reduction.ts';
import { openSession, processorThreads, runtimeVersion } from '#core/autodiff/session.ts';
import { expectClose, refusalOfAsync } from './comparisons.ts';
import { interpret, values } from './interpreter.ts';
import { batches, network, stacked, start, tables } from './small-network.ts';

const STEPS = 5;
const feeds = batches(STEPS);
const open: Executable[] = [];
afterAll(async () => {
  await Promise.all(open.map((one) => one.release()));
});
const opened = async (options: Parameters<typeof compile>[1], program: Program = network) => {
  const executable = await compile(program, { threads: 1, spin: false, ...options });
  open.push(executable);
  return executable;
};

interface Outcome {
  state: Arrays;
  outputs: Record<string, number[]>;
}
/** all steps, one run each, or as many as the executable takes a run; outputs one after the other */
async function trained(executable: Executable, from: Arrays = start, list = feeds): Promise<Outcome> {
  const outputs: Record<string, number[]> = {};
  let state = from;
  for (let at = 0; at < list.length; at += executable.steps) {
    const result = await executable.run(state, tables, stacked(list.slice(at, at + executable.steps)));
    state = result.state;
    for (const [name, { data }] of Object.entries(result.outputs))
      (outputs[name] ??= []).push(...Array.from(data, Number));
  }
  return { state, outputs };
}
const bits = (array: { buffer: ArrayBufferLike; byteOffset: number; byteLength: number }) =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);
function expectIdentical(a: Outcome, b: Outcome): void {
  expect(b.outputs).toEqual(a.outputs);
  expect(Object.keys(b.state)).toEqual(Object.keys(a.state));
  for (const [name, array] of Object.entries(a.state))
    expect(Buffer.compare(bits(array), bits(b.state[name]!)), name).toBe(0);
}

describe('one program', async () => {
  const single = await opened({});
  const expected = await trained(single);

  test('trains', () => {
    const { loss } = expected.outputs;
    expect(loss).toHaveLength(STEPS);
    expect(loss!.every((v) => v > 0 && v < 20)).toBe(true);
    expect(
      Object.entries(expected.state).filter(([name, array]) => Buffer.compare(bits(array), bits(start[name]!)) === 0),
    ).toEqual([]);
  });
  test.each([
    ['loop', 1],
    ['loop', STEPS],
  ] as const)('form %s with %i steps a run: the same bits', async (form, steps) => {
    expectIdentical(expected, await trained(await opened({ form, steps })));
  });
  test('several steps choose the loop by themselves; outputs have a row a step', async () => {
    const executable = await opened({ steps: STEPS });
    expect(executable.steps).toBe(STEPS);
    const { outputs } = await executable.run(start, tables, stacked(feeds));
    expect([outputs.loss!.shape, outputs.rows!.shape]).toEqual([[STEPS], [STEPS, 64]]);
    expect((await single.run(start, tables, feeds[0]!)).outputs.rows!.shape).toEqual([64]);
  });
  test('twice: the same bits, also with two threads, also reopened', async () => {
    expectIdentical(expected, await trained(single));
    const two = await opened({ threads: 2, steps: STEPS });
    expectIdentical(expected, await trained(two));
    expectIdentical(expected, await trained(two));
    expectIdentical(expected, await trained(await opened({ threads: 2 })));
  });
  test('stopped after two steps and taken up again from a copy of the state: the same bits', async () => {
    const first = await trained(single, start, feeds.slice(0, 2));
    const copy = Object.fromEntries(Object.entries(first.state).map(([name, array]) => [name, array.slice()]));
    const rest = await trained(await opened({}), copy, feeds.slice(2));
    expectIdentical(expected, {
      state: rest.state,
      outputs: Object.fromEntries(
        Object.keys(first.outputs).map((name) => [name, [...first.outputs[name]!, ...rest.outputs[name]!]]),
      ),
    });
  });
  test('leaves what it was given untouched', async () => {
    const copies = structuredClone([start, tables, feeds]);
    await trained(single);
    expect([start, tables, feeds]).toEqual(copies);
  });
  test('optimised or not, and interpreted in float64: the same gradients', async () => {
    // momentum starts at zero, so after one step it is the gradient
    const plain = await trained(await opened({ optimisation: 'disabled' }), start, feeds.slice(0, 1));
    const all = await trained(single, start, feeds.slice(0, 1));
    const graph = createGraph();
    const group = (types: Program['state'], arrays: Arrays) =>
      Object.entries(types).map(
        ([name, { dtype, shape }]) => [name, input(graph, name, dtype, shape), values(shape, arrays[name]!)] as const,
      );
    const given = [
      group(network.state, start),
      group(network.frozen, tables),
      group(network.feeds, feeds[0]!),
    ] as const;
    const [state, frozen, fed] = given.map((list) =>
      Object.fromEntries(list.map(([name, tensor]) => [name, tensor] as const)),
    );
    const step = network.step({ graph, state: state!, frozen: frozen!, feeds: fed! });
    const names = Object.keys(step.state).filter((name) => name.startsWith('momentum/'));
    const exact = interpret(
      [step.outputs.loss!, ...names.map((name) => step.state[name]!)],
      new Map(given.flat().map(([, tensor, array]) => [tensor, array] as const)),
    );
    expectClose(plain.outputs.loss!, exact[0]!.data, 1e-6, 'loss, not optimised');
    expectClose(all.outputs.loss!, exact[0]!.data, 1e-6, 'loss, optimised');
    names.forEach((name, i) => {
      expectClose(plain.state[name]! as Float32Array, exact[i + 1]!.data, 1e-5, `${name}, not optimised`);
      expectClose(all.state[name]! as Float32Array, exact[i + 1]!.data, 1e-5, `${name}, optimised`);
      expectClose(
        all.state[name]! as Float32Array,
        Float64Array.from(plain.state[name]! as Float32Array),
        1e-5,
        `${name}, optimised or not`,
      );
    });
  });
});

/** A counter and a sum: odd programs that return what they were given, one tensor twice, or something from outside. */
const odd: Program = {
  state: {
    count: { dtype: 'int64', shape: [] },
    kept: { dtype: 'float32', shape: [2] },
    a: { dtype: 'float32', shape: [2] },
    b: { dtype: 'float32', shape: [2] },
  },
  frozen: { w: { dtype: 'float32', shape: [2] } },
  feeds: { x: { dtype: 'float32', shape: [2] } },
  step: ({ graph, state, frozen, feeds }) => {
    const sum = add(state.a!, mul(feeds.x!, frozen.w!));
    const outside = scale(frozen.w!, 2);
    expect(outside.graph).toBe(outermost(graph));
    return {
      state: { count: add(state.count!, whole(state.count!, 1)), kept: state.kept!, a: sum, b: sum },
      outputs: { sum, again: sum, fed: feeds.x!, frozen: frozen.w!, outside },
    };
  },
};
test.each(['single', 'loop'] as const)(
  '%s: a step may return its inputs, one tensor twice, and what stands outside',
  async (form) => {
    const executable = await opened({ form }, odd);
    const state = {
      count: BigInt64Array.of(2n ** 40n),
      kept: Float32Array.of(7, 8),
      a: Float32Array.of(1, 2),
      b: Float32Array.of(0, 0),
    };
    const { state: next, outputs } = await executable.run(
      state,
      { w: Float32Array.of(3, 4) },
      { x: Float32Array.of(10, 20) },
    );
    expect(next).toEqual({
      count: BigInt64Array.of(2n ** 40n + 1n),
      kept: Float32Array.of(7, 8),
      a: Float32Array.of(31, 82),
      b: Float32Array.of(31, 82),
    });
    expect(
      Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, Array.from(data, Number)])),
    ).toEqual({ sum: [31, 82], again: [31, 82], fed: [10, 20], frozen: [3, 4], outside: [6, 8] });
  },
);

test.each([0, 2, 9])(
  'a loop that may end early, asked to stop after %i more trips, returns as many rows',
  async (stopAfter) => {
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', [2]);
    const last = input(graph, 'last', 'int64', []);
    const { carried, stacked: rows } = loop(graph, 5, [x], (step, [state]) => ({
      carried: [scale(state!, 2)],
      stacked: [state!, step],
      goOn: less(step, last),
    }));
    const session = await openSession(encodeModel(graph, [carried[0]!, ...rows]), { threads: 1, spin: false });
    const results = await session.run({
      x: { dtype: 'float32', shape: [2], data: Float32Array.of(1, 3) },
      last: { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(stopAfter)) },
    });
    await session.release();
    const trips = Math.min(stopAfter + 1, 5);
    expect(results[rows[0]!.name]!.shape).toEqual([trips, 2]);
    expect(results[rows[0]!.name]!.data).toEqual(
      Float32Array.from({ length: trips }, (_, i) => 2 ** i).reduce(
        (list, v) => Float32Array.from([...list, v, 3 * v]),
        new Float32Array(0),
      ),
    );
    expect(Array.from(results[rows[1]!.name]!.data, Number)).toEqual(Array.from({ length: trips }, (_, i) => i));
    expect(results[carried[0]!.name]!.data).toEqual(Float32Array.of(2 ** trips, 3 * 2 ** trips));
  },
);

describe('refusals', () => {
  const lookUp = (shape: Shape): Program => ({
    state: {},
    frozen: { table: { dtype: 'float32', shape } },
    feeds: { at: { dtype: 'int32', shape: [2] } },
    step: ({ frozen, feeds }) => ({ state: {}, outputs: { picked: sumAll(gather(frozen.table!, feeds.at!)) } }),
  });
  const table = { table: Float32Array.of(1, 2, 3) };

  test('the runtime stops a run (an index out of range): said once, and the session goes on', async () => {
    const executable = await opened({}, lookUp([3]));
    const error = await refusalOfAsync(() => executable.run({}, table, { at: Int32Array.of(0, 3) }));
    expect(error.code).toBe('runtime');
    expect(error.message).toMatch(/^The runtime stopped while running a graph: .*Gather.*$/);
    expect(error.hint).not.toBe('');
    expect((await executable.run({}, table, { at: Int32Array.of(0, 2) })).outputs.picked!.data).toEqual(
      Float32Array.of(4),
    );
  });
  test('the runtime does not open what is no graph, or no legal one', async () => {
    expect(await refusalOfAsync(() => openSession(Uint8Array.of(1, 2, 3)))).toMatchObject({
      code: 'runtime',
      message: expect.stringMatching(/^The runtime stopped while opening a graph: [^\n]+$/) as string,
    });
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', [2]);
    const foreign: Tensor = { ...x, name: 'nobody made it' };
    expect(await refusalOfAsync(() => openSession(encodeModel(graph, [identity(foreign)])))).toMatchObject({
      code: 'runtime',
      message: expect.stringContaining('nobody made it') as string,
    });
  });
  test('too few, too many or no values name the input and say how many', async () => {
    const executable = await opened({}, lookUp([3]));
    const refused = (frozen: Arrays, feeds: Arrays) => refusalOfAsync(() => executable.run({}, frozen, feeds));
    expect(await refused({ table: Float32Array.of(1) }, { at: Int32Array.of(0, 1) })).toMatchObject({
      code: 'bad-graph',
      message: '"frozen/table" takes 3 values (float32[3]), got 1.',
    });
    expect(await refused(table, {})).toMatchObject({
      code: 'bad-graph',
      message: '"feeds/at" takes 2 values (int32[2]), got none.',
    });
    const loops = await opened({ steps: 3 }, lookUp([3]));
    expect(await refusalOfAsync(() => loops.run({}, table, { at: Int32Array.of(0, 1) }))).toMatchObject({
      message: '"feeds/at" takes 6 values (int32[3, 2]), got 2.',
    });
  });
  test('values of another type', async () => {
    const executable = await opened({}, lookUp([3]));
    const error = await refusalOfAsync(() => executable.run({}, table, { at: Float32Array.of(0, 1) }));
    expect([error.code, error.message]).toEqual([
      'runtime',
      expect.stringMatching(/^The runtime stopped while taking "feeds\/at": .*int32/) as string,
    ]);
  });
  test('a session that was released', async () => {
    const executable = await compile(lookUp([3]), { threads: 1, spin: false });
    await executable.release();
    const error = await refusalOfAsync(() => executable.run({}, table, { at: Int32Array.of(0, 1) }));
    expect(error.code).toBe('runtime');
  });
  test('a step that drops a state, or gives it another shape, does not compile', async () => {
    const program = (step: Program['step']): Program => ({
      state: { a: { dtype: 'float32', shape: [2] } },
      frozen: {},
      feeds: {},
      step,
    });
    const shrinks = program(({ state }) => ({ state: { a: sumAll(state.a!) }, outputs: {} }));
    const other = program(({ state }) => ({ state: { a: cast(state.a!, 'int32') }, outputs: {} }));
    const drops = program(() => ({ state: {}, outputs: {} }));
    for (const form of ['single', 'loop'] as const)
      for (const [broken, got] of [
        [shrinks, 'float32[]'],
        [other, 'int32[2]'],
        [drops, 'nothing'],
      ] as const) {
        expect(await refusalOfAsync(() => compile(broken, { form, threads: 1 }))).toMatchObject({
          code: 'bad-graph',
          message: `The step makes ${got} of the state "a", expected float32[2].`,
        });
      }
  });
});

test('the number of threads is the cores, unless the environment says otherwise', () => {
  const before = process.env.TASTEMAKER_THREADS;
  try {
    delete process.env.TASTEMAKER_THREADS;
    const cores = processorThreads();
    expect(cores).toBeGreaterThan(0);
    for (const [said, meant] of [
      ['3', 3],
      ['0', cores],
      ['-1', cores],
      ['many', cores],
      ['1.5', cores],
    ] as const) {
      process.env.TASTEMAKER_THREADS = said;
      expect(processorThreads(), said).toBe(meant);
    }
  } finally {
    if (before === undefined) delete process.env.TASTEMAKER_THREADS;
    else process.env.TASTEMAKER_THREADS = before;
  }
  expect(runtimeVersion()).toMatch(/^1\.\d+\.\d+/);
});

test('rows that many indices name get every update, in order and to the bit, on all threads', async () => {
  const [V, C, R] = [40, 64, 4096];
  const graph = createGraph();
  const [table, ids, updates] = [
    input(graph, 'table', 'float32', [V, C]),
    input(graph, 'ids', 'int32', [R, 1]),
    input(graph, 'updates', 'float32', [R, C]),
  ];
  const out = scatterRowsAdd(table, ids, updates);
  const session = await openSession(encodeModel(graph, [out]), { threads: processorThreads() });
  const at = Int32Array.from({ length: R }, (_, i) => (i * i + (i >> 3)) % V);
  const given = Float32Array.from({ length: R * C }, (_, i) => Math.sin(i) * 10 ** (i % 5));
  const expected = new Float32Array(V * C);
  // each sum rounded to float32, as there
  for (let r = 0; r < R; r++) for (let c = 0; c < C; c++) expected[at[r]! * C + c]! += given[r * C + c]!;
  for (let repeat = 0; repeat < 20; repeat++) {
    const sum = (
      await session.run({
        table: { dtype: 'float32', shape: [V, C], data: new Float32Array(V * C) },
        ids: { dtype: 'int32', shape: [R, 1], data: at },
        updates: { dtype: 'float32', shape: [R, C], data: given },
      })
    )[out.name];
    expect(Buffer.compare(bits(sum!.data as Float32Array), bits(expected)), `repeat ${repeat}`).toBe(0);
  }
  await session.release();
});
