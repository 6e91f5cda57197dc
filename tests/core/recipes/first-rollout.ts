// The first rollout of a PPO run, made again outside the job: what was sampled and what every model says of it.

import path from 'node:path';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { createSampler } from '#core/models/sampler.ts';
import { createRandom } from '#core/random.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { ESTIMATORS } from '#core/training/estimators.ts';
import { prepareRollout } from '#core/training/rollout.ts';
import type { RolloutSettings } from '#core/training/rollout.ts';

export interface FirstRollout {
  groups: { prompt: number[]; completions: number[][] }[];
  /** at the sampling temperature, under the base model: [prompt][completion][token] */
  logprobs: number[][][];
  /** the same tokens at temperature 1 */
  plainLogprobs: number[][][];
  /** the reward model before every token and after the last */
  values: number[][][];
  /** read at the first end-of-text, or the last token */
  scores: number[][];
  ended: boolean[];
}

/** What the first update of a run on "base" with these settings must have seen. */
export async function firstRollout(
  project: Project,
  reward: string,
  {
    episodes,
    temperature,
    max_new,
    seed,
    samples_per_prompt = 1,
    fixed_length = false,
  }: {
    episodes: number;
    temperature: number;
    max_new: number;
    seed: number;
    samples_per_prompt?: number;
    fixed_length?: boolean;
  },
): Promise<FirstRollout> {
  const base = path.join(project.folder, 'models', 'base');
  const policy = loadCheckpoint(base);
  const scorer = loadCheckpoint(policyPath(project, getPolicy(project, reward)));
  const tokenizer = await loadTokenizer(base);
  const prompts = createRandom(seed, 'prompts/0')
    .shuffled(listPrompts(project, { split: 'train' }))
    .slice(0, episodes / samples_per_prompt);
  const ids = await tokenizer.encodeBatch(prompts.map(({ text }) => text));
  const sampler = createSampler({ ...policy.architecture, stops: fixed_length ? [] : [tokenizer.endOfText] });
  const words = createEvaluator(policy);
  const judge = createEvaluator(scorer);
  const requests = prompts.map(({ id }, slot) => ({
    prompt: ids[slot]!,
    streams: Array.from({ length: samples_per_prompt }, (_, j) => `rollout/0/${slot}/${id}/${j}`),
  }));
  const sampled = await sampler.sample(policy.weights, requests, {
    temperature,
    topK: 0,
    topP: 1,
    maxNew: max_new,
    seed,
    rows: episodes,
  });
  const groups = requests.map(({ prompt }, i) => ({
    prompt,
    completions: sampled[i]!.map(({ tokenIds }) => tokenIds),
  }));
  const toTheEnd = (list: number[]) =>
    list.includes(tokenizer.endOfText) ? list.slice(0, list.indexOf(tokenizer.endOfText) + 1) : list;
  const result = {
    groups,
    logprobs: await words.logprobs(policy.weights, groups, temperature),
    plainLogprobs: sampled.map((row) => row.map(({ logprobs }) => logprobs)),
    values: await judge.values(scorer.weights, groups),
    scores: await judge.scores(
      scorer.weights,
      groups.map(({ prompt, completions }) => ({ prompt, completions: completions.map(toTheEnd) })),
    ),
    ended: groups.flatMap(({ completions }) => completions.map((list) => list.includes(tokenizer.endOfText))),
  };
  for (const part of [sampler, words, judge]) await part.release();
  return result;
}

/** The critic's first loss, ½ mean (V - R)², with these values: the log-probabilities still are the reference's. */
export function firstValueLoss(
  { groups, logprobs }: FirstRollout,
  values: number[][][],
  scores: number[][],
  settings: Pick<RolloutSettings, 'limit' | 'placement'>,
): number {
  const prepared = prepareRollout(
    groups.map((group, g) => ({
      ...group,
      episodes: group.completions.map((_, k) => ({
        logprobs: logprobs[g]![k]!,
        referenceLogprobs: logprobs[g]![k]!,
        values: values[g]![k]!,
        score: scores[g]![k]!,
      })),
    })),
    {
      estimator: ESTIMATORS.gae,
      beta: 0.05,
      gamma: 1,
      lambda: 0.95,
      whitenRewards: false,
      whitenAdvantages: true,
      unbiased: false,
      ...settings,
    },
  );
  return mean(
    prepared.flatMap(({ returns }, g) =>
      returns.flatMap((row, k) => row.map((value, t) => 0.5 * (value - values[g]![k]![t]!) ** 2)),
    ),
  );
}

/**
 * Mean entropy of the base model over every response token, from the probabilities of all tokens after every prefix.
 */
export async function meanEntropy(project: Project, { groups }: FirstRollout, temperature: number): Promise<number> {
  const policy = loadCheckpoint(path.join(project.folder, 'models', 'base'));
  const words = createEvaluator(policy);
  const every = Array.from({ length: policy.architecture.vocabulary }, (_, id) => [id]);
  const prefixes = groups.flatMap(({ prompt, completions }) =>
    completions.flatMap((completion) => completion.map((_, t) => [...prompt, ...completion.slice(0, t)])),
  );
  const logprobs = await words.logprobs(
    policy.weights,
    prefixes.map((prompt) => ({ prompt, completions: every })),
    temperature,
  );
  await words.release();
  return mean(logprobs.map((row) => -row.reduce((sum, [lp]) => sum + Math.exp(lp!) * lp!, 0)));
}

export const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
