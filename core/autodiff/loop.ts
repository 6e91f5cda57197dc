// The Loop operator: a body graph run up to a number of times, with carried state and stacked outputs.

import { TastemakerError } from '#core/errors.ts';
import { apply, constant, createGraph, input, mismatch, operator, show } from './graph.ts';
import type { Graph, Tensor } from './graph.ts';
import { concat, identity, reshape } from './ops/movement.ts';

const Loop = operator({
  name: 'Loop',
  infer: (inputs) => {
    const [trips, , ...state] = inputs;
    const steps = Number(trips!.values?.[0] ?? mismatch('a constant number of trips'));
    const { carried, stacked } = building.at(-1)!;
    carried.forEach((tensor, i) => {
      if (show(tensor.shape) !== show(state[i]!.shape) || tensor.dtype !== state[i]!.dtype)
        mismatch(
          `carried tensor ${i} to stay ${state[i]!.dtype}${show(state[i]!.shape)}, not ${tensor.dtype}${show(tensor.shape)}`,
        );
    });
    return [
      ...carried.map(({ dtype, shape }) => ({ dtype, shape })),
      ...stacked.map(({ dtype, shape }) => ({ dtype, shape: [steps, ...shape] })),
    ];
  },
  gradient: null,
});
/** what the body that is being closed gives back; a stack because loops may nest */
const building: { carried: readonly Tensor[]; stacked: readonly Tensor[] }[] = [];

export interface LoopBody {
  carried: readonly Tensor[];
  /** one row a trip; fewer rows when the loop ends early */
  stacked: readonly Tensor[];
  /** bool scalar: go on? absent = until the trips are used up */
  goOn?: Tensor;
}

/** For a provider without Loop: every trip stands in the graph, and all are made. */
function oneAfterAnother(
  graph: Graph,
  trips: number,
  state: readonly Tensor[],
  body: (iteration: Tensor, state: Tensor[], graph: Graph) => LoopBody,
): ReturnType<typeof loop> {
  let carried = [...state];
  const rows: Tensor[][] = [];
  for (let trip = 0; trip < trips; trip++) {
    const made = body(constant(graph, 'int32', [], [trip]), carried, graph);
    if (made.goOn)
      throw new TastemakerError(
        'bad-graph',
        'A loop that ends early cannot be built trip by trip.',
        'Run its body as a program of its own.',
      );
    carried = [...made.carried];
    made.stacked.forEach((tensor, i) => (rows[i] ??= []).push(reshape(tensor, [1, ...tensor.shape])));
  }
  return { carried, stacked: rows.map((parts) => concat(parts, 0)) };
}

/**
 * Runs `body(iteration int64 (int32 where trips are built apart), state)` `trips` times. Carried tensors keep their
 * shapes; stacked ones gain a leading axis.
 */
export function loop(
  graph: Graph,
  trips: number,
  state: readonly Tensor[],
  body: (iteration: Tensor, state: Tensor[], graph: Graph) => LoopBody,
): { carried: Tensor[]; stacked: Tensor[] } {
  if (graph.lowering.unrolled) return oneAfterAnother(graph, trips, state, body);
  const inner = createGraph(graph);
  const unique = (name: string) => `${name}${inner.counter.next++}`;
  const iteration = input(inner, unique('iteration'), 'int64', []);
  const goOnIn = input(inner, unique('continue'), 'bool', []);
  const given = state.map((tensor) => input(inner, unique('carried'), tensor.dtype, tensor.shape));
  const result = body(iteration, given, inner);
  // every output needs a name of its own: ONNX forbids returning one tensor twice, an input, or one from outside
  const taken = new Set<Tensor>();
  const own = (tensor: Tensor): Tensor => {
    if (tensor.graph === inner && tensor.node && !taken.has(tensor)) {
      taken.add(tensor);
      return tensor;
    }
    const copy = identity(tensor);
    if (copy.graph === inner) return copy;
    inner.nodes.push(copy.graph.nodes.pop()!);
    return copy;
  };
  const goOn = own(result.goOn ?? goOnIn);
  const carried = result.carried.map(own);
  const stacked = result.stacked.map(own);
  building.push({ carried, stacked });
  try {
    const yes = constant(graph, 'bool', [], [1]);
    const count = constant(graph, 'int64', [], [trips]);
    const outputs = apply(Loop, [count, yes, ...state], {}, { graph: inner, outputs: [goOn, ...carried, ...stacked] });
    return { carried: outputs.slice(0, carried.length), stacked: outputs.slice(carried.length) };
  } finally {
    building.pop();
  }
}
