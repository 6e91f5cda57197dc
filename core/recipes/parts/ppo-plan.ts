// The plan of PPO: sampling, what reference, critic and reward model say, the updates of policy and critic; looks at
// held-out prompts.

import { asJudge, asWriter } from '#core/plans/model-shape.ts';
import type { ModelShape } from '#core/plans/model-shape.ts';
import { numbersAbove, packedRows, reading, variety } from '#core/plans/plan.ts';
import type { Phase, Plan, Reading } from '#core/plans/plan.ts';
import type { Forbidden } from '#core/models/forbidden.ts';
import { roundedLength } from '#core/models/rows.ts';
import type { Objective } from '#core/training/objectives/objective.ts';
import { criticObjective, policyObjective } from '#core/training/objectives/row-losses.ts';
import type { Planning } from '#core/recipes/recipe.ts';
import { forbidsLike } from './forbidden-texts.ts';
import { samplesAPrompt } from './held-out.ts';
import { addedUp, learnerShape, microBatches } from './tuning.ts';
import type { TuningConfig } from './tuning.ts';

interface Losses {
  temperature: number;
  clip: number;
  value_clip: number;
  value_coefficient: number;
}
interface Planned extends Losses, TuningConfig {
  policy: string;
  reward: string;
  reference: string;
  updates: number;
  episodes: number;
  samples_per_prompt: number;
  epochs: number;
  minibatches: number;
  max_new: number;
  evaluate_every: number;
  evaluate_prompts: number;
  forbid: string;
}

/** The losses of an update, where texts are forbidden under the rule that they were sampled by. */
export const updatesOf = (
  { temperature, clip, value_clip, value_coefficient }: Losses,
  forbidden: Forbidden | null = null,
) => ({
  policy: policyObjective(temperature, clip, forbidden),
  critic: criticObjective(value_clip, value_coefficient),
});
/** Rows that are sampled at once. */
export const rowsSampled = ({ episodes }: Pick<Planned, 'episodes'>): number => Math.min(64, episodes);

export function planPpo(config: Planned, here: Planning): Plan {
  const policy = asWriter(here.model(config.policy));
  const reward = asJudge(here.model(config.reward));
  const names = [config.policy, config.reward, ...(config.reference ? [config.reference] : [])];
  return {
    models: names,
    wholes: [],
    made: addedUp(policy, config) + addedUp(reward, config),
    phases: phasesOf(config, here, policy, reward),
    turns: { large: policy.architecture },
    rounds: true,
  };
}

function phasesOf(config: Planned, { facts, lengths }: Planning, policy: ModelShape, reward: ModelShape): Phase[] {
  const { samples_per_prompt: k, max_new: N, temperature, updates } = config;
  const learner = learnerShape(policy, config);
  const critic = learnerShape(reward, config);
  const prompts = Math.max(1, Math.floor(config.episodes / k));
  const longest = Math.min(lengths.longestPrompt, policy.architecture.context - N);
  const row = packedRows(longest, k, longest + k * N);
  const T = roundedLength(row.tokens);
  const shared = k > 1;
  // two shapes are kept, where so many came up; the held-out prompts have graphs of their own
  const varied = variety(lengths.prompt, longest, T < 256 ? 8 : T / 8) * (1 - 1 / updates);
  const held = config.evaluate_every ? Math.min(config.evaluate_prompts, facts.prompts.validation) : 0;
  const kept = held ? 2 : 1 + varied;
  // tokens that are written and read in the whole run
  const looks = config.evaluate_every ? 1 + Math.ceil(updates / config.evaluate_every) : 0;
  const shown = looks * held * samplesAPrompt(held);
  const written = updates * prompts * k * N + shown * N;
  const rolled = updates * prompts * (lengths.prompt + k * N);
  const read = rolled + looks * held * lengths.prompt + shown * N;
  const says = (model: ModelShape, temp: number | null, slots: number): Reading[] =>
    reading(model, {
      rows: prompts * row.rows,
      longest: row.tokens,
      slots,
      shared,
      temperature: temp,
      forbidden: temp === null ? null : forbidden,
      kept,
      tokens: read,
    });
  const forbidden = forbidsLike(policy.architecture, config.forbid);
  const objectives = updatesOf(config, forbidden);
  const batches = config.epochs * config.minibatches;
  const rows = row.rows * Math.max(1, Math.floor(prompts / config.minibatches));
  const update = (part: typeof learner, objective: Objective, slots: number): Phase => ({
    does: 'train',
    ...part,
    objective,
    shape: { B: rows, T, Q: roundedLength(row.completions * slots), shared },
    growing: true,
    micro: microBatches(rows, config),
    steps: updates * batches,
    asked: batches, // all of an update in one call
    tokensAStep: rows * row.tokens,
    varied,
    fed: 0,
    tokens: config.epochs * rolled,
    numbers: numbersAbove(part.model, 0),
  });
  return [
    {
      does: 'write',
      model: learner.model,
      prompts: Math.max(1, Math.min(prompts, Math.floor(rowsSampled(config) / k))),
      each: k,
      prompt: longest,
      written: N,
      choice: { temperature, topK: 0, topP: 1 },
      forbidden,
      kept,
      prefill: updates * prompts * lengths.prompt + looks * held * lengths.prompt,
      tokens: written,
      numbers: numbersAbove(policy, 0),
    },
    ...says(policy, temperature, roundedLength(row.completions * N)),
    ...says(critic.model, null, roundedLength(row.completions * (N + 1))),
    ...says(reward, null, row.completions),
    update(learner, objectives.policy, N),
    update(critic, objectives.critic, N + 1),
  ];
}
