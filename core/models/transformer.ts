// The blocks all families share, as graph builders: embeddings, attention, feed-forward, and the whole trunk over rows.
//
// B rows, T tokens, Q wanted positions a row, C channels, V vocabulary, H heads, KH key-value heads, d width of a head.
// A row is one text, or one prompt followed by several completions that share it: `segments` then says which token
// belongs to which completion (0 the prompt, 1.. the completions) and `positions` restart after the prompt.

import { constant, outermost, scoped, sizeOf } from '#core/autodiff/graph.ts';
import type { Graph, Tensor } from '#core/autodiff/graph.ts';
import {
  add,
  and,
  equal,
  gelu,
  geluErf,
  geluForward,
  less,
  mul,
  or,
  scale,
  silu,
  where,
} from '#core/autodiff/ops/elementwise.ts';
import { gather } from '#core/autodiff/ops/indexing.ts';
import { batchMatMul, gemm } from '#core/autodiff/ops/linalg.ts';
import { cast, concat, reshape, slice, split, transpose } from '#core/autodiff/ops/movement.ts';
import { layerNorm, rmsNorm, rotary, softmax } from '#core/autodiff/ops/nn.ts';
import { zeros } from '#core/autodiff/ops/reduction.ts';
import type { Architecture } from './architecture.ts';
import { families } from './families.ts';

export type Weights = Readonly<Record<string, Tensor>>;

/** Finite, so that a row with nothing visible is uniform instead of NaN; far below any score. */
const HIDDEN = -1e9;

export interface Model {
  architecture: Architecture;
  weights: Weights;
  /**
   * how much of its adapter is added to a matrix, by the matrix's name (alpha / rank); the adapters' own tensors are
   * among the weights
   */
  adapters?: Readonly<Record<string, number>> | undefined;
  graph: Graph;
  /** nothing will be differentiated here: operators may keep nothing for a gradient */
  forward?: boolean;
  /** so few rows that a product's time is that of reading the weights */
  fewRows?: boolean;
}

export interface Rows {
  /** int32 [B, T], padded on the right */
  ids: Tensor;
  /** int32 [B, T]; absent: 0, 1, 2, ... */
  positions?: Tensor;
  /** int32 [B, T]; absent: each row is one text */
  segments?: Tensor;
  /** int32 [B, T], beside segments: how many of the row's first tokens a token sees of segment 0; absent: all */
  sees?: Tensor;
  /** int32 [B, Q]: the positions within a row whose hidden state is wanted; absent: all */
  at?: Tensor | undefined;
}

/** What a trunk gives its head, at the wanted slots only. */
export interface Taps {
  /** after the final norm: [B·Q, C] */
  hidden: Tensor;
  /** the residual stream after `layer` blocks, before any norm: [B·Q, C] */
  at(layer: number): Tensor;
}

/** What an earlier pass made of the blocks below `layer`: x [B·T, C], and taps [B·Q, C] of the layers below it. */
export interface Begun {
  layer: number;
  x: Tensor;
  taps?: Readonly<Record<number, Tensor>>;
}

/** Taps, and the residual stream after 0, 1, ... blocks [B·T, C], the last at the wanted slots. */
export function trunk(model: Model, rows: Rows, from?: Begun): Taps & { stream: Tensor[] } {
  const { architecture, graph } = model;
  const [B, T] = rows.ids.shape as [number, number];
  // rows are rounded up to a compiled length, so padding may lie past the context; it takes the last position there is
  const positions =
    rows.positions ??
    constant(
      graph,
      'int32',
      [B, T],
      Array.from({ length: B * T }, (_, i) => Math.min(i % T, architecture.context - 1)),
    );
  const mask = causalMask(rows, T); // [1 or B, T, T]
  // [B·T, C]
  let x = from?.x ?? embed(model, rows.ids, T > architecture.context ? positions : (rows.positions ?? null), T);
  const stream = [x];
  for (let layer = from?.layer ?? 0; layer < architecture.layers; layer++) {
    const want = rows.at && layer === architecture.layers - 1 ? chosen(rows.at, positions, T) : null;
    const visible = want ? maskAt(mask, rows.at!) : mask;
    x = scoped(graph, `block ${layer}`, () =>
      block(model, layer, x, { B, T, positions, want }, (q, k, v) => attend(architecture, q, k, v, visible)),
    );
    stream.push(x);
  }
  const at = (layer: number): Tensor => {
    const begun = from?.taps?.[layer];
    const own = stream[layer - (from?.layer ?? 0)]!;
    return begun ?? (rows.at && layer < architecture.layers ? gather(own, flatSlots(rows.at, T)) : own);
  };
  return { hidden: finalNorm(model, x), at, stream };
}

/** The residual stream after the lowest `layers` blocks [B·T, C], and taps of the layers below them. */
export function lowest(model: Model, rows: Rows, layers: number): { x: Tensor; at(layer: number): Tensor } {
  const below = { ...model, architecture: { ...model.architecture, layers } };
  const { stream } = trunk(below, { ...rows, at: undefined });
  const slots = (x: Tensor): Tensor => (rows.at ? gather(x, flatSlots(rows.at, rows.ids.shape[1]!)) : x);
  return { x: stream[layers]!, at: (layer) => slots(stream[layer]!) };
}

/** The rows of the embedding that token ids [B, T] stand for: [B, T, C]. */
export const tokenEmbeddings = ({ architecture, weights }: Model, ids: Tensor): Tensor =>
  gather(weights[`${families[architecture.family].names.embedding}.weight`]!, ids);

/** Token embeddings, with the learned positions where the family has them: [B·T, C]. `positions` null: 0, 1, 2, ... */
export function embed(model: Model, ids: Tensor, positions: Tensor | null, T: number): Tensor {
  const { architecture, weights } = model;
  const { names } = families[architecture.family];
  const B = ids.shape[0]!;
  const C = architecture.channels;
  const x = tokenEmbeddings(model, ids); // [B, T, C]
  if (!names.positions) return reshape(x, [B * T, C]);
  const table = weights[`${names.positions}.weight`]!;
  return reshape(add(x, positions ? gather(table, positions) : slice(table, 0, 0, T)), [B * T, C]);
}

/** The positions one block is to compute: flat indices into [B·T] and their own position numbers. */
export interface Want {
  flat: Tensor; // int32 [B·Q]
  positions: Tensor; // int32 [B, Q]
  Q: number;
}
/** Slots within rows of T tokens, int32 [B, Q], as places among all tokens: int32 [B·Q]. */
function flatSlots(at: Tensor, T: number): Tensor {
  const [B, Q] = at.shape as [number, number];
  const rowStarts = constant(
    at.graph,
    'int32',
    [B, 1],
    Array.from({ length: B }, (_, b) => b * T),
  );
  return reshape(add(at, rowStarts), [B * Q]);
}
function chosen(at: Tensor, positions: Tensor, T: number): Want {
  const [B, Q] = at.shape as [number, number];
  const flat = flatSlots(at, T);
  return { flat, positions: reshape(gather(reshape(positions, [B * T]), flat), [B, Q]), Q };
}

export interface Shape {
  B: number;
  T: number;
  positions: Tensor; // int32 [B, T]
  /** compute only these: keys and values still come from every position */
  want: Want | null;
}

/**
 * x + attention(norm(x)), then + mlp(norm(..)): [B·T, C] -> [B·T or B·Q, C]. `attention` joins q [B,H,Q,d] with k, v
 * [B,KH,T,d].
 */
export function block(
  model: Model,
  layer: number,
  x: Tensor,
  { B, T, positions, want }: Shape,
  attention: (q: Tensor, k: Tensor, v: Tensor) => Tensor,
): Tensor {
  const { architecture } = model;
  const { headWidth: d, heads: H, keyValueHeads: KH } = architecture;
  const { names, positions: kind } = families[architecture.family];
  const at = (name: string) => name.replace('{}', String(layer));
  const Q = want ? want.Q : T;
  const h = norm(model, at(names.firstNorm), x);
  const xq = want ? gather(x, want.flat) : x;
  const heads = (y: Tensor, counts: number[], length: number) => {
    const all = counts.reduce((a, b) => a + b, 0);
    return split(swapMiddle(reshape(y, [B, length, all, d])), counts, 1); // each [B, count, length, d]
  };
  const [unturnedQ, unturnedK, v] = want
    ? ([
        ...heads(linear(model, gather(h, want.flat), projection(model, layer, [0])), [H], Q),
        ...heads(linear(model, h, projection(model, layer, [1, 2])), [KH, KH], T),
      ] as [Tensor, Tensor, Tensor])
    : (heads(linear(model, h, projection(model, layer, [0, 1, 2])), [H, KH, KH], T) as [Tensor, Tensor, Tensor]);
  const [plainQ, plainK] = names.headNorms
    ? [norm(model, at(names.headNorms[0]), unturnedQ), norm(model, at(names.headNorms[1]), unturnedK)]
    : [unturnedQ, unturnedK];
  const turn = kind === 'rotary' ? turning(architecture, x.graph, Math.max(T, Q)) : null;
  const q = turn ? turn(plainQ, want ? want.positions : positions) : plainQ;
  const k = turn ? turn(plainK, positions) : plainK;
  const mixed = reshape(swapMiddle(attention(q, k, v)), [B * Q, H * d]);
  const x1 = add(xq, linear(model, mixed, matrix(model, at(names.attentionOut))));
  const h2 = norm(model, at(names.secondNorm), architecture.parallel ? xq : x1);
  const up = linear(model, h2, matrix(model, at(names.up)));
  const act = activation(model);
  const inner = names.gate ? mul(act(linear(model, h2, matrix(model, at(names.gate)))), up) : act(up);
  return add(x1, linear(model, inner, matrix(model, at(names.down))));
}

const activation = ({ architecture, forward }: Model): ((x: Tensor) => Tensor) =>
  ({ silu, gelu: geluErf, 'gelu-tanh': forward ? geluForward : gelu })[architecture.activation];

/** [B, a, b, d] -> [B, b, a, d] */
const swapMiddle = (x: Tensor): Tensor => {
  const [B, a, b, d] = x.shape as [number, number, number, number];
  return a === 1 || b === 1 ? reshape(x, [B, b, a, d]) : transpose(x, [0, 2, 1, 3]);
};

/**
 * softmax(q kᵀ / √d + mask) v. q [B,H,Q,d], k and v [B,KH,T,d], mask [1 or B, Q, T] -> [B,H,Q,d]. Grouped heads read k
 * and v in place.
 */
export function attend(
  { heads: H, keyValueHeads: KH, headWidth: d }: Architecture,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  mask: Tensor,
): Tensor {
  const [B, , Q] = q.shape as [number, number, number];
  const T = k.shape[2]!;
  const grouped = reshape(q, [B, KH, (H / KH) * Q, d]);
  const scores = reshape(batchMatMul(grouped, k, { transB: true, scale: 1 / Math.sqrt(d) }), [B, H, Q, T]);
  const shares = softmax(add(scores, reshape(mask, [mask.shape[0]!, 1, Q, T])));
  return reshape(batchMatMul(reshape(shares, [B, KH, (H / KH) * Q, T]), v), [B, H, Q, d]);
}

/**
 * 0 where token j may be seen from token i, HIDDEN elsewhere: [1, T, T], or [B, T, T] when rows hold several
 * completions.
 */
function causalMask({ segments, sees, ids }: Rows, T: number): Tensor {
  const graph = ids.graph;
  const causal = Array.from({ length: T * T }, (_, n) => (n % T <= Math.floor(n / T) ? 0 : HIDDEN));
  const base = constant(graph, 'float32', [1, T, T], causal);
  if (!segments) return base;
  const B = segments.shape[0]!;
  const from = reshape(segments, [B, T, 1]);
  const to = reshape(segments, [B, 1, T]);
  const before = constant(
    graph,
    'bool',
    [1, T, T],
    causal.map((value) => (value === 0 ? 1 : 0)),
  );
  const isShared = equal(to, constant(graph, 'int32', [1], [0])); // [B, 1, T]
  const places = Array.from({ length: T }, (_, t) => t);
  const shared = sees
    ? and(isShared, less(constant(graph, 'int32', [1, 1, T], places), reshape(sees, [B, T, 1])))
    : isShared;
  const related = or(equal(to, from), shared);
  return where(and(related, before), constant(graph, 'float32', [1], [0]), constant(graph, 'float32', [1], [HIDDEN]));
}
/** The rows `at` [B, Q] of a mask [1 or B, T, T]: [B, Q, T]. */
function maskAt(mask: Tensor, at: Tensor): Tensor {
  const [M, T] = mask.shape as [number, number];
  const [B, Q] = at.shape as [number, number];
  const starts = constant(
    at.graph,
    'int32',
    [B, 1],
    Array.from({ length: B }, (_, b) => (M === 1 ? 0 : b * T)),
  );
  return reshape(gather(reshape(mask, [M * T, T]), reshape(add(at, starts), [B * Q])), [B, Q, T]);
}
export function finalNorm(model: Model, x: Tensor): Tensor {
  return norm(model, families[model.architecture.family].names.finalNorm, x);
}
function norm({ architecture, weights }: Model, name: string, x: Tensor): Tensor {
  const gain = weights[`${name}.weight`]!;
  return families[architecture.family].norm === 'rms'
    ? rmsNorm(x, gain, architecture.normEpsilon)
    : layerNorm(x, gain, weights[`${name}.bias`]!, architecture.normEpsilon);
}

/**
 * A matrix as it is used: its weight in the family's layout, and what an adapter adds, up · down with its factor in
 * `up`.
 */
interface Matrix {
  weight: Tensor;
  bias: Tensor | null;
  /** down [r, in], up [out, r] */
  adapter: { down: Tensor; up: Tensor } | null;
}
function matrix({ weights, adapters }: Model, name: string): Matrix {
  const down = weights[`${name}.lora_A.weight`];
  const by = adapters?.[name] ?? 1;
  const up = down ? weights[`${name}.lora_B.weight`]! : null;
  return {
    weight: weights[`${name}.weight`]!,
    bias: weights[`${name}.bias`] ?? null,
    adapter: down ? { down, up: by === 1 ? up! : scale(up!, by) } : null,
  };
}
/** x [N, in] -> [N, out]: x W + b + (x downᵀ) upᵀ */
function linear({ architecture, fewRows }: Model, x: Tensor, { weight, bias, adapter }: Matrix): Tensor {
  const transB = families[architecture.family].layout === 'out-in';
  const [rows, columns] = weight.shape as [number, number];
  const widens = transB ? rows > columns : columns > rows; // a narrow product does not win back its transposes
  const product = () => {
    if (fewRows && widens) return weightsFirst(x, transB ? weight : transpose(weight, [1, 0]), bias);
    if (fewRows || !bias) return gemm(x, weight, { transB, add: bias });
    return add(gemm(x, weight, { transB }), bias); // on all threads; Gemm spreads a bias over its rows on one
  };
  if (!adapter) return product();
  const low = gemm(x, adapter.down, { transB: true });
  return fewRows
    ? gemm(low, adapter.up, { transB: true, add: product() })
    : add(product(), gemm(low, adapter.up, { transB: true }));
}
/**
 * x wᵀ + b as (w xᵀ + b)ᵀ, w [out, in]: the runtime packs the right operand before it multiplies, which for 8 rows
 * costs as
 * much as the product; this way it packs x. (Weights come from outside the decoding loop, so each is transposed once.)
 */
function weightsFirst(x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  const column = [weight.shape[0]!, 1];
  // zeros where there is no bias: without them the runtime would fuse the transpose and swap the operands back
  return transpose(
    gemm(weight, x, { transB: true, add: bias ? reshape(bias, column) : zeros(weight, column) }),
    [1, 0],
  );
}

/**
 * Query (0), key (1) and value (2) matrices side by side, so that one product serves those that are wanted together.
 */
function projection(model: Model, layer: number, which: readonly number[]): Matrix {
  const { architecture } = model;
  const { names, layout, fused } = families[architecture.family];
  const axis = layout === 'in-out' ? 1 : 0; // of the outputs
  const all = names.queryKeyValue.map((name) => matrix(model, name.replace('{}', String(layer))));
  if (fused === 'in-a-row' && which.length === 3) return all[0]!;
  const key = architecture.keyValueHeads * architecture.headWidth;
  const sizes = [architecture.heads * architecture.headWidth, key, key];
  const apart =
    fused === null ? all : parts(fused === 'by-head' ? inARow(all[0]!, architecture) : all[0]!, sizes, axis);
  return sideBySide(
    which.map((i) => apart[i]!),
    axis,
  );
}

const join = (tensors: readonly Tensor[], axis: number): Tensor =>
  tensors.length === 1 ? tensors[0]! : concat(tensors, axis);

/**
 * Matrices of one input as one: outputs in a row. Their adapters' downs stand above one another, their ups in a block
 * diagonal.
 */
function sideBySide(matrices: readonly Matrix[], axis: number): Matrix {
  const [first] = matrices as [Matrix];
  if (matrices.length === 1) return first;
  const adapted = matrices.filter(({ adapter }) => adapter);
  const downs = [...new Set(adapted.map(({ adapter }) => adapter!.down))]; // parts of one matrix share theirs
  const up = ({ weight, adapter }: Matrix) => {
    const outputs = weight.shape[axis]!;
    return join(
      downs.map((down) => (adapter?.down === down ? adapter.up : zeros(weight, [outputs, down.shape[0]!]))),
      1,
    );
  };
  return {
    weight: join(
      matrices.map(({ weight }) => weight),
      axis,
    ),
    bias: first.bias
      ? join(
          matrices.map(({ bias }) => bias!),
          0,
        )
      : null,
    adapter: adapted.length ? { down: join(downs, 0), up: join(matrices.map(up), 0) } : null,
  };
}
function parts({ weight, bias, adapter }: Matrix, sizes: readonly number[], axis: number): Matrix[] {
  const biases = bias ? split(bias, sizes, 0) : null;
  const ups = adapter ? split(adapter.up, sizes, 0) : null;
  return split(weight, sizes, axis).map((part, i) => ({
    weight: part,
    bias: biases?.[i] ?? null,
    adapter: ups ? { down: adapter!.down, up: ups[i]! } : null,
  }));
}
/** Outputs [H · (query, key, value) · d] moved to [queries, keys, values]. */
function inARow({ weight, bias, adapter }: Matrix, { heads: H, headWidth: d }: Architecture): Matrix {
  const move = (x: Tensor) => {
    const width = sizeOf(x.shape) / (3 * H * d);
    return reshape(transpose(reshape(x, [H, 3, d * width]), [1, 0, 2]), x.shape);
  };
  return {
    weight: move(weight),
    bias: bias && move(bias),
    adapter: adapter && { down: adapter.down, up: move(adapter.up) },
  };
}

/** Logits of hidden states: [N, C] -> [N, V]. */
export function languageModelHead({ architecture, weights, fewRows }: Model, hidden: Tensor): Tensor {
  const { embedding, head } = families[architecture.family].names;
  const weight = weights[`${architecture.tied ? embedding : head}.weight`]!;
  return fewRows ? weightsFirst(hidden, weight, null) : gemm(hidden, weight, { transB: true });
}

/**
 * What `read` makes of the logits of hidden states [N, C], each a vector [N]; `rows` are vectors [N] that it needs of
 * the same
 * rows. Where a device holds no tensor as large as all logits, a part of the rows at a time.
 */
export function overLogits(
  model: Model,
  hidden: Tensor,
  rows: readonly Tensor[],
  read: (logits: Tensor, rows: readonly Tensor[]) => Tensor[],
): Tensor[] {
  const N = hidden.shape[0]!;
  const most = Math.max(1, Math.floor(model.graph.lowering.largest / model.architecture.vocabulary));
  if (N <= most) return read(languageModelHead(model, hidden), rows);
  const parts = Array.from({ length: Math.ceil(N / most) }, (_, i) => {
    const from = i * most;
    const to = Math.min(N, from + most);
    const places = constant(
      hidden.graph,
      'int32',
      [to - from],
      Array.from({ length: to - from }, (__, n) => from + n),
    );
    return read(
      languageModelHead(model, slice(hidden, 0, from, to)),
      rows.map((x) => gather(x, places)),
    );
  });
  return parts[0]!.map((_, k) =>
    concat(
      parts.map((part) => part[k]!),
      0,
    ),
  );
}

/** Rotates heads [B, H, length, d], or the first part of each, by the angles of their positions int32 [B, length]. */
function turning(architecture: Architecture, graph: Graph, T: number): (heads: Tensor, positions: Tensor) => Tensor {
  const { headWidth: d, rotaryWidth } = architecture;
  const [cosine, sine] = rotaryTables(architecture, graph, T);
  const turn = (x: Tensor, positions: Tensor) => rotary(x, cast(positions, 'int64'), cosine, sine);
  if (rotaryWidth === d) return turn;
  return (heads, positions) => {
    const [turned, still] = split(heads, [rotaryWidth, d - rotaryWidth], 3) as [Tensor, Tensor];
    return concat([turn(turned, positions), still], 3);
  };
}

/**
 * cos and sin of position · theta^(-2i/d) over the part that turns, d wide: [rows, d/2] each; llama3 stretches the slow
 * ones. The runtime wants at least as many rows as a call has tokens or slots.
 */
export function rotaryTables(
  { rotaryWidth: d, context, ropeTheta, ropeScaling }: Architecture,
  graph: Graph,
  T = 1,
): [Tensor, Tensor] {
  const rows = Math.max(context, T);
  const home = outermost(graph);
  const known = tables.get(home) ?? new Map<number, [Tensor, Tensor]>();
  tables.set(home, known);
  if (known.has(rows)) return known.get(rows)!;
  const frequencies = Array.from({ length: d / 2 }, (_, i) => stretch(ropeTheta ** ((-2 * i) / d), ropeScaling));
  const angles = Array.from({ length: rows * (d / 2) }, (_, n) => Math.floor(n / (d / 2)) * frequencies[n % (d / 2)]!);
  const table = (of: (angle: number) => number) =>
    constant(home, 'float32', [rows, d / 2], Float32Array.from(angles, of));
  const made: [Tensor, Tensor] = [table(Math.cos), table(Math.sin)];
  known.set(rows, made);
  return made;
}
/** one pair of tables a graph and length, whatever the graph's depth */
const tables = new WeakMap<Graph, Map<number, [Tensor, Tensor]>>();

function stretch(frequency: number, scaling: Architecture['ropeScaling']): number {
  if (!scaling) return frequency;
  const wavelength = (2 * Math.PI) / frequency;
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = scaling;
  if (wavelength < originalContext / high) return frequency;
  if (wavelength > originalContext / low) return frequency / factor;
  const smooth = (originalContext / wavelength - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}
