// Sections "ppo" and "lora": one update as a run makes it (sample, read under reference, critic and reward model, four
// epochs on policy and critic).

import { chosenDevice } from '#core/autodiff/device.ts';
import { isScoreTensor } from '#core/models/heads.ts';
import { isAdapterTensor } from '#core/models/adapter.ts';
import { checkpointParameters, scalesOf, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { createSampler } from '#core/models/sampler.ts';
import { createRandom } from '#core/random.ts';
import { ESTIMATORS } from '#core/training/estimators.ts';
import { criticArrays, policyArrays, prepareRollout } from '#core/training/rollout.ts';
import type { Prepared, RolloutGroup } from '#core/training/rollout.ts';
import { criticFeeds, criticUpdateLoss, policyFeeds, policyUpdateLoss } from '#core/training/objectives/row-losses.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import type { TrainerOptions } from '#core/training/trainer.ts';
import { inParts } from './in-parts.ts';
import { rowBesidePeer } from './peer.ts';
import type { Context } from './context.ts';
import { ADAM, countOf, freshModel, LORA_RANK, randomPrompts, SIZES, withAdapters } from './shapes.ts';

const GOAL = 3;
const EPOCHS = 4;
const TEMPERATURE = 0.7;
const RATE = 1e-5;
/** Completions sampled at once, as a run does. */
const ROWS = 64;
const ROLLOUT = {
  beta: 0.05,
  gamma: 1,
  lambda: 0.95,
  placement: 'at-end',
  estimator: ESTIMATORS.gae,
  whitenRewards: false,
  whitenAdvantages: true,
  unbiased: true,
} as const;

interface Sizes {
  episodes: number;
  P: number;
  N: number;
}
interface Update {
  /** micro-batches of a step of the policy */
  micro: number;
  /** seconds by phase, in order */
  phases: Record<string, number>;
  seconds: number;
  losses: { policy: number[]; critic: number[] };
}

/**
 * What learns of a model (its adapters and a head of scores, where it has adapters) and the options that carry the
 * rest.
 */
function learning(start: Checkpoint) {
  const all = checkpointParameters(start);
  const learns = (name: string) => !start.adapter || isAdapterTensor(name) || isScoreTensor(name);
  const weightsOf = (list: typeof all) => Object.fromEntries(list.map(({ name }) => [name, start.weights[name]!]));
  const own = all.filter(({ name }) => learns(name));
  const still = all.filter(({ name }) => !learns(name));
  const options: Pick<TrainerOptions, 'frozen' | 'adapters'> = {
    ...(still.length ? { frozen: { parameters: still, weights: weightsOf(still) } } : {}),
    adapters: scalesOf(start),
  };
  return { parameters: own, weights: weightsOf(own), options };
}

type Part = { release(): Promise<void> };

/** What an update is made with: two trainers and four readers, each with graphs of its own. */
function partsOf(reference: Checkpoint, start: Checkpoint) {
  const on = { device: chosenDevice() };
  const { architecture } = reference;
  const reward = withScoreHead(reference, 2);
  const judge = withScoreHead(start, 3);
  const learner = learning(start);
  const critics = learning(judge);
  return {
    reference,
    reward,
    trained: countOf(learner.parameters),
    policy: createTrainer(
      learner.parameters,
      freshState(learner.weights),
      policyUpdateLoss(architecture, TEMPERATURE, 0.2),
      ADAM,
      { ...on, ...learner.options },
    ),
    critic: createTrainer(critics.parameters, freshState(critics.weights), criticUpdateLoss(judge, 0.2, 0.1), ADAM, {
      ...on,
      ...critics.options,
    }),
    sampler: createSampler(
      { ...architecture, stops: [] },
      { ...on, adapter: start.adapter?.settings, constants: learner.options.frozen?.weights },
    ),
    words: createEvaluator(reference, { ...on, constants: reference.weights }),
    scorer: createEvaluator(reward, { ...on, constants: reward.weights }),
    valuer: createEvaluator(judge, { ...on, constants: critics.options.frozen?.weights }),
  };
}
type Parts = ReturnType<typeof partsOf>;
/** Does the work of a phase, which these parts have, and takes its time. */
type Phase = <Made>(name: string, part: Part, work: () => Promise<Made>) => Promise<Made>;

/** Samples completions of the prompts and reads them under reference, reward model and critic. */
async function rollOut(
  { reference, reward, policy, critic, sampler, words, scorer, valuer }: Parts,
  prompts: readonly number[][],
  N: number,
  index: number,
  phase: Phase,
): Promise<Prepared[]> {
  const sampled = await phase('sampling', sampler, () =>
    sampler.sample(
      policy.weights(),
      prompts.map((prompt, i) => ({ prompt, streams: [`${index}/${i}`] })),
      { temperature: TEMPERATURE, topK: 0, topP: 1, maxNew: N, seed: 1, rows: Math.min(ROWS, prompts.length) },
    ),
  );
  const groups = prompts.map((prompt, i) => ({ prompt, completions: sampled[i]!.map(({ tokenIds }) => tokenIds) }));
  const under = await phase('reference', words, () => words.logprobs(reference.weights, groups, TEMPERATURE));
  const scores = await phase('reward model', scorer, () => scorer.scores(reward.weights, groups));
  const values = await phase('values', valuer, () => valuer.values(critic.weights(), groups));
  const rollout: RolloutGroup[] = groups.map((group, i) => ({
    ...group,
    episodes: group.completions.map((_, j) => ({
      logprobs: sampled[i]![j]!.samplingLogprobs,
      referenceLogprobs: under[i]![j]!,
      values: values[i]![j]!,
      score: scores[i]![j]!,
    })),
  }));
  return prepareRollout(rollout, { ...ROLLOUT, limit: N });
}

/** Four epochs on policy and critic, in as few micro-batches from `micro` on as the memory has room for. */
async function learn({ policy, critic }: Parts, minibatches: readonly Prepared[][], micro: number, phase: Phase) {
  const rates = minibatches.map(() => RATE);
  const forPolicy = policyArrays(minibatches);
  const forCritic = criticArrays(minibatches);
  const { B } = forPolicy.shape;
  const ofPolicy = (parts: number) =>
    policy.steps('policy', policyFeeds({ ...forPolicy.shape, B: B / parts }), forPolicy.arrays, rates, parts);
  const ofCritic = (parts: number) =>
    critic.steps('critic', criticFeeds({ ...forCritic.shape, B: B / parts }), forCritic.arrays, rates, parts);
  const learned = await phase('policy, four epochs', policy, () => inParts(B, micro, ofPolicy, policy.release));
  const valued = await phase('critic, four epochs', critic, () => inParts(B, learned.micro, ofCritic, critic.release));
  return { micro: learned.micro, losses: { policy: learned.made.loss!, critic: valued.made.loss! } };
}

/**
 * An updater of `start` against a fresh reward model. `inTurn`: each part's graphs are given back when its turn is
 * over, as runs of large models do.
 */
function createPpo(reference: Checkpoint, start: Checkpoint, { episodes, P, N }: Sizes, inTurn: boolean) {
  const parts = partsOf(reference, start);
  const { policy, critic, sampler, words, scorer, valuer } = parts;
  const prompts = randomPrompts(episodes, P, reference.architecture.vocabulary);
  let micro = 1;
  return {
    trained: parts.trained,
    update: async (index: number): Promise<Update> => {
      const phases: Record<string, number> = {};
      const began = performance.now();
      const phase: Phase = async (name, part, work) => {
        const started = performance.now();
        const made = await work();
        if (inTurn) await part.release();
        phases[name] = (performance.now() - started) / 1000;
        return made;
      };
      const prepared = await rollOut(parts, prompts, N, index, phase);
      const minibatches = Array.from({ length: EPOCHS }, (_, epoch) =>
        createRandom(1, `minibatches/${index}/${epoch}`).shuffled(prepared),
      );
      const learned = await learn(parts, minibatches, micro, phase);
      micro = learned.micro;
      return { ...learned, phases, seconds: (performance.now() - began) / 1000 };
    },
    release: async () => {
      for (const part of [policy, critic, sampler, words, scorer, valuer]) await part.release();
    },
  };
}

async function tellPhases({ row, note }: Context, { phases, micro }: Update): Promise<void> {
  if (micro > 1) note(`Each step in ${micro} micro-batches, for want of memory.`);
  for (const [what, value] of Object.entries(phases)) await row({ what, value, unit: 's', ok: null });
}

/** A second update, whose graphs are open, beside TRL's; and the first, which opens them. */
export async function ppo(context: Context): Promise<void> {
  const { row, note, tiny } = context;
  const sizes = SIZES.ppo[tiny ? 'tiny' : 'full'];
  const base = freshModel(sizes.architecture);
  const run = createPpo(base, base, sizes, false);
  note(
    `${sizes.title} as policy and, apart, as critic; ${sizes.episodes} episodes, ${sizes.P} tokens of prompt, ${sizes.N} new ones, ${EPOCHS} epochs of one minibatch.`,
  );
  const first = await run.update(0);
  await row({ what: 'the first update, which opens the graphs', value: first.seconds, unit: 's', ok: null });
  const second = await run.update(1);
  await run.release();
  await tellPhases(context, second);
  await rowBesidePeer(context, { what: 'an update', value: second.seconds, unit: 's' }, GOAL, ['ppo'], 'less');
}

/** One update of adapters beside frozen weights, which lie on the device as constants, its parts taking turns. */
export async function lora(context: Context): Promise<void> {
  const { row, note, tiny } = context;
  const sizes = SIZES.lora[tiny ? 'tiny' : 'full'];
  const base = freshModel(sizes.architecture);
  const run = createPpo(base, withAdapters(base, LORA_RANK, 4), sizes, true);
  note(
    `${sizes.title}: ${(countOf(checkpointParameters(base)) / 1e6).toFixed(1)} million parameters, of which adapters of rank ${LORA_RANK} train ${(run.trained / 1e6).toFixed(2)} million; ${sizes.episodes} episodes, ${sizes.P} tokens of prompt, ${sizes.N} new ones. Every phase opens its graphs and gives them back.`,
  );
  const update = await run.update(0);
  await run.release();
  await tellPhases(context, update);
  const finite = [...update.losses.policy, ...update.losses.critic].every(Number.isFinite);
  await row({
    what: 'an update',
    value: update.seconds,
    unit: 's',
    goal: 'runs, and its losses are numbers',
    ok: finite,
  });
}
