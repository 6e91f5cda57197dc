// One whole PPO update against PyTorch's: rollout quantities, rewards, advantages, four epochs of losses, every
// parameter afterwards.

import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSafetensors } from '#core/formats/safetensors.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { checkpointParameters, freshWeights, loadCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint, WeightArrays } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import type { Group } from '#core/models/rows.ts';
import { createSampler } from '#core/models/sampler.ts';
import { createRandom } from '#core/random.ts';
import type { AdamSettings } from '#core/training/adamw.ts';
import { ESTIMATORS } from '#core/training/estimators.ts';
import { criticArrays, policyArrays, prepareRollout } from '#core/training/rollout.ts';
import type { Prepared, RolloutGroup, RolloutSettings } from '#core/training/rollout.ts';
import { criticFeeds, criticUpdateLoss, policyFeeds, policyUpdateLoss } from '#core/training/objectives/row-losses.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import { NUMBERS, readJson } from '#tests/core/models/reference-numbers.ts';
import { expectClose, ONE } from './graph-values.ts';

interface Models {
  policy: Checkpoint;
  reference: Checkpoint;
  critic: Checkpoint;
}
interface PpoSettings {
  temperature: number;
  clip: number;
  valueClip: number;
  valueCoefficient: number;
  adam: AdamSettings;
}

/** Log-probabilities under policy and reference, and values, of one completion a group. */
async function describeGroups({ policy, reference, critic }: Models, groups: readonly Group[], temperature: number) {
  const words = createEvaluator(policy, ONE);
  const values = createEvaluator(critic, ONE);
  const found = {
    logprobs: await words.logprobs(policy.weights, groups, temperature),
    referenceLogprobs: await words.logprobs(reference.weights, groups, temperature),
    values: await values.values(critic.weights, groups),
  };
  await words.release();
  await values.release();
  return found;
}
const rolloutOf = (
  groups: readonly Group[],
  found: Awaited<ReturnType<typeof describeGroups>>,
  scores: readonly number[],
): RolloutGroup[] => {
  let n = 0;
  return groups.map((group, i) => ({
    ...group,
    episodes: group.completions.map((_, k) => ({
      logprobs: found.logprobs[i]![k]!,
      referenceLogprobs: found.referenceLogprobs[i]![k]!,
      values: found.values[i]![k]!,
      score: scores[n++]!,
    })),
  }));
};
function trainers({ policy, critic }: Models, settings: PpoSettings) {
  return {
    policy: createTrainer(
      checkpointParameters(policy),
      freshState(policy.weights),
      policyUpdateLoss(policy.architecture, settings.temperature, settings.clip),
      settings.adam,
      ONE,
    ),
    critic: createTrainer(
      checkpointParameters(critic),
      freshState(critic.weights),
      criticUpdateLoss(critic, settings.valueClip, settings.valueCoefficient),
      settings.adam,
      ONE,
    ),
  };
}
async function updatePolicy({ policy }: ReturnType<typeof trainers>, minibatches: readonly Prepared[][], rate: number) {
  const { shape, arrays } = policyArrays(minibatches);
  return policy.steps(
    JSON.stringify(shape),
    policyFeeds(shape),
    arrays,
    minibatches.map(() => rate),
  );
}
async function updateCritic({ critic }: ReturnType<typeof trainers>, minibatches: readonly Prepared[][], rate: number) {
  const { shape, arrays } = criticArrays(minibatches);
  return critic.steps(
    JSON.stringify(shape),
    criticFeeds(shape),
    arrays,
    minibatches.map(() => rate),
  );
}

describe.each(NUMBERS.filter(({ absent }) => !absent))('PyTorch’s update: $title', ({ folder }) => {
  interface Config {
    kl_coef: number;
    gamma: number;
    lambda: number;
    temperature: number;
    clip: number;
    value_clip: number;
    vf_coef: number;
    epochs: number;
    adamw: { lr: number; betas: [number, number]; eps: number; weight_decay: number };
    prompt_ids: number[][];
    /** where it is not `llama` */
    model?: string;
  }
  function load() {
    const config = readJson<Config>(path.join(folder, 'algorithms/ppo.json'));
    const { tensors } = readSafetensors(path.join(folder, 'algorithms/ppo.safetensors'));
    const floats = (name: string) => tensors.get(name)!.load();
    /** one list a row of what a [B, N] mask keeps */
    const kept = (data: ArrayLike<number>, mask: string) => {
      const m = floats(mask);
      const [B, N] = tensors.get(mask)!.shape as [number, number];
      return Array.from({ length: B }, (_, b) =>
        Array.from({ length: N }, (_, t) => b * N + t)
          .filter((at) => m[at] === 1)
          .map((at) => data[at]!),
      );
    };
    const reference = loadCheckpoint(path.join(folder, 'models', config.model ?? 'llama'));
    const under = (prefix: string) => (names: readonly string[]) =>
      Object.fromEntries(names.map((name) => [name, floats(prefix + name)]));
    const policy: Checkpoint = { ...reference, weights: under('policy/')(Object.keys(reference.weights)) };
    const critic = withScoreHead(policy, 1);
    Object.assign(critic.weights, under('critic/')(['score.weight', 'score.bias']));
    const responses = kept(tensors.get('response')!.loadIntegers(), 'response_mask');
    const groups: Group[] = config.prompt_ids.map((prompt, b) => ({ prompt, completions: [responses[b]!] }));
    const rollout: RolloutSettings = {
      beta: config.kl_coef,
      gamma: config.gamma,
      lambda: config.lambda,
      limit: tensors.get('response')!.shape[1]!,
      placement: 'after-end',
      estimator: ESTIMATORS.gae,
      whitenRewards: false,
      whitenAdvantages: true,
      unbiased: false,
    };
    const settings: PpoSettings = {
      temperature: config.temperature,
      clip: config.clip,
      valueClip: config.value_clip,
      valueCoefficient: config.vf_coef,
      adam: {
        betas: config.adamw.betas,
        epsilon: config.adamw.eps,
        epsilonStyle: 'torch',
        weightDecay: config.adamw.weight_decay,
        clipNorm: null,
      },
    };
    return { config, floats, kept, models: { policy, reference, critic }, groups, rollout, settings };
  }

  test('rollout: log-probabilities at T, values, rewards, advantages, whitened and returns (D3, D16, D18, D22, D23)', async () => {
    const { models, groups, rollout, settings, floats, kept } = load();
    expect(
      groups.map(({ completions }) => completions[0]!.length),
      'an end in the middle, at once, in the last slot, and none',
    ).toEqual([5, 1, 10, 10]);
    const found = await describeGroups(models, groups, settings.temperature);
    const eachRow = (name: string, rows: number[][], mask = 'response_mask') =>
      rows.forEach((row, b) => expectClose(row, kept(floats(name), mask)[b]!, `${name} of row ${b}`));
    eachRow('logprobs', found.logprobs.flat());
    eachRow('ref_logprobs', found.referenceLogprobs.flat());
    eachRow(
      'values',
      found.values.map(([row]) => row!.slice(0, rollout.limit)),
      'value_mask',
    );
    const prepared = prepareRollout(rolloutOf(groups, found, Array.from(floats('scores_after_penalty'))), rollout);
    eachRow(
      'rewards',
      prepared.map(({ rewards: [row] }) => row!),
      'value_mask',
    );
    eachRow(
      'returns',
      prepared.map(({ returns: [row] }) => row!),
      'value_mask',
    );
    eachRow(
      'whitened',
      prepared.map(({ advantages: [row] }) => row!),
    );
    const plain = prepareRollout(rolloutOf(groups, found, Array.from(floats('scores_after_penalty'))), {
      ...rollout,
      whitenAdvantages: false,
    });
    eachRow(
      'advantages',
      plain.map(({ advantages: [row] }) => row!),
    );
  });

  test.each(['all epochs in one run', 'one epoch a run'])(
    'four epochs: losses, KL, clipping, entropy, joint gradient norm, and every parameter (%s)',
    async (how) => {
      const { config, models, groups, rollout, settings, floats } = load();
      const found = await describeGroups(models, groups, settings.temperature);
      const prepared = prepareRollout(rolloutOf(groups, found, Array.from(floats('scores_after_penalty'))), rollout);
      const both = trainers(models, settings);
      const epochs = Array.from({ length: config.epochs }, () => prepared);
      const reports: Record<string, number[]> = {};
      for (const part of how === 'one epoch a run' ? epochs.map((epoch) => [epoch]) : [epochs]) {
        const policy = await updatePolicy(both, part, config.adamw.lr);
        const critic = await updateCritic(both, part, config.adamw.lr);
        const joint = policy.grad_norm!.map((norm, i) => Math.hypot(norm, critic.grad_norm![i]!));
        const all = {
          policy_loss: policy.loss!,
          approx_kl: policy.approx_kl!,
          clip_fraction: policy.clip_fraction!,
          entropy: policy.entropy!,
          value_loss: critic.value_loss!,
          grad_norm: joint,
        };
        for (const [name, values] of Object.entries(all)) (reports[name] ??= []).push(...values);
      }
      for (const [name, values] of Object.entries(reports))
        expectClose(
          values,
          epochs.flatMap((_, e) => Array.from(floats(`epoch/${e}/${name}`))),
          name,
        );
      const after = (weights: WeightArrays, nameInFile: (name: string) => string) => {
        for (const [name, data] of Object.entries(weights))
          expectClose(data, floats(nameInFile(name)), `after: ${name}`);
      };
      after(both.policy.state().weights, (name) => `after/policy/${name}`);
      after(both.critic.state().weights, (name) => `after/critic/${name.replace(/^model\./, '')}`);
      await both.policy.release();
      await both.critic.release();
    },
  );
});

describe('rules of an update, on a very small model', () => {
  const architecture = newArchitecture({
    family: 'llama',
    vocabulary: 48,
    channels: 16,
    layers: 2,
    heads: 4,
    keyValueHeads: 2,
    feedForward: 32,
    context: 96,
    ropeTheta: 100,
    endOfText: 0,
    pad: 1,
  });
  const reference: Checkpoint = {
    architecture,
    head: 'language-model',
    weights: freshWeights(parameters(architecture), 2, 1, 0.3),
  };
  const reward = withScoreHead(reference, 2);
  const models: Models = { policy: reference, reference, critic: reward };
  const rollout: RolloutSettings = {
    beta: 0.05,
    gamma: 1,
    lambda: 0.95,
    limit: 8,
    placement: 'after-end',
    estimator: ESTIMATORS.gae,
    whitenRewards: false,
    whitenAdvantages: true,
    unbiased: false,
  };
  const settings: PpoSettings = {
    temperature: 0.7,
    clip: 0.2,
    valueClip: 0.2,
    valueCoefficient: 0.1,
    adam: { betas: [0.9, 0.999], epsilon: 1e-5, epsilonStyle: 'torch', weightDecay: 0, clipNorm: 1 },
  };

  /** Two completions of each of four prompts, sampled by the policy itself, with the score the reward model gives. */
  async function sampled() {
    const random = createRandom(1, 'prompts');
    const sampler = createSampler(architecture, ONE);
    const scorer = createEvaluator(reward, ONE);
    const requests = [3, 9, 5, 1].map((length, i) => ({
      prompt: Array.from({ length }, () => 2 + random.integer(46)),
      streams: [`${i}/a`, `${i}/b`],
    }));
    const rows = await sampler.sample(reference.weights, requests, {
      temperature: settings.temperature,
      topK: 0,
      topP: 1,
      maxNew: rollout.limit,
      seed: 3,
    });
    const groups = requests.map(({ prompt }, i) => ({ prompt, completions: rows[i]!.map(({ tokenIds }) => tokenIds) }));
    const found = {
      ...(await describeGroups(models, groups, settings.temperature)),
      logprobs: rows.map((row) => row.map(({ samplingLogprobs }) => samplingLogprobs)),
    };
    const scores = await scorer.scores(reward.weights, groups);
    await sampler.release();
    await scorer.release();
    return { found, scores, prepared: prepareRollout(rolloutOf(groups, found, scores.flat()), rollout) };
  }

  test('D1, D2, D19: before the first step every ratio is 1, the KL is 0, and the critic’s last value is the reward model’s score', async () => {
    const { found, scores, prepared } = await sampled();
    expectClose(
      found.logprobs.flat(2).map((lp, i) => lp - found.referenceLogprobs.flat(2)[i]!),
      found.logprobs.flat(2).map(() => 0),
      'KL of each token',
      { absolute: 1e-4 },
    );
    expectClose(
      found.values.flatMap((rows) => rows.map((row) => row.at(-1)!)),
      scores.flat(),
      'V after the end',
      { absolute: 1e-4 },
    );
    const both = trainers(models, settings);
    // whole batch, halves, single groups: whatever shares a minibatch
    for (const size of [4, 2, 1]) {
      for (let from = 0; from < 4; from += size) {
        const report = await updatePolicy(both, [prepared.slice(from, from + size)], 0);
        expect(Math.abs(Math.log(report.ratio_max![0]!)), 'largest ratio').toBeLessThan(1e-4);
        expect(report.approx_kl![0]!).toBeLessThan(1e-8);
        expect(report.clip_fraction![0]!).toBe(0);
      }
    }
    await both.policy.release();
    await both.critic.release();
  });

  test('D3: leaving the temperature out of the re-evaluation would show as ratios away from 1', async () => {
    const { prepared } = await sampled();
    const both = trainers(models, { ...settings, temperature: 1 });
    expect((await updatePolicy(both, [prepared], 0)).approx_kl![0]!).toBeGreaterThan(1e-2);
    await both.policy.release();
    await both.critic.release();
  });

  test('D20: a critic update leaves the policy untouched to the bit, and a policy update the critic', async () => {
    const { prepared } = await sampled();
    const both = trainers(models, settings);
    const copy = (weights: WeightArrays) =>
      Object.fromEntries(Object.entries(weights).map(([name, data]) => [name, data.slice()]));
    const before = { policy: copy(both.policy.state().weights), critic: copy(both.critic.state().weights) };
    await updateCritic(both, [prepared], 1e-3);
    expect(both.policy.state().weights).toEqual(before.policy);
    expect(both.critic.state().weights).not.toEqual(before.critic);
    const moved = copy(both.critic.state().weights);
    await updatePolicy(both, [prepared], 1e-3);
    expect(both.critic.state().weights).toEqual(moved);
    expect(both.policy.state().weights).not.toEqual(before.policy);
    expect(reference.weights, 'the frozen reference shares its start with the policy and is untouched too').toEqual(
      before.policy,
    );
    await both.policy.release();
    await both.critic.release();
  });

  test('a step raises the probability of tokens with positive advantage and lowers the others’', async () => {
    const { prepared } = await sampled();
    const both = trainers(models, settings);
    await updatePolicy(both, [prepared], 1e-3);
    const words = createEvaluator(reference, ONE);
    const after = await words.logprobs(both.policy.state().weights, prepared, settings.temperature);
    const gain = prepared.reduce(
      (sum, { advantages, episodes }, g) =>
        sum +
        advantages
          .flat()
          .reduce((s, a, i) => s + a * (after[g]!.flat()[i]! - episodes.flatMap(({ logprobs }) => logprobs)[i]!), 0),
      0,
    );
    expect(gain).toBeGreaterThan(0.1);
    await words.release();
    await both.policy.release();
    await both.critic.release();
  });
});
