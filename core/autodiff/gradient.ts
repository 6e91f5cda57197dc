// Reverse-mode differentiation: one sweep over the nodes backwards, each handing dy to the inputs that matter.
//
// For L = f(g(x)), dL/dx = dL/df · df/dg · dg/dx; a tensor used several times gets the sum of what its uses send back.
// Only nodes between the wanted tensors and the loss take part.

import { TastemakerError } from '#core/errors.ts';
import { constant, show } from './graph.ts';
import type { Contribution, Graph, Node, Tensor } from './graph.ts';
import { add } from './ops/elementwise.ts';

/** dLoss/dTensor for each of `wanted` (same shapes); `loss` is a scalar. */
export function gradients(loss: Tensor, wanted: readonly Tensor[]): Tensor[] {
  if (loss.shape.length !== 0)
    throw new TastemakerError('bad-graph', `The loss has shape ${show(loss.shape)}.`, 'Reduce it to a scalar first.');
  const graph = loss.graph;
  const order = lineage(graph);
  const active = new Set<Tensor>(wanted);
  for (const node of order)
    if (reads(node).some((input) => active.has(input))) node.outputs.forEach((output) => active.add(output));

  const gathered = new Map<Tensor, Tensor>();
  const whole = new Map<Tensor, Tensor>(); // the gradients of outputs of composed operators
  gathered.set(loss, constant(graph, 'float32', [], [1]));
  for (const node of order.reverse()) {
    const dys = node.outputs.map((output) => gathered.get(output) ?? null);
    if (dys.every((dy) => dy === null) || !reads(node).some((input) => active.has(input))) continue;
    const { gradient, name } = node.operator;
    if (!gradient)
      throw new TastemakerError(
        'bad-graph',
        `${name} "${node.name}" has no derivative, but the loss depends on it.`,
        'Keep this node out of the differentiated path.',
      );
    const contributions = gradient({
      inputs: node.inputs,
      outputs: node.outputs,
      attributes: node.attributes,
      dy: dys[0]!,
      dys,
    });
    if (contributions.length !== node.inputs.length) {
      throw new TastemakerError(
        'bad-graph',
        `${name} "${node.name}" gave ${contributions.length} gradients for ${node.inputs.length} inputs.`,
        'One gradient per input, null where there is none.',
      );
    }
    if (node.composed)
      // the nodes it is made of are differentiated with it
      node.outputs.forEach((output, i) => (gathered.delete(output), dys[i] && whole.set(output, dys[i])));
    node.inputs.forEach((input, i) => {
      if (active.has(input) && contributions[i])
        gathered.set(input, gather(node, input, contributions[i], gathered.get(input) ?? null));
    });
  }
  return wanted.map((tensor) => {
    const found = gathered.get(tensor) ?? whole.get(tensor);
    if (!found)
      throw new TastemakerError(
        'bad-graph',
        `The loss does not depend on "${tensor.name}".`,
        'Leave it out of the trained parameters.',
      );
    return found;
  });
}

/** The nodes a tensor of `graph` may come from, in order: inside a body, those of its parents too. */
const lineage = (graph: Graph): Node[] => [...(graph.parent ? lineage(graph.parent) : []), ...graph.nodes];
/** What a node uses; a Loop also what its body takes from outside. */
const reads = (node: Node): readonly Tensor[] =>
  node.body ? [...node.inputs, ...node.body.graph.nodes.flatMap(reads)] : node.inputs;

function gather(node: Node, input: Tensor, contribution: NonNullable<Contribution>, sum: Tensor | null): Tensor {
  const next = 'into' in contribution ? contribution.into(sum) : sum ? add(sum, contribution) : contribution;
  if (show(next.shape) !== show(input.shape)) {
    throw new TastemakerError(
      'bad-graph',
      `${node.operator.name} "${node.name}": expected a gradient of ${show(input.shape)}, got ${show(next.shape)}.`,
      'Mend the gradient rule of this operator.',
    );
  }
  return next;
}
