// Losses over packed rows, ready for the trainer: reward model, policy and critic.

import type { Tensors, Types } from '#core/autodiff/compile.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { scale } from '#core/autodiff/ops/elementwise.ts';
import { reshape } from '#core/autodiff/ops/movement.ts';
import { sumAll } from '#core/autodiff/ops/reduction.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { rowTensors, rowTypes } from '#core/models/rows.ts';
import type { RowShape } from '#core/models/rows.ts';
import { entropy, tokenLogprobs, weightedMean } from '#core/models/token-logprobs.ts';
import { overLogits, scoreHead, trunk } from '#core/models/transformer.ts';
import { policyLoss, valueLoss } from './ppo-loss.ts';
import { rankingLoss } from './preference-loss.ts';
import type { Loss, LossBuild } from './trainer.ts';

const pairTypes = ({ B, Q }: RowShape): Types => ({ pairs: { dtype: 'float32', shape: [B, Q, Q] } });

/** Reward model: rows with slots 'last' (Q = K completions) and pairs [B, K, K]. */
export const rewardFeeds = (shape: RowShape): Types => ({ ...rowTypes(shape), ...pairTypes(shape) });
export const rewardLoss = (architecture: Architecture) => ({ graph, weights, adapters, feeds }: LossBuild): Loss => {
  const model = { architecture, weights, adapters, graph };
  return onScores(scoreHead(model, trunk(model, rowTensors(feeds)).hidden), feeds);
};

/** The same above `layer` frozen blocks, whose outputs are fed: x [B·T, C] between blocks, [B·Q, C] where no block is left. */
export const rewardFeedsAbove = ({ channels: C, layers }: Architecture, layer: number, shape: RowShape): Types =>
  layer === layers ? { x: { dtype: 'float32', shape: [shape.B * shape.Q, C] }, ...pairTypes(shape) } : { ...rewardFeeds(shape), x: { dtype: 'float32', shape: [shape.B * shape.T, C] } };
export const rewardLossAbove = (architecture: Architecture, layer: number) => ({ graph, weights, adapters, feeds }: LossBuild): Loss => {
  const model = { architecture, weights, adapters, graph };
  return onScores(scoreHead(model, layer === architecture.layers ? feeds.x! : trunk(model, rowTensors(feeds), { layer, x: feeds.x! }).hidden), feeds);
};

function onScores(scores: Tensor, feeds: Tensors): Loss {
  const { loss, weight, accuracy } = rankingLoss(reshape(scores, feeds.pairs!.shape.slice(0, 2)), feeds.pairs!);
  return { loss, weight, report: { accuracy } };
}

const perSlot = ({ B, Q }: RowShape, dtype: 'float32' | 'int32' = 'float32') => ({ dtype, shape: [B * Q] }) as const;

/** Policy: rows with slots 'tokens'; each slot's target, its old log-probability, advantage and mask [B·Q]. */
export const policyFeeds = (shape: RowShape): Types => ({ ...rowTypes(shape), targets: perSlot(shape, 'int32'), old: perSlot(shape), advantages: perSlot(shape), mask: perSlot(shape) });
export const policyUpdateLoss = (architecture: Architecture, temperature: number, range: number) => ({ graph, weights, adapters, feeds }: LossBuild): Loss => {
  const model = { architecture, weights, adapters, graph };
  const [logprobs, entropies] = overLogits(model, trunk(model, rowTensors(feeds)).hidden, [feeds.targets!], (logits, [targets]) => [tokenLogprobs(logits, targets!, temperature), entropy(logits, temperature)]) as [Tensor, Tensor];
  const { loss, report } = policyLoss(logprobs, feeds.old!, feeds.advantages!, feeds.mask!, range);
  return { loss, weight: sumAll(feeds.mask!), report: { ...report, entropy: weightedMean(entropies, feeds.mask!) } };
};

/** Critic: rows with slots 'tokens-and-end'; old value, return and mask of each slot [B·Q]. The loss is scaled by `coefficient`; value_loss is reported plain. */
export const criticFeeds = (shape: RowShape): Types => ({ ...rowTypes(shape), old: perSlot(shape), returns: perSlot(shape), mask: perSlot(shape) });
export const criticUpdateLoss = (architecture: Architecture, range: number, coefficient: number) => ({ graph, weights, adapters, feeds }: LossBuild): Loss => {
  const model = { architecture, weights, adapters, graph };
  const values = scoreHead(model, trunk(model, rowTensors(feeds)).hidden);
  const { loss, report } = valueLoss(values, feeds.old!, feeds.returns!, feeds.mask!, range);
  return { loss: scale(loss, coefficient), weight: sumAll(feeds.mask!), report: { ...report, value_loss: loss } };
};
