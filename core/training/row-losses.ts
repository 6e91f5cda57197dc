// Losses over packed rows, ready for the trainer: reward model, policy and critic.

import type { Types } from '#core/autodiff/compile.ts';
import { scale } from '#core/autodiff/ops/elementwise.ts';
import { reshape } from '#core/autodiff/ops/movement.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { rowTensors, rowTypes } from '#core/models/rows.ts';
import type { RowShape } from '#core/models/rows.ts';
import { entropy, tokenLogprobs, weightedMean } from '#core/models/token-logprobs.ts';
import { languageModelHead, scoreHead, trunk } from '#core/models/transformer.ts';
import { policyLoss, valueLoss } from './ppo-loss.ts';
import { rankingLoss } from './preference-loss.ts';
import type { Loss, LossBuild } from './trainer.ts';

/** Reward model: rows with slots 'last' (Q = K completions) and pairs [B, K, K]. */
export const rewardFeeds = (shape: RowShape): Types => ({ ...rowTypes(shape), pairs: { dtype: 'float32', shape: [shape.B, shape.Q, shape.Q] } });
export const rewardLoss = (architecture: Architecture) => ({ graph, weights, feeds }: LossBuild): Loss => {
  const model = { architecture, weights, graph };
  const scores = scoreHead(model, trunk(model, rowTensors(feeds)).hidden);
  const { loss, accuracy } = rankingLoss(reshape(scores, feeds.at!.shape), feeds.pairs!);
  return { loss, report: { accuracy } };
};

const perSlot = ({ B, Q }: RowShape, dtype: 'float32' | 'int32' = 'float32') => ({ dtype, shape: [B * Q] }) as const;

/** Policy: rows with slots 'tokens'; each slot's target, its old log-probability, advantage and mask [B·Q]. */
export const policyFeeds = (shape: RowShape): Types => ({ ...rowTypes(shape), targets: perSlot(shape, 'int32'), old: perSlot(shape), advantages: perSlot(shape), mask: perSlot(shape) });
export const policyUpdateLoss = (architecture: Architecture, temperature: number, range: number) => ({ graph, weights, feeds }: LossBuild): Loss => {
  const model = { architecture, weights, graph };
  const logits = languageModelHead(model, trunk(model, rowTensors(feeds)).hidden);
  const { loss, report } = policyLoss(tokenLogprobs(logits, feeds.targets!, temperature), feeds.old!, feeds.advantages!, feeds.mask!, range);
  return { loss, report: { ...report, entropy: weightedMean(entropy(logits, temperature), feeds.mask!) } };
};

/** Critic: rows with slots 'tokens-and-end'; old value, return and mask of each slot [B·Q]. The loss is scaled by `coefficient`; value_loss is reported plain. */
export const criticFeeds = (shape: RowShape): Types => ({ ...rowTypes(shape), old: perSlot(shape), returns: perSlot(shape), mask: perSlot(shape) });
export const criticUpdateLoss = (architecture: Architecture, range: number, coefficient: number) => ({ graph, weights, feeds }: LossBuild): Loss => {
  const model = { architecture, weights, graph };
  const values = scoreHead(model, trunk(model, rowTensors(feeds)).hidden);
  const { loss, report } = valueLoss(values, feeds.old!, feeds.returns!, feeds.mask!, range);
  return { loss: scale(loss, coefficient), report: { ...report, value_loss: loss } };
};
