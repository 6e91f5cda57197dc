// Losses over packed rows, ready for the trainer: reward model, policy and critic.

import type { Tensors, Types } from '#core/autodiff/compile.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { scale } from '#core/autodiff/ops/elementwise.ts';
import { gather } from '#core/autodiff/ops/indexing.ts';
import { reshape } from '#core/autodiff/ops/movement.ts';
import { sumAll } from '#core/autodiff/ops/reduction.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { hiddenAbove, typesAbove } from '#core/models/evaluator.ts';
import { rowTensors, rowTypes } from '#core/models/rows.ts';
import type { RowShape } from '#core/models/rows.ts';
import { entropy, tokenLogprobs, weightedMean } from '#core/models/token-logprobs.ts';
import { overLogits, scoreHead, trunk } from '#core/models/transformer.ts';
import { policyLoss, valueLoss } from './ppo-loss.ts';
import { rankingLoss } from './preference-loss.ts';
import type { Loss, LossBuild } from './trainer.ts';

/** How many rankings of at most `most` completions some rows hold, where a ranking may lie in several of them. */
export interface Spread {
  rankings: number;
  most: number;
}
const pairTypes = ({ B, Q }: RowShape, spread?: Spread | null): Types => {
  const { rankings, most } = spread ?? { rankings: B, most: Q };
  return {
    pairs: { dtype: 'float32', shape: [rankings, most, most] },
    ...(spread ? { places: { dtype: 'int32', shape: [rankings, most] } } : {}),
  };
};

/**
 * Reward model: rows with slots 'last' and one ranking a row, pairs [B, Q, Q]; or, `spread`, over several: then
 * `places`
 * [rankings, most] are the slots of each ranking's completions in the flat order, and pairs [rankings, most, most].
 */
export const rewardFeeds = (shape: RowShape, spread?: Spread | null): Types => ({
  ...rowTypes(shape),
  ...pairTypes(shape, spread),
});
export const rewardLoss =
  (architecture: Architecture) =>
  ({ graph, weights, adapters, feeds }: LossBuild): Loss => {
    const model = { architecture, weights, adapters, graph };
    return onScores(scoreHead(model, trunk(model, rowTensors(feeds)).hidden), feeds);
  };

/** The same above `layer` frozen blocks, whose outputs are fed. */
export const rewardFeedsAbove = (
  architecture: Architecture,
  layer: number,
  shape: RowShape,
  spread?: Spread | null,
): Types => ({ ...typesAbove(architecture, layer, shape), ...pairTypes(shape, spread) });
export const rewardLossAbove =
  (architecture: Architecture, layer: number) =>
  ({ graph, weights, adapters, feeds }: LossBuild): Loss => {
    const model = { architecture, weights, adapters, graph };
    return onScores(scoreHead(model, hiddenAbove(model, layer, feeds)), feeds);
  };

function onScores(scores: Tensor, feeds: Tensors): Loss {
  const apart = feeds.places ? gather(scores, feeds.places) : reshape(scores, feeds.pairs!.shape.slice(0, 2));
  const { loss, weight, accuracy } = rankingLoss(apart, feeds.pairs!);
  return { loss, weight, report: { accuracy } };
}

const perSlot = ({ B, Q }: RowShape, dtype: 'float32' | 'int32' = 'float32') => ({ dtype, shape: [B * Q] }) as const;

/** Policy: rows with slots 'tokens'; each slot's target, its old log-probability, advantage and mask [B·Q]. */
export const policyFeeds = (shape: RowShape): Types => ({
  ...rowTypes(shape),
  targets: perSlot(shape, 'int32'),
  old: perSlot(shape),
  advantages: perSlot(shape),
  mask: perSlot(shape),
});
export const policyUpdateLoss =
  (architecture: Architecture, temperature: number, range: number) =>
  ({ graph, weights, adapters, feeds }: LossBuild): Loss => {
    const model = { architecture, weights, adapters, graph };
    const [logprobs, entropies] = overLogits(
      model,
      trunk(model, rowTensors(feeds)).hidden,
      [feeds.targets!],
      (logits, [targets]) => [tokenLogprobs(logits, targets!, temperature), entropy(logits, temperature)],
    ) as [Tensor, Tensor];
    const { loss, report } = policyLoss(logprobs, feeds.old!, feeds.advantages!, feeds.mask!, range);
    return { loss, weight: sumAll(feeds.mask!), report: { ...report, entropy: weightedMean(entropies, feeds.mask!) } };
  };

/**
 * Critic: rows with slots 'tokens-and-end'; old value, return and mask of each slot [B·Q]. The loss is scaled by
 * `coefficient`; value_loss is reported plain.
 */
export const criticFeeds = (shape: RowShape): Types => ({
  ...rowTypes(shape),
  old: perSlot(shape),
  returns: perSlot(shape),
  mask: perSlot(shape),
});
export const criticUpdateLoss =
  (architecture: Architecture, range: number, coefficient: number) =>
  ({ graph, weights, adapters, feeds }: LossBuild): Loss => {
    const model = { architecture, weights, adapters, graph };
    const values = scoreHead(model, trunk(model, rowTensors(feeds)).hidden);
    const { loss, report } = valueLoss(values, feeds.old!, feeds.returns!, feeds.mask!, range);
    return { loss: scale(loss, coefficient), weight: sumAll(feeds.mask!), report: { ...report, value_loss: loss } };
  };
