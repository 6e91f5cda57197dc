// The graphs of the logit lens: one reads a text and gives the residual stream, one reads the stream as the last layer
// is read.
//
// Two, so that what is as wide as the vocabulary is made of a few positions at a time and reduced where it is made: the
// stream of all positions is small, their logits of all layers are not.
//
// T tokens, Q positions of them, P positions at a time, M layers that are read, C channels, V vocabulary, k best.

import type { Executable, Program } from '#core/autodiff/compile.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { exp, greater, mul, shift, sqrt, sub } from '#core/autodiff/ops/elementwise.ts';
import { gatherElements, topK } from '#core/autodiff/ops/indexing.ts';
import { cast, concat, reshape, slice } from '#core/autodiff/ops/movement.ts';
import { logSumExp } from '#core/autodiff/ops/nn.ts';
import { reduceSum, reduceSumSquare } from '#core/autodiff/ops/reduction.ts';
import { checkpointParameters, scalesOf } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { rowTensors, rowTypes } from '#core/models/rows.ts';
import { entropy, tokenLogprobs } from '#core/models/token-logprobs.ts';
import { finalNorm, languageModelHead, trunk } from '#core/models/transformer.ts';
import type { Model } from '#core/models/transformer.ts';
import { weightTypes } from '#core/models/weight-types.ts';
import { coarseLength } from './held-models.ts';

/** A checkpoint with somewhere to keep its graphs. */
export interface Graphs {
  checkpoint: Checkpoint;
  graph(key: string, program: () => Program): Promise<Executable>;
}

/** What is read of which text. */
export interface Looked {
  ids: readonly number[];
  /** positions `from` to before `to` */
  from: number;
  to: number;
  /** 0 is the embedding, L what the last block made */
  layers: readonly number[];
  /** k */
  count: number;
}

/** One layer at every position that was asked for, in order. Natural logarithms. */
export interface LayerNumbers {
  layer: number;
  /** [position][k], likeliest first */
  ids: number[][];
  logprobs: number[][];
  /** of the distribution */
  entropies: number[];
  /** KL(last layer ‖ this one): what the last layer's distribution loses where it is taken for this one */
  divergences: number[];
  /** of the token that follows: ln p, and how many are likelier, and itself; null where none follows */
  nextLogprobs: (number | null)[];
  nextRanks: (number | null)[];
  /** √Σ x² of the residual stream, before any norm */
  norms: number[];
}

const LOGITS = 2 ** 22; // numbers at a time: a vocabulary of 49,152 takes 85 positions, 17 MB a tensor
/** How many positions are read at a time. */
const positionsAtOnce = (wanted: number, vocabulary: number): number =>
  Math.min(coarseLength(wanted), Math.max(1, Math.floor(LOGITS / vocabulary)));

const modelOf = (checkpoint: Checkpoint, graph: Model['graph'], weights: Model['weights']): Model => ({
  architecture: checkpoint.architecture,
  weights,
  adapters: scalesOf(checkpoint),
  graph,
  forward: true,
});

/** The residual stream after each of `layers` blocks, x [M·Q, C], and its norms [M·Q]; one row of T tokens. */
function streamProgram(checkpoint: Checkpoint, T: number, Q: number, layers: readonly number[]): Program {
  return {
    state: {},
    frozen: weightTypes(checkpointParameters(checkpoint)),
    feeds: rowTypes({ B: 1, T, Q, shared: false }),
    step: ({ graph, frozen, feeds }) => {
      const { at } = trunk(modelOf(checkpoint, graph, frozen), rowTensors(feeds));
      const x = concat(layers.map(at), 0);
      return { state: {}, outputs: { x, norms: sqrt(reduceSumSquare(x, [1])) } };
    },
  };
}

/**
 * What M layers say at P positions: x [M·P, C], the last layer's last, each through the final norm once. Outputs of P
 * rows, `name/m`.
 */
function readingProgram(checkpoint: Checkpoint, P: number, M: number, k: number): Program {
  const { channels: C } = checkpoint.architecture;
  return {
    state: {},
    frozen: weightTypes(checkpointParameters(checkpoint)),
    feeds: { x: { dtype: 'float32', shape: [M * P, C] }, next: { dtype: 'int32', shape: [P] } },
    step: ({ graph, frozen, feeds: { x, next } }) => {
      const model = modelOf(checkpoint, graph, frozen);
      const logitsOf = (m: number) => languageModelHead(model, finalNorm(model, slice(x!, 0, m * P, (m + 1) * P)));
      const last = logitsOf(M - 1);
      const lastLogprobs = sub(last, logSumExp(last));
      const lastShares = exp(lastLogprobs);
      const read = (logits: Tensor): Record<string, Tensor> => {
        const logprobs = sub(logits, logSumExp(logits)); // [P, V]
        const [best, ids] = topK(logprobs, k);
        const likelier = greater(logits, gatherElements(logits, reshape(next!, [P, 1]), 1));
        return {
          ids: cast(ids, 'int32'),
          logprobs: best,
          entropies: entropy(logits),
          divergences: reduceSum(mul(lastShares, sub(lastLogprobs, logprobs)), [1]),
          nextLogprobs: tokenLogprobs(logits, next!),
          nextRanks: shift(reduceSum(cast(likelier, 'float32'), [1]), 1),
        };
      };
      // outputs of their own, a layer after the other: then its logits are let go before those of the next are made
      const layers = Array.from({ length: M }, (_, m) =>
        Object.entries(read(m === M - 1 ? last : logitsOf(m))).map(([name, y]) => [`${name}/${m}`, y] as const),
      );
      return { state: {}, outputs: Object.fromEntries(layers.flat()) };
    },
  };
}

/** What each layer that was asked for says at each position. */
export async function readLayers(model: Graphs, looked: Looked): Promise<LayerNumbers[]> {
  const { architecture } = model.checkpoint;
  const { ids, from, to, layers: wanted } = looked;
  const L = architecture.layers;
  const layers = [...new Set([...wanted.filter((layer) => layer < L), L])]; // the others are measured by the last
  const T = coarseLength(ids.length);
  const Q = coarseLength(to - from);
  const stream = await model.graph(JSON.stringify(['stream', T, Q, layers]), () =>
    streamProgram(model.checkpoint, T, Q, layers),
  );
  const places = Int32Array.from({ length: Q }, (_, q) => Math.min(from + q, to - 1));
  const row = Int32Array.from({ length: T }, (_, t) => ids[t] ?? 0);
  const { outputs } = await stream.run({}, model.checkpoint.weights, { ids: row, at: places });
  const x = outputs.x!.data as Float32Array;
  const norms = outputs.norms!.data as Float32Array;
  const found = layers.map((layer, m): LayerNumbers => {
    const own = Array.from(norms.subarray(m * Q, m * Q + to - from));
    return { ...nothing(layer), norms: own };
  });
  await readPieces(model, looked, { x, Q }, found);
  return wanted.map((layer) => found[layers.indexOf(layer)]!);
}

const nothing = (layer: number): LayerNumbers => ({
  layer,
  ids: [],
  logprobs: [],
  entropies: [],
  divergences: [],
  nextLogprobs: [],
  nextRanks: [],
  norms: [],
});

/** Reads a stream x [M·Q, C] a few positions at a time into the layers that were found. */
async function readPieces(
  model: Graphs,
  { ids, from, to, count }: Looked,
  { x, Q }: { x: Float32Array; Q: number },
  found: readonly LayerNumbers[],
): Promise<void> {
  const { channels: C, vocabulary } = model.checkpoint.architecture;
  const M = found.length;
  const k = Math.min(count, vocabulary);
  const P = positionsAtOnce(to - from, vocabulary);
  const reading = await model.graph(JSON.stringify(['reading', P, M, k]), () =>
    readingProgram(model.checkpoint, P, M, k),
  );
  for (let first = 0; first < to - from; first += P) {
    const piece = new Float32Array(M * P * C);
    for (let m = 0; m < M; m++)
      piece.set(x.subarray((m * Q + first) * C, (m * Q + Math.min(first + P, Q)) * C), m * P * C);
    const next = Int32Array.from({ length: P }, (_, p) => ids[from + first + p + 1] ?? 0);
    const { outputs } = await reading.run({}, model.checkpoint.weights, { x: piece, next });
    const positions = Math.min(P, to - from - first);
    const isFollowed = (p: number) => from + first + p + 1 < ids.length;
    found.forEach((layer, m) => {
      const own = (name: string, width = 1): number[] =>
        Array.from((outputs[`${name}/${m}`]!.data as Float32Array).subarray(0, positions * width));
      layer.ids.push(...cut(own('ids', k), k));
      layer.logprobs.push(...cut(own('logprobs', k), k));
      layer.entropies.push(...own('entropies').map(notBelowZero));
      layer.divergences.push(...own('divergences').map(notBelowZero));
      layer.nextLogprobs.push(...own('nextLogprobs').map((value, p) => (isFollowed(p) ? value : null)));
      layer.nextRanks.push(...own('nextRanks').map((value, p) => (isFollowed(p) ? value : null)));
    });
  }
}

const cut = (list: readonly number[], k: number): number[][] =>
  Array.from({ length: list.length / k }, (_, i) => list.slice(i * k, (i + 1) * k));
/** What cannot be negative is so by a rounding. */
const notBelowZero = (value: number): number => Math.max(0, value);
