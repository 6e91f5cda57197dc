// A prompt with more completions than one row takes: what is learnt from it over several rows is what one row a
// completion teaches.

import { describe, expect, test } from 'vitest';
import { checkpointParameters, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { rowSpans, SHARED_TOKENS } from '#core/models/rows.ts';
import { createRandom } from '#core/random.ts';
import { ESTIMATORS } from '#core/training/estimators.ts';
import { criticArrays, policyArrays, prepareRollout } from '#core/training/rollout.ts';
import type { Prepared } from '#core/training/rollout.ts';
import { criticFeeds, criticUpdateLoss, policyFeeds, policyUpdateLoss } from '#core/training/objectives/row-losses.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import { randomTokens, tinyModel } from '#tests/core/models/tiny-models.ts';

/** An epsilon that does not blow up what is only rounding. */
const ADAM = { betas: [0.9, 0.999], epsilon: 1e-2, epsilonStyle: 'torch', weightDecay: 0, clipNorm: null } as const;
const random = createRandom(3, 'spanning');
const episode = (tokens: number) => ({
  logprobs: Array.from({ length: tokens }, () => -1 - random.uniform()),
  referenceLogprobs: Array.from({ length: tokens }, () => -1 - random.uniform()),
  values: Array.from({ length: tokens + 1 }, () => random.normal()),
  score: random.normal(),
});
const group = (prompt: number, completions: number, tokens: number) => ({
  prompt: randomTokens(random, prompt),
  completions: Array.from({ length: completions }, () => randomTokens(random, tokens)),
  episodes: Array.from({ length: completions }, () => episode(tokens)),
});

const prepared = prepareRollout([group(5, 40, 20), group(9, 3, 20), group(4, 2, 20), group(3, 70, 20)], {
  beta: 0.1,
  gamma: 1,
  lambda: 0.95,
  limit: 20,
  placement: 'after-end',
  estimator: ESTIMATORS.gae,
  whitenRewards: false,
  whitenAdvantages: true,
  unbiased: false,
});
/** Minibatches of two prompts each, of three and four rows. */
const MINIBATCHES = [prepared.slice(0, 2), prepared.slice(2)];
const alone = ({ prompt, completions, episodes, rewards, advantages, returns }: Prepared): Prepared[] =>
  completions.map((completion, k) => ({
    prompt,
    completions: [completion],
    episodes: [episodes[k]!],
    rewards: [rewards[k]!],
    advantages: [advantages[k]!],
    returns: [returns[k]!],
  }));

const words = tinyModel('llama');
const scorer = withScoreHead(words, 2);
const PARTS = {
  policy: {
    model: words,
    arrays: policyArrays,
    feeds: policyFeeds,
    loss: policyUpdateLoss(words.architecture, 0.7, 0.2),
  },
  critic: {
    model: scorer,
    arrays: criticArrays,
    feeds: criticFeeds,
    loss: criticUpdateLoss(scorer, 0.2, 0.1),
  },
} as const;

describe.each(['policy', 'critic'] as const)('%s', (part) => {
  const { model, arrays, feeds, loss } = PARTS[part];
  const learnt = async (minibatches: readonly (readonly Prepared[])[], micro = 1) => {
    const { shape, arrays: given } = arrays(minibatches);
    const trainer = createTrainer(checkpointParameters(model as Checkpoint), freshState(model.weights), loss, ADAM, {
      threads: 1,
    });
    const report = await trainer.steps(
      'step',
      feeds({ ...shape, B: shape.B / micro }),
      given,
      minibatches.map(() => 1e-2),
      micro,
    );
    const { weights } = trainer.state();
    await trainer.release();
    return { shape, report, weights };
  };

  test('rows are limited, and the weights after two steps are those of separate rows', async () => {
    expect(rowSpans(3, Array<number>(70).fill(20))).toHaveLength(3);
    const shared = await learnt(MINIBATCHES);
    const separate = await learnt(MINIBATCHES.map((groups) => groups.flatMap(alone)));
    expect(shared.shape).toMatchObject({ B: 4, shared: true });
    expect(shared.shape.T).toBeLessThanOrEqual(SHARED_TOKENS + 64);
    shared.report.loss!.forEach((value, i) => expect(value).toBeCloseTo(separate.report.loss![i]!, 5));
    for (const [name, values] of Object.entries(separate.weights))
      values.forEach((value, i) => expect(Math.abs(shared.weights[name]![i]! - value), name).toBeLessThan(1e-5));
  });

  test('in micro-batches of rows, too', async () => {
    const whole = await learnt(MINIBATCHES);
    const parts = await learnt(MINIBATCHES, 4);
    parts.report.loss!.forEach((value, i) => expect(value).toBeCloseTo(whole.report.loss![i]!, 5));
    for (const [name, values] of Object.entries(whole.weights))
      values.forEach((value, i) => expect(Math.abs(parts.weights[name]![i]! - value), name).toBeLessThan(1e-5));
  });
});
