// Losses over packed rows, ready for the trainer: reward model, policy and critic.

import type { Tensors, Types } from '#core/autodiff/compile.ts';
import type { Tensor } from '#core/autodiff/graph.ts';
import { mul, scale, sub } from '#core/autodiff/ops/elementwise.ts';
import { gather } from '#core/autodiff/ops/indexing.ts';
import { reshape } from '#core/autodiff/ops/movement.ts';
import { reduceSum } from '#core/autodiff/ops/reduction.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { slotsOf, tapsAbove, typesAbove } from '#core/models/evaluator.ts';
import { allowed } from '#core/models/forbidden.ts';
import type { Forbidden } from '#core/models/forbidden.ts';
import { readHead } from '#core/models/heads.ts';
import type { Headed } from '#core/models/heads.ts';
import { rowTensors, rowTypes } from '#core/models/rows.ts';
import type { RowShape } from '#core/models/rows.ts';
import { entropy, tokenLogprobs, weightedMean } from '#core/models/token-logprobs.ts';
import { overLogits, trunk } from '#core/models/transformer.ts';
import type { Loss, LossBuild } from '#core/training/trainer.ts';
import type { Objective } from './objective.ts';
import { POLICY_LOSSES } from './policy-losses.ts';
import { rankingLoss } from './ranking-losses.ts';
import { VALUE_LOSSES } from './value-losses.ts';

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
 * `places` [rankings, most] are the slots of each ranking's completions in the flat order, and pairs [rankings, most,
 * most]. Above `layer` frozen blocks their outputs are fed.
 */
export const rewardFeeds = (headed: Headed, shape: RowShape, spread?: Spread | null, layer = 0): Types => ({
  ...typesAbove(headed, layer, shape),
  ...pairTypes(shape, spread),
});
export const rewardLoss =
  ({ architecture, head }: Headed, layer = 0) =>
  ({ graph, weights, adapters, feeds }: LossBuild): Loss => {
    const model = { architecture, weights, adapters, graph };
    return onScores(readHead(head, model, tapsAbove(model, head, layer, feeds)), feeds);
  };

function onScores(scores: Tensor, feeds: Tensors): Loss {
  const apart = feeds.places ? gather(scores, feeds.places) : reshape(scores, feeds.pairs!.shape.slice(0, 2));
  const { loss, weight, accuracy } = rankingLoss(apart, feeds.pairs!);
  return { loss, weight, report: { accuracy } };
}

const perSlot = ({ B, Q }: RowShape, dtype: 'float32' | 'int32' = 'float32') => ({ dtype, shape: [B * Q] }) as const;

/**
 * Policy: rows with slots 'tokens'; each slot's target, its old log-probability, advantage, mask and weight [B·Q], and
 * where texts are forbidden how much of one stands before it.
 */
export const policyFeeds = (shape: RowShape, forbidden: Forbidden | null = null): Types => ({
  ...rowTypes(shape),
  targets: perSlot(shape, 'int32'),
  ...(forbidden ? { stands: perSlot(shape, 'int32') } : {}),
  old: perSlot(shape),
  advantages: perSlot(shape),
  mask: perSlot(shape),
  weights: perSlot(shape),
});
export const policyUpdateLoss =
  (architecture: Architecture, temperature: number, range: number, forbidden: Forbidden | null = null) =>
  ({ graph, weights, adapters, feeds }: LossBuild): Loss => {
    const model = { architecture, weights, adapters, graph };
    const [logprobs, entropies] = overLogits(
      model,
      trunk(model, rowTensors(feeds)).hidden,
      slotsOf(feeds),
      (said, [targets, stands]) => {
        const logits = stands ? allowed(forbidden!, said, stands) : said;
        return [tokenLogprobs(logits, targets!, temperature), entropy(logits, temperature)];
      },
    ) as [Tensor, Tensor];
    const terms = {
      now: logprobs,
      old: feeds.old!,
      advantages: feeds.advantages!,
      mask: feeds.mask!,
      weights: feeds.weights!,
    };
    const found = POLICY_LOSSES.clipped.loss(terms, range);
    return { ...found, report: { ...found.report, entropy: weightedMean(entropies, feeds.mask!) } };
  };

/**
 * Critic: rows with slots 'tokens-and-end'; old value, return, mask and weight of each slot [B·Q]. The loss is scaled
 * by `coefficient`; value_loss is reported plain.
 */
export const criticFeeds = (shape: RowShape): Types => ({
  ...rowTypes(shape),
  old: perSlot(shape),
  returns: perSlot(shape),
  mask: perSlot(shape),
  weights: perSlot(shape),
});
export const criticUpdateLoss =
  ({ architecture, head }: Headed, range: number, coefficient: number) =>
  ({ graph, weights, adapters, feeds }: LossBuild): Loss => {
    const model = { architecture, weights, adapters, graph };
    const values = readHead(head, model, trunk(model, rowTensors(feeds)));
    const terms = {
      now: values,
      old: feeds.old!,
      returns: feeds.returns!,
      mask: feeds.mask!,
      weights: feeds.weights!,
    };
    const found = VALUE_LOSSES.clipped.loss(terms, range);
    return { ...found, loss: scale(found.loss, coefficient), report: { ...found.report, value_loss: found.loss } };
  };

/** Rankings: rows with slots 'last', above `layer` frozen blocks whose outputs are fed; 0: of the whole model. */
export const rankingObjective = (layer: number): Objective<Spread | null> => ({
  key: ['rankings', layer],
  loss: (headed) => rewardLoss(headed, layer),
  feeds: (headed, shape, spread) => rewardFeeds(headed, shape, spread, layer),
});

/**
 * Preferences of the policy itself (Rafailov et al. 2023): rows with slots 'tokens' and K completions at most, scored
 * by β (ln π − ln π_ref). Each slot's target [B·Q], which slots are whose `member` [B, K, Q], ln π_ref `reference`
 * [B, K], and pairs [B, K, K].
 */
export const preferenceObjective = (beta: number): Objective<number> => ({
  key: ['preferences', beta],
  loss: ({ architecture }) => preferenceLoss(architecture, beta),
  feeds: (_, shape, K = 2) => ({
    ...rowTypes(shape),
    targets: perSlot(shape, 'int32'),
    member: { dtype: 'float32', shape: [shape.B, K, shape.Q] },
    reference: { dtype: 'float32', shape: [shape.B, K] },
    pairs: { dtype: 'float32', shape: [shape.B, K, K] },
  }),
});

/** β (ln π − ln π_ref) of whole completions: what a policy says of them as a reward model would. */
export const policyScores = (now: Tensor, reference: Tensor, beta: number): Tensor => scale(sub(now, reference), beta);

const preferenceLoss =
  (architecture: Architecture, beta: number) =>
  ({ graph, weights, adapters, feeds }: LossBuild): Loss => {
    const model = { architecture, weights, adapters, graph };
    const { hidden } = trunk(model, rowTensors(feeds));
    const [logprobs] = overLogits(model, hidden, [feeds.targets!], (logits, [targets]) => [
      tokenLogprobs(logits, targets!),
    ]) as [Tensor];
    const [B, , Q] = feeds.member!.shape as [number, number, number];
    const sums = reduceSum(mul(feeds.member!, reshape(logprobs, [B, 1, Q])), [2]); // [B, K]
    const { loss, weight, accuracy } = rankingLoss(policyScores(sums, feeds.reference!, beta), feeds.pairs!);
    return { loss, weight, report: { accuracy } };
  };

/**
 * The policy's update at a temperature, with the range of its ratio. Where texts are forbidden, π is what was sampled
 * from: renormalised over the tokens that were left to choose from (docs/algorithms/ppo.md).
 */
export const policyObjective = (temperature: number, range: number, forbidden: Forbidden | null = null): Objective => ({
  key: ['policy', temperature, range, ...(forbidden ? [forbidden.key] : [])],
  loss: ({ architecture }) => policyUpdateLoss(architecture, temperature, range, forbidden),
  feeds: (_, shape) => policyFeeds(shape, forbidden),
});

/** The critic's update, with the range of its values and the weight of its loss. */
export const criticObjective = (range: number, coefficient: number): Objective => ({
  key: ['critic', range, coefficient],
  loss: (headed) => criticUpdateLoss(headed, range, coefficient),
  feeds: (_, shape) => criticFeeds(shape),
});
