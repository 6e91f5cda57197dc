// The typed graph: tensors with concrete shapes, nodes that are checked when they are built, and nested bodies for
// Loop.
//
// An operator is one entry (see ops/): its ONNX name, its shape rule and its gradient side by side. A node lands in the
// innermost graph that any of its inputs belongs to; a body may read what its parents computed, as in ONNX itself.

import { TastemakerError } from '#core/errors.ts';

/** bfloat16 lives inside graphs only: nothing of ours holds such numbers */
export type DType = 'float32' | 'bfloat16' | 'int32' | 'int64' | 'bool';
export type Shape = readonly number[];
export type TensorData = Float32Array | Int32Array | BigInt64Array | Uint8Array;
/** int, ints, string, or a float marked as such, because ONNX tells 1 from 1.0 */
export type Attribute = number | readonly number[] | string | { float: number };
export type Attributes = Readonly<Record<string, Attribute>>;

export interface TensorType {
  dtype: DType;
  shape: Shape;
}

export interface Tensor extends TensorType {
  readonly graph: Graph;
  readonly name: string;
  /** the node that computes it; null for inputs and constants */
  readonly node: Node | null;
  /** a constant's content, for the shape rules that read it; null otherwise */
  readonly values: TensorData | null;
}

export interface Node {
  readonly operator: Operator;
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attributes: Attributes;
  readonly body: Body | null;
  /** built from the nodes before it: read by the sweep backwards, left out of the ONNX model */
  readonly composed: boolean;
}

/** The inside of a Loop: its graph, and which tensors leave it. */
export interface Body {
  readonly graph: Graph;
  readonly outputs: readonly Tensor[];
}

export interface Graph {
  readonly parent: Graph | null;
  readonly depth: number;
  readonly nodes: Node[];
  readonly inputs: Tensor[];
  /** constants live in the outermost graph */
  readonly constants: Map<string, Tensor & { readonly values: TensorData }>;
  readonly counter: { next: number };
  /** where in the model we are, for the names of nodes in error messages */
  readonly scope: string[];
  /** how operators are built where the graph is going to run */
  readonly lowering: Lowering;
}

/** What a provider cannot do, or does better otherwise. */
export interface Lowering {
  /** operators by name that are built from others there; null: as it is */
  readonly operators: Readonly<Record<string, (inputs: readonly Tensor[], attributes: Attributes) => Tensor[] | null>>;
  /** whether the trips of a loop are built one after the other, for want of a Loop */
  readonly unrolled: boolean;
  /** numbers that one tensor may hold */
  readonly largest: number;
}
export const PLAIN: Lowering = { operators: {}, unrolled: false, largest: Infinity };

/** What a gradient rule gives for one input: a tensor, nothing, or a way to add to what has been gathered so far. */
export type Contribution = Tensor | null | { into: (accumulated: Tensor | null) => Tensor };

export interface GradientUse {
  inputs: readonly Tensor[];
  outputs: readonly Tensor[];
  attributes: Attributes;
  /** the gradient of the first output (most operators have one) */
  dy: Tensor;
  /** the gradients of all outputs, null where nothing flows back */
  dys: readonly (Tensor | null)[];
}

export interface Operator {
  /** the ONNX operator's name */
  readonly name: string;
  readonly domain?: 'com.microsoft';
  /** the shape rule; throws with `mismatch` when the inputs do not fit */
  readonly infer: (inputs: readonly Tensor[], attributes: Attributes) => TensorType[];
  /** built from other operators instead of a node of its own, but differentiated as one; its shape rule is theirs */
  readonly compose?: (inputs: readonly Tensor[], attributes: Attributes) => Tensor[];
  /** one contribution per input; null where the operator has no derivative */
  readonly gradient: ((use: GradientUse) => Contribution[]) | null;
}

/** Every operator that can be emitted; tests walk it so that none lacks its case. */
export const operators = new Map<string, Operator>();

export function operator(definition: Operator): Operator {
  operators.set(definition.name, definition);
  return definition;
}

export function createGraph(parent: Graph | null = null, lowering: Lowering = PLAIN): Graph {
  return {
    parent,
    depth: parent ? parent.depth + 1 : 0,
    nodes: [],
    inputs: [],
    constants: parent ? parent.constants : new Map(),
    counter: parent ? parent.counter : { next: 0 },
    scope: parent ? parent.scope : [],
    lowering: parent ? parent.lowering : lowering,
  };
}

export const sizeOf = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);
export const show = (shape: Shape): string => `[${shape.join(', ')}]`;

export function input(graph: Graph, name: string, dtype: DType, shape: Shape): Tensor {
  const tensor: Tensor = { graph, name, dtype, shape, node: null, values: null };
  graph.inputs.push(tensor);
  return tensor;
}

/** Runs `build` with `name` added to the names of the nodes it makes. */
export function scoped<T>(graph: Graph, name: string, build: () => T): T {
  graph.scope.push(name);
  try {
    return build();
  } finally {
    graph.scope.pop();
  }
}

export function outermost(graph: Graph): Graph {
  return graph.parent ? outermost(graph.parent) : graph;
}

/** A constant; small ones with the same content are shared. */
export function constant(graph: Graph, dtype: DType, shape: Shape, values: ArrayLike<number>): Tensor {
  if (values.length !== sizeOf(shape)) {
    throw new TastemakerError(
      'bad-graph',
      `A constant of shape ${show(shape)} was given ${values.length} values.`,
      'Give one value per element.',
    );
  }
  const key = values.length <= 64 ? `${dtype}${show(shape)}${Array.from(values).join()}` : `#${graph.counter.next++}`;
  const known = graph.constants.get(key);
  if (known) return known;
  const tensor = {
    graph: outermost(graph),
    name: `c${graph.counter.next++}`,
    dtype,
    shape,
    node: null,
    values: toData(dtype, values),
  };
  graph.constants.set(key, tensor);
  return tensor;
}

export function toData(dtype: DType, values: ArrayLike<number>): TensorData {
  if (dtype === 'float32') return values instanceof Float32Array ? values : Float32Array.from(values);
  if (dtype === 'int32') return values instanceof Int32Array ? values : Int32Array.from(values);
  if (dtype === 'bool') return Uint8Array.from(values);
  return BigInt64Array.from(Array.from(values, (value) => BigInt(value)));
}

export const scalar = (graph: Graph, value: number): Tensor => constant(graph, 'float32', [], [value]);
/** what a constant input holds, as plain numbers: shapes, axes, bounds */
export const wholeNumbers = (tensor: Tensor | undefined): number[] =>
  Array.from(tensor?.values ?? mismatch('a constant for shapes, axes and bounds'), Number);
/** int64 vector: what ONNX wants for shapes, axes and bounds */
export const ints = (graph: Graph, values: readonly number[]): Tensor =>
  constant(graph, 'int64', [values.length], values);

/** Builds one node; every operator function ends here. */
export function apply(
  op: Operator,
  inputs: readonly Tensor[],
  attributes: Attributes = {},
  body: Body | null = null,
): Tensor[] {
  // a body may read more of the graph it was built in than the node's own inputs tell
  const graph =
    body?.graph.parent ??
    inputs.reduce((inner, tensor) => (tensor.graph.depth > inner.depth ? tensor.graph : inner), inputs[0]!.graph);
  const name = [...graph.scope, `${op.name}.${graph.counter.next++}`].join('/');
  let types: TensorType[];
  try {
    types = op.infer(inputs, attributes);
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error;
    const got = inputs.map((tensor) => `${tensor.dtype}${show(tensor.shape)}`).join(', ');
    throw new TastemakerError(
      'bad-graph',
      `${op.name} "${name}": expected ${error.message}, got ${got}.`,
      'Look at the shapes where this node is built.',
    );
  }
  const made = graph.lowering.operators[op.name]?.(inputs, attributes) ?? op.compose?.(inputs, attributes);
  if (made) {
    graph.nodes.push({ operator: op, name, inputs, outputs: made, attributes, body, composed: true });
    return made;
  }
  const outputs: Tensor[] = [];
  const node: Node = { operator: op, name, inputs, outputs, attributes, body, composed: false };
  for (const type of types)
    outputs.push({ graph, name: `t${graph.counter.next++}`, dtype: type.dtype, shape: type.shape, node, values: null });
  graph.nodes.push(node);
  return outputs;
}

/** The one-output form of `apply`. */
export const apply1 = (op: Operator, inputs: readonly Tensor[], attributes: Attributes = {}): Tensor =>
  apply(op, inputs, attributes)[0]!;

/** The tensor under a name that others shall know it by. It must be the only output of the node that was built last. */
export function named(tensor: Tensor, name: string): Tensor {
  const { node, graph } = tensor;
  if (!node || graph.nodes.at(-1) !== node || node.outputs.length !== 1)
    throw new TastemakerError(
      'bad-graph',
      `"${tensor.name}" cannot be called "${name}": other nodes may know it already.`,
      'Name a tensor as soon as it is built.',
    );
  const outputs: Tensor[] = [];
  const renamed: Node = { ...node, outputs };
  const called: Tensor = { ...tensor, name, node: renamed };
  outputs.push(called);
  graph.nodes[graph.nodes.length - 1] = renamed;
  return called;
}

/** Thrown by shape rules: says what was expected; `apply` adds the operator, the node's name and what it got. */
class Mismatch extends Error {}
export function mismatch(expected: string): never {
  throw new Mismatch(expected);
}
