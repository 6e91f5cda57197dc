// PPO against a reward model (Stiennon et al. 2020; the working spec is N+, algorithms.md §1.4).
//
//   repeat: 1 sample at T  2 reference log-probabilities, values, scores  3 penalties  4 advantages
//           5 four epochs on policy and, separately, critic  6 report; evaluate on fixed held-out prompts
// KL is measured from the reference, which is the policy's start unless another is named; the critic starts as the
// reward
// model (D19) and shares nothing with the policy (D20). best/ holds the weights whose held-out score − price·KL was
// highest.

import path from 'node:path';
import { createRandom } from '#core/random.ts';
import type { Finish, SamplingParameters } from '#core/contract/samples.ts';
import type { Message, Prompt } from '#core/contract/prompts.ts';
import { loadShared, saveCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { isScoreHead } from '#core/models/heads.ts';
import { madeNote } from '#core/models/model-notes.ts';
import { createSampler, endOf } from '#core/models/sampler.ts';
import type { Group } from '#core/models/rows.ts';
import { readingOf, readsEnd } from '#core/models/score-reading.ts';
import { TastemakerError } from '#core/errors.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { adaptBeta } from '#core/training/kl-controller.ts';
import { ESTIMATORS } from '#core/training/estimators.ts';
import { criticArrays, policyArrays, prepareRollout } from '#core/training/rollout.ts';
import type { RolloutGroup } from '#core/training/rollout.ts';
import { scheduleFactor } from '#core/training/schedule.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import { answerTexts, withoutStop } from '#core/recipes/parts/answer-text.ts';
import { KL_FROM, SCORED_BY, STARTS_FROM, choice, count, flag, real, words } from './settings.ts';
import type { Config } from './settings.ts';
import { learningPrompts } from '#core/recipes/parts/dataset.ts';
import { describeHeldOut, heldOutStreams, samplesAPrompt } from '#core/recipes/parts/held-out.ts';
import { need } from '#core/recipes/parts/need.ts';
import { sameTokenizer } from '#core/recipes/parts/same-tokenizer.ts';
import { releaseAfter } from '#core/plans/large-models.ts';
import type { Inputs, Recipe, Outcome, RunContext } from './recipe.ts';
import type { MetricRow } from './metrics.ts';
import { describeSamples, stopReason } from '#core/recipes/parts/sample-statistics.ts';
import { encodePrompts, isConversation, withStops } from '#core/recipes/parts/prompt-tokens.ts';
import { goldScorer, rewardScorer } from '#core/recipes/parts/scorers.ts';
import type { Score } from '#core/recipes/parts/scorers.ts';
import { packState, unpackState } from '#core/recipes/parts/training-state.ts';
import { planPpo, rowsSampled, updatesOf } from '#core/recipes/parts/ppo-plan.ts';
import { microBatches, tuned, TUNING_SETTINGS } from '#core/recipes/parts/tuning.ts';
import { mean } from '#core/evaluation/mean.ts';
import { SENSIBLE } from '#core/recipes/demo/demo-settings.ts';
import { fixed, listed, trained } from '#core/recipes/parts/lineage-words.ts';
import { enough, has, powerOfTwo, warns } from '#core/recipes/parts/needs.ts';
import type { Need } from '#core/contract/recipes.ts';
import type { Facts } from './facts.ts';
import type { Here, References, Made } from './recipe.ts';

export const PPO_SETTINGS = {
  policy: words('base', 'The model to tune.', { group: 'data', main: true, model: STARTS_FROM }),
  reward: words('reward', 'The reward model that scores.', {
    group: 'data',
    main: true,
    model: { ...SCORED_BY, doubted: true },
  }),
  reference: words(
    '',
    'The model that KL is measured from. Empty = the one that the policy was tuned against before, so that it survives rounds; of a base or fine-tuned model, itself.',
    { group: 'kl', model: KL_FROM },
  ),
  updates: count(20, [1, 1e6], 'Rollout batches.', { group: 'optimisation', main: true, time: 'updates' }),
  episodes: count(64, [1, 65536], 'Completions a rollout batch (Huang et al. 2024: 512).', {
    group: 'optimisation',
    main: true,
    memory: { times: 0.5, what: 'completions a batch' },
    time: 'completions an update',
  }),
  samples_per_prompt: count(1, [1, 64], 'Completions of one prompt; they share its work.', {
    group: 'sampling',
    memory: { times: 0.5, what: 'completions a prompt' },
  }),
  epochs: count(4, [1, 100], 'Passes over a rollout batch (all three papers: 4).', {
    group: 'optimisation',
    time: 'passes over each',
  }),
  minibatches: count(1, [1, 1024], 'Optimiser steps an epoch (Ziegler et al. 2019, Huang et al. 2024: 1).', {
    group: 'optimisation',
    memory: { times: 2, what: 'optimiser steps an epoch' },
  }),
  learning_rate: real(
    5e-4,
    [0, 1],
    'Peak learning rate of policy and critic (Huang et al. 2024: 3e-6 for billions of parameters; small models take more).',
    { group: 'optimisation', main: true },
  ),
  schedule: choice('linear', ['linear', 'constant', 'cosine'], 'How it falls; constant within an update.', {
    group: 'optimisation',
  }),
  beta: real(
    0.05,
    [0, 1000],
    'Price of one nat of KL (Stiennon et al. 2020: 0.05). 0 shows what the reward model really likes.',
    { group: 'kl', main: true },
  ),
  adaptive_kl_target: real(
    0,
    [0, 1e6],
    'Ziegler et al. 2019: steer β so that KL reaches this many nats; 0 = β stays.',
    { group: 'kl' },
  ),
  adaptive_kl_horizon: real(10000, [1, 1e9], 'Episodes over which β adapts.', { group: 'kl' }),
  temperature: real(0.7, [0.01, 10], 'Divides the logits in sampling and in every log-probability.', {
    group: 'sampling',
  }),
  max_new: count(40, [1, 100000], 'Longest completion in tokens.', {
    group: 'sampling',
    main: true,
    memory: { times: 0.5, what: 'new tokens' },
    time: 'new tokens',
  }),
  missing_end: choice(
    'replace',
    ['replace', 'subtract', 'keep'],
    'A completion without end-of-text: its score becomes the penalty (Ziegler et al. 2019, Huang et al. 2024), loses it (TRL), or stays.',
    { group: 'sampling' },
  ),
  missing_end_penalty: real(-1, [-1e6, 1e6], 'The score that replaces; its size is what is subtracted.', {
    group: 'sampling',
  }),
  score_placement: choice(
    'after-end',
    ['after-end', 'at-end'],
    'Where the score lands: the slot after end-of-text where there is room (Huang et al. 2024), or on it.',
    { group: 'kl' },
  ),
  fixed_length: flag(
    false,
    'Ziegler et al. 2019: sample on after end-of-text; KL and policy gradient act on those tokens too, the reward model does not see them.',
    { group: 'sampling' },
  ),
  whiten_rewards: flag(false, 'Ziegler et al. 2019: rewards scaled to variance 1, mean kept.', { group: 'kl' }),
  whiten_advantages: flag(true, 'Advantages to mean 0, variance 1.', { group: 'kl' }),
  unbiased_variance: flag(false, 'TRL divides by n − 1; Ziegler et al. 2019 and Huang et al. 2024 by n.', {
    group: 'kl',
  }),
  gamma: real(1, [0, 1], 'Discount a token.', { group: 'kl' }),
  lambda: real(0.95, [0, 1], 'GAE λ.', { group: 'kl' }),
  clip: real(0.2, [0, 10], 'PPO clipping range of the ratio; 0 = no clipping.', { group: 'optimisation' }),
  value_clip: real(0.2, [0, 1e6], 'The same for values; 0 = no clipping.', { group: 'optimisation' }),
  value_coefficient: real(
    0.1,
    [0, 100],
    'Weight of the value loss. The critic has weights and an Adam of its own, which rescales every gradient, so this acts only through gradient_clip and epsilon (Huang et al. 2024: 0.1).',
    { group: 'optimisation' },
  ),
  epsilon: real(1e-5, [1e-12, 1], "Adam's ε (Ziegler et al. 2019, Huang et al. 2024: 1e-5).", {
    group: 'optimisation',
  }),
  epsilon_style: choice(
    'torch',
    ['torch', 'tensorflow'],
    'Whether ε is added after (torch) or before (tensorflow) the bias correction.',
    { group: 'optimisation' },
  ),
  weight_decay: real(
    0,
    [0, 1],
    'Decoupled decay on matrices (Ziegler et al. 2019: 0; Huang et al. 2024 inherit torch’s 0.01).',
    { group: 'optimisation' },
  ),
  gradient_clip: real(1, [0, 1e9], 'Largest gradient norm; 0 = none (Ziegler et al. 2019, Huang et al. 2024).', {
    group: 'optimisation',
  }),
  evaluate_every: count(5, [0, 1e6], 'Updates between samples on the fixed prompts; 0 = never.', {
    group: 'evaluation',
  }),
  evaluate_prompts: count(
    64,
    [1, 4096],
    'How many fixed prompts of the validation split; with fewer than 64 each is answered several times, so that there are 64 samples.',
    { group: 'evaluation', time: 'held-out prompts' },
  ),
  best_kl_price: real(
    0.05,
    [0, 1000],
    'best/ holds the weights with the highest held-out score − max(β, this)·KL. Choosing has its price of KL even where training pays none, or the most over-optimised weights would win (Stiennon et al. 2020: 0.05).',
    { group: 'evaluation' },
  ),
  stop_kl: real(0, [0, 1e9], 'Stop when KL exceeds this; 0 = off.', { group: 'stop' }),
  stop_ended: real(0, [0, 1], 'Stop when fewer than this share of completions end; 0 = off.', { group: 'stop' }),
  stop_distinct: real(0, [0, 1], 'Stop when the share of distinct three-token sequences falls below; 0 = off.', {
    group: 'stop',
  }),
  stop_drop: real(
    0,
    [0, 1e6],
    'Stop when the held-out gold score (where there is none, what best/ is chosen by) falls this far below its best; 0 = off.',
    { group: 'stop' },
  ),
  checkpoint_every: count(5, [1, 1e6], 'Updates between checkpoints.', { group: 'seeds' }),
  seed: count(1, [0, 2 ** 48], 'Seed of fresh adapters, and of all that has no seed of its own below.', {
    group: 'seeds',
  }),
  order_seed: count(0, [0, 2 ** 48], 'Seed of the order of prompts and of the minibatches; 0 = seed.', {
    group: 'seeds',
  }),
  sampling_seed: count(0, [0, 2 ** 48], 'Seed of the draws; 0 = seed.', { group: 'seeds' }),
  ...TUNING_SETTINGS,
} as const;
export type PpoConfig = Config<typeof PPO_SETTINGS>;

/** Whitening over fewer is refused by the 2019 code (D22); here it is said. */
const FEWEST_WHITENED = 8;

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

async function prepare(project: Project, config: PpoConfig, references: References): Promise<Inputs> {
  const policy = getPolicy(project, config.policy);
  const reward = getPolicy(project, config.reward);
  const prompts = learningPrompts(project);
  const held = prompts.filter(({ split }) => split === 'validation');
  const training = prompts.filter(({ split }) => split === 'train');
  need(
    training.length,
    Math.ceil(config.episodes / config.samples_per_prompt),
    'prompts in the train split',
    'Import more prompts, or lower the setting episodes.',
  );
  const perBatch = Math.floor(config.episodes / config.samples_per_prompt);
  if (perBatch < config.minibatches)
    throw new TastemakerError(
      'bad-argument',
      `${config.episodes} episodes of ${config.samples_per_prompt} a prompt are ${perBatch} prompts, which do not make ${config.minibatches} minibatches.`,
      'Raise episodes, or lower minibatches or samples_per_prompt.',
    );
  const row = ({ id, text, messages, split, facts }: Prompt): PromptRow => ({
    promptId: id,
    text,
    messages,
    split,
    facts,
  });
  const reference = config.reference ? getPolicy(project, config.reference) : references.referenceOf(policy);
  if (reference.kind === 'reward')
    throw new TastemakerError(
      'bad-argument',
      `"${reference.name}" is a reward model; KL cannot be measured from it.`,
      'Name a base model or a policy in the setting reference.',
    );
  const tokenizer = await loadTokenizer(policyPath(project, policy));
  for (const [role, model] of [
    ['reference', reference],
    ['reward', reward],
  ] as const)
    if (model.id !== policy.id) sameTokenizer(tokenizer, await loadTokenizer(policyPath(project, model)), role);
  config.reference = reference.name; // the manifest says which it was
  return {
    models: {
      policy: policyPath(project, policy),
      reference: policyPath(project, reference),
      reward: policyPath(project, reward),
    },
    data: [...training, ...held].map(row),
  };
}

async function run(context: RunContext, config: PpoConfig): Promise<Outcome> {
  const { temperature: T, max_new: N, samples_per_prompt: k } = config;
  context.phase('loading the models');
  // models that are adapters over one base hold one copy of it, and so do the adapters that learn
  const shared = new Map<string, Float32Array[]>();
  const begun = loadShared(context.model('policy'), shared);
  const { models } = context.manifest;
  // a run of 0.1.0 names no reference
  const measuring = models.reference && models.reference.path !== models.policy!.path ? 'reference' : 'policy';
  const reference = measuring === 'policy' ? begun : loadShared(context.model('reference'), shared);
  const reward = loadShared(context.model('reward'), shared);
  if (!isScoreHead(reward.head))
    throw new TastemakerError(
      'bad-model',
      `${context.model('reward')} has no score head.`,
      'Name a reward model, or train one first.',
      '`tastemaker train reward` does.',
    );
  const tokenizer = await loadTokenizer(context.model('policy'));
  const reading = readingOf(context.model('reward'));
  for (const role of new Set([measuring, 'reward']))
    sameTokenizer(tokenizer, await loadTokenizer(context.model(role)), role);
  const rows = context.data<PromptRow>();
  const encoded = await encodePrompts(tokenizer, rows);
  const room = Math.min(...[begun, reference, reward].map(({ architecture }) => architecture.context));
  const all = rows.map((row, i) => ({ ...row, ids: encoded[i]! }));
  const prompts = all.filter(({ ids }) => ids.length + N <= room);
  if (prompts.length < all.length)
    context.log(
      `${all.length - prompts.length} of ${all.length} prompts do not fit the context of ${room} tokens with ${N} new ones and are left out.`,
    );
  const training = prompts.filter(({ split }) => split === 'train');
  const held = prompts.filter(({ split }) => split !== 'train').slice(0, config.evaluate_prompts);
  if (config.evaluate_every && held.length === 0)
    context.log(
      'There are no validation prompts: nothing is measured on prompts it does not train on, and no best weights are kept.',
    );
  const each = samplesAPrompt(held.length);
  const price = Math.max(config.beta, config.best_kl_price);
  const orderSeed = config.order_seed || config.seed;
  const samplingSeed = config.sampling_seed || config.seed;
  const perBatch = Math.floor(config.episodes / k);
  need(
    training.length,
    1,
    'training prompts that fit the context',
    'Shorten the prompts, lower max_new, or use a model with a longer context.',
  );
  if (config.whiten_advantages && perBatch * k < FEWEST_WHITENED)
    context.log(
      `Advantages are whitened over ${perBatch * k} completions; fewer than ${FEWEST_WHITENED} say little of their mean and variance.`,
    );
  const written = withStops(begun.architecture, tokenizer);
  const { stops } = written;

  const saved = context.saved();
  const rest = (saved?.rest ?? {}) as {
    policySteps?: number;
    criticSteps?: number;
    beta?: number;
    best?: { value: number; update: number } | null;
    peak?: number;
    first?: MetricRow;
    last?: MetricRow;
    why?: string;
  };
  const adam = {
    betas: [0.9, 0.999],
    epsilon: config.epsilon,
    epsilonStyle: config.epsilon_style,
    weightDecay: config.weight_decay,
    clipNorm: config.gradient_clip || null,
  } as const;
  const learner = tuned(begun, context.model('policy'), config, config.seed);
  const judge = tuned(reward, context.model('reward'), config, config.seed);
  const objectives = updatesOf(config);
  const policy = createTrainer(
    learner.parameters,
    saved ? unpackState('policy', saved, rest.policySteps!) : freshState(learner.weights),
    objectives.policy.loss(begun),
    adam,
    { ...learner.options, progress: context.count },
  );
  const critic = createTrainer(
    judge.parameters,
    saved ? unpackState('critic', saved, rest.criticSteps!) : freshState(judge.weights),
    objectives.critic.loss(reward),
    adam,
    { ...judge.options, progress: context.count },
  );
  const sampler = createSampler(
    { ...written, stops: config.fixed_length ? [] : stops },
    { adapter: learner.start.adapter?.settings, constants: learner.options.frozen?.weights },
  );
  const progress = context.count;
  const words = createEvaluator(reference, { constants: reference.weights, progress });
  const judging = createEvaluator(reward, { constants: reward.weights, progress });
  const scorer = rewardScorer(judging, reward, reading);
  const valuer = createEvaluator(judge.start, { constants: judge.options.frozen?.weights, progress });
  // each compiled graph keeps the memory of its activations; of a large model only the one at work is kept
  const finished = releaseAfter(begun.architecture);
  let beta = rest.beta ?? config.beta;
  let best = rest.best ?? null;
  let peak = rest.peak ?? -Infinity;
  let first = rest.first;
  let last: MetricRow = rest.last ?? {};
  let status: Outcome['status'] = 'done';
  let why = rest.why ?? '';

  const hasEnded = (ids: readonly number[]) => endOf(ids, stops) >= 0;
  /** What the reward model may see: up to and including the first end-of-text. */
  const kept = (ids: readonly number[]) => (hasEnded(ids) ? ids.slice(0, endOf(ids, stops) + 1) : ids);
  /** Scores as the reward model's convention has them read: [group][completion] */
  const scoresFor = async (asked: readonly PromptRow[], groups: readonly Group[]): Promise<number[][]> => {
    const flat = groups.flatMap(({ prompt, completions }, i) =>
      completions.map((ids) => ({
        prompt,
        completion: readsEnd(reading, isConversation(tokenizer, asked[i]!))
          ? kept(ids)
          : withoutStop(tokenizer, kept(ids)),
      })),
    );
    const found = (await scorer.score(flat)).values();
    return groups.map(({ completions }) => completions.map(() => found.next().value!.value));
  };
  const penalised = (score: number, ids: readonly number[]): number => {
    if (hasEnded(ids) || config.missing_end === 'keep') return score;
    return config.missing_end === 'replace' ? config.missing_end_penalty : score - Math.abs(config.missing_end_penalty);
  };

  const sampling: SamplingParameters = { temperature: T, topK: 0, topP: 1, maxNew: N, seed: samplingSeed };
  const made = (step: number, metrics: MetricRow) =>
    madeNote({ run: context.manifest.id, step, steps: config.updates, metrics, reference: config.reference });
  async function evaluate(update: number): Promise<void> {
    if (held.length === 0) return;
    context.phase('sampling held-out prompts');
    const sampled = await sampler.sample(
      policy.weights(),
      held.map(({ promptId, ids }) => ({ prompt: ids, streams: heldOutStreams('evaluate', promptId, each) })),
      { ...sampling, progress },
    );
    await finished(sampler);
    context.phase('scoring held-out prompts');
    const groups = held.map(({ ids }, i) => ({
      prompt: ids,
      completions: sampled[i]!.map(({ tokenIds }) => kept(tokenIds)),
    }));
    const firsts = groups.map(({ prompt, completions }) => ({ prompt, completions: completions.slice(0, 1) }));
    const scores = await scoresFor(held, groups);
    const under = await words.logprobs(reference.weights, groups, T);
    const plain = T === 1 ? under : await words.logprobs(reference.weights, firsts);
    const values = await valuer.values(critic.weights(), firsts);
    await finished(words, judging, valuer);
    const texts = await answerTexts(
      tokenizer,
      groups.flatMap(({ prompt, completions }) => completions.map((ids) => ({ prompt, ids }))),
    );
    const golds = await goldScorer.score(texts.map((text, n) => ({ text, facts: held[Math.floor(n / each)]!.facts })));
    const measured = held.flatMap(({ promptId }, i) =>
      groups[i]!.completions.map((tokenIds, j) => ({
        promptId,
        tokenIds,
        text: texts[i * each + j]!,
        raw: scores[i]![j]!,
        score: penalised(scores[i]![j]!, tokenIds),
        finish: hasEnded(tokenIds) ? ('stop' as const) : ('length' as const),
        kl: under[i]![j]!.reduce((sum, lp, t) => sum + sampled[i]![j]!.samplingLogprobs[t]! - lp, 0),
        ...goldGiven(golds[i * each + j]!),
      })),
    );
    const shown = held.map((_, i) => measured[i * each]!); // one a prompt is kept to be read
    context.samples(
      update,
      shown.map(({ tokenIds, raw, score: _, ...sample }): EvaluatedSample => ({
        ...sample,
        score: raw,
        tokens: tokenIds.length,
      })),
    );
    context.completions(
      update,
      shown.map(({ promptId, text, finish, tokenIds, raw }, i) => {
        const n = tokenIds.length;
        const { logprobs, samplingLogprobs } = sampled[i]![0]!;
        return {
          group: 1,
          writer: update === 0 ? 'policy' : 'run',
          promptId,
          text,
          finish,
          tokenIds: [...tokenIds],
          tokenizer: tokenizer.hash,
          logprobs: logprobs.slice(0, n),
          samplingLogprobs: samplingLogprobs.slice(0, n),
          sampling,
          said: [
            { role: 'reward', score: raw },
            { role: measuring, tokenLogprobs: plain[i]![0]! },
            { role: 'policy', tokenValues: values[i]![0]!.slice(0, n) },
          ],
        };
      }),
    );
    const row = describeHeldOut(measured, { beta, price });
    const value = row.held_out_value!;
    const watched = row.gold ?? value;
    context.report(update, config.updates, row);
    if (update === 0) first = row;
    last = { ...last, ...row };
    if (!best || value > best.value) {
      best = { value, update };
      saveCheckpoint(
        path.join(context.folder, 'best'),
        { ...learner.start, weights: policy.weights() },
        { tokenizerFrom: context.model('policy'), beside: made(update, row) },
      );
    }
    peak = Math.max(peak, watched);
    const { stop_drop: most } = context.ruled(config);
    if (most > 0 && peak - watched > most)
      why = `the held-out ${row.gold === undefined ? 'score less the price of KL' : 'gold score'} fell from ${peak.toFixed(2)} to ${watched.toFixed(2)}`;
  }

  const save = () =>
    context.save({
      step: update,
      tensors: { ...packState('policy', policy.state()), ...packState('critic', critic.state()) },
      rest: {
        policySteps: policy.state().step,
        criticSteps: critic.state().step,
        beta,
        best,
        peak,
        ...(first && { first }),
        last,
        why,
      },
    });
  let update = saved?.step ?? 0;
  if (!saved && config.evaluate_every) await evaluate(0);
  for (; update < config.updates && !why;) {
    if (context.stopping()) {
      status = 'stopped';
      break;
    }
    const started = performance.now();
    context.phase('sampling');
    // 1 sample: this update's prompts, in an order that depends only on the seed
    const batch = promptsOf(training, update, perBatch, orderSeed);
    const requests = batch.map(({ promptId, ids }, slot) => ({
      prompt: ids,
      streams: Array.from({ length: k }, (_, j) => `rollout/${update}/${slot}/${promptId}/${j}`),
    }));
    const sampled = await sampler.sample(policy.weights(), requests, {
      temperature: T,
      topK: 0,
      topP: 1,
      maxNew: N,
      seed: samplingSeed,
      rows: rowsSampled(config),
      progress,
    });
    await finished(sampler);
    const groups = batch.map(({ ids }, i) => ({
      prompt: ids,
      completions: sampled[i]!.map(({ tokenIds }) => tokenIds),
    }));
    context.phase('scoring');
    // 2 what the reference, the critic and the reward model say
    const under = await words.logprobs(reference.weights, groups, T);
    const values = await valuer.values(critic.weights(), groups);
    const raw = await scoresFor(batch, groups);
    await finished(words, judging, valuer);
    // 3 penalties, 4 advantages
    const scores = raw.map((row, i) => row.map((score, j) => penalised(score, groups[i]!.completions[j]!)));
    const rollout: RolloutGroup[] = groups.map((group, i) => ({
      ...group,
      episodes: group.completions.map((_, j) => ({
        logprobs: sampled[i]![j]!.samplingLogprobs,
        referenceLogprobs: under[i]![j]!,
        values: values[i]![j]!,
        score: scores[i]![j]!,
      })),
    }));
    const prepared = prepareRollout(rollout, {
      beta,
      gamma: config.gamma,
      lambda: config.lambda,
      limit: N,
      placement: config.fixed_length ? 'at-end' : config.score_placement,
      estimator: ESTIMATORS.gae,
      whitenRewards: config.whiten_rewards,
      whitenAdvantages: config.whiten_advantages,
      unbiased: config.unbiased_variance,
    });
    // 5 epochs: a fresh permutation each, all steps in one run; the learning rate is constant within the update
    const minibatches = Array.from({ length: config.epochs }, (_, epoch) => {
      const order = createRandom(orderSeed, `minibatches/${update}/${epoch}`).shuffled(prepared);
      const size = Math.floor(order.length / config.minibatches);
      return Array.from({ length: config.minibatches }, (_, i) => order.slice(i * size, (i + 1) * size));
    }).flat();
    const rate = config.learning_rate * scheduleFactor(config.schedule, update, config.updates);
    const rates = minibatches.map(() => rate);
    context.phase('training');
    const forPolicy = policyArrays(minibatches);
    const forCritic = criticArrays(minibatches);
    const { B: rowsAStep } = forPolicy.shape;
    const micro = microBatches(rowsAStep, config);
    const cut = { B: rowsAStep / micro };
    const policyReport = await policy.steps(
      JSON.stringify(forPolicy.shape),
      objectives.policy.feeds(begun, { ...forPolicy.shape, ...cut }),
      forPolicy.arrays,
      rates,
      micro,
    );
    await finished(policy);
    context.phase('training the critic');
    const criticReport = await critic.steps(
      JSON.stringify(forCritic.shape),
      objectives.critic.feeds(reward, { ...forCritic.shape, ...cut }),
      forCritic.arrays,
      rates,
      micro,
    );
    await finished(critic);
    update++;
    // 6 report
    const statistics = describeSamples(
      rollout.flatMap(({ completions }) => completions),
      stops,
    );
    const kl = mean(
      rollout.flatMap(({ episodes }) =>
        episodes.map(({ logprobs, referenceLogprobs }) =>
          logprobs.reduce((sum, lp, t) => sum + lp - referenceLogprobs[t]!, 0),
        ),
      ),
    );
    const score = mean(scores.flat());
    const returns = prepared.flatMap((group) => group.returns.flat());
    const foreseen = prepared.flatMap((group) =>
      group.episodes.flatMap(({ values: v }, j) => v.slice(0, group.returns[j]!.length)),
    );
    context.report(
      update,
      config.updates,
      (last = {
        kl,
        kl_per_token: kl / statistics.length,
        beta,
        score,
        reward: score - beta * kl,
        ...statistics,
        learning_rate: rate,
        policy_loss: policyReport.loss!.at(-1)!,
        approx_kl: policyReport.approx_kl!.at(-1)!,
        clip_fraction: mean(policyReport.clip_fraction!),
        ratio_max: Math.max(...policyReport.ratio_max!),
        first_ratio_max: policyReport.ratio_max![0]!,
        entropy: policyReport.entropy![0]!,
        value_loss: mean(criticReport.value_loss!),
        value_clip_fraction: mean(criticReport.value_clip_fraction!),
        explained_variance: explainedVariance(returns, foreseen),
        grad_norm: mean(policyReport.grad_norm!),
        tokens_per_second: (statistics.length * rollout.length * k) / ((performance.now() - started) / 1000),
      }),
    );
    if (statistics.ended === 0 && update === 1 && config.missing_end !== 'keep')
      context.log(
        'No completion ended: every one gets the missing-end penalty. Raise max_new, or tune the base to end its answers.',
      );
    if (config.adaptive_kl_target > 0)
      beta = adaptBeta(beta, kl, config.adaptive_kl_target, config.episodes, config.adaptive_kl_horizon);
    if (config.evaluate_every && (update % config.evaluate_every === 0 || update === config.updates))
      await evaluate(update);
    why ||= stopReason({ kl, ...statistics }, context.ruled(config)) ?? '';
    if (update % config.checkpoint_every === 0 || update === config.updates || why) save();
  }
  if (status === 'stopped') save();
  saveCheckpoint(
    path.join(context.folder, 'model'),
    { ...learner.start, weights: policy.weights() },
    { tokenizerFrom: context.model('policy'), beside: made(update, last) },
  );
  for (const part of [policy, critic, sampler, words, judging, valuer]) await part.release();
  return {
    status,
    model: 'model',
    summary: `PPO: ${update} updates of ${config.episodes} completions${cameTo(first, last)}${why ? `; stopped because ${why}` : ''}.`,
  };
}

const goldGiven = (score: Score | null): { gold?: number } => (score ? { gold: score.value } : {});

/** What validation prompts say of it, from the start to the last look; empty where nobody looked. */
function cameTo(first: MetricRow | undefined, last: MetricRow): string {
  const ways = (
    [
      ['score', 'held_out_score'],
      ['KL', 'held_out_kl'],
      ['gold', 'gold'],
    ] as const
  ).flatMap(([word, name]) => {
    const from = first?.[name];
    const to = last[name];
    return from === undefined || to === undefined ? [] : [`${word} ${from.toFixed(2)} → ${to.toFixed(2)}`];
  });
  return ways.length ? `; on validation prompts ${ways.join(', ')}` : '';
}

/** The prompts of one update: the training prompts in a fresh order each time they are used up. */
function promptsOf<T>(training: readonly T[], update: number, perBatch: number, seed: number): T[] {
  return Array.from({ length: perBatch }, (_, i) => {
    const at = update * perBatch + i;
    const round = Math.floor(at / training.length);
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

function explainedVariance(returns: readonly number[], values: readonly number[]): number {
  const variance = (list: readonly number[]) => {
    const center = mean(list);
    return mean(list.map((x) => (x - center) ** 2));
  };
  return 1 - variance(returns.map((r, i) => r - values[i]!)) / (variance(returns) + 1e-12);
}

const FEWEST_PROMPTS = 2;

function needs({ prompts }: Facts, { episodes, samples_per_prompt: k }: PpoConfig): Need[] {
  const perBatch = Math.max(FEWEST_PROMPTS, Math.ceil(episodes / k));
  const held = prompts.validation;
  return [
    enough(prompts.train, perBatch, 'train prompt', 'train prompts', ', or fewer episodes'),
    held > 0
      ? has(`has ${held.toLocaleString('en')} validation prompt${held === 1 ? '' : 's'}`)
      : warns('no validation prompts: over-optimisation will be harder to see, and no best weights are kept'),
  ];
}

/** The demo's settings in the demo; no more episodes than there are prompts. */
function oneClick(own: PpoConfig, { facts, policy, reward, reference, sized }: Here) {
  const config = {
    ...own,
    ...(facts.isDemo ? SENSIBLE : {}),
    ...sized(policy ?? own.policy),
    policy: policy ?? own.policy,
    reward: reward ?? own.reward,
    reference: reference ?? own.reference,
  };
  const episodes = Math.min(Number(config.episodes), powerOfTwo(facts.prompts.train));
  return {
    ...config,
    episodes,
    minibatches: Math.min(config.minibatches, episodes),
    evaluate_prompts: Math.max(1, Math.min(config.evaluate_prompts, facts.prompts.validation)),
  };
}

function lineage(made: Made): string {
  const { kl, score, beta = made.manifest?.config['beta'] } = made.metrics;
  const reward = made.modelIn('reward');
  const outcome = listed([
    score === undefined ? null : `score ${fixed(score)}`,
    kl === undefined ? null : `KL ${fixed(kl)} nats${made.reference ? ` from "${made.reference}"` : ''}`,
  ]);
  const price = typeof beta === 'number' ? `β ${Number(beta.toPrecision(3))}` : null;
  const where = made.heldOut ? 'on held-out prompts ' : '';
  return `PPO${reward ? ` against "${reward}"` : ''}: ${listed([trained(made, 'update'), price])}${outcome ? `; ${where}${outcome}` : ''}.`;
}

export const ppo: Recipe<typeof PPO_SETTINGS> = {
  title: 'PPO',
  sentence: 'Tunes the policy towards what the reward model likes, at a price for every step away from where it began.',
  makes: 'a policy',
  words: {
    about: 'PPO: tunes the policy towards what the reward model likes, at a price per nat of KL.',
    run: 'PPO',
    start: 'Train',
    step: 'update',
  },
  place: 'loop',
  shows: 'samples',
  model: { kind: 'policy', parent: 'policy', from: 'rewards', word: 'PPO' },
  settings: PPO_SETTINGS,
  asksFor: null,
  sizes: {
    rate: { small: 5e-4, paper: 1.5e-5 },
    large: { tune: 'lora', micro_batch: 1, samples_per_prompt: 4, episodes: 16 },
  },
  charts: ['gold', 'held_out_value', 'held_out_score', 'held_out_kl', 'reward', 'score', 'kl'],
  judgedBy: ['gold', 'held_out_value', 'held_out_score', 'held_out_kl', 'score', 'kl', 'held_out_ended'],
  // completions of one prompt lie in one row
  rowsAStep: ({ episodes, samples_per_prompt: k, minibatches }) => Math.floor(Math.floor(episodes / k) / minibatches),
  needs,
  oneClick,
  called: () => 'ppo',
  lineage,
  prepare,
  run,
  plan: planPpo,
};
