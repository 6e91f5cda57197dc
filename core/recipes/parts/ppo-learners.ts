// What PPO trains: the policy, and a critic that starts as the reward model (D19) and shares nothing with it (D20).
//
// Each has an Adam of its own; a rollout gives both their minibatches, and all steps of an update are one run.

import { createEvaluator } from '#core/models/evaluator.ts';
import type { Group } from '#core/models/rows.ts';
import { releaseAfter } from '#core/plans/large-models.ts';
import type { RunContext, SavedState } from '#core/recipes/recipe.ts';
import type { Objective } from '#core/training/objectives/objective.ts';
import { criticArrays, policyArrays } from '#core/training/rollout.ts';
import type { Prepared } from '#core/training/rollout.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import type { Trainer } from '#core/training/trainer.ts';
import type { PolicyModels } from './policy-models.ts';
import { updatesOf } from './ppo-plan.ts';
import { packState, unpackState } from './training-state.ts';
import { microBatches, tuned } from './tuning.ts';
import type { Tuned, TuningConfig } from './tuning.ts';

/** Where a checkpoint keeps how many steps each has taken. */
const STEPS = { policy: 'policySteps', critic: 'criticSteps' } as const;

interface LearnerSettings extends TuningConfig {
  temperature: number;
  clip: number;
  value_clip: number;
  value_coefficient: number;
  epsilon: number;
  epsilon_style: 'torch' | 'tensorflow';
  weight_decay: number;
  gradient_clip: number;
  seed: number;
}

interface Learner {
  part: Tuned;
  objective: Objective;
  trainer: Trainer;
}

/** What the steps of an update said, one number a step. */
type Report = Record<string, number[]>;

export interface PpoLearners {
  policy: Learner;
  critic: Learner;
  /** V before each token and after the last, [prompt][completion][tokens + 1] */
  values(groups: readonly Group[]): Promise<number[][][]>;
  /** One step on each minibatch at this rate, the policy's first. */
  update(minibatches: readonly (readonly Prepared[])[], rate: number): Promise<{ policy: Report; critic: Report }>;
  /** both as a checkpoint keeps them */
  packed(): Pick<SavedState, 'tensors' | 'rest'>;
  release(): Promise<void>;
}

export function createLearners(
  context: RunContext,
  models: Pick<PolicyModels, 'policy' | 'reward' | 'forbidden'>,
  config: LearnerSettings,
  saved: SavedState | null,
): PpoLearners {
  const progress = context.count;
  const adam = {
    betas: [0.9, 0.999],
    epsilon: config.epsilon,
    epsilonStyle: config.epsilon_style,
    weightDecay: config.weight_decay,
    clipNorm: config.gradient_clip || null,
  } as const;
  const objectives = updatesOf(config, models.forbidden);
  const learner = (name: 'policy' | 'critic', role: 'policy' | 'reward'): Learner => {
    const part = tuned(models[role], context.model(role), config, config.seed);
    const state = saved ? unpackState(name, saved, saved.rest[STEPS[name]] as number) : freshState(part.weights);
    const loss = objectives[name].loss(models[role]);
    const options = { ...part.options, progress };
    return { part, objective: objectives[name], trainer: createTrainer(part.parameters, state, loss, adam, options) };
  };
  const policy = learner('policy', 'policy');
  const critic = learner('critic', 'reward');
  const valuer = createEvaluator(critic.part.start, { constants: critic.part.options.frozen?.weights, progress });
  // each compiled graph keeps the memory of its activations; of a large model only the one at work is kept
  const finished = releaseAfter(models.policy.architecture);
  const steps = async (
    { objective, trainer }: Learner,
    like: PolicyModels['policy'],
    { shape, arrays }: ReturnType<typeof policyArrays>,
    rates: readonly number[],
  ): Promise<Report> => {
    const micro = microBatches(shape.B, config);
    const feeds = objective.feeds(like, { ...shape, B: shape.B / micro });
    const report = await trainer.steps(JSON.stringify(shape), feeds, arrays, rates, micro);
    await finished(trainer);
    return report;
  };
  return {
    policy,
    critic,
    values: async (groups) => {
      const values = await valuer.values(critic.trainer.weights(), groups);
      await finished(valuer);
      return values;
    },
    update: async (minibatches, rate) => {
      context.phase('training');
      const rates = minibatches.map(() => rate);
      const forPolicy = policyArrays(minibatches, models.forbidden);
      const forCritic = criticArrays(minibatches);
      const policyReport = await steps(policy, models.policy, forPolicy, rates);
      context.phase('training the critic');
      return { policy: policyReport, critic: await steps(critic, models.reward, forCritic, rates) };
    },
    packed: () => {
      const [ofPolicy, ofCritic] = [policy.trainer.state(), critic.trainer.state()];
      return {
        tensors: { ...packState('policy', ofPolicy), ...packState('critic', ofCritic) },
        rest: { [STEPS.policy]: ofPolicy.step, [STEPS.critic]: ofCritic.step },
      };
    },
    release: async () => {
      for (const part of [policy.trainer, critic.trainer, valuer]) await part.release();
    },
  };
}
