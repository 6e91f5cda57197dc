// PPO against a reward model (Stiennon et al. 2020; the working spec is N+, algorithms.md §1.4).
//
//   repeat: 1 sample at T  2 reference log-probabilities, values, scores  3 penalties  4 advantages
//           5 four epochs on policy and, separately, critic  6 report; evaluate on fixed held-out prompts
// KL is measured from the reference, which is the policy's start unless another is named; the critic starts as the
// reward model (D19) and shares nothing with the policy (D20). best/ holds the weights whose held-out score − price·KL
// was highest.

import type { Need } from '#core/contract/recipes.ts';
import { TastemakerError } from '#core/errors.ts';
import { endOf } from '#core/models/sampler.ts';
import { createRandom } from '#core/random.ts';
import { SENSIBLE } from '#core/recipes/demo/demo-settings.ts';
import { MISSING_END_SETTINGS, withMissingEnd } from '#core/recipes/parts/answer-scores.ts';
import { learningPrompts } from '#core/recipes/parts/dataset.ts';
import { watch } from '#core/recipes/parts/guard-watch.ts';
import type { Seen } from '#core/recipes/parts/guard-watch.ts';
import { GUARD_SETTINGS } from '#core/recipes/parts/guards.ts';
import type { GuardAlarm } from '#core/recipes/parts/guards.ts';
import { evaluateHeldOut, EVALUATION_SETTINGS } from '#core/recipes/parts/held-out-evaluation.ts';
import { FORBID_SETTINGS, forbiddenTexts, textsIn } from '#core/recipes/parts/forbidden-texts.ts';
import { fixed, listed, trained } from '#core/recipes/parts/lineage-words.ts';
import { LOOK_SETTINGS } from '#core/recipes/parts/kept-looks.ts';
import { need } from '#core/recipes/parts/need.ts';
import { enough, has, powerOfTwo, warns } from '#core/recipes/parts/needs.ts';
import { loadPolicyModels } from '#core/recipes/parts/policy-models.ts';
import type { PolicyModels } from '#core/recipes/parts/policy-models.ts';
import { cameTo, keptOf, progressOf } from '#core/recipes/parts/policy-progress.ts';
import { fittingPrompts, promptOrder, promptRow } from '#core/recipes/parts/policy-prompts.ts';
import type { EncodedPrompt } from '#core/recipes/parts/policy-prompts.ts';
import { policyWeights } from '#core/recipes/parts/policy-weights.ts';
import { createRollouts } from '#core/recipes/parts/policy-rollouts.ts';
import type { Rollouts } from '#core/recipes/parts/policy-rollouts.ts';
import { createLearners } from '#core/recipes/parts/ppo-learners.ts';
import type { PpoLearners } from '#core/recipes/parts/ppo-learners.ts';
import { planPpo, rowsSampled } from '#core/recipes/parts/ppo-plan.ts';
import { describeUpdate } from '#core/recipes/parts/ppo-report.ts';
import { KEPT_SETTINGS, logRollout } from '#core/recipes/parts/rollout-log.ts';
import { sameTokenizer } from '#core/recipes/parts/same-tokenizer.ts';
import { stopReason, STOP_SETTINGS } from '#core/recipes/parts/sample-statistics.ts';
import { TUNING_SETTINGS } from '#core/recipes/parts/tuning.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { ESTIMATORS } from '#core/training/estimators.ts';
import { adaptBeta } from '#core/training/kl-controller.ts';
import { prepareRollout } from '#core/training/rollout.ts';
import type { Prepared, RolloutGroup, RolloutSettings } from '#core/training/rollout.ts';
import { scheduleFactor } from '#core/training/schedule.ts';
import type { Facts } from './facts.ts';
import type { Here, Inputs, Made, Outcome, Recipe, References, RunContext } from './recipe.ts';
import { choice, count, flag, KL_FROM, real, SCORED_BY, STARTS_FROM, words } from './settings.ts';
import type { Config } from './settings.ts';

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
  warmup: count(0, [0, 1e9], 'Updates over which it first rises in a straight line.', { group: 'optimisation' }),
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
  ...MISSING_END_SETTINGS,
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
  ...FORBID_SETTINGS,
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
  ...EVALUATION_SETTINGS,
  ...LOOK_SETTINGS,
  ...KEPT_SETTINGS,
  ...STOP_SETTINGS,
  ...GUARD_SETTINGS,
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
  await forbiddenTexts(tokenizer, 0, textsIn(config.forbid)); // refused before the run begins
  config.reference = reference.name; // the manifest says which it was
  return {
    models: {
      policy: policyPath(project, policy),
      reference: policyPath(project, reference),
      reward: policyPath(project, reward),
    },
    data: [...training, ...held].map(promptRow),
  };
}

/** What a run works with. */
interface AtWork {
  context: RunContext;
  config: PpoConfig;
  learners: PpoLearners;
  rollouts: Rollouts;
}

async function run(context: RunContext, config: PpoConfig): Promise<Outcome> {
  context.phase('loading the models');
  const models = await loadPolicyModels(context, config.forbid);
  const { training, held } = await promptsFor(context, models, config);
  const orderSeed = config.order_seed || config.seed;
  const take = promptOrder(training, promptsAnUpdate(config), orderSeed);
  const saved = context.saved();
  const progress = progressOf(saved, config);
  const learners = createLearners(context, models, config, saved);
  const { part, trainer } = learners.policy;
  const rollouts = createRollouts(context, models, part, config);
  const atWork = { context, config, learners, rollouts };

  const made = policyWeights(context, part, trainer.weights, config, progress);
  const save = () => {
    const { tensors, rest } = learners.packed();
    context.save({ step: progress.update, tensors, rest: { ...rest, ...keptOf(progress) } });
  };
  const evaluate = async () => {
    if (held.length === 0) return null;
    const look = { context, models, rollouts, prompts: held, config, values: learners.values };
    const row = await evaluateHeldOut(look, { ...progress, weights: trainer.weights() });
    made.look(row);
    return row;
  };

  let status: Outcome['status'] = 'done';
  let alarm: GuardAlarm | null = null;
  if (!saved && config.evaluate_every) await evaluate();
  while (progress.update < config.updates && !progress.why && !alarm) {
    if (context.stopping()) {
      status = 'stopped';
      save();
      break;
    }
    const started = performance.now();
    // 1 sample  2 what reference, critic and reward model say  3 penalties
    const { rollout, rows, scores } = await rollOut(atWork, take(progress.update), progress.update);
    // 4 advantages
    const prepared = prepareRollout(rollout, advantagesBy(config, progress.beta));
    // 5 epochs on policy and critic; the learning rate is constant within the update
    const rate = config.learning_rate * scheduleFactor(config.schedule, progress.update, config.updates, config.warmup);
    const reports = await learners.update(minibatchesOf(prepared, config, progress.update, orderSeed), rate);
    progress.update++;
    // 6 report, evaluate, save
    const now = describeUpdate(prepared, reports, { beta: progress.beta, rate, stops: rollouts.stops, started });
    progress.last = now;
    context.report(progress.update, config.updates, now);
    if (now.ended === 0 && progress.update === 1 && config.missing_end !== 'keep') context.log(NONE_ENDED);
    const { adaptive_kl_target: target, adaptive_kl_horizon: horizon } = config;
    if (target > 0) progress.beta = adaptBeta(progress.beta, now.kl, target, config.episodes, horizon);
    const isLast = progress.update === config.updates;
    const looks = config.evaluate_every && (progress.update % config.evaluate_every === 0 || isLast);
    const look = looks ? await evaluate() : null;
    progress.why ||= stopReason(now, context.ruled(config)) ?? '';
    if (config.guards && !isLast && !progress.why) {
      const seen = await watch({ ...atWork, models, prompts: training }, progress.guarded, { now, rows, scores, look });
      progress.guarded = seen.memory;
      alarm = seen.alarm;
      if (alarm) context.alarms(progress.update, [alarm]);
    }
    if (progress.update % config.checkpoint_every === 0 || isLast || progress.why || alarm) save();
  }
  made.keep('model', progress.last);
  await learners.release();
  await rollouts.release();
  const { update, why } = progress;
  const because = alarm ? `; a guard stopped it: ${alarm.why}` : why ? `; stopped because ${why}` : '';
  return {
    status: alarm ? 'stopped' : status,
    model: 'model',
    summary: `PPO: ${update} updates of ${config.episodes} completions${cameTo(progress)}${because}.`,
  };
}

const NONE_ENDED =
  'No completion ended: every one gets the missing-end penalty. Raise max_new, or tune the base to end its answers.';

const promptsAnUpdate = ({ episodes, samples_per_prompt: k }: PpoConfig): number => Math.floor(episodes / k);

/** The prompts that fit, to train on and to look at; says what there is too little of. */
async function promptsFor(
  context: RunContext,
  models: PolicyModels,
  config: PpoConfig,
): Promise<{ training: EncodedPrompt[]; held: EncodedPrompt[] }> {
  const prompts = await fittingPrompts(context, models, config.max_new);
  const training = prompts.filter(({ split }) => split === 'train');
  const held = prompts.filter(({ split }) => split !== 'train').slice(0, config.evaluate_prompts);
  if (config.evaluate_every && held.length === 0)
    context.log(
      'There are no validation prompts: nothing is measured on prompts it does not train on, and no best weights are kept.',
    );
  need(
    training.length,
    1,
    'training prompts that fit the context',
    'Shorten the prompts, lower max_new, or use a model with a longer context.',
  );
  const whitened = promptsAnUpdate(config) * config.samples_per_prompt;
  if (config.whiten_advantages && whitened < FEWEST_WHITENED)
    context.log(
      `Advantages are whitened over ${whitened} completions; fewer than ${FEWEST_WHITENED} say little of their mean and variance.`,
    );
  return { training, held };
}

/** Samples the prompts of an update, and asks all models of the answers; a missing end has its price. */
async function rollOut(
  { context, config, learners, rollouts }: AtWork,
  batch: readonly EncodedPrompt[],
  update: number,
): Promise<{ rollout: RolloutGroup[] } & Pick<Seen, 'rows' | 'scores'>> {
  const { samples_per_prompt: k } = config;
  context.phase('sampling');
  const sampled = await rollouts.write(
    learners.policy.trainer.weights(),
    batch,
    ({ promptId }, slot) => Array.from({ length: k }, (_, j) => `rollout/${update}/${slot}/${promptId}/${j}`),
    rowsSampled(config),
  );
  const groups = batch.map(({ ids }, i) => ({
    prompt: ids,
    completions: sampled[i]!.map(({ tokenIds }) => tokenIds),
  }));
  context.phase('scoring');
  const referenceLogprobs = await rollouts.referenceLogprobs(groups);
  const scores = await rollouts.scores(batch, groups);
  await rollouts.hasRead();
  const values = await learners.values(groups);
  const rollout = groups.map((group, i) => ({
    ...group,
    episodes: group.completions.map((ids, j) => ({
      logprobs: sampled[i]![j]!.samplingLogprobs,
      referenceLogprobs: referenceLogprobs[i]![j]!,
      values: values[i]![j]!,
      score: withMissingEnd(scores[i]![j]!, endOf(ids, rollouts.stops) >= 0, config),
    })),
  }));
  const rows = await logRollout(context, rollouts, config, update + 1, { prompts: batch, rollout, scores });
  return { rollout, rows, scores };
}

const advantagesBy = (config: PpoConfig, beta: number): RolloutSettings => ({
  beta,
  gamma: config.gamma,
  lambda: config.lambda,
  limit: config.max_new,
  placement: config.fixed_length ? 'at-end' : config.score_placement,
  estimator: ESTIMATORS.gae,
  whitenRewards: config.whiten_rewards,
  whitenAdvantages: config.whiten_advantages,
  unbiased: config.unbiased_variance,
});

/** The minibatches of all epochs, one after the other: each epoch's a fresh permutation of the rollout. */
function minibatchesOf(
  prepared: readonly Prepared[],
  { epochs, minibatches }: PpoConfig,
  update: number,
  seed: number,
): Prepared[][] {
  return Array.from({ length: epochs }, (_, epoch) => {
    const order = createRandom(seed, `minibatches/${update}/${epoch}`).shuffled(prepared);
    const size = Math.floor(order.length / minibatches);
    return Array.from({ length: minibatches }, (_, i) => order.slice(i * size, (i + 1) * size));
  }).flat();
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

/** The demo's settings in the demo; no more episodes than there are prompts; watched by the guards. */
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
    guards: true,
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
  bestBy: 'held_out_value',
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
