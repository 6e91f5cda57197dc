// From a program to something that runs: build the step, lower it, encode it, open it.
//
// A program is one step as a function of tensors: `state` is carried from step to step and never leaves the runtime
// inside a run, `frozen` enters unchanged, `feeds` differ each step. Processor and CUDA wrap K steps in one ONNX Loop;
// WebGPU has none and runs a graph of one step K times, its state staying on the device. What a provider lacks, or does
// better otherwise, stands in lowerings/.

import { TastemakerError } from '#core/errors.ts';
import { createChain } from './chain.ts';
import { chosenDevice } from './device.ts';
import type { Device } from './device.ts';
import { createGraph, input, PLAIN, scalar, show, sizeOf } from './graph.ts';
import type { Graph, Lowering, Tensor, TensorData, TensorType } from './graph.ts';
import { loop } from './loop.ts';
import { cuda } from './lowerings/cuda.ts';
import { webgpu } from './lowerings/webgpu.ts';
import { encodeModel } from './onnx.ts';
import { greaterOrEqual } from './ops/elementwise.ts';
import { gather } from './ops/indexing.ts';
import { identity } from './ops/movement.ts';
import { prune } from './prune.ts';
import { openSession } from './session.ts';
import type { Session, SessionOptions, Value } from './session.ts';

export type Types = Readonly<Record<string, TensorType>>;
export type Tensors = Record<string, Tensor>;
export type Arrays = Record<string, TensorData>;

export interface Program {
  state: Types;
  frozen: Types;
  feeds: Types;
  /** an output, a number: where it falls below 1 the steps after this one are left out */
  until?: string;
  /** one step: what the state becomes, and what to report */
  step(given: { graph: Graph; state: Tensors; frozen: Tensors; feeds: Tensors }): { state: Tensors; outputs: Tensors };
}

export interface Executable {
  readonly steps: number;
  /**
   * `feeds` hold K steps each, stacked along a leading axis (no such axis in the single lowering). Outputs named in
   * `into` are written there (not by a chain).
   */
  run(
    state: Readonly<Arrays>,
    frozen: Readonly<Arrays>,
    feeds: Readonly<Arrays>,
    into?: Readonly<Arrays>,
  ): Promise<{ state: Arrays; outputs: Record<string, Value> }>;
  endProfile(): void;
  release(): Promise<void>;
}

/** One step a run, K in a Loop, or a graph of one that is run K times. */
export type Form = 'single' | 'loop' | 'chain';
const formOf = (steps: number, { provider }: Device): Form =>
  steps === 1 ? 'single' : provider === 'webgpu' ? 'chain' : 'loop';
/** How operators are built for a device. */
export const loweringOf = (device: Device): Lowering =>
  ({ cpu: () => PLAIN, cuda: () => cuda(device), webgpu: () => webgpu })[device.provider]();

interface Lowered {
  feeds: Types;
  state: Tensors;
  outputs: Tensors;
}

type Build = (program: Program, graph: Graph, given: { state: Tensors; frozen: Tensors }, steps: number) => Lowered;
const single: Build = (program, graph, given) => {
  const feeds = inputs(graph, 'feeds', program.feeds);
  return { feeds: program.feeds, ...stepped(program, { graph, ...given, feeds }) };
};
const forms: Record<Form, Build> = {
  single,
  chain: single,
  loop: (program, graph, given, steps) => {
    const stackedTypes = mapValues(program.feeds, ({ dtype, shape }) => ({ dtype, shape: [steps, ...shape] }));
    const stackedFeeds = inputs(graph, 'feeds', stackedTypes);
    const stateNames = Object.keys(program.state);
    let outputNames: string[] = [];
    const { carried, stacked } = loop(
      graph,
      steps,
      stateNames.map((name) => given.state[name]!),
      (iteration, state, inner) => {
        const feeds = mapValues(stackedFeeds, (tensor) => gather(tensor, iteration));
        const result = stepped(program, { graph: inner, state: zip(stateNames, state), frozen: given.frozen, feeds });
        outputNames = Object.keys(result.outputs);
        const goOn =
          program.until === undefined ? {} : { goOn: greaterOrEqual(result.outputs[program.until]!, scalar(inner, 1)) };
        return {
          carried: stateNames.map((name) => result.state[name]!),
          stacked: outputNames.map((name) => result.outputs[name]!),
          ...goOn,
        };
      },
    );
    return { feeds: stackedTypes, state: zip(stateNames, carried), outputs: zip(outputNames, stacked) };
  },
};

/** One step, and a check that every state comes back as the same kind of tensor. */
function stepped(program: Program, given: Parameters<Program['step']>[0]): ReturnType<Program['step']> {
  const { state, outputs } = program.step(given);
  const kept = mapValues(program.state, ({ dtype, shape }, name) => {
    const next = state[name];
    const got = next ? `${next.dtype}${show(next.shape)}` : 'nothing';
    const expected = `${dtype}${show(shape)}`;
    if (!next || got !== expected)
      throw new TastemakerError(
        'bad-graph',
        `The step makes ${got} of the state "${name}", expected ${expected}.`,
        'Return every state in its own type and shape.',
      );
    return next;
  });
  return { state: kept, outputs };
}

/**
 * `program` for `steps` steps a run as one graph, whose outputs are the state and what is reported. A chain's graph is
 * that of one step.
 */
export function lower(
  program: Program,
  steps = 1,
  {
    device = chosenDevice(),
    form = formOf(steps, device),
    lowering = loweringOf(device),
  }: { device?: Device; form?: Form; lowering?: Lowering } = {},
): { graph: Graph; given: { state: Tensors; frozen: Tensors }; feeds: Types; state: Tensors; outputs: Tensors } {
  const graph = createGraph(null, lowering);
  const given = { state: inputs(graph, 'state', program.state), frozen: inputs(graph, 'frozen', program.frozen) };
  const lowered = forms[form](program, graph, given, steps);
  const taken = new Set<Tensor>();
  const out = (tensors: Tensors) =>
    mapValues(tensors, (tensor) => {
      // what is also an input or a constant, or is used twice, needs a name of its own
      const own = tensor.node && !taken.has(tensor) ? tensor : identity(tensor);
      taken.add(own);
      return own;
    });
  const state = out(lowered.state);
  const outputs = out(lowered.outputs);
  prune(graph, [...Object.values(state), ...Object.values(outputs)]);
  return { graph, given, feeds: lowered.feeds, state, outputs };
}

export interface CompileOptions extends SessionOptions {
  steps?: number;
  form?: Form;
  /** how operators are built; the device's own way when absent */
  lowering?: Lowering;
  /** what of `frozen` stays as it is for as long as this is used: a device keeps it, and runs need not bring it */
  constants?: Readonly<Arrays> | undefined;
}

/** Compiles `program` for `steps` steps a run. */
export async function compile(
  program: Program,
  {
    steps = 1,
    device = chosenDevice(),
    form = formOf(steps, device),
    lowering = loweringOf(device),
    constants = {},
    ...options
  }: CompileOptions = {},
): Promise<Executable> {
  const { graph, given, feeds: fed, state: stateOut, outputs } = lower(program, steps, { device, form, lowering });
  const kept = device.provider === 'cpu' ? {} : keptOf(program.frozen, constants);
  const moving = Object.fromEntries(Object.entries(program.frozen).filter(([name]) => !(name in kept)));
  const externals = new Map(
    Object.entries(kept).map(([name, { byteLength: length }]) => [
      given.frozen[name]!,
      { location: name, offset: 0, length },
    ]),
  );
  const model = encodeModel(graph, [...Object.values(stateOut), ...Object.values(outputs)], externals);
  const session = await openSession(model, {
    ...options,
    device,
    beside: Object.entries(kept).map(([path, data]) => ({ path, data })),
    hold: form === 'chain' ? Object.values(stateOut).map(({ name }) => name) : [],
  });
  const opened: Opened = { program, steps, session, stateOut, outputs, moving, fed };
  return form === 'chain' ? chained(opened, { ...options, device }) : atOnce(opened);
}

/** A program whose session is open. */
interface Opened {
  program: Program;
  steps: number;
  session: Session;
  /** what leaves, by the program's names */
  stateOut: Tensors;
  outputs: Tensors;
  /** what enters besides the state: frozen tensors that a run brings, and feeds */
  moving: Types;
  fed: Types;
}

const resultsOf = (
  { stateOut, outputs }: Opened,
  state: Readonly<Record<string, Value>>,
  reported: Readonly<Record<string, Value>>,
) => ({
  state: mapValues(stateOut, (tensor) => state[tensor.name]!.data),
  outputs: mapValues(outputs, (tensor) => reported[tensor.name]!),
});

/** All steps are one run of the session. */
function atOnce(opened: Opened): Executable {
  const { program, steps, session, outputs, moving, fed } = opened;
  return {
    steps,
    run: async (state, frozen, feeds, into = {}) => {
      const written = Object.fromEntries(
        Object.entries(into).map(([name, data]) => [
          outputs[name]!.name,
          { dtype: outputs[name]!.dtype, shape: outputs[name]!.shape, data },
        ]),
      );
      const values = await session.run(
        {
          ...valuesOf('state', program.state, state),
          ...valuesOf('frozen', moving, frozen),
          ...valuesOf('feeds', fed, feeds),
        },
        written,
      );
      return resultsOf(opened, values, values);
    },
    endProfile: session.endProfile,
    release: session.release,
  };
}

/** Every step is a run of the session, and the state stays where the device has it. */
function chained(opened: Opened, options: SessionOptions): Executable {
  const { program, steps, session, stateOut, outputs, moving, fed } = opened;
  const carried = Object.entries(stateOut).map(([name, from]) => ({ from, to: `state/${name}` }));
  const until = program.until === undefined ? null : outputs[program.until]!.name;
  const chain = createChain(session, steps, carried, until, options);
  const part = (data: TensorData | undefined, k: number) =>
    data && (data.subarray((data.length / steps) * k, (data.length / steps) * (k + 1)) as TensorData);
  return {
    steps,
    run: async (state, frozen, feeds) => {
      const done = await chain.run(valuesOf('state', program.state, state), valuesOf('frozen', moving, frozen), (k) =>
        valuesOf(
          'feeds',
          fed,
          mapValues(feeds, (data) => part(data, k)!),
        ),
      );
      const reported = mapValues(
        Object.fromEntries(Object.values(outputs).map((tensor) => [tensor.name, tensor])),
        (tensor) => stack(done.outputs.map((values) => values[tensor.name]!)),
      );
      const last = Object.fromEntries(carried.map(({ from, to }) => [from.name, done.state[to]!]));
      return resultsOf(opened, last, reported);
    },
    endProfile: chain.endProfile,
    release: chain.release,
  };
}

/** Which of the frozen tensors a device keeps. */
const keptOf = (frozen: Types, constants: Readonly<Arrays>): Arrays =>
  Object.fromEntries(Object.keys(frozen).flatMap((name) => (constants[name] ? [[name, constants[name]]] : [])));
/** One value a step as one with a leading axis, as a Loop gives it. */
function stack(values: readonly Value[]): Value {
  const { dtype, shape, data } = values[0]!;
  const all = new (data.constructor as Float32ArrayConstructor)(data.length * values.length);
  values.forEach((value, k) => all.set(value.data as Float32Array, k * data.length));
  return { dtype, shape: [values.length, ...shape], data: all };
}

const inputs = (graph: Graph, group: string, types: Types): Tensors =>
  mapValues(types, ({ dtype, shape }, name) => input(graph, `${group}/${name}`, dtype, shape));
const valuesOf = (group: string, types: Types, arrays: Readonly<Arrays>): Record<string, Value> =>
  Object.fromEntries(
    Object.entries(types).map(([name, type]) => {
      const data = arrays[name];
      const size = sizeOf(type.shape);
      if (data?.length !== size)
        throw new TastemakerError(
          'bad-graph',
          `"${group}/${name}" takes ${size} values (${type.dtype}${show(type.shape)}), got ${data?.length ?? 'none'}.`,
          'Give one value per element.',
        );
      return [`${group}/${name}`, { ...type, data }];
    }),
  );
const zip = (names: readonly string[], tensors: readonly Tensor[]): Tensors =>
  Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  change: (value: A, name: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]));
}
