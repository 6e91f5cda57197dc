// AdamW as a graph against its formulas in float64, clipping against torch's rule, schedules at their ends, and the
// trainer's refusals.

import { describe, expect, test } from 'vitest';
import { add, mul, scale } from '#core/autodiff/ops/elementwise.ts';
import { sumAll } from '#core/autodiff/ops/reduction.ts';
import type { Parameter } from '#core/models/architecture.ts';
import { createRandom } from '#core/random.ts';
import { adamFeed } from '#core/training/adamw.ts';
import type { AdamSettings } from '#core/training/adamw.ts';
import { scheduleFactor } from '#core/training/schedule.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import type { LossBuild } from '#core/training/trainer.ts';
import { expectClose, ONE } from './graph-values.ts';

const SETTINGS: AdamSettings = {
  betas: [0.9, 0.999],
  epsilon: 1e-5,
  epsilonStyle: 'torch',
  weightDecay: 0,
  clipNorm: null,
};
const PARAMETERS: Parameter[] = [
  { name: 'matrix', shape: [2, 3], start: 'normal', decay: true },
  { name: 'gain', shape: [3], start: 'one', decay: false },
];
const start = () => ({ matrix: Float32Array.of(0.5, -1, 2, 0.1, 0, -0.3), gain: Float32Array.of(1, 0.9, -1.1) });

// L = Σ c x + ½ Σ x²  so that the gradient c + x is known here too; c is fed and differs each step
const FEEDS = { matrix: { dtype: 'float32', shape: [2, 3] }, gain: { dtype: 'float32', shape: [3] } } as const;
const quadratic = ({ weights, feeds }: LossBuild) => ({
  loss: PARAMETERS.map(({ name }) =>
    sumAll(add(mul(feeds[name]!, weights[name]!), scale(mul(weights[name]!, weights[name]!), 0.5))),
  ).reduce(add),
  report: {},
});
const pull = (t: number, size: number, much = 1) => {
  const random = createRandom(t, 'pull');
  return Float32Array.from({ length: size }, () => much * random.normal());
};

/** The same steps in float64, by the formulas as torch and TensorFlow print them. */
function byFormula(
  settings: AdamSettings,
  rates: readonly number[],
  much: number,
): { weights: number[]; norms: number[] } {
  const {
    betas: [beta1, beta2],
    epsilon,
    epsilonStyle,
    weightDecay,
    clipNorm,
  } = settings;
  const w = [...start().matrix, ...start().gain];
  const m = w.map(() => 0);
  const v = w.map(() => 0);
  const norms: number[] = [];
  rates.forEach((rate, i) => {
    const t = i + 1;
    const c = [...pull(t, 6, much), ...pull(t + 100, 3, much)];
    let g = w.map((x, n) => c[n]! + x);
    const norm = Math.sqrt(g.reduce((sum, x) => sum + x * x, 0));
    norms.push(norm);
    // torch.nn.utils.clip_grad_norm_
    if (clipNorm !== null) g = g.map((x) => x * Math.min(1, clipNorm / (norm + 1e-6)));
    g.forEach((slope, n) => {
      if (n < 6) w[n]! *= 1 - rate * weightDecay;
      m[n] = beta1 * m[n]! + (1 - beta1) * slope;
      v[n] = beta2 * v[n]! + (1 - beta2) * slope * slope;
      if (epsilonStyle === 'torch')
        w[n]! -= (rate * (m[n]! / (1 - beta1 ** t))) / (Math.sqrt(v[n]! / (1 - beta2 ** t)) + epsilon);
      else w[n]! -= (((rate * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t)) * m[n]!) / (Math.sqrt(v[n]!) + epsilon);
    });
  });
  return { weights: w, norms };
}
async function byGraph(settings: AdamSettings, rates: readonly number[], much: number) {
  const trainer = createTrainer(PARAMETERS, freshState(start()), quadratic, settings, ONE);
  const stack = (size: number, offset: number) =>
    Float32Array.from(rates.flatMap((_, i) => Array.from(pull(i + 1 + offset, size, much))));
  const report = await trainer.steps('all', FEEDS, { matrix: stack(6, 0), gain: stack(3, 100) }, rates);
  const { weights, step } = trainer.state();
  await trainer.release();
  expect(step).toBe(rates.length);
  return { weights: [...weights.matrix!, ...weights.gain!], norms: report.grad_norm! };
}

describe('AdamW', () => {
  const rates = [0.1, 0.1, 0.05, 0.05, 0.01];
  test.each([
    ['torch', SETTINGS, 1],
    ['torch, an epsilon that matters', { ...SETTINGS, epsilon: 0.1 }, 1],
    ['TensorFlow (D26)', { ...SETTINGS, epsilon: 0.1, epsilonStyle: 'tensorflow' }, 1],
    ['other betas', { ...SETTINGS, betas: [0.8, 0.95] }, 1],
    ['decay on matrices only (D27)', { ...SETTINGS, weightDecay: 0.5 }, 1],
    ['clipped by torch’s rule', { ...SETTINGS, clipNorm: 0.7 }, 3],
    ['a clip that never bites', { ...SETTINGS, clipNorm: 1e6 }, 3],
    ['all at once', { ...SETTINGS, weightDecay: 0.1, clipNorm: 1, epsilonStyle: 'tensorflow' }, 2],
  ] as [string, AdamSettings, number][])('%s: five steps equal the formulas', async (_, settings, much) => {
    const wanted = byFormula(settings, rates, much);
    const found = await byGraph(settings, rates, much);
    expectClose(found.weights, wanted.weights, 'weights', { relative: 1e-5, absolute: 1e-5 });
    expectClose(found.norms, wanted.norms, 'gradient norms, before clipping', { relative: 1e-5 });
  });

  test('one step a run or all in one run: the same weights', async () => {
    const trainer = createTrainer(PARAMETERS, freshState(start()), quadratic, SETTINGS, ONE);
    for (const [i, rate] of rates.entries())
      await trainer.steps('one', FEEDS, { matrix: pull(i + 1, 6), gain: pull(i + 101, 3) }, [rate]);
    const { matrix, gain } = trainer.state().weights;
    await trainer.release();
    expectClose([...matrix!, ...gain!], (await byGraph(SETTINGS, rates, 1)).weights, 'weights', {
      relative: 1e-6,
      absolute: 1e-6,
    });
  });

  test('D26: the epsilon in force at the first step is ε·√(1-β2) in torch’s style and ε in TensorFlow’s', () => {
    expect(adamFeed(SETTINGS, 0.1, 1)[1]).toBeCloseTo(3.162e-7, 10);
    expect(adamFeed({ ...SETTINGS, epsilonStyle: 'tensorflow' }, 0.1, 1)[1]).toBe(1e-5);
    expect(adamFeed(SETTINGS, 0.1, 100_000)[1]).toBeCloseTo(1e-5, 12);
    expect(adamFeed({ ...SETTINGS, weightDecay: 0.01 }, 0.1, 7)[2]).toBe(1 - 0.1 * 0.01);
  });

  test('a loss that is not finite stops with the step’s number, and the state handed out is the one before', async () => {
    const trainer = createTrainer(PARAMETERS, freshState(start()), quadratic, SETTINGS, ONE);
    await trainer.steps('one', FEEDS, { matrix: pull(1, 6), gain: pull(101, 3) }, [0.1]);
    const before = trainer.state();
    await expect(
      trainer.steps('one', FEEDS, { matrix: pull(2, 6).fill(NaN), gain: pull(102, 3) }, [0.1]),
    ).rejects.toMatchObject({
      code: 'not-finite',
      message: 'The loss is NaN at step 2, batch 1 of the 1 in this call.',
    });
    expect(trainer.state()).toBe(before);
    expect(before.step).toBe(1);
    await trainer.release();
  });
});

describe('learning-rate schedules (D25)', () => {
  test('linear and cosine start at the peak and reach 0 at the end; constant stays', () => {
    for (const total of [1, 7, 100]) {
      for (const schedule of ['linear', 'cosine', 'constant'] as const)
        expect(scheduleFactor(schedule, 0, total), schedule).toBe(1);
      for (const schedule of ['linear', 'cosine'] as const)
        expect(scheduleFactor(schedule, total, total), schedule).toBeCloseTo(0, 12);
      expect(scheduleFactor('constant', total, total)).toBe(1);
      expect(scheduleFactor('linear', total - 1, total), 'the last update takes one step before 0').toBeCloseTo(
        1 / total,
        12,
      );
    }
    expect(scheduleFactor('cosine', 50, 100)).toBeCloseTo(0.5, 12);
    expect(scheduleFactor('cosine', 25, 100)).toBeCloseTo(0.5 + Math.SQRT1_2 / 2, 12);
    expect(scheduleFactor('linear', 200, 100), 'past the end nothing turns negative').toBe(0);
    expect(scheduleFactor('cosine', 200, 100)).toBeCloseTo(0, 12);
  });

  test('warm-up rises to the peak and the rest falls to 0 from there', () => {
    const factors = Array.from({ length: 21 }, (_, step) => scheduleFactor('linear', step, 20, 5));
    expectClose(factors.slice(0, 6), [0.2, 0.4, 0.6, 0.8, 1, 1], 'warm-up', { relative: 1e-9, absolute: 1e-9 });
    for (let step = 5; step < 20; step++) expect(factors[step + 1]!).toBeLessThan(factors[step]!);
    expect(factors[20]).toBe(0);
    expect(scheduleFactor('cosine', 3, 3, 3), 'a warm-up as long as the run').toBe(1);
  });
});
