// How much memory a program would take, without running it: builds its graph and goes through it as the runtime does.
//
// The runtime visits nodes in one order that depends on the graph alone. Before it runs it decides where each tensor
// will lie:
// views (reshapes) where their source does, others where one of the same shape lay that nobody reads any more, the rest
// in
// bytes of their own, taken from a pool and given back when the last tensor there is done with. The pool keeps what it
// ever
// had: it grows by regions, each twice the last, and a piece lies where it fits with least to spare.
//
// A device's pool also holds what goes in, for as long as the graph is there (constants) or a run lasts (state, feeds).
// CUDA
// takes whole regions, where the processor's pages count only once they are written to; WebGPU keeps buffers of certain
// sizes.

import { lower } from './compile.ts';
import type { Program, Tensors } from './compile.ts';
import { chosenDevice } from './device.ts';
import type { Device, Provider } from './device.ts';
import { sizeOf } from './graph.ts';
import type { Graph, Node, Tensor, TensorType } from './graph.ts';

export interface Footprint {
  /** what the pool has after a run, in the device's own memory; it is kept until the graph is released */
  poolBytes: number;
  /** of that, at least: what a device's pool holds of weights and state, however long rows are */
  stillBytes: number;
  /** of what comes out of a run */
  outputBytes: number;
  nodes: number;
}

/** Of a run of `steps` steps. */
export function footprint(program: Program, steps = 1, device: Device = chosenDevice()): Footprint {
  const { graph, given, state, outputs } = lower(program, steps, { device });
  const out = [...Object.values(state), ...Object.values(outputs)];
  const pool = POOLS[device.provider]();
  const onCard = device.provider !== 'cpu';
  const total = (tensors: Tensors | Tensor[]) =>
    Object.values(tensors).reduce((sum: number, tensor: Tensor) => sum + bytesOf(tensor), 0);
  const copies = steps > 1 && device.provider === 'cuda' ? 4 : 2;
  if (onCard) for (const tensor of [...graph.constants.values(), ...graph.inputs]) pool.take(bytesOf(tensor));
  visit(graph, out, pool);
  return {
    poolBytes: pool.bytes(),
    stillBytes: onCard ? total(given.frozen) + copies * total(given.state) : 0,
    outputBytes: total(out),
    nodes: nodeCount(graph),
  };
}

const WIDTH = { float32: 4, bfloat16: 2, int32: 4, int64: 8, bool: 1 } as const;
const bytesOf = ({ dtype, shape }: TensorType): number => WIDTH[dtype] * sizeOf(shape);

// ---- The pool

interface Piece {
  region: { at: number; size: number; written: number };
  at: number;
  size: number;
  free: boolean;
  before: Piece | null;
  after: Piece | null;
}
interface Pool {
  take(bytes: number): Piece;
  give(piece: Piece): void;
  /** ever taken from the machine */
  bytes(): number;
  /**
   * whether what a loop's last trip was given is gone when its results are copied: the processor's peaks say so, the
   * runtime's source does not
   */
  early: boolean;
}
const GRAIN = 256;
const FIRST_REGION = 1 << 20;
const LARGEST_REGION = 2 ** 30;
const LEAST_WASTE = 2 ** 27; // bytes; a piece is cut where half of it or more than LEAST_WASTE would be left over

/** ONNX Runtime's BFC arena. `whole`: a region counts as it is taken, not as it is written to. */
function createArena(whole: boolean): Pool {
  const regions: Piece['region'][] = [];
  const free = new Set<Piece>();
  let next = FIRST_REGION;
  const grow = (size: number): Piece => {
    const larger = size > next;
    while (size > next) next *= 2;
    const region = { at: regions.length, size: next, written: 0 };
    const piece: Piece = { region, at: 0, size: next, free: true, before: null, after: null };
    if (!larger) next = Math.min(LARGEST_REGION, 2 * next);
    regions.push(region);
    free.add(piece);
    return piece;
  };
  return {
    take: (bytes) => {
      const size = Math.max(GRAIN, Math.ceil(bytes / GRAIN) * GRAIN);
      let best: Piece | null = null;
      for (const piece of free)
        if (
          piece.size >= size &&
          (!best ||
            piece.size < best.size ||
            (piece.size === best.size && (piece.region.at - best.region.at || piece.at - best.at) < 0))
        )
          best = piece;
      best ??= grow(size);
      free.delete(best);
      best.free = false;
      if (best.size >= 2 * size || best.size - size >= LEAST_WASTE) {
        const rest: Piece = {
          region: best.region,
          at: best.at + size,
          size: best.size - size,
          free: true,
          before: best,
          after: best.after,
        };
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
    bytes: () => regions.reduce((sum, { size, written }) => sum + (whole ? size : written), 0),
    early: !whole,
  };
}

/**
 * Bytes of WebGPU's storage buffers (ONNX Runtime's BUCKET_DEFAULT_LIMIT_TABLE,
 * core/providers/webgpu/buffer_manager.cc); larger ones are as large as asked for, and are not kept.
 */
const BUFFERS = [
  64,
  128,
  256,
  512,
  ...Array.from({ length: 13 }, (_, i) => 2 ** (11 + i)),
  12582912,
  16777216,
  26214400,
  33554432,
  44236800,
  58982400,
  67108864,
  134217728,
  167772160,
];

/** Buffers of their own, each used again for what has the same size. */
function createBuffers(): Pool {
  const spare = new Map<number, Piece[]>();
  let held = 0;
  let most = 0;
  return {
    take: (bytes) => {
      const size = BUFFERS.find((one) => one >= bytes) ?? Math.ceil(bytes / 16) * 16;
      const known = spare.get(size)?.pop();
      if (known) return known;
      most = Math.max(most, (held += size));
      return { region: { at: 0, size, written: size }, at: 0, size, free: false, before: null, after: null };
    },
    give: (piece) => {
      if (piece.size > BUFFERS.at(-1)!) held -= piece.size;
      else spare.set(piece.size, [...(spare.get(piece.size) ?? []), piece]);
    },
    bytes: () => most,
    early: true,
  };
}

const POOLS: Readonly<Record<Provider, () => Pool>> = {
  cpu: () => createArena(false),
  cuda: () => createArena(true),
  webgpu: createBuffers,
};

// ---- The walk

const VIEWS: ReadonlySet<string> = new Set(['Reshape', 'Identity']);

const emitted = ({ nodes }: Graph): Node[] => nodes.filter(({ composed }) => !composed);
const nodeCount = (graph: Graph): number =>
  emitted(graph).reduce((sum, { body }) => sum + 1 + (body ? nodeCount(body.graph) : 0), 0);

/** What a node reads, in its body too. */
const reads = ({ inputs, body }: Node): Tensor[] =>
  body ? [...inputs, ...emitted(body.graph).flatMap(reads), ...body.outputs] : [...inputs];

/**
 * The runtime's order: depth first backwards from the nodes that nobody reads, the last first; each node after all that
 * it reads.
 */
function ordered(graph: Graph): { node: Node; from: Tensor[] }[] {
  const nodes = emitted(graph);
  const place = new Map(nodes.map((node, i) => [node, i]));
  const from = nodes.map((node) => reads(node).filter(({ values }) => !values));
  const before = from.map((tensors) =>
    [...new Set(tensors.flatMap(({ node }) => (node && place.has(node) ? [place.get(node)!] : [])))].sort(
      (a, b) => a - b,
    ),
  );
  const read = new Set(before.flat());
  const entered = new Uint8Array(nodes.length);
  const order: number[] = [];
  const stack = nodes.flatMap((_, i) => (read.has(i) ? [] : [i]));
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

/**
 * Some bytes of the pool, from the node that first writes there to the last that reads there, perhaps as another
 * tensor.
 */
interface Place {
  bytes: number;
  from: number;
  until: number;
  reads: number;
  piece: Piece | null;
}

/**
 * Where each tensor will lie, decided before anything runs: in a place of its own, or in that of one of the same shape
 * which nobody reads any more.
 */
function planned(order: ReturnType<typeof ordered>, outputs: ReadonlySet<Tensor>): Map<Tensor, Place> {
  const reads = new Map<Tensor, number>();
  const places = new Map<Tensor, Place>();
  const spare = new Map<string, Place[]>();
  const shapes = new Map<Place, string>();
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
      const stays = outputs.has(tensor);
      const shape = stays || tensor.shape.length === 0 ? '' : `${WIDTH[tensor.dtype]}/${tensor.shape.join()}`;
      const viewed = !stays && VIEWS.has(node.operator.name) ? [places.get(node.inputs[0]!)] : null;
      const place = viewed
        ? viewed[0]
        : (spare.get(shape)?.shift() ?? {
            bytes: bytesOf(tensor),
            from: at,
            until: stays ? Infinity : at,
            reads: 0,
            piece: null,
          });
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
  const order = ordered(graph);
  const places = planned(order, new Set(outputs));
  const all = new Set(places.values());
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

/**
 * Trips of a loop: each holds what the one before gave until it is done itself; at the end all that leaves is copied:
 * of a large state there are four on CUDA then, with the one that came in.
 */
function loop({ body, inputs, outputs }: Node, pool: Pool): Piece[] {
  let given: Piece[] = [];
  let made: Piece[] = [];
  for (let trip = Math.min(TRIPS, Number(inputs[0]!.values![0])); trip > 0; trip--) {
    given.forEach(pool.give);
    given = made;
    made = visit(body!.graph, body!.outputs, pool);
  }
  if (pool.early) given.forEach(pool.give);
  const out = outputs.map((tensor) => pool.take(bytesOf(tensor)));
  for (const piece of pool.early ? made : [...given, ...made]) pool.give(piece);
  return out;
}
