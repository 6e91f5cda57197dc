// PPO against a reward model (Stiennon et al. 2020; the working spec is N+, algorithms.md §1.4).
//
//   repeat: 1 sample at T  2 reference log-probabilities, values, scores  3 penalties  4 advantages
//           5 four epochs on policy and, separately, critic  6 report; evaluate on fixed held-out prompts
// Policy starts as the reference; the critic starts as the reward model (D19) and shares nothing with the policy (D20).

import path from 'node:path';
import { createRandom } from '#core/random.ts';
import type { Finish, Message, Prompt, SamplingParameters } from '#core/contract.ts';
import { loadShared, saveCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { createSampler, endOf } from '#core/models/sampler.ts';
import { TastemakerError } from '#core/errors.ts';
import { gold } from '#core/demo/gold.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { adaptBeta } from '#core/training/kl-controller.ts';
import { criticArrays, policyArrays, prepareRollout } from '#core/training/rollout.ts';
import type { RolloutGroup } from '#core/training/rollout.ts';
import { criticFeeds, criticUpdateLoss, policyFeeds, policyUpdateLoss } from '#core/training/row-losses.ts';
import { scheduleFactor } from '#core/training/schedule.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import { choice, count, flag, real, words } from './config.ts';
import type { Config } from './config.ts';
import { learningPrompts } from './dataset.ts';
import { need } from './job.ts';
import { releaseAfter } from './large-models.ts';
import type { Inputs, Job, Outcome, RunContext } from './job.ts';
import { describeSamples, stopReason } from './sample-statistics.ts';
import { encodePrompts, withStops } from './prompt-tokens.ts';
import { packState, unpackState } from './training-state.ts';
import { microBatches, tuned, TUNING_SETTINGS } from './tuning.ts';

export const PPO_SETTINGS = {
  policy: words('base', 'The model to tune; its start is the reference that KL is measured from.'),
  reward: words('reward', 'The reward model that scores.'),
  updates: count(20, [1, 1e6], 'Rollout batches.'),
  episodes: count(64, [1, 65536], 'Completions a rollout batch (N+: 512).'),
  samples_per_prompt: count(1, [1, 64], 'Completions of one prompt; they share its work.'),
  epochs: count(4, [1, 100], 'Passes over a rollout batch (2019, 2020, N+: 4).'),
  minibatches: count(1, [1, 1024], 'Optimiser steps an epoch (2019, N+: 1).'),
  learning_rate: real(5e-4, [0, 1], 'Peak learning rate of policy and critic (N+: 3e-6 for billions of parameters; small models take more).'),
  schedule: choice('linear', ['linear', 'constant', 'cosine'], 'How it falls; constant within an update (D25).'),
  beta: real(0.05, [0, 1000], 'Price of one nat of KL (P20: .05). 0 shows what the reward model really likes.'),
  adaptive_kl_target: real(0, [0, 1e6], '2019: steer β so that KL reaches this many nats; 0 = β stays.'),
  adaptive_kl_horizon: real(10000, [1, 1e9], 'Episodes over which β adapts.'),
  temperature: real(0.7, [0.01, 10], 'Divides the logits in sampling and in every log-probability (D3).'),
  max_new: count(40, [1, 100000], 'Longest completion in tokens.'),
  missing_end: choice('replace', ['replace', 'subtract', 'keep'], 'A completion without end-of-text: its score becomes the penalty (2019, N+), loses it (TRL), or stays (D21).'),
  missing_end_penalty: real(-1, [-1e6, 1e6], 'The score that replaces; its size is what is subtracted.'),
  score_placement: choice('after-end', ['after-end', 'at-end'], 'Where the score lands: the slot after end-of-text where there is room (N+), or on it (D18).'),
  fixed_length: flag(false, '2019: sample on after end-of-text; KL and policy gradient act on those tokens too, the reward model does not see them.'),
  whiten_rewards: flag(false, '2019: rewards scaled to variance 1, mean kept.'),
  whiten_advantages: flag(true, 'Advantages to mean 0, variance 1.'),
  unbiased_variance: flag(false, 'TRL divides by n − 1; 2019 and N+ by n.'),
  gamma: real(1, [0, 1], 'Discount a token.'),
  lambda: real(0.95, [0, 1], 'GAE λ.'),
  clip: real(0.2, [0, 10], 'PPO clipping range of the ratio.'),
  value_clip: real(0.2, [0, 1e6], 'The same for values.'),
  value_coefficient: real(0.1, [0, 100], 'Weight of the value loss.'),
  epsilon: real(1e-5, [1e-12, 1], "Adam's ε (2019, N+: 1e-5)."),
  epsilon_style: choice('torch', ['torch', 'tensorflow'], 'Whether ε is added after (torch) or before (tensorflow) the bias correction (D26).'),
  weight_decay: real(0, [0, 1], 'Decoupled decay on matrices (2019: 0; N+ inherits torch’s 0.01; D27).'),
  gradient_clip: real(1, [0, 1e9], 'Largest gradient norm; 0 = none (2019, N+).'),
  evaluate_every: count(5, [0, 1e6], 'Updates between samples on the fixed prompts; 0 = never.'),
  evaluate_prompts: count(16, [1, 4096], 'How many fixed held-out prompts.'),
  stop_kl: real(0, [0, 1e9], 'Stop when KL exceeds this; 0 = off.'),
  stop_ended: real(0, [0, 1], 'Stop when fewer than this share of completions end; 0 = off.'),
  stop_distinct: real(0, [0, 1], 'Stop when the share of distinct three-token sequences falls below; 0 = off.'),
  stop_drop: real(0, [0, 1e6], 'Stop when the held-out gold score (else score) falls this far below its best; 0 = off.'),
  checkpoint_every: count(5, [1, 1e6], 'Updates between checkpoints.'),
  seed: count(1, [0, 2 ** 48], 'Seed of prompts, sampling and minibatches.'),
  ...TUNING_SETTINGS,
} as const;
export type PpoConfig = Config<typeof PPO_SETTINGS>;

interface PromptRow {
  promptId: number;
  text: string;
  messages: Message[] | null;
  split: string;
  facts: Record<string, string> | null;
}
export interface EvaluatedSample {
  promptId: number;
  text: string;
  score: number;
  kl: number;
  finish: Finish;
  tokens: number;
  gold?: number;
}

function prepare(project: Project, config: PpoConfig): Inputs {
  const policy = getPolicy(project, config.policy), reward = getPolicy(project, config.reward);
  const prompts = learningPrompts(project);
  const held = prompts.filter(({ split }) => split === 'validation');
  const training = prompts.filter(({ split }) => split === 'train');
  need(training.length, Math.ceil(config.episodes / config.samples_per_prompt), 'prompts in the train split', 'Import more prompts, or lower the setting episodes.');
  const perBatch = Math.floor(config.episodes / config.samples_per_prompt);
  if (perBatch < config.minibatches) throw new TastemakerError('bad-argument', `${config.episodes} episodes of ${config.samples_per_prompt} a prompt are ${perBatch} prompts, which do not make ${config.minibatches} minibatches.`, 'Raise episodes, or lower minibatches or samples_per_prompt.');
  const row = ({ id, text, messages, split, facts }: Prompt): PromptRow => ({ promptId: id, text, messages, split, facts });
  return { models: { policy: policyPath(project, policy), reward: policyPath(project, reward) }, data: [...training, ...held].map(row) };
}

async function run(context: RunContext, config: PpoConfig): Promise<Outcome> {
  const { temperature: T, max_new: N, samples_per_prompt: k } = config;
  // models that are adapters over one base hold one copy of it, and so do the adapters that learn
  const shared = new Map<string, Float32Array[]>(), reference = loadShared(context.model('policy'), shared), reward = loadShared(context.model('reward'), shared);
  if (reward.head !== 'score') throw new TastemakerError('bad-model', `${context.model('reward')} has no score head.`, 'Name a reward model: train one with `tastemaker train reward`.');
  if (reference.architecture.vocabulary !== reward.architecture.vocabulary) throw new TastemakerError('bad-model', 'Policy and reward model have different vocabularies.', 'Train the reward model on a copy of this policy.');
  const tokenizer = await loadTokenizer(context.model('policy'));
  const rows = context.data<PromptRow>();
  const encoded = await encodePrompts(tokenizer, rows);
  const all = rows.map((row, i) => ({ ...row, ids: encoded[i]! })), prompts = all.filter(({ ids }) => ids.length + N <= reference.architecture.context);
  if (prompts.length < all.length) context.log(`${all.length - prompts.length} of ${all.length} prompts do not fit the context of ${reference.architecture.context} tokens with ${N} new ones and are left out.`);
  const training = prompts.filter(({ split }) => split === 'train'), held = prompts.filter(({ split }) => split !== 'train').slice(0, config.evaluate_prompts);
  const perBatch = Math.floor(config.episodes / k);
  need(training.length, 1, 'training prompts that fit the context', 'Shorten the prompts, lower max_new, or use a model with a longer context.');
  const { stops } = withStops(reference.architecture, tokenizer);

  const saved = context.saved();
  const rest = (saved?.rest ?? {}) as { policySteps?: number; criticSteps?: number; beta?: number; best?: { value: number; update: number } | null; why?: string };
  const adam = { betas: [0.9, 0.999], epsilon: config.epsilon, epsilonStyle: config.epsilon_style, weightDecay: config.weight_decay, clipNorm: config.gradient_clip || null } as const;
  const learner = tuned(reference, context.model('policy'), config, config.seed), judge = tuned(reward, context.model('reward'), config, config.seed);
  const policy = createTrainer(learner.parameters, saved ? unpackState('policy', saved, rest.policySteps!) : freshState(learner.weights), policyUpdateLoss(reference.architecture, T, config.clip), adam, learner.options);
  const critic = createTrainer(judge.parameters, saved ? unpackState('critic', saved, rest.criticSteps!) : freshState(judge.weights), criticUpdateLoss(reward.architecture, config.value_clip, config.value_coefficient), adam, judge.options);
  const sampler = createSampler({ ...reference.architecture, stops: config.fixed_length ? [] : stops }, { adapter: learner.start.adapter?.settings, constants: learner.options.frozen?.weights });
  const words = createEvaluator(reference, { constants: reference.weights }), scorer = createEvaluator(reward, { constants: reward.weights }), valuer = createEvaluator(judge.start, { constants: judge.options.frozen?.weights });
  // each compiled graph keeps the memory of its activations; of a large model only the one at work is kept
  const finished = releaseAfter(reference.architecture);
  let beta = rest.beta ?? config.beta, best = rest.best ?? null;
  let status: Outcome['status'] = 'done', why = rest.why ?? '';

  const hasEnded = (ids: readonly number[]) => endOf(ids, stops) >= 0;
  /** What the reward model may see: up to and including the first end-of-text. */
  const kept = (ids: readonly number[]) => (hasEnded(ids) ? ids.slice(0, endOf(ids, stops) + 1) : ids);
  const penalised = (score: number, ids: readonly number[]): number => {
    if (hasEnded(ids) || config.missing_end === 'keep') return score;
    return config.missing_end === 'replace' ? config.missing_end_penalty : score - Math.abs(config.missing_end_penalty);
  };

  const sampling: SamplingParameters = { temperature: T, topK: 0, topP: 1, maxNew: N, seed: config.seed };
  async function evaluate(update: number): Promise<void> {
    if (held.length === 0) return;
    context.phase('sampling held-out prompts');
    const sampled = await sampler.sample(policy.weights(), held.map(({ promptId, ids }) => ({ prompt: ids, streams: [`evaluate/${promptId}`] })), sampling);
    await finished(sampler);
    const groups = held.map(({ ids }, i) => ({ prompt: ids, completions: [kept(sampled[i]![0]!.tokenIds)] }));
    const scores = await scorer.scores(reward.weights, groups), under = await words.logprobs(reference.weights, groups, T);
    const plain = T === 1 ? under : await words.logprobs(reference.weights, groups), values = await valuer.values(critic.weights(), groups);
    await finished(words, scorer, valuer);
    const texts = await tokenizer.decodeBatch(groups.map(({ completions }) => [...completions[0]!]));
    const samples: EvaluatedSample[] = held.map(({ promptId, facts }, i) => ({
      promptId, text: texts[i]!, score: scores[i]![0]!, tokens: groups[i]!.completions[0]!.length, finish: hasEnded(groups[i]!.completions[0]!) ? 'stop' : 'length',
      kl: under[i]![0]!.reduce((sum, lp, t) => sum + sampled[i]![0]!.samplingLogprobs[t]! - lp, 0),
      ...(facts ? { gold: gold(texts[i]!.trim(), facts).overall } : {}),
    }));
    context.samples(update, samples);
    context.completions(update, samples.map(({ promptId, text, finish }, i) => {
      const tokenIds = groups[i]!.completions[0]!, n = tokenIds.length, { logprobs, samplingLogprobs } = sampled[i]![0]!;
      return {
        group: 1, writer: update === 0 ? 'policy' : 'run', promptId, text, finish, tokenIds: [...tokenIds], tokenizer: tokenizer.hash, logprobs: logprobs.slice(0, n), samplingLogprobs: samplingLogprobs.slice(0, n), sampling,
        said: [{ role: 'reward', score: scores[i]![0]! }, { role: 'policy', tokenLogprobs: plain[i]![0]!, tokenValues: values[i]![0]!.slice(0, n) }],
      };
    }));
    const golds = samples.flatMap((sample) => sample.gold ?? []);
    if (golds.length) context.report(update, config.updates, { gold: mean(golds) });
    const value = golds.length ? mean(golds) : mean(groups.map(({ completions }, i) => penalised(scores[i]![0]!, completions[0]!)));
    if (!best || value > best.value) {
      best = { value, update };
      saveCheckpoint(path.join(context.folder, 'best'), { ...learner.start, weights: policy.weights() }, { tokenizerFrom: context.model('policy') });
    }
    if (config.stop_drop > 0 && best.value - value > config.stop_drop) why = `the held-out score fell from ${best.value.toFixed(2)} to ${value.toFixed(2)}`;
  }

  const save = () => context.save({ step: update, tensors: { ...packState('policy', policy.state()), ...packState('critic', critic.state()) }, rest: { policySteps: policy.state().step, criticSteps: critic.state().step, beta, best, why } });
  let update = saved?.step ?? 0;
  if (!saved && config.evaluate_every) await evaluate(0);
  for (; update < config.updates && !why; ) {
    if (context.stopping()) {
      status = 'stopped';
      break;
    }
    const started = performance.now();
    context.phase('sampling');
    // 1 sample: this update's prompts, in an order that depends only on the seed
    const batch = promptsOf(training, update, perBatch, config.seed);
    const requests = batch.map(({ promptId, ids }, slot) => ({ prompt: ids, streams: Array.from({ length: k }, (_, j) => `rollout/${update}/${slot}/${promptId}/${j}`) }));
    const sampled = await sampler.sample(policy.weights(), requests, { temperature: T, topK: 0, topP: 1, maxNew: N, seed: config.seed, rows: Math.min(64, config.episodes) });
    await finished(sampler);
    const groups = batch.map(({ ids }, i) => ({ prompt: ids, completions: sampled[i]!.map(({ tokenIds }) => tokenIds) }));
    context.phase('scoring');
    // 2 what the reference, the critic and the reward model say
    const under = await words.logprobs(reference.weights, groups, T);
    const values = await valuer.values(critic.weights(), groups);
    const raw = await scorer.scores(reward.weights, groups.map(({ prompt, completions }) => ({ prompt, completions: completions.map(kept) })));
    await finished(words, scorer, valuer);
    // 3 penalties, 4 advantages
    const scores = raw.map((row, i) => row.map((score, j) => penalised(score, groups[i]!.completions[j]!)));
    const rollout: RolloutGroup[] = groups.map((group, i) => ({
      ...group,
      episodes: group.completions.map((_, j) => ({ logprobs: sampled[i]![j]!.samplingLogprobs, referenceLogprobs: under[i]![j]!, values: values[i]![j]!, score: scores[i]![j]! })),
    }));
    const prepared = prepareRollout(rollout, {
      beta, gamma: config.gamma, lambda: config.lambda, limit: N, placement: config.fixed_length ? 'at-end' : config.score_placement,
      whitenRewards: config.whiten_rewards, whitenAdvantages: config.whiten_advantages, unbiased: config.unbiased_variance,
    });
    // 5 epochs: a fresh permutation each, all steps in one run; the learning rate is constant within the update
    const minibatches = Array.from({ length: config.epochs }, (_, epoch) => {
      const order = createRandom(config.seed, `minibatches/${update}/${epoch}`).shuffled(prepared);
      const size = Math.floor(order.length / config.minibatches);
      return Array.from({ length: config.minibatches }, (_, i) => order.slice(i * size, (i + 1) * size));
    }).flat();
    const rate = config.learning_rate * scheduleFactor(config.schedule, update, config.updates);
    const rates = minibatches.map(() => rate);
    context.phase('training');
    const forPolicy = policyArrays(minibatches), forCritic = criticArrays(minibatches);
    const { B: rowsAStep } = forPolicy.shape, micro = microBatches(rowsAStep, config), cut = { B: rowsAStep / micro };
    const policyReport = await policy.steps(JSON.stringify(forPolicy.shape), policyFeeds({ ...forPolicy.shape, ...cut }), forPolicy.arrays, rates, micro);
    await finished(policy);
    context.phase('training the critic');
    const criticReport = await critic.steps(JSON.stringify(forCritic.shape), criticFeeds({ ...forCritic.shape, ...cut }), forCritic.arrays, rates, micro);
    await finished(critic);
    update++;
    // 6 report
    const statistics = describeSamples(rollout.flatMap(({ completions }) => completions), stops);
    const kl = mean(rollout.flatMap(({ episodes }) => episodes.map(({ logprobs, referenceLogprobs }) => logprobs.reduce((sum, lp, t) => sum + lp - referenceLogprobs[t]!, 0))));
    const score = mean(scores.flat());
    const returns = prepared.flatMap((group) => group.returns.flat()), foreseen = prepared.flatMap((group) => group.episodes.flatMap(({ values: v }, j) => v.slice(0, group.returns[j]!.length)));
    context.report(update, config.updates, {
      kl, kl_per_token: kl / statistics.length, beta, score, reward: score - beta * kl, ...statistics, learning_rate: rate,
      policy_loss: policyReport.loss!.at(-1)!, approx_kl: policyReport.approx_kl!.at(-1)!, clip_fraction: mean(policyReport.clip_fraction!), ratio_max: Math.max(...policyReport.ratio_max!), first_ratio_max: policyReport.ratio_max![0]!, entropy: policyReport.entropy![0]!,
      value_loss: mean(criticReport.value_loss!), value_clip_fraction: mean(criticReport.value_clip_fraction!), explained_variance: explainedVariance(returns, foreseen),
      grad_norm: mean(policyReport.grad_norm!), tokens_per_second: (statistics.length * rollout.length * k) / ((performance.now() - started) / 1000),
    });
    if (statistics.ended === 0 && update === 1 && config.missing_end !== 'keep') context.log('No completion ended: every one gets the missing-end penalty. Raise max_new, or tune the base to end its answers (D21).');
    if (config.adaptive_kl_target > 0) beta = adaptBeta(beta, kl, config.adaptive_kl_target, config.episodes, config.adaptive_kl_horizon);
    if (config.evaluate_every && (update % config.evaluate_every === 0 || update === config.updates)) await evaluate(update);
    why ||= stopReason({ kl, ...statistics }, config) ?? '';
    if (update % config.checkpoint_every === 0 || update === config.updates || why) save();
  }
  if (status === 'stopped') save();
  saveCheckpoint(path.join(context.folder, 'model'), { ...learner.start, weights: policy.weights() }, { tokenizerFrom: context.model('policy') });
  for (const part of [policy, critic, sampler, words, scorer, valuer]) await part.release();
  return { status, model: 'model', summary: `PPO: ${update} updates of ${config.episodes} completions${why ? `; stopped because ${why}` : ''}.` };
}

/** The prompts of one update: the training prompts in a fresh order each time they are used up. */
function promptsOf<T>(training: readonly T[], update: number, perBatch: number, seed: number): T[] {
  return Array.from({ length: perBatch }, (_, i) => {
    const at = update * perBatch + i, round = Math.floor(at / training.length);
    return orderOf(training, round, seed)[at % training.length]!;
  });
}
const orders = new WeakMap<object, Map<number, readonly unknown[]>>();
function orderOf<T>(training: readonly T[], round: number, seed: number): readonly T[] {
  const known = orders.get(training) ?? new Map<number, readonly unknown[]>();
  orders.set(training, known);
  if (!known.has(round)) known.set(round, createRandom(seed, `prompts/${round}`).shuffled(training));
  return known.get(round) as readonly T[];
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
function explainedVariance(returns: readonly number[], values: readonly number[]): number {
  const variance = (list: readonly number[]) => {
    const center = mean(list);
    return mean(list.map((x) => (x - center) ** 2));
  };
  return 1 - variance(returns.map((r, i) => r - values[i]!)) / (variance(returns) + 1e-12);
}

export const trainPpo: Job<typeof PPO_SETTINGS> = {
  kind: 'ppo',
  sentence: 'PPO: tunes the policy towards what the reward model likes, at a price per nat of KL.',
  settings: PPO_SETTINGS,
  prepare,
  run,
};
