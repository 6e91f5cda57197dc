// Held-out numbers: means and standard errors against simulation, and the weights that are chosen by them.

import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { clusteredMean } from '#core/evaluation/clustered-mean.ts';
import { describeHeldOut, heldOutStreams, samplesAPrompt } from '#core/recipes/parts/held-out.ts';
import { createRandom } from '#core/random.ts';

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const deviation = (values: readonly number[]) => Math.sqrt(mean(values.map((x) => (x - mean(values)) ** 2)));

describe('the standard error with prompts as clusters', () => {
  test('is the spread of the mean over repeated draws, where samples of one prompt are alike', () => {
    const G = 60;
    const each = 4;
    const draws = Array.from({ length: 400 }, (_, seed) => {
      const random = createRandom(seed, 'clusters');
      const values: { cluster: number; value: number; weight: number }[] = [];
      for (let g = 0; g < G; g++) {
        const own = random.normal();
        for (let j = 0; j < each; j++) {
          values.push({ cluster: g, value: own + 0.3 * random.normal(), weight: 1 });
        }
      }
      return clusteredMean(values);
    });
    const truth = deviation(draws.map((draw) => draw.mean));
    const told = mean(draws.map(({ standardError }) => standardError!));
    expect(told / truth).toBeGreaterThan(0.9);
    expect(told / truth).toBeLessThan(1.1);
    // samples taken for independent ones would tell half of it
    expect(Math.sqrt((1 + 0.3 ** 2) / (G * each))).toBeLessThan(0.6 * truth);
  });

  test('with one sample a prompt it is the usual one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 2, maxLength: 50 }),
        (values) => {
          const center = mean(values);
          const usual = Math.sqrt(
            values.reduce((sum, x) => sum + (x - center) ** 2, 0) / (values.length - 1) / values.length,
          );
          expect(
            clusteredMean(values.map((value, cluster) => ({ cluster, value, weight: 1 }))).standardError,
          ).toBeCloseTo(usual, 8);
        },
      ),
    );
  });
});

describe('what is reported', () => {
  const samples = [
    { promptId: 1, tokenIds: [5, 6, 7, 0], finish: 'stop' as const, kl: 2, score: 1, gold: 3 },
    { promptId: 1, tokenIds: [5, 6, 7, 5], finish: 'length' as const, kl: 4, score: 3 },
    { promptId: 2, tokenIds: [5, 6, 7], finish: 'stop' as const, kl: 0, score: 2, gold: 5 },
  ];
  test('means, and the value that best weights are chosen by', () => {
    const row = describeHeldOut(samples, { beta: 0, price: 0.5 });
    expect(row).toMatchObject({
      held_out_n: 3,
      held_out_kl: 2,
      held_out_score: 2,
      held_out_reward: 2,
      held_out_value: 1,
      gold: 4,
    });
    expect(row.held_out_length).toBeCloseTo(11 / 3, 12);
    expect(row.held_out_ended).toBeCloseTo(2 / 3, 12);
    expect(row.held_out_distinct).toBeCloseTo(3 / 5, 12);
    expect(row.held_out_repetition).toBe(0);
    expect(describeHeldOut(samples, { beta: 0.1, price: 0.1 }).held_out_reward).toBeCloseTo(1.8, 12);
  });

  test('without a score there is no value, and one prompt has no standard error', () => {
    const row = describeHeldOut(
      samples.slice(0, 1).map(({ score: _, ...rest }) => rest),
      { beta: 0, price: 0 },
    );
    expect(Object.keys(row)).not.toContain('held_out_value');
    expect(Object.keys(row)).not.toContain('gold_se');
  });

  test('a policy that is paid for nonsense is not the best, though training pays nothing for KL', () => {
    const at = (score: number, kl: number) =>
      describeHeldOut([{ promptId: 1, tokenIds: [1], finish: 'stop', kl, score }], { beta: 0, price: 0.05 })
        .held_out_value!;
    expect(at(1.4, 5)).toBeGreaterThan(at(2, 60));
  });
});

test('enough samples, and the shown one is always the same', () => {
  for (const prompts of [1, 6, 16, 63, 64, 65, 160])
    expect(prompts * samplesAPrompt(prompts)).toBeGreaterThanOrEqual(64);
  expect(samplesAPrompt(64)).toBe(1);
  expect(heldOutStreams('evaluate', 7, 3)).toEqual(['evaluate/7', 'evaluate/7/1', 'evaluate/7/2']);
});
