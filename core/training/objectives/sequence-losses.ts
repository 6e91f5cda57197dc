// Losses of texts by the log-probabilities of their tokens: one row each.
//
// `mask` says which slots hold a token that is to be learnt, `weights` how much each counts. Where weights may be
// negative a loss has to divide by the count, Σ mask, for their sum may be anything.

import type { Tensor } from '#core/autodiff/graph.ts';
import { mul } from '#core/autodiff/ops/elementwise.ts';
import { sumAll } from '#core/autodiff/ops/reduction.ts';
import { crossEntropy } from '#core/models/token-logprobs.ts';
import type { Loss } from '#core/training/trainer.ts';

export interface SequenceLoss {
  /** formula and source, for people */
  sentence: string;
  /** ln p of each slot's token, mask and weights, all [N] -> the loss, and what it is a mean over */
  loss(logprobs: Tensor, mask: Tensor, weights: Tensor): Loss;
}

export const SEQUENCE_LOSSES = {
  likelihood: {
    sentence: '−Σ w ln p / Σ w over the tokens that are learnt, w never negative.', // D5
    loss: (logprobs, mask, weights) => {
      const counted = mul(mask, weights);
      return { loss: crossEntropy(logprobs, counted), weight: sumAll(counted), report: {} };
    },
  },
} as const satisfies Readonly<Record<string, SequenceLoss>>;

export type SequenceLossName = keyof typeof SEQUENCE_LOSSES;
