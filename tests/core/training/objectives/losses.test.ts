// Preference and PPO losses against PyTorch's numbers, and the rules they must obey for any numbers.

import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, reshape } from '#core/autodiff/ops/movement.ts';
import { pairWeights } from '#core/training/objectives/pair-losses.ts';
import { POLICY_LOSSES } from '#core/training/objectives/policy-losses.ts';
import { rankingLoss } from '#core/training/objectives/ranking-losses.ts';
import { SEQUENCE_LOSSES } from '#core/training/objectives/sequence-losses.ts';
import { VALUE_LOSSES } from '#core/training/objectives/value-losses.ts';
import { createRandom } from '#core/random.ts';
import { NUMBERS, readJson } from '#tests/core/models/reference-numbers.ts';
import { expectClose, valuesOf } from '#tests/core/training/graph-values.ts';
import type { Given } from '#tests/core/training/graph-values.ts';

const vector = (data: readonly number[]): Given => ({ shape: [data.length], data });
const ones = (n: number): Given => vector(new Array<number>(n).fill(1));

interface Case {
  inputs: Record<string, number[]> & { best?: number };
  loss: number;
  grad: Record<string, number[]>;
}
type Found = Awaited<ReturnType<typeof valuesOf>>;

const ranked = (inputs: Case['inputs']): Promise<Found> => {
  const K = inputs.r!.length;
  return valuesOf(
    { r: vector(inputs.r!), pairs: { shape: [1, K, K], data: Array.from(pairWeights(inputs.ranks!)) } },
    ({ r, pairs }) => rankingLoss(reshape(r!, [1, K]), pairs!),
    ['r'],
  );
};
/** How each case of the file is computed with what we have. */
const ours: Record<string, (inputs: Case['inputs']) => Promise<Found>> = {
  bradley_terry: ({ c, r }) => {
    const B = c!.length;
    return valuesOf(
      {
        c: vector(c!),
        r: vector(r!),
        pairs: { shape: [B, 2, 2], data: c!.flatMap(() => Array.from(pairWeights([1, 2]))) },
      },
      (t) => rankingLoss(concat([reshape(t.c!, [B, 1]), reshape(t.r!, [B, 1])], 1), t.pairs!),
      ['c', 'r'],
    );
  },
  ranking_pairs: ranked,
  ranking_pairs_ties: ranked,
  ppo_policy: ({ new: now, old, adv }) =>
    valuesOf(
      {
        new: vector(now!),
        old: vector(old!),
        advantages: vector(adv!),
        mask: ones(now!.length),
        weights: ones(now!.length),
      },
      (t) =>
        POLICY_LOSSES.clipped.loss(
          { now: t.new!, old: t.old!, advantages: t.advantages!, mask: t.mask!, weights: t.weights! },
          0.2,
        ),
      ['new'],
    ),
  ppo_value: ({ v, vold, ret }) =>
    valuesOf(
      { v: vector(v!), vold: vector(vold!), ret: vector(ret!), mask: ones(v!.length), weights: ones(v!.length) },
      (t) =>
        VALUE_LOSSES.clipped.loss(
          { now: t.v!, old: t.vold!, returns: t.ret!, mask: t.mask!, weights: t.weights! },
          0.2,
        ),
      ['v'],
    ),
};

describe.each(NUMBERS)('PyTorch’s losses and gradients: $title', ({ folder, absent }) => {
  test.skipIf(absent).each(Object.keys(ours))('%s', async (name) => {
    const { cases } = readJson<{ cases: Record<string, Case> }>(path.join(folder, 'algorithms/losses.json'));
    const { inputs, loss, grad } = cases[name]!;
    const found = await ours[name]!(inputs);
    expectClose([found.loss], [loss], 'loss');
    expect(Object.keys(found.gradient).length).toBeGreaterThan(0);
    for (const [input, slope] of Object.entries(found.gradient))
      expectClose(slope, grad[input]!, `gradient by ${input}`);
  });
});

describe('preference losses', () => {
  const r = [0.2, 1.1, -0.4, 0.6];
  const ranks = [3, 1, 4, 2];

  test('golden: ranking 1>3>0>2 .380068', async () => {
    expectClose([(await ranked({ r, ranks })).loss], [0.380068], 'ranking', { relative: 0, absolute: 1e-6 });
  });

  test('D13: equal scores cost ln 2, and swapping chosen and rejected negates the gap: the losses differ by it', async () => {
    const tied = await ours.bradley_terry!({ c: [0.7, -3], r: [0.7, -3] });
    expectClose([tied.loss], [Math.LN2], 'tied');
    for (const gap of [0.1, 2.5, -40]) {
      const right = await ours.bradley_terry!({ c: [gap], r: [0] });
      const swapped = await ours.bradley_terry!({ c: [0], r: [gap] });
      expectClose([swapped.loss - right.loss], [gap], `gap ${gap}`);
      expectClose(
        swapped.gradient.c!.concat(right.gradient.c!),
        swapped.gradient.r!.concat(right.gradient.r!).map((x) => -x),
        'gradients are opposite',
      );
    }
  });

  test('D14: K ranks make C(K,2) pairs less the ties, of total weight 1, each from the better to the worse', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 7 }), (list) => {
        const K = list.length;
        const weights = pairWeights(list);
        const ties = list.reduce((count, a, i) => count + list.slice(i + 1).filter((b) => b === a).length, 0);
        const pairs = (K * (K - 1)) / 2 - ties;
        const positive = Array.from(weights.entries()).filter(([, weight]) => weight > 0);
        expect(positive).toHaveLength(pairs);
        for (const [at] of positive) expect(list[Math.floor(at / K)]!).toBeLessThan(list[at % K]!);
        expect(positive.reduce((sum, [, weight]) => sum + weight, 0)).toBeCloseTo(pairs ? 1 : 0, 5);
      }),
    );
  });

  test('D14: prompts of different K weigh the same in one batch, and one without pairs weighs nothing', async () => {
    const scores = [0.2, 1.1, -0.4, 0.3, -0.2, 9, 5, 5, 5];
    const pad = (ranks: number[]) => {
      const small = pairWeights(ranks);
      const n = ranks.length;
      return Array.from({ length: 9 }, (_, at) =>
        Math.floor(at / 3) < n && at % 3 < n ? small[Math.floor(at / 3) * n + (at % 3)]! : 0,
      );
    };
    const together = await valuesOf(
      {
        r: { shape: [3, 3], data: scores },
        pairs: {
          shape: [3, 3, 3],
          data: [
            [2, 1, 3],
            [1, 2],
            [1, 1, 1],
          ].flatMap(pad),
        },
      },
      (t) => {
        const { loss, accuracy } = rankingLoss(t.r!, t.pairs!);
        return { loss, report: { accuracy } };
      },
      ['r'],
    );
    const first = await ranked({ r: scores.slice(0, 3), ranks: [2, 1, 3] });
    const second = await ranked({ r: scores.slice(3, 5), ranks: [1, 2] });
    expectClose([together.loss], [(first.loss + second.loss) / 2], 'mean of the two prompts');
    expectClose(
      together.gradient.r!,
      [...first.gradient.r!.map((x) => x / 2), ...second.gradient.r!.map((x) => x / 2), 0, 0, 0, 0],
      'gradient',
    );
    expectClose([together.report.accuracy!], [1], 'accuracy');
  });

  test('accuracy is the share of pair weight in the right order; a gap of 0 is not right', async () => {
    const accuracy = async (scores: number[], order: number[]) =>
      (
        await valuesOf(
          { r: { shape: [1, 3], data: scores }, pairs: { shape: [1, 3, 3], data: Array.from(pairWeights(order)) } },
          (t) => {
            const found = rankingLoss(t.r!, t.pairs!);
            return { loss: found.loss, report: { accuracy: found.accuracy } };
          },
        )
      ).report.accuracy!;
    expect(await accuracy([3, 2, 1], [1, 2, 3])).toBeCloseTo(1, 5);
    expect(await accuracy([2, 3, 1], [1, 2, 3])).toBeCloseTo(2 / 3, 5);
    expect(await accuracy([1, 1, 1], [1, 2, 3])).toBe(0);
  });

  test('very large gaps stay finite', async () => {
    const far = await ours.bradley_terry!({ c: [200, -200], r: [-200, 200] });
    expectClose([far.loss], [200], 'loss');
    expectClose(far.gradient.c!, [0, -0.5], 'gradient');
  });
});

describe('PPO losses', () => {
  const random = createRandom(3, 'ppo');
  const N = 12;
  const draw = () => vector(Array.from({ length: N }, () => random.normal()));
  const given = {
    now: draw(),
    old: draw(),
    advantages: draw(),
    mask: vector(Array.from({ length: N }, (_, i) => (i % 3 === 2 ? 0 : 1))),
    weights: ones(N),
  };
  /** the masked slots filled with something else */
  const spoilt = (inputs: Record<string, Given>, filler: number) =>
    Object.fromEntries(
      Object.entries(inputs).map(([name, { shape, data }], n) => [
        name,
        {
          shape,
          data:
            name === 'mask' || name === 'weights'
              ? data
              : data.map((x, i) => (given.mask.data[i] ? x : filler * (n % 2 ? -1 : 1))),
        },
      ]),
    );
  const policy = (inputs: Record<string, Given>) =>
    valuesOf(
      inputs,
      (t) =>
        POLICY_LOSSES.clipped.loss(
          { now: t.now!, old: t.old!, advantages: t.advantages!, mask: t.mask!, weights: t.weights! },
          0.2,
        ),
      ['now'],
    );
  const value = (inputs: Record<string, Given>) =>
    valuesOf(
      inputs,
      (t) =>
        VALUE_LOSSES.clipped.loss(
          { now: t.now!, old: t.old!, returns: t.advantages!, mask: t.mask!, weights: t.weights! },
          0.2,
        ),
      ['now'],
    );

  test.each([
    ['policy', policy],
    ['value', value],
  ] as const)('D16: %s loss, gradient and every reported number ignore what is masked', async (_, run) => {
    const wanted = await run(given);
    for (const filler of [5, 80]) expect(await run(spoilt(given, filler))).toEqual(wanted);
    const masked = wanted.gradient.now!.filter((_, i) => !given.mask.data[i]);
    expect(masked.length).toBeGreaterThan(0);
    for (const gradient of masked) expect(gradient).toBeCloseTo(0, 12);
    expect(wanted.gradient.now!.some((x) => Math.abs(x) > 1e-3)).toBe(true);
  });

  test('policy reports: approx_kl, clipped share and largest ratio of the kept tokens', async () => {
    const { report } = await policy(given);
    const kept = given.now.data.map((x, i) => x - given.old.data[i]!).filter((_, i) => given.mask.data[i]);
    const ratios = kept.map(Math.exp);
    expectClose(
      [report.approx_kl!, report.clip_fraction!, report.ratio_max!],
      [
        kept.reduce((sum, x) => sum + (x * x) / 2, 0) / kept.length,
        ratios.filter((x) => Math.abs(x - 1) > 0.2).length / kept.length,
        Math.max(...ratios),
      ],
      'report',
    );
    const falling = await policy({ ...given, now: vector(given.old.data.map((x) => x - 1)) });
    expectClose([falling.report.ratio_max!], [Math.exp(-1)], 'largest ratio when all fell');
  });

  test('D1: where nothing has changed the ratio is 1, the loss minus the mean advantage, and nothing is clipped', async () => {
    const { loss, report } = await policy({ ...given, now: given.old });
    const kept = given.advantages.data.filter((_, i) => given.mask.data[i]);
    expectClose(
      [loss, report.approx_kl!, report.clip_fraction!, report.ratio_max!],
      [-kept.reduce((a, b) => a + b, 0) / kept.length, 0, 0, 1],
      'at the start',
    );
  });

  test('a token pushed past the clip in its advantage’s direction has no gradient, one on the wrong side has', async () => {
    const one = (change: number, advantage: number) =>
      policy({
        now: vector([change]),
        old: vector([0]),
        advantages: vector([advantage]),
        mask: ones(1),
        weights: ones(1),
      });
    expect((await one(0.5, 1)).gradient.now![0]).toBe(0);
    expect((await one(-0.5, -1)).gradient.now![0]).toBe(0);
    expectClose((await one(-0.5, 1)).gradient.now!, [-Math.exp(-0.5)], 'too low, wanted higher');
    expectClose((await one(0.5, -1)).gradient.now!, [Math.exp(0.5)], 'too high, wanted lower');
  });

  test.each([
    ['policy', policy],
    ['value', value],
  ] as const)('%s: weights count a token more or less, and the loss divides by how many there are', async (_, run) => {
    const whole = await run(given);
    const double = await run({ ...given, weights: vector(given.weights.data.map((x) => 2 * x)) });
    expectClose([double.loss], [2 * whole.loss], 'twice the weight');
    const first = given.weights.data.map((_w, i) => (i === 0 ? 1 : 0));
    const others = first.map((x) => 1 - x);
    const parts = [await run({ ...given, weights: vector(first) }), await run({ ...given, weights: vector(others) })];
    expectClose([parts[0]!.loss + parts[1]!.loss], [whole.loss], 'two parts');
  });
});

describe('likelihood', () => {
  const logprobs = [-0.5, -2, -1, -9];
  const of = (mask: number[], weights: number[]) =>
    valuesOf(
      { logprobs: vector(logprobs), mask: vector(mask), weights: vector(weights) },
      (t) => SEQUENCE_LOSSES.likelihood.loss(t.logprobs!, t.mask!, t.weights!),
      ['logprobs'],
    );

  test('is the weighted mean of -ln p over what is learnt', async () => {
    const found = await of([1, 1, 1, 0], [1, 0.5, 0, 7]);
    expectClose([found.loss], [(0.5 + 0.5 * 2) / 1.5], 'loss');
    expectClose(found.gradient.logprobs!, [-1 / 1.5, -0.5 / 1.5, 0, 0], 'gradient');
  });
});
