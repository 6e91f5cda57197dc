// From a program to something that runs: build the step, lower it, encode it, open it.
//
// A program is one step as a function of tensors: `state` is carried from step to step and never leaves the runtime inside
// a run, `frozen` enters unchanged, `feeds` differ each step. The looped lowering (processor, CUDA) wraps K steps in one
// ONNX Loop; the single lowering runs one step at a time, which is also the form WebGPU needs. A lowering for another
// provider is another entry of `lowerings`.

import { TastemakerError } from '#core/errors.ts';
import { createGraph, input, show, sizeOf } from './graph.ts';
import type { Graph, Tensor, TensorData, TensorType } from './graph.ts';
import { loop } from './loop.ts';
import { encodeModel } from './onnx.ts';
import { identity } from './ops/movement.ts';
import { gather } from './ops/indexing.ts';
import { openSession } from './session.ts';
import type { SessionOptions, Value } from './session.ts';

export type Types = Readonly<Record<string, TensorType>>;
export type Tensors = Record<string, Tensor>;
export type Arrays = Record<string, TensorData>;

export interface Program {
  state: Types;
  frozen: Types;
  feeds: Types;
  /** one step: what the state becomes, and what to report */
  step(given: { graph: Graph; state: Tensors; frozen: Tensors; feeds: Tensors }): { state: Tensors; outputs: Tensors };
}

export interface Executable {
  readonly steps: number;
  /** `feeds` hold K steps each, stacked along a leading axis (no such axis in the single lowering). */
  run(state: Readonly<Arrays>, frozen: Readonly<Arrays>, feeds: Readonly<Arrays>): Promise<{ state: Arrays; outputs: Record<string, Value> }>;
  endProfile(): void;
  release(): Promise<void>;
}

export type Lowering = 'single' | 'loop';
interface Lowered {
  feeds: Types;
  state: Tensors;
  outputs: Tensors;
}

const lowerings: Record<Lowering, (program: Program, graph: Graph, given: { state: Tensors; frozen: Tensors }, steps: number) => Lowered> = {
  single: (program, graph, given) => {
    const feeds = inputs(graph, 'feeds', program.feeds);
    return { feeds: program.feeds, ...stepped(program, { graph, ...given, feeds }) };
  },
  loop: (program, graph, given, steps) => {
    const stackedTypes = mapValues(program.feeds, ({ dtype, shape }) => ({ dtype, shape: [steps, ...shape] }));
    const stackedFeeds = inputs(graph, 'feeds', stackedTypes);
    const stateNames = Object.keys(program.state);
    let outputNames: string[] = [];
    const { carried, stacked } = loop(graph, steps, stateNames.map((name) => given.state[name]!), (iteration, state, inner) => {
      const feeds = mapValues(stackedFeeds, (tensor) => gather(tensor, iteration));
      const result = stepped(program, { graph: inner, state: zip(stateNames, state), frozen: given.frozen, feeds });
      outputNames = Object.keys(result.outputs);
      return { carried: stateNames.map((name) => result.state[name]!), stacked: outputNames.map((name) => result.outputs[name]!) };
    });
    return { feeds: stackedTypes, state: zip(stateNames, carried), outputs: zip(outputNames, stacked) };
  },
};

/** One step, and a check that every state comes back as the same kind of tensor. */
function stepped(program: Program, given: Parameters<Program['step']>[0]): ReturnType<Program['step']> {
  const { state, outputs } = program.step(given);
  const kept = mapValues(program.state, ({ dtype, shape }, name) => {
    const next = state[name], got = next ? `${next.dtype}${show(next.shape)}` : 'nothing', expected = `${dtype}${show(shape)}`;
    if (!next || got !== expected) throw new TastemakerError('bad-graph', `The step makes ${got} of the state "${name}", expected ${expected}.`, 'Return every state in its own type and shape.');
    return next;
  });
  return { state: kept, outputs };
}

/** `program` for `steps` steps a run as one graph, whose outputs are the state and what is reported. */
export function lower(program: Program, steps = 1, lowering: Lowering = steps > 1 ? 'loop' : 'single'): { graph: Graph; feeds: Types; state: Tensors; outputs: Tensors } {
  const graph = createGraph();
  const given = { state: inputs(graph, 'state', program.state), frozen: inputs(graph, 'frozen', program.frozen) };
  const lowered = lowerings[lowering](program, graph, given, steps);
  const taken = new Set<Tensor>();
  const out = (tensors: Tensors) => mapValues(tensors, (tensor) => {
    const own = tensor.node && !taken.has(tensor) ? tensor : identity(tensor); // what is also an input or a constant, or is used twice, needs a name of its own
    taken.add(own);
    return own;
  });
  return { graph, feeds: lowered.feeds, state: out(lowered.state), outputs: out(lowered.outputs) };
}

/** Compiles `program` for `steps` steps a run. */
export async function compile(program: Program, { steps = 1, lowering, ...options }: { steps?: number; lowering?: Lowering } & SessionOptions = {}): Promise<Executable> {
  const { graph, feeds: fed, state: stateOut, outputs } = lower(program, steps, lowering);
  const session = await openSession(encodeModel(graph, [...Object.values(stateOut), ...Object.values(outputs)]), options);
  return {
    steps,
    run: async (state, frozen, feeds) => {
      const results = await session.run({ ...values('state', program.state, state), ...values('frozen', program.frozen, frozen), ...values('feeds', fed, feeds) });
      return {
        state: mapValues(stateOut, (tensor) => results[tensor.name]!.data),
        outputs: mapValues(outputs, (tensor) => results[tensor.name]!),
      };
    },
    endProfile: session.endProfile,
    release: session.release,
  };
}

const inputs = (graph: Graph, group: string, types: Types): Tensors => mapValues(types, ({ dtype, shape }, name) => input(graph, `${group}/${name}`, dtype, shape));
const values = (group: string, types: Types, arrays: Readonly<Arrays>): Record<string, Value> =>
  Object.fromEntries(Object.entries(types).map(([name, type]) => {
    const data = arrays[name], size = sizeOf(type.shape);
    if (data?.length !== size) throw new TastemakerError('bad-graph', `"${group}/${name}" takes ${size} values (${type.dtype}${show(type.shape)}), got ${data?.length ?? 'none'}.`, 'Give one value per element.');
    return [`${group}/${name}`, { ...type, data }];
  }));
const zip = (names: readonly string[], tensors: readonly Tensor[]): Tensors => Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (value: A, name: string) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]));
}
