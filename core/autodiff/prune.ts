// Takes out of a graph what no output is made from: a gradient rule answers for all inputs of a node, and not every
// answer is used.

import type { Graph, Tensor } from './graph.ts';

/**
 * Leaves in `graph`, and in the bodies of its loops, the nodes and constants that `outputs` depend on. For a finished
 * graph: what
 * the sweep backwards reads besides (composed nodes) goes too. Inputs stay, read or not.
 */
export function prune(graph: Graph, outputs: readonly Tensor[], read = new Set<Tensor>()): void {
  outputs.forEach((output) => read.add(output));
  const kept = graph.nodes.toReversed().filter((node) => {
    const needed = !node.composed && node.outputs.some((output) => read.has(output));
    if (needed) node.inputs.forEach((tensor) => read.add(tensor));
    // may read tensors of this graph, whose nodes come earlier
    if (needed && node.body) prune(node.body.graph, node.body.outputs, read);
    return needed;
  });
  graph.nodes.length = 0;
  for (const node of kept.reverse()) graph.nodes.push(node);
  if (!graph.parent) for (const [key, tensor] of graph.constants) if (!read.has(tensor)) graph.constants.delete(key);
}
