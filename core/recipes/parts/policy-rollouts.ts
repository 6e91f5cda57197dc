// Rollouts: what a policy writes for prompts, and what its reference and the reward model say of it.

import { createEvaluator } from '#core/models/evaluator.ts';
import type { Group } from '#core/models/rows.ts';
import { createSampler } from '#core/models/sampler.ts';
import type { Sampled } from '#core/models/sampler.ts';
import type { WeightArrays } from '#core/models/checkpoint.ts';
import { releaseAfter } from '#core/plans/large-models.ts';
import type { SamplingParameters } from '#core/contract/samples.ts';
import type { RunContext } from '#core/recipes/recipe.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { scoresOfAnswers } from './answer-scores.ts';
import { forbids } from './forbidden-texts.ts';
import type { PolicyModels } from './policy-models.ts';
import type { EncodedPrompt } from './policy-prompts.ts';
import { withStops } from './prompt-tokens.ts';
import { rewardScorer } from './scorers.ts';
import type { Tuned } from './tuning.ts';

/** How answers are written. */
export interface RolloutSettings {
  temperature: number;
  max_new: number;
  fixed_length: boolean;
  forbid: string;
  seed: number;
  sampling_seed: number;
}

/** Lists are [prompt][completion]. */
export interface Rollouts {
  /** of all its models */
  tokenizer: Tokenizer;
  sampling: SamplingParameters;
  /** tokens that end an answer */
  stops: readonly number[];
  /** Writes an answer for each of a prompt's random streams, `rows` at once. */
  write(
    weights: WeightArrays,
    prompts: readonly EncodedPrompt[],
    streams: (prompt: EncodedPrompt, place: number) => string[],
    rows?: number,
  ): Promise<Sampled[][]>;
  /**
   * ln π_ref of each token at the temperature that was sampled with, and where texts are forbidden under the same rule:
   * the measure that KL is taken from
   */
  referenceLogprobs(groups: readonly Group[]): Promise<number[][][]>;
  /** the same at temperature 1, of everything that the reference could say */
  plainReferenceLogprobs(groups: readonly Group[]): Promise<number[][][]>;
  /** as the reward model has them; whether an answer ended is no concern here */
  scores(prompts: readonly EncodedPrompt[], groups: readonly Group[]): Promise<number[][]>;
  /** All has been read: of large models only the graphs of the part at work are kept. */
  hasRead(): Promise<void>;
  release(): Promise<void>;
}

/** `learner` is the policy as it learns, whose weights `write` is handed. */
export function createRollouts(
  context: RunContext,
  models: PolicyModels,
  learner: Tuned,
  config: RolloutSettings,
): Rollouts {
  const { policy, reference, reward, reading, tokenizer, forbidden } = models;
  const { temperature, max_new: maxNew } = config;
  const progress = context.count;
  const written = withStops(policy.architecture, tokenizer);
  const { stops } = written;
  const sampler = createSampler(
    { ...written, stops: config.fixed_length ? [] : stops },
    { adapter: learner.start.adapter?.settings, constants: learner.options.frozen?.weights },
  );
  const reader = createEvaluator(reference, { constants: reference.weights, progress });
  const judge = createEvaluator(reward, { constants: reward.weights, progress });
  const scorer = rewardScorer(judge, reward, reading);
  const finished = releaseAfter(policy.architecture);
  const sampling = {
    temperature,
    topK: 0,
    topP: 1,
    maxNew,
    seed: config.sampling_seed || config.seed,
    ...forbids(config.forbid),
  };
  return {
    tokenizer,
    sampling,
    stops,
    write: async (weights, prompts, streams, rows) => {
      const requests = prompts.map((prompt, place) => ({ prompt: prompt.ids, streams: streams(prompt, place) }));
      const sampled = await sampler.sample(weights, requests, {
        ...sampling,
        forbidden,
        ...(rows === undefined ? {} : { rows }),
        progress,
      });
      await finished(sampler);
      return sampled;
    },
    referenceLogprobs: (groups) => reader.logprobs(reference.weights, groups, temperature, forbidden),
    plainReferenceLogprobs: (groups) => reader.logprobs(reference.weights, groups),
    scores: (prompts, groups) => scoresOfAnswers(scorer, { tokenizer, reading }, stops, prompts, groups),
    hasRead: () => finished(reader, judge),
    release: async () => {
      for (const part of [sampler, reader, judge]) await part.release();
    },
  };
}
