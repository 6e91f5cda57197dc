// The self-test finds what is wrong with a device and names it: planted faults in values, in gradients, refusals, no
// numbers; and it tests all that our graphs use.
import { describe, expect, test } from 'vitest';
import { loweringOf, lower } from '#core/autodiff/compile.ts';
import { PROCESSOR, readDevice } from '#core/autodiff/device.ts';
import { PLAIN, scalar } from '#core/autodiff/graph.ts';
import type { Graph, Lowering } from '#core/autodiff/graph.ts';
import { add, div, exp, mul, scale, shift, sqrt, sub } from '#core/autodiff/ops/elementwise.ts';
import { cast } from '#core/autodiff/ops/movement.ts';
import { reduceMax, reduceMean, reduceSum } from '#core/autodiff/ops/reduction.ts';
import {
  differenceOf,
  firstProblem,
  OFF,
  testedOperators,
  testOperators,
  toleranceOf,
} from '#core/autodiff/self-test.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { promptProgram, samplingProgram } from '#core/models/decoding.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/objectives/language-model.ts';
import { testTraining } from '#core/training/self-test.ts';
import { trainingProgram } from '#core/training/trainer.ts';

const broken = (operators: Lowering['operators']): Lowering => ({ ...PLAIN, operators });
/**
 * The right values, and a second output, which only the gradient reads, that is a hundredth too large. (On WebGPU the
 * runtime's own is another number altogether.)
 */
const WRONG_SLOPE = broken({
  SimplifiedLayerNormalization: ([x, g], { epsilon }) => {
    const rms = sqrt(shift(reduceMean(mul(x!, x!), [-1], true), (epsilon as { float: number }).float));
    return [mul(div(x!, rms), g!), div(scalar(x!.graph, 1.01), rms)];
  },
});
/** Softmax without the last division's exactness. */
const LESS_THAN_ONE = broken({
  Softmax: ([x]) => {
    const e = exp(sub(x!, reduceMax(x!, [-1], true)));
    return [scale(div(e, reduceSum(e, [-1], true)), 0.99)];
  },
});

describe('the operators', () => {
  test('on the processor all agree, and each is told before it is computed', async () => {
    const told: string[] = [];
    const checks = await testOperators(PROCESSOR, { before: (name) => void told.push(name) });
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(firstProblem(checks)).toBeNull();
    expect(checks.length).toBeGreaterThan(30);
    expect(told).toEqual(checks.map(({ name }) => name));
    expect(new Set(told).size).toBe(told.length);
  });

  test('values that are off by a hundredth are found, before the gradients that are made of them', async () => {
    const checks = await testOperators(PROCESSOR, { lowering: LESS_THAN_ONE });
    expect(firstProblem(checks)).toMatchObject({ name: 'Softmax', ok: false, tolerance: 1e-5 });
    expect(firstProblem(checks)!.problem).toMatch(/^Softmax is off by 0\.00\d+, and 0\.000010 is allowed\.$/);
    // which is composed of it
    expect(checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['Softmax', 'LogSumExp']);
  });

  test('a gradient that is wrong though the values are right is found, and said to be the gradient', async () => {
    const checks = await testOperators(PROCESSOR, { lowering: WRONG_SLOPE });
    const wrong = checks.filter(({ ok }) => !ok);
    expect(wrong.map(({ name }) => name)).toEqual(['SimplifiedLayerNormalization']);
    expect(wrong[0]!.problem).toMatch(/^The gradient of SimplifiedLayerNormalization is off by \d/);
  });

  test('an operator that the runtime refuses is named, with what the runtime said', async () => {
    // the processor adds no bfloat16
    const lowering = broken({ Tanh: ([x]) => [cast(add(cast(x!, 'bfloat16'), cast(x!, 'bfloat16')), 'float32')] });
    const checks = await testOperators(PROCESSOR, { lowering });
    const wrong = checks.filter(({ ok }) => !ok);
    expect(wrong.map(({ name, worst }) => [name, worst])).toEqual([['Tanh', OFF]]);
    expect(wrong[0]!.problem).toMatch(/^Tanh was refused: The runtime stopped while opening a graph: .*Add/);
  });

  test('what is no number is off, however large the tolerance', async () => {
    const lowering = broken({ Sqrt: ([x]) => [div(sub(x!, x!), sub(x!, x!))] });
    const bf16 = { ...readDevice('cuda:bf16'), provider: 'cpu' as const }; // computes here, judged as bfloat16 is
    expect(toleranceOf(bf16)).toBe(2e-2);
    expect(firstProblem(await testOperators(bf16, { lowering }))).toMatchObject({
      name: 'Sqrt',
      worst: OFF,
      problem: 'Sqrt is off by no number, and 0.020 is allowed.',
    });
  });

  test('what CUDA builds otherwise computes the same, here on the processor', async () => {
    expect(
      (await testOperators(PROCESSOR, { lowering: loweringOf(readDevice('cuda')) })).filter(({ ok }) => !ok),
    ).toEqual([]);
  });

  test.each([
    ['cpu', 1e-5],
    ['webgpu', 1e-4],
    ['cuda', 2e-3],
    ['cuda:bf16', 2e-2],
  ] as const)('%s may be off by %s', (words, allowed) => expect(toleranceOf(readDevice(words))).toBe(allowed));

  test('differences are measured against the largest number; another length or NaN is off', () => {
    expect(differenceOf([1, 2.5], [1, 3])).toBe(0.5 / 4);
    expect(differenceOf([0], [0])).toBe(0);
    expect([
      differenceOf([1], [1, 2]),
      differenceOf([Number.NaN], [1]),
      differenceOf([1], [Number.NaN]),
      differenceOf([Infinity], [1]),
    ]).toEqual([OFF, OFF, OFF, OFF]);
  });
});

describe('no operator that training or sampling emits is left out', () => {
  const sizes = { vocabulary: 53, channels: 32, layers: 2, heads: 4, feedForward: 40, context: 32, endOfText: 0 };
  const names = (graph: Graph): string[] =>
    graph.nodes.flatMap((node) => [
      ...(node.composed ? [] : [node.operator.name]),
      ...(node.body ? names(node.body.graph) : []),
    ]);
  /** Loops are what the training steps of the self-test are for, as is the writing of caches. */
  const IN_STEPS = ['Loop', 'ScatterND', 'ScatterElements'];
  test.each(['cpu', 'cuda', 'cuda:bf16', 'webgpu'])('%s', (words) => {
    const device = readDevice(words);
    const tested = testedOperators(loweringOf(device));
    for (const family of ['gpt2', 'llama', 'qwen3', 'gpt_neox'] as const) {
      const architecture = newArchitecture({ ...sizes, family });
      const choice = { temperature: 0.7, topK: 5, topP: 0.9 };
      const sampling = { architecture, adapter: undefined, shape: { prompts: 2, each: 2, P: 16, N: 4 }, choice };
      const programs = [
        trainingProgram(parameters(architecture), languageModelFeeds(2, 16), languageModelLoss(architecture), {
          betas: [0.9, 0.999],
          epsilon: 1e-8,
          epsilonStyle: 'torch',
          weightDecay: 0.1,
          clipNorm: 1,
        }),
        ...(device.provider === 'webgpu' ? [promptProgram(sampling)] : [samplingProgram(sampling)]),
      ];
      for (const program of programs)
        expect(
          [...new Set(names(lower(program, 1, { device }).graph))].filter(
            (name) => !tested.has(name) && !IN_STEPS.includes(name),
          ),
          family,
        ).toEqual([]);
    }
  });
});

describe('training steps and sampling', () => {
  test('on the processor all agree', async () => {
    const told: string[] = [];
    const checks = await testTraining(PROCESSOR, { before: (name) => void told.push(name) });
    expect(checks.map(({ name, ok }) => [name, ok])).toEqual(
      ['gpt2', 'llama'].flatMap((family) =>
        ['loss', 'gradients', 'weights', 'greedy tokens'].map((what) => [`${family}: ${what}`, true]),
      ),
    );
    expect(told).toEqual(['Training gpt2', 'Sampling gpt2', 'Training llama', 'Sampling llama']);
  });

  test('a gradient that is wrong in one family is found there, with the parameter that is off the most', async () => {
    const wrong = (await testTraining(PROCESSOR, { lowering: WRONG_SLOPE })).filter(({ ok }) => !ok);
    expect(wrong.map(({ name }) => name)).toEqual(['llama: loss', 'llama: gradients', 'llama: weights']);
    expect(wrong[1]!.problem).toMatch(/^The gradient of (model|lm_head)\S+ in a training step of llama is off by \d/);
  });

  test('a device that refuses the step is told of, and sampling is tried all the same', async () => {
    const checks = await testTraining(PROCESSOR, {
      lowering: broken({
        Exp: () => [],
        ReduceSumSquare: ([x]) => [cast(add(cast(x!, 'bfloat16'), cast(x!, 'bfloat16')), 'float32')],
      }),
    });
    expect(checks.map(({ name, ok }) => [name, ok])).toEqual([
      ['Training gpt2', false],
      ['gpt2: greedy tokens', true],
      ['Training llama', false],
      ['llama: greedy tokens', true],
    ]);
    expect(checks[0]!.problem).toMatch(/^Training gpt2 failed: /);
  });
});
