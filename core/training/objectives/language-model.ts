// The language-model loss over padded rows, for pretraining, SFT and the demo's base model; and the rows it is fed.

import type { Arrays, Types } from '#core/autodiff/compile.ts';
import type { Architecture } from '#core/models/architecture.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { overLogits, trunk } from '#core/models/transformer.ts';
import { tokenLogprobs } from '#core/models/token-logprobs.ts';
import type { Loss, LossBuild } from '#core/training/trainer.ts';
import type { Objective } from './objective.ts';
import { SEQUENCE_LOSSES } from './sequence-losses.ts';

/**
 * One text as token ids; `weights[t]` is how much predicting token t counts (0 for none; the first token is never
 * predicted).
 */
export interface WeightedText {
  ids: readonly number[];
  weights: readonly number[];
}

/**
 * B rows of T tokens and Q predicted ones a row: ids [B, T], at [B, Q], targets, mask and weights [B·Q]; without `at`,
 * all T are predicted.
 */
export const languageModelFeeds = (B: number, T: number, Q = T): Types => ({
  ids: { dtype: 'int32', shape: [B, T] },
  ...(Q === T ? {} : { at: { dtype: 'int32', shape: [B, Q] } }),
  targets: { dtype: 'int32', shape: [B * Q] },
  mask: { dtype: 'float32', shape: [B * Q] },
  weights: { dtype: 'float32', shape: [B * Q] },
});

/** Weighted mean of -ln p over the rows. */
export const languageModelLoss =
  (architecture: Architecture) =>
  ({ graph, weights, adapters, feeds }: LossBuild): Loss => {
    const model = { architecture, weights, adapters, graph };
    const { hidden } = trunk(model, { ids: feeds.ids!, ...(feeds.at ? { at: feeds.at } : {}) });
    const [logprobs] = overLogits(model, hidden, [feeds.targets!], (logits, [targets]) => [
      tokenLogprobs(logits, targets!),
    ]) as [Tensor];
    return SEQUENCE_LOSSES.likelihood.loss(logprobs, feeds.mask!, feeds.weights!);
  };

/** The next token, over rows of T tokens of which Q are predicted. */
export const LANGUAGE_OBJECTIVE: Objective = {
  key: ['language'],
  loss: ({ architecture }) => languageModelLoss(architecture),
  feeds: (_, { B, T, Q }) => languageModelFeeds(B, T, Q),
};

const counted = ({ ids, weights }: WeightedText, T: number): number[] =>
  Array.from({ length: Math.min(ids.length - 1, T) }, (_, t) => t).filter((t) => weights[t + 1] !== 0);

/**
 * How many predictions a row of T tokens has room for where `most` are counted, so that logits are computed where the
 * loss reads them: all T where few positions would be saved.
 */
export function roomForPredictions(most: number, T: number): number {
  const Q = Math.ceil(Math.max(1, most) / 16) * 16;
  return Q > 0.75 * T ? T : Q;
}
/** The same for these texts. */
export const predictionsPerRow = (texts: readonly WeightedText[], T: number): number =>
  roomForPredictions(Math.max(1, ...texts.map((text) => counted(text, T).length)), T);

/**
 * Batches of equal size as stacked feeds: K batches of B texts, right-padded to T (texts of at most T + 1 tokens: the
 * last is only predicted), Q predictions a row.
 */
export function languageModelRows(batches: readonly (readonly WeightedText[])[], T: number, Q = T): Arrays {
  const rows = batches.flat();
  const ids = new Int32Array(rows.length * T);
  const at = new Int32Array(rows.length * Q);
  const targets = new Int32Array(rows.length * Q);
  const mask = new Float32Array(rows.length * Q);
  const weights = new Float32Array(rows.length * Q);
  rows.forEach((text, row) => {
    ids.set(text.ids.slice(0, Math.min(text.ids.length - 1, T)), row * T);
    const wanted = Q === T ? Array.from({ length: Math.min(text.ids.length - 1, T) }, (_, t) => t) : counted(text, T);
    wanted.forEach((t, q) => {
      at[row * Q + q] = t;
      targets[row * Q + q] = text.ids[t + 1]!;
      mask[row * Q + q] = 1;
      weights[row * Q + q] = text.weights[t + 1]!;
    });
  });
  return { ids, ...(Q === T ? {} : { at }), targets, mask, weights };
}

/** The row length for texts of up to `longest` tokens: a multiple of `step`, so that few shapes are compiled. */
export const rowLength = (longest: number, step: number): number => Math.ceil(Math.max(1, longest - 1) / step) * step;
