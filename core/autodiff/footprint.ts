// How much memory a program would take, without running it: builds its graph and goes through it as the runtime does.
//
// The runtime visits nodes in one order that depends on the graph alone. Before it runs it decides where each tensor will lie:
// views (reshapes) where their source does, others where one of the same shape lay that nobody reads any more, the rest in
// bytes of their own, taken from a pool and given back when the last tensor there is done with. The pool keeps what it ever
// had: it grows by regions, each twice the last, and a piece lies where it fits with least to spare.

import { lower } from './compile.ts';
import type { Program } from './compile.ts';
import { sizeOf } from './graph.ts';
import type { Graph, Node, Tensor, TensorType } from './graph.ts';

export interface Footprint {
  /** what the pool has ever written to after a run; it is kept until the graph is released */
  poolBytes: number;
  /** of what comes out of a run */
  outputBytes: number;
  nodes: number;
}

/** Of a run of `steps` steps. */
export function footprint(program: Program, steps = 1): Footprint {
  const { graph, state, outputs } = lower(program, steps), out = [...Object.values(state), ...Object.values(outputs)], pool = createPool();
  visit(graph, out, pool);
  return { poolBytes: pool.touched(), outputBytes: out.reduce((sum, tensor) => sum + bytesOf(tensor), 0), nodes: nodeCount(graph) };
}

const WIDTH = { float32: 4, bfloat16: 2, int32: 4, int64: 8, bool: 1 } as const;
const bytesOf = ({ dtype, shape }: TensorType): number => WIDTH[dtype] * sizeOf(shape);

// ---- The pool

interface Piece { region: { at: number; written: number }; at: number; size: number; free: boolean; before: Piece | null; after: Piece | null }
interface Pool {
  take(bytes: number): Piece;
  give(piece: Piece): void;
  touched(): number;
}
const GRAIN = 256, FIRST_REGION = 1 << 20, LARGEST_REGION = 2 ** 30, LEAST_WASTE = 2 ** 27; // bytes; a piece is cut where half of it or more than LEAST_WASTE would be left over

function createPool(): Pool {
  const regions: Piece['region'][] = [], free = new Set<Piece>();
  let next = FIRST_REGION;
  const grow = (size: number): Piece => {
    const larger = size > next;
    while (size > next) next *= 2;
    const region = { at: regions.length, written: 0 }, piece: Piece = { region, at: 0, size: next, free: true, before: null, after: null };
    if (!larger) next = Math.min(LARGEST_REGION, 2 * next);
    regions.push(region);
    free.add(piece);
    return piece;
  };
  return {
    take: (bytes) => {
      const size = Math.max(GRAIN, Math.ceil(bytes / GRAIN) * GRAIN);
      let best: Piece | null = null;
      for (const piece of free) if (piece.size >= size && (!best || piece.size < best.size || (piece.size === best.size && (piece.region.at - best.region.at || piece.at - best.at) < 0))) best = piece;
      best ??= grow(size);
      free.delete(best);
      best.free = false;
      if (best.size >= 2 * size || best.size - size >= LEAST_WASTE) {
        const rest: Piece = { region: best.region, at: best.at + size, size: best.size - size, free: true, before: best, after: best.after };
        if (rest.after) rest.after.before = rest;
        best.after = rest;
        best.size = size;
        free.add(rest);
      }
      best.region.written = Math.max(best.region.written, best.at + size);
      return best;
    },
    give: (piece) => {
      piece.free = true;
      free.add(piece);
      const join = (low: Piece | null, high: Piece | null) => {
        if (!low?.free || !high?.free) return;
        free.delete(high);
        low.size += high.size;
        low.after = high.after;
        if (high.after) high.after.before = low;
      };
      join(piece, piece.after);
      join(piece.before, piece);
    },
    touched: () => regions.reduce((sum, { written }) => sum + written, 0),
  };
}

// ---- The walk

const VIEWS: ReadonlySet<string> = new Set(['Reshape', 'Identity']);

const emitted = ({ nodes }: Graph): Node[] => nodes.filter(({ composed }) => !composed);
const nodeCount = (graph: Graph): number => emitted(graph).reduce((sum, { body }) => sum + 1 + (body ? nodeCount(body.graph) : 0), 0);

/** What a node reads, in its body too. */
const reads = ({ inputs, body }: Node): Tensor[] => (body ? [...inputs, ...emitted(body.graph).flatMap(reads), ...body.outputs] : [...inputs]);

/** The runtime's order: depth first backwards from the nodes that nobody reads, the last first; each node after all that it reads. */
function ordered(graph: Graph): { node: Node; from: Tensor[] }[] {
  const nodes = emitted(graph), place = new Map(nodes.map((node, i) => [node, i])), from = nodes.map((node) => reads(node).filter(({ values }) => !values));
  const before = from.map((tensors) => [...new Set(tensors.flatMap(({ node }) => (node && place.has(node) ? [place.get(node)!] : [])))].sort((a, b) => a - b));
  const read = new Set(before.flat()), entered = new Uint8Array(nodes.length), order: number[] = [], stack = nodes.flatMap((_, i) => (read.has(i) ? [] : [i]));
  while (stack.length) {
    const at = stack.pop()!;
    if (at < 0) order.push(-1 - at); // all before it are in the order
    else if (!entered[at]) {
      entered[at] = 1;
      stack.push(-1 - at);
      for (const one of before[at]!) if (!entered[one]) stack.push(one);
    }
  }
  return order.map((i) => ({ node: nodes[i]!, from: from[i]! }));
}

/** Some bytes of the pool, from the node that first writes there to the last that reads there, perhaps as another tensor. */
interface Place { bytes: number; from: number; until: number; reads: number; piece: Piece | null }

/** Where each tensor will lie, decided before anything runs: in a place of its own, or in that of one of the same shape which nobody reads any more. */
function planned(order: ReturnType<typeof ordered>, outputs: ReadonlySet<Tensor>): Map<Tensor, Place> {
  const reads = new Map<Tensor, number>(), places = new Map<Tensor, Place>(), spare = new Map<string, Place[]>(), shapes = new Map<Place, string>();
  for (const { from } of order) for (const tensor of from) reads.set(tensor, (reads.get(tensor) ?? 0) + 1);
  const over = (place: Place | undefined, at: number, count = 1) => {
    if (!place) return; // it was given from outside
    place.reads -= count;
    place.until = Math.max(place.until, at);
    const shape = shapes.get(place)!;
    if (place.reads === 0 && shape) spare.set(shape, [place, ...(spare.get(shape) ?? [])]);
  };
  order.forEach(({ node, from }, at) => {
    for (const tensor of node.outputs) {
      const stays = outputs.has(tensor), shape = stays || tensor.shape.length === 0 ? '' : `${WIDTH[tensor.dtype]}/${tensor.shape.join()}`;
      const viewed = !stays && VIEWS.has(node.operator.name) ? [places.get(node.inputs[0]!)] : null;
      const place = viewed ? viewed[0] : (spare.get(shape)?.shift() ?? { bytes: bytesOf(tensor), from: at, until: stays ? Infinity : at, reads: 0, piece: null });
      if (!place) continue; // a view of something given
      if (!viewed) shapes.set(place, shape);
      place.reads += (reads.get(tensor) ?? 0) + (stays ? 1 : 0);
      places.set(tensor, place);
    }
    for (const tensor of from) over(places.get(tensor), at);
    for (const tensor of node.outputs) if (!reads.has(tensor)) over(places.get(tensor), at, 0);
  });
  return places;
}

/** Goes through a graph once; what its outputs lie in is left taken. */
function visit(graph: Graph, outputs: readonly Tensor[], pool: Pool): Piece[] {
  const order = ordered(graph), places = planned(order, new Set(outputs)), all = new Set(places.values());
  const ending = Map.groupBy(all, ({ until }) => until);
  order.forEach(({ node }, at) => {
    const made = node.body ? loop(node, pool) : null;
    node.outputs.forEach((tensor, k) => {
      const place = places.get(tensor);
      if (place?.from === at && !place.piece) place.piece = made?.[k] ?? pool.take(place.bytes);
    });
    for (const { piece } of ending.get(at) ?? []) if (piece) pool.give(piece);
  });
  return (ending.get(Infinity) ?? []).flatMap(({ piece }) => piece ?? []);
}

const TRIPS = 3; // from the third on, a trip finds the pool as the one before left it

/** Trips of a loop: each holds what the one before gave until it is done itself; at the end all that leaves is copied. */
function loop({ body, inputs, outputs }: Node, pool: Pool): Piece[] {
  let given: Piece[] = [];
  for (let trip = Math.min(TRIPS, Number(inputs[0]!.values![0])); trip > 0; trip--) {
    const made = visit(body!.graph, body!.outputs, pool);
    given.forEach(pool.give);
    given = made;
  }
  const out = outputs.map((tensor) => pool.take(bytesOf(tensor)));
  given.forEach(pool.give);
  return out;
}
