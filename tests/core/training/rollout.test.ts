// Rewards, advantages, returns and whitening: golden vectors of the published implementations, and the rules for any
// numbers.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { episodeRewards, scoreSlot, whiten } from '#core/training/episode-rewards.ts';
import { ESTIMATORS, generalisedAdvantages } from '#core/training/estimators.ts';
import type { Episode } from '#core/training/episode-rewards.ts';
import { adaptBeta } from '#core/training/kl-controller.ts';
import { criticArrays, policyArrays, prepareRollout } from '#core/training/rollout.ts';
import type { RolloutGroup, RolloutSettings } from '#core/training/rollout.ts';
import { expectClose } from './graph-values.ts';

const TIGHT = { relative: 0, absolute: 1.5e-6 }; // the golden vectors are printed to six places
const rounding = { relative: 1e-9, absolute: 1e-9 };

// two rows of four tokens; the first one ends at its second token
const LP = [
  [-1, -0.5, -2, -3],
  [-0.7, -1.2, -0.3, -0.9],
];
const REF = [
  [-1.4, -0.6, -1, -1],
  [-0.9, -1, -0.8, -1.5],
];
const V = [
  [0.2, 0.3, 0.9, 0.1],
  [0, -0.1, 0.2, 0.3],
];
const SCORES = [1, -1];
/** The rows cut to the given lengths, as one group each. */
const golden = (lengths: readonly number[]): RolloutGroup[] =>
  lengths.map((n, i) => ({
    prompt: [5],
    completions: [Array.from({ length: n }, (_, t) => 10 + t)],
    episodes: [
      {
        logprobs: LP[i]!.slice(0, n),
        referenceLogprobs: REF[i]!.slice(0, n),
        values: [...V[i]!, 7].slice(0, n + 1),
        score: SCORES[i]!,
      },
    ],
  }));
const SETTINGS: RolloutSettings = {
  beta: 0.05,
  gamma: 1,
  lambda: 0.95,
  limit: 4,
  placement: 'after-end',
  estimator: ESTIMATORS.gae,
  whitenRewards: false,
  whitenAdvantages: false,
  unbiased: false,
};
const prepared = (lengths: readonly number[], changes: Partial<RolloutSettings> = {}) =>
  prepareRollout(golden(lengths), { ...SETTINGS, ...changes });

describe('golden vectors (algorithms §7)', () => {
  test('2019: fixed length, the score on the last token (D18)', () => {
    const [first, second] = prepared([4, 4], { placement: 'at-end' });
    expectClose(first!.rewards[0]!, [-0.02, -0.005, 0.05, 1.1], 'rewards 0', TIGHT);
    expectClose(second!.rewards[0]!, [-0.01, 0.01, -0.025, -1.03], 'rewards 1', TIGHT);
    expectClose(first!.advantages[0]!, [0.82575, 0.785, 0.2, 1], 'A 0', TIGHT);
    expectClose(second!.advantages[0]!, [-0.888121, -0.819075, -1.1885, -1.33], 'A 1', TIGHT);
    expectClose(first!.returns[0]!, [1.02575, 1.085, 1.1, 1.1], 'R 0', TIGHT);
    expectClose(
      prepared([4, 4], { placement: 'at-end', whitenAdvantages: true })[0]!.advantages[0]!,
      [1.093222, 1.04879, 0.410925, 1.283219],
      'whitened 0',
      TIGHT,
    );
  });

  test('N+: tokens after the end are gone, the score in the slot after it (D16, D18)', () => {
    const [first, second] = prepared([2, 4]);
    expectClose(first!.rewards[0]!, [-0.02, -0.005, 1], 'rewards 0', TIGHT);
    expectClose(second!.rewards[0]!, [-0.01, 0.01, -0.025, -1.03], 'rewards 1: no room, so on the last token', TIGHT);
    const before = generalisedAdvantages(first!.rewards[0]!, V[0]!.slice(0, 3), { gamma: 1, lambda: 0.95 });
    expectClose(before.advantages, [0.7355, 0.69, 0.1], 'A 0 with its last slot', TIGHT);
    expectClose(first!.advantages[0]!, [0.7355, 0.69], 'A 0', TIGHT);
    const white = prepared([2, 4], { whitenAdvantages: true });
    expectClose(
      white.flatMap((group) => group.advantages[0]!),
      [1.411703, 1.358274, -0.494862, -0.413783, -0.847587, -1.013745],
      'whitened',
      TIGHT,
    );
    const trl = prepared([2, 4], { whitenAdvantages: true, unbiased: true });
    expectClose(trl[0]!.advantages[0]!, [1.288703, 1.239929], 'TRL: unbiased variance', TIGHT);
    expectClose(
      prepared([2, 4], { placement: 'at-end' })[0]!.advantages[0]!,
      [0.74025, 0.695],
      'score on the end itself',
      TIGHT,
    );
    const kl = golden([2, 4]).map(({ episodes: [e] }) =>
      e!.logprobs.reduce((sum, lp, t) => sum + lp - e!.referenceLogprobs[t]!, 0),
    );
    expectClose(kl, [0.5, 1.1], 'KL sums', TIGHT);
  });

  test('adaptive β: target 6, 512 episodes, horizon 10,000', () => {
    for (const [kl, factor] of [
      [3, 0.98976],
      [7, 1.008533],
      [60, 1.01024],
      [6, 1],
      [0, 0.98976],
    ] as const)
      expect(adaptBeta(0.15, kl, 6, 512, 10_000)).toBeCloseTo(0.15 * factor, 6);
  });
});

const real = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const episodes = fc.integer({ min: 1, max: 8 }).chain((n) =>
  fc.record<Episode>({
    logprobs: fc.array(real(-9, 0), { minLength: n, maxLength: n }),
    referenceLogprobs: fc.array(real(-9, 0), { minLength: n, maxLength: n }),
    values: fc.array(real(-3, 3), { minLength: n + 1, maxLength: n + 1 }),
    score: real(-5, 5),
  }),
);
const placements = fc.constantFrom('after-end' as const, 'at-end' as const);

describe.each(Object.entries(ESTIMATORS))('the estimator %s', (_, { critic, estimate }) => {
  test('gives every slot of every completion an advantage and a return', () => {
    const rewards = [[1, 2, 3], [4], [5, 6]];
    const values = critic
      ? [
          [0, 1, 2, 3],
          [4, 5],
          [6, 7, 8],
        ]
      : [];
    const found = estimate({ rewards, values }, { gamma: 0.9, lambda: 0.8 });
    for (const part of ['advantages', 'returns'] as const) {
      expect(found.map((one) => one[part].length)).toEqual([3, 1, 2]);
      expect(found.flatMap((one) => one[part]).every(Number.isFinite)).toBe(true);
    }
  });
});

test('GAE estimates each completion by itself', () => {
  const rewards = [[1, 2, 3], [4]];
  const values = [
    [0, 1, 2, 3],
    [4, 5],
  ];
  const by = { gamma: 0.9, lambda: 0.8 };
  expect(ESTIMATORS.gae.estimate({ rewards, values }, by)).toEqual(
    rewards.map((row, k) => generalisedAdvantages(row, values[k]!, by)),
  );
});

describe('rules', () => {
  test('D17: the score is added exactly once: Σ rewards + β·ΣKL = score', () => {
    fc.assert(
      fc.property(
        episodes,
        real(0, 1),
        fc.integer({ min: 0, max: 3 }),
        placements,
        (episode, beta, room, placement) => {
          const rewards = episodeRewards(episode, beta, episode.logprobs.length + room, placement);
          const kl = episode.logprobs.reduce((sum, lp, t) => sum + lp - episode.referenceLogprobs[t]!, 0);
          expect(rewards.reduce((a, b) => a + b, 0) + beta * kl).toBeCloseTo(episode.score, 9);
        },
      ),
    );
  });

  test('D18: the score’s slot is the one after the end while there is room, else the last token', () => {
    expect(
      [
        [3, 5],
        [4, 5],
        [5, 5],
      ].map(([tokens, limit]) => scoreSlot(tokens!, limit!, 'after-end')),
    ).toEqual([3, 4, 4]);
    expect(
      [
        [3, 5],
        [5, 5],
      ].map(([tokens, limit]) => scoreSlot(tokens!, limit!, 'at-end')),
    ).toEqual([2, 4]);
  });

  test('D18: moving the score one slot changes the advantage at the end by (1 - λ)(V - s), and λ times less at each token before', () => {
    fc.assert(
      fc.property(episodes, real(0, 1), (episode, lambda) => {
        const n = episode.logprobs.length;
        const limit = n + 1;
        const of = (placement: 'after-end' | 'at-end') =>
          generalisedAdvantages(episodeRewards(episode, 0.05, limit, placement), episode.values, {
            gamma: 1,
            lambda: lambda,
          }).advantages;
        const after = of('after-end');
        const at = of('at-end');
        for (let t = 0; t < n; t++)
          expect(after[t]! - at[t]!).toBeCloseTo(
            (1 - lambda) * (episode.values[n]! - episode.score) * lambda ** (n - 1 - t),
            8,
          );
      }),
    );
  });

  test('advantages equal the naive double sum Σ (γλ)^l δ, and returns are advantages plus values', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(real(-5, 5), real(-5, 5)), { minLength: 1, maxLength: 12 }),
        real(0, 1),
        real(0, 1),
        (slots, gamma, lambda) => {
          const rewards = slots.map(([r]) => r);
          const values = slots.map(([, v]) => v);
          const T = slots.length;
          const delta = rewards.map((r, t) => r + gamma * (t + 1 < T ? values[t + 1]! : 0) - values[t]!);
          const naive = delta.map((_, t) => delta.slice(t).reduce((sum, d, l) => sum + (gamma * lambda) ** l * d, 0));
          const found = generalisedAdvantages(rewards, values, { gamma: gamma, lambda: lambda });
          expectClose(found.advantages, naive, 'A', rounding);
          expectClose(
            found.returns,
            naive.map((a, t) => a + values[t]!),
            'R',
            rounding,
          );
        },
      ),
    );
  });

  test('λ = 1 makes returns the discounted sum of what follows', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(real(-5, 5), real(-5, 5)), { minLength: 1, maxLength: 12 }),
        real(0, 1),
        (slots, gamma) => {
          const rewards = slots.map(([r]) => r);
          const found = generalisedAdvantages(
            rewards,
            slots.map(([, v]) => v),
            { gamma, lambda: 1 },
          );
          expectClose(
            found.returns,
            rewards.map((_, t) => rewards.slice(t).reduce((sum, r, l) => sum + gamma ** l * r, 0)),
            'R',
            rounding,
          );
        },
      ),
    );
  });

  const spreadOut = fc
    .array(real(-5, 5), { minLength: 3, maxLength: 30 })
    .filter((list) => Math.max(...list) - Math.min(...list) > 0.5);
  const moments = (list: readonly number[], less = 0) => {
    const mean = list.reduce((a, b) => a + b, 0) / list.length;
    return { mean, variance: list.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (list.length - less) };
  };
  test('D22: whitening gives mean 0 and variance 1, biased or not as told; keeping the mean keeps it', () => {
    fc.assert(
      fc.property(spreadOut, fc.boolean(), (list, unbiased) => {
        const white = moments(whiten(list, { unbiased }), unbiased ? 1 : 0);
        const kept = moments(whiten(list, { unbiased, keepMean: true }), unbiased ? 1 : 0);
        expect(white.mean).toBeCloseTo(0, 6);
        expect(white.variance).toBeCloseTo(1, 5);
        expect(kept.mean).toBeCloseTo(moments(list).mean, 6);
        expect(kept.variance).toBeCloseTo(1, 5);
      }),
    );
    expect(whiten([2, 2, 2]), 'equal numbers stay finite').toEqual([0, 0, 0]);
  });

  test('D22, D23: whitening is over the response tokens of the whole batch; returns do not know of it', () => {
    const plain = prepared([2, 4]);
    const white = prepared([2, 4], { whitenAdvantages: true });
    const { mean, variance } = moments(white.flatMap((group) => group.advantages.flat()));
    expect(mean).toBeCloseTo(0, 9);
    expect(variance).toBeCloseTo(1, 6);
    expect(white.map(({ returns }) => returns)).toEqual(plain.map(({ returns }) => returns));
    plain.forEach(({ advantages: rows, returns, episodes: [episode] }) =>
      expectClose(
        rows[0]!.map((a, t) => a + episode!.values[t]!),
        returns[0]!.slice(0, rows[0]!.length),
        'R = A + V',
        rounding,
      ),
    );
    const rewards = prepared([2, 4], { whitenRewards: true });
    expect(moments(rewards.flatMap((group) => group.rewards.flat())).mean).toBeCloseTo(
      moments(plain.flatMap((group) => group.rewards.flat())).mean,
      6,
    );
    expect(moments(rewards.flatMap((group) => group.rewards.flat())).variance).toBeCloseTo(1, 5);
  });

  test('D16: the arrays fed to the updates mark exactly the response tokens, and for the critic the slot that holds the score', () => {
    const groups = prepared([2, 4]);
    const tokens = policyArrays([groups]);
    const slots = criticArrays([groups]);
    const marked = ({ shape, arrays }: { shape: { Q: number }; arrays: Record<string, unknown> }, name: string) =>
      [0, 1].map((row) => {
        const part = (of: string) => Array.from((arrays[of] as Float32Array).slice(row * shape.Q, (row + 1) * shape.Q));
        return part(name).filter((_, i) => part('mask')[i]);
      });
    expectClose(
      marked(tokens, 'advantages').flat(),
      groups.flatMap((group) => group.advantages.flat()),
      'advantages',
    );
    expectClose(marked(tokens, 'old').flat(), [-1, -0.5, ...LP[1]!], 'old log-probabilities');
    expect(marked(tokens, 'targets')).toEqual([
      [10, 11],
      [10, 11, 12, 13],
    ]);
    expectClose(
      marked(slots, 'returns').flat(),
      groups.flatMap((group) => group.returns.flat()),
      'returns',
    );
    expectClose(
      marked(slots, 'old').flat(),
      [0.2, 0.3, 0.9, ...V[1]!],
      'old values: three slots for two tokens, four for four',
    );
  });
});
