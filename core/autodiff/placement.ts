// Whether a provider can run a graph: every node against the table of the provider's kernels.
//
// A node without a kernel is run by the processor instead, silently, with copies there and back: once a step, or once a
// trip where it stands in a loop. So a lowered graph is checked before it is trusted with a device.

import type { DType, Graph, Node, Operator, Tensor } from './graph.ts';

/** An element type as ONNX knows it: ours, and those that kernels take besides. */
export type KernelType = DType | 'float16' | 'float64' | 'int8' | 'int16' | 'uint8' | 'uint16' | 'uint32' | 'uint64';

export interface Kernel {
  /**
   * the versions of the operator it covers; for a provider that states no last one, the graphs' own version lies at or
   * above the first
   */
  readonly since: number;
  readonly until?: number;
  readonly domain?: 'com.microsoft';
  /**
   * the type parameter of each input and output, or the one type it may have; the last one holds for all that follow
   */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly types: Readonly<Record<string, readonly KernelType[]>>;
  /** inputs that the kernel reads from host memory: shapes, axes, counts */
  readonly host?: readonly number[];
}
/** The kernels of a provider by operator. */
export type KernelTable = Readonly<Record<string, readonly Kernel[]>>;

export interface Misplaced {
  operator: string;
  /** the node's name */
  node: string;
  sentence: string;
}

/** What graphs are written in (onnx.ts). */
const OPSET = 21;

/** The emitted nodes of `graph` and of the bodies of its loops that no kernel takes, in order. */
export const unplaced = (graph: Graph, kernels: KernelTable): Misplaced[] =>
  emitted(graph).flatMap((node) => {
    const why = misfit(node, kernelsOf(node.operator, kernels));
    return why === null ? [] : [found(node, why)];
  });

/**
 * The nodes that read from host memory what the device computed: each waits for the device and copies. A Loop reads
 * whether
 * to go on so on every trip, unless that is handed through unchanged.
 */
export const waits = (graph: Graph, kernels: KernelTable): Misplaced[] =>
  emitted(graph).flatMap((node) => {
    const host = kernelsOf(node.operator, kernels)[0]?.host ?? [];
    const read = host
      .filter((i) => computed(node.inputs[i]))
      .map((i) =>
        found(node, `input ${i + 1} is read from host memory, but "${node.inputs[i]!.name}" is computed on the device`),
      );
    return node.body && computed(node.body.outputs[0])
      ? [...read, found(node, 'whether it goes on is computed on the device and read on every trip')]
      : read;
  });

function emitted(graph: Graph): Node[] {
  return graph.nodes
    .filter(({ composed }) => !composed)
    .flatMap((node) => (node.body ? [node, ...emitted(node.body.graph)] : [node]));
}

/** Inputs and constants begin in host memory; so does a loop's count and its word to go on, also under another name. */
function computed(tensor: Tensor | undefined): boolean {
  return !!tensor?.node && !(tensor.node.operator.name === 'Identity' && !computed(tensor.node.inputs[0]));
}

const kernelsOf = (operator: Operator, kernels: KernelTable): readonly Kernel[] =>
  (kernels[operator.name] ?? []).filter(
    ({ domain, since, until = Infinity }) =>
      domain === operator.domain && (domain !== undefined || (since <= OPSET && until >= OPSET)),
  );

/** Why none of `kernels` takes the node; null where one does. */
function misfit(node: Node, kernels: readonly Kernel[]): string | null {
  if (kernels.length === 0) return 'no kernel is registered';
  const reasons = kernels.map(
    (kernel) =>
      wrongType('input', node.inputs, kernel.inputs, kernel) ??
      wrongType('output', node.outputs, kernel.outputs, kernel),
  );
  if (reasons.includes(null)) return null;
  const types = (tensors: readonly Tensor[]) => tensors.map(({ dtype }) => dtype).join(', ');
  return reasons.length === 1
    ? reasons[0]!
    : `none of ${reasons.length} kernels makes ${types(node.outputs)} of ${types(node.inputs)}`;
}

function wrongType(
  side: 'input' | 'output',
  tensors: readonly Tensor[],
  parameters: readonly string[],
  { types }: Kernel,
): string | null {
  for (const [i, { dtype }] of tensors.entries()) {
    const parameter = parameters[Math.min(i, parameters.length - 1)]!;
    const taken: readonly string[] = types[parameter] ?? [parameter];
    if (!taken.includes(dtype)) return `no kernel has ${dtype} for ${side} ${i + 1}, only ${taken.join(', ')}`;
  }
  return null;
}

const found = ({ operator, name }: Node, why: string): Misplaced => ({
  operator: operator.name,
  node: name,
  sentence: `${operator.name} "${name}": ${why}.`,
});
