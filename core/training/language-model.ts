// The language-model loss over padded rows, for pretraining, SFT and the demo's base model; and the rows it is fed.

import type { Arrays, Types } from '#core/autodiff/compile.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { languageModelHead, trunk } from '#core/models/transformer.ts';
import { crossEntropy } from '#core/models/token-logprobs.ts';
import type { Loss, LossBuild } from './trainer.ts';

/** One text as token ids; `weights[t]` is how much predicting token t counts (0 for none; the first token is never predicted). */
export interface WeightedText {
  ids: readonly number[];
  weights: readonly number[];
}

/** B rows of T tokens: ids [B, T], targets and weights [B·T]. */
export const languageModelFeeds = (B: number, T: number): Types => ({
  ids: { dtype: 'int32', shape: [B, T] },
  targets: { dtype: 'int32', shape: [B * T] },
  weights: { dtype: 'float32', shape: [B * T] },
});

/** Weighted mean of -ln p over the rows. */
export const languageModelLoss = (architecture: Architecture) => ({ graph, weights, feeds }: LossBuild): Loss => {
  const model = { architecture, weights, graph };
  const logits = languageModelHead(model, trunk(model, { ids: feeds.ids! }).hidden);
  return { loss: crossEntropy(logits, feeds.targets!, feeds.weights!), report: {} };
};

/** Batches of equal size as stacked feeds: K batches of B texts, right-padded to T (texts of at most T + 1 tokens: the last is only predicted). */
export function languageModelRows(batches: readonly (readonly WeightedText[])[], T: number): Arrays {
  const B = batches[0]!.length, size = batches.length * B * T;
  const ids = new Int32Array(size), targets = new Int32Array(size), weights = new Float32Array(size);
  batches.flat().forEach((text, row) => {
    const n = Math.min(text.ids.length - 1, T);
    for (let t = 0; t < n; t++) {
      ids[row * T + t] = text.ids[t]!;
      targets[row * T + t] = text.ids[t + 1]!;
      weights[row * T + t] = text.weights[t + 1]!;
    }
  });
  return { ids, targets, weights };
}

/** The row length for texts of up to `longest` tokens: a multiple of `step`, so that few shapes are compiled. */
export const rowLength = (longest: number, step: number): number => Math.ceil(Math.max(1, longest - 1) / step) * step;
