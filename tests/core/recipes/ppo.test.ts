// PPO as a job on a tiny project: the details of algorithms.md §7 that can be seen from outside.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startRun } from '#core/runs/start.ts';
import type { Project } from '#core/store/project.ts';
import { firstRollout, firstValueLoss, mean, meanEntropy } from './first-rollout.ts';
import {
  addEndless,
  addLengthReward,
  addTrainedReward,
  errorFrom,
  makeTinyProject,
  MAX_NEW,
  metricsOf,
  modelBytes,
  newestCheckpoint,
  QUICK_PPO,
  runFile,
  temporaryProjects,
} from './tiny-project.ts';

const fresh = temporaryProjects();
let project: Project;
beforeAll(async () => {
  project = await makeTinyProject(fresh());
  await addTrainedReward(project);
  addLengthReward(project, 'longer', 1);
  addLengthReward(project, 'shorter', -1);
  addEndless(project);
});
afterAll(() => project.close());

/** A run with its metrics; lines of the log are collected. */
async function ppo(changes: Record<string, unknown>) {
  const lines: string[] = [];
  const done = await startRun(project, 'ppo', { ...QUICK_PPO, ...changes }, null, {
    onLog: (line) => lines.push(line),
  });
  return { ...done, lines, metrics: metricsOf(project, done.id) };
}

test('D1: in every update the first ratio is 1, whatever the later epochs do', async () => {
  const { metrics } = await ppo({ updates: 3, epochs: 3, minibatches: 1 });
  const updates = metrics.filter((row) => row.first_ratio_max !== undefined);
  expect(updates).toHaveLength(3);
  for (const row of updates) expect(Math.abs(row.first_ratio_max! - 1)).toBeLessThan(1e-4);
  expect(updates.at(-1)!.ratio_max).toBeGreaterThan(1.001);
});

describe('the first update', () => {
  const compositions = [
    { samples_per_prompt: 1, minibatches: 2, episodes: 16 },
    { samples_per_prompt: 4, minibatches: 2, episodes: 16 },
    { samples_per_prompt: 3, minibatches: 1, episodes: 15 },
  ];
  test.each(compositions)('D1, D2, D3: ratio 1 and KL 0 at every temperature, %o', async (composition) => {
    for (const temperature of [0.7, 1.6]) {
      // nothing is learned at rate 0, so that every step of every epoch is a first step
      const {
        id,
        metrics: [first],
      } = await ppo({ ...composition, temperature, learning_rate: 0, epochs: 2, updates: 1 });
      expect(Math.abs(first!.ratio_max! - 1)).toBeLessThan(1e-4);
      expect(first!.clip_fraction).toBe(0);
      expect(first!.approx_kl).toBeLessThan(1e-8);
      expect(Math.abs(first!.kl!)).toBeLessThan(1e-4);
      expect(first!.reward).toBeCloseTo(first!.score!, 4);
      expect(
        modelBytes(project, id).equals(
          fs.readFileSync(path.join(project.folder, 'models', 'base', 'model.safetensors')),
        ),
      ).toBe(true);
    }
  });

  test('D1: ratio 1 in the first epoch, no longer in the second', async () => {
    const {
      metrics: [one],
    } = await ppo({ updates: 1 });
    expect(Math.abs(one!.ratio_max! - 1)).toBeLessThan(1e-4);
    const {
      metrics: [two],
    } = await ppo({ updates: 1, epochs: 2, learning_rate: 5e-3 });
    expect(two!.ratio_max).toBeGreaterThan(1.01);
  });

  test('D3: a temperature left out of the reference would show as KL', async () => {
    const { logprobs, plainLogprobs } = await firstRollout(project, 'reward', { ...QUICK_PPO, temperature: 0.7 });
    expect(Math.abs(mean(logprobs.flat(2)) - mean(plainLogprobs.flat(2)))).toBeGreaterThan(0.05);
  });

  test.each([{ samples_per_prompt: 1 }, { samples_per_prompt: 2 }])(
    'D7, D16: its means are those of the response tokens and end at the end of the text, %o',
    async ({ samples_per_prompt }) => {
      const settings = {
        ...QUICK_PPO,
        episodes: 12,
        samples_per_prompt,
        temperature: 0.9,
        updates: 1,
        missing_end: 'keep',
      };
      const {
        metrics: [first],
      } = await ppo(settings);
      const seen = await firstRollout(project, 'reward', settings);
      const completions = seen.groups.flatMap((group) => group.completions);
      expect(new Set(seen.ended).size).toBe(2); // some end, some do not
      expect(first!.length).toBeCloseTo(mean(completions.map(({ length }) => length)), 6);
      expect(first!.ended).toBeCloseTo(mean(seen.ended.map(Number)), 6);
      expect(first!.score).toBeCloseTo(mean(seen.scores.flat()), 4);
      expect(first!.entropy).toBeCloseTo(await meanEntropy(project, seen, 0.9), 3);
      expect(first!.value_loss).toBeCloseTo(
        firstValueLoss(seen, seen.values, seen.scores, { limit: MAX_NEW, placement: 'after-end' }),
        4,
      );
    },
  );

  test('D19: the critic starts as the reward model', async () => {
    const settings = { ...QUICK_PPO, updates: 1, missing_end: 'keep', reward: 'longer' };
    const {
      metrics: [first],
    } = await ppo(settings);
    const seen = await firstRollout(project, 'longer', settings);
    seen.values.forEach((rows, g) =>
      rows.forEach((row, k) => {
        expect(row).toHaveLength(seen.groups[g]!.completions[k]!.length + 1);
        expect(row.at(-1)).toBeCloseTo(seen.scores[g]![k]!, 4); // V in the slot after the end is the score
      }),
    );
    const zero = seen.values.map((rows) => rows.map((row) => row.map(() => 0)));
    const fromZero = firstValueLoss(seen, zero, seen.scores, { limit: MAX_NEW, placement: 'after-end' });
    expect(first!.value_loss).toBeLessThan(fromZero / 2);
  });

  test('D20: what only concerns the policy leaves the critic alone, and the reverse', async () => {
    const changed = { updates: 1, epochs: 3, learning_rate: 5e-3 };
    const [plain, policy, critic] = [
      await ppo(changed),
      await ppo({ ...changed, clip: 0.01 }),
      await ppo({ ...changed, value_clip: 0.001 }),
    ].map(({ id }) => newestCheckpoint(project, id));
    const differing = (other: Record<string, Float32Array>) =>
      new Set(
        Object.keys(plain!)
          .filter((name) => !Buffer.from(plain![name]!.buffer).equals(Buffer.from(other[name]!.buffer)))
          .map((name) => name.split('/')[0]),
      );
    expect(differing(policy!)).toEqual(new Set(['policy']));
    expect(differing(critic!)).toEqual(new Set(['critic']));
  });
});

describe('D21: completions without an end', () => {
  test('each rule does to the score what it says', async () => {
    const settings = { ...QUICK_PPO, updates: 1, missing_end_penalty: -2 };
    const { scores, ended } = await firstRollout(project, 'reward', settings);
    expect(new Set(ended).size).toBe(2);
    const by: Record<string, (score: number) => number> = {
      keep: (score) => score,
      replace: () => -2,
      subtract: (score) => score - 2,
    };
    for (const [missing_end, rule] of Object.entries(by)) {
      const {
        metrics: [first],
        lines,
      } = await ppo({ ...settings, missing_end });
      expect(first!.score, missing_end).toBeCloseTo(
        mean(scores.flat().map((score, i) => (ended[i] ? score : rule(score)))),
        4,
      );
      expect(lines.join()).not.toContain('No completion ended');
    }
  });

  test.each([
    ['replace', true],
    ['subtract', true],
    ['keep', false],
  ])('a warning when nothing ends and the rule is %s: %s', async (missing_end, warns) => {
    const {
      metrics: [first],
      lines,
      id,
    } = await ppo({ policy: 'endless', updates: 1, missing_end });
    expect(first!.ended).toBe(0);
    expect(first!.score === -1).toBe(missing_end === 'replace');
    expect(lines.some((line) => line.includes('No completion ended'))).toBe(warns);
    const log = runFile(project, id, 'log.txt');
    const logged = fs.existsSync(log) ? fs.readFileSync(log, 'utf8') : '';
    expect(logged.includes('No completion ended')).toBe(warns);
  });
});

describe('settings', () => {
  test('D24: an unknown one, or one out of range, is refused before anything is made', async () => {
    const before = fs.readdirSync(path.join(project.folder, 'runs')).length;
    for (const [given, says] of [
      [{ 'rewards.whiten': true }, 'rewards.whiten'],
      [{ epochs: 0 }, 'epochs'],
      [{ epochs: 1.5 }, 'epochs'],
      [{ schedule: 'cosin' }, 'cosin'],
      [{ minibatches: 20 }, '20 minibatches'],
    ] as const) {
      const error = await errorFrom(() => ppo(given));
      expect(error.code).toBe('bad-argument');
      expect(error.message).toContain(says);
    }
    expect(fs.readdirSync(path.join(project.folder, 'runs'))).toHaveLength(before);
  });

  test('a model that cannot score is refused', async () => {
    const error = await errorFrom(() => ppo({ reward: 'base' }));
    expect(error.code).toBe('bad-model');
    expect(error.message).toContain('no score head');
  });

  test('D25: the learning rate follows its schedule by update and is constant within one', async () => {
    const rates = async (schedule: string, warmup = 0) =>
      (await ppo({ schedule, warmup, updates: 3, episodes: 2, max_new: 2, learning_rate: 1e-3 })).metrics.map(
        ({ learning_rate }) => learning_rate! / 1e-3,
      );
    const expected: Record<string, number[]> = {
      linear: [1, 2 / 3, 1 / 3],
      constant: [1, 1, 1],
      cosine: [1, 3 / 4, 1 / 4],
    };
    for (const [schedule, list] of Object.entries(expected))
      (await rates(schedule)).forEach((rate, u) => expect(rate).toBeCloseTo(list[u]!, 6));
    (await rates('constant', 4)).forEach((rate, u) => expect(rate).toBeCloseTo((u + 1) / 4, 6));
    (await rates('linear', 1)).forEach((rate, u) => expect(rate).toBeCloseTo([1, 1, 1 / 2][u]!, 6));
    // the second epoch's rate, from what Adam did: w2 = w1 - rate · m̂ / (√v̂ + ε)
    const [one, two] = [await ppo({ updates: 1, epochs: 1 }), await ppo({ updates: 1, epochs: 2 })].map(({ id }) =>
      newestCheckpoint(project, id),
    );
    for (const name of ['policy/*/transformer.h.1.mlp.c_fc.weight', 'critic/*/transformer.h.1.mlp.c_fc.weight']) {
      const [w1, w2, m, v] = [one!, two!, two!, two!].map(
        (tensors, i) => tensors[name.replace('*', ['weights', 'weights', 'm', 'v'][i]!)]!,
      );
      const moved = w1!.map((w, i) => w - w2![i]!);
      const by = m!.map((value, i) => value / (1 - 0.9 ** 2) / (Math.sqrt(v![i]! / (1 - 0.999 ** 2)) + 1e-5));
      expect(moved.reduce((sum, x, i) => sum + x * by[i]!, 0) / by.reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(
        1e-3,
        5,
      );
    }
  });

  test('2019: fixed length trains on every token, but the reward model sees the text up to its end', async () => {
    const settings = { ...QUICK_PPO, fixed_length: true, missing_end: 'keep', updates: 2, learning_rate: 5e-3 };
    const {
      metrics: [first, second],
    } = await ppo(settings);
    const seen = await firstRollout(project, 'reward', settings);
    expect(seen.ended).toContain(true);
    expect(first!.length).toBe(MAX_NEW);
    expect(first!.ended).toBeCloseTo(mean(seen.ended.map(Number)), 6);
    expect(first!.score).toBeCloseTo(mean(seen.scores.flat()), 4);
    expect(first!.value_loss).toBeCloseTo(
      firstValueLoss(seen, seen.values, seen.scores, { limit: MAX_NEW, placement: 'at-end' }),
      4,
    );
    expect(second!.length).toBe(MAX_NEW);
  });

  test('2019: β steers towards the target by its formula', async () => {
    const { metrics } = await ppo({
      adaptive_kl_target: 0.05,
      adaptive_kl_horizon: 100,
      updates: 5,
      learning_rate: 5e-3,
      epochs: 2,
      beta: 0.1,
    });
    metrics.slice(1).forEach(({ beta }, i) => {
      const { beta: before, kl } = metrics[i]!;
      expect(beta).toBeCloseTo(before! * (1 + (Math.min(0.2, Math.max(-0.2, kl! / 0.05 - 1)) * 16) / 100), 8);
    });
    expect(metrics[0]!.beta).toBe(0.1);
    expect(metrics[1]!.beta).toBeLessThan(0.1); // KL 0 is below the target
    expect(metrics[4]!.beta).toBeGreaterThan(metrics[3]!.beta!); // and then it is above
  });

  test('prompts that do not fit are left out, with a line in the log', async () => {
    const { lines } = await ppo({ max_new: 90, episodes: 2, updates: 1 });
    expect(lines.join('\n')).toMatch(/\d+ of \d+ prompts do not fit the context of 192 tokens/);
  });
});

test('D30: the same seed gives the same model to the last bit, another seed another', async () => {
  const threads = process.env.TASTEMAKER_THREADS!;
  process.env.TASTEMAKER_THREADS = '2'; // with several threads too
  const [one, again, other] = [await ppo({}), await ppo({}), await ppo({ seed: 4 })].map(({ id }) =>
    modelBytes(project, id),
  );
  process.env.TASTEMAKER_THREADS = threads;
  expect(again!.equals(one!)).toBe(true);
  expect(other!.equals(one!)).toBe(false);
});

test.each([
  ['longer', 1],
  ['shorter', -1],
])('D31: a reward model that likes answers %s is followed', async (reward, sign) => {
  const { metrics } = await ppo({
    reward,
    updates: 4,
    episodes: 48,
    samples_per_prompt: 2,
    epochs: 4,
    learning_rate: 1e-2,
    missing_end: 'keep',
  });
  const lengths = metrics.map(({ length }) => length!);
  const scores = metrics.map(({ score }) => score!);
  expect(sign * (lengths.at(-1)! - lengths[0]!)).toBeGreaterThan(1.2);
  expect(scores.at(-1)).toBeGreaterThan(scores[0]!);
  expect(metrics.at(-1)!.kl).toBeGreaterThan(0.1); // and KL has the right sign
});
