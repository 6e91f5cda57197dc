// Every node of every graph that is lowered for a device has a kernel there; the check itself finds what is planted.

import { describe, expect, test } from 'vitest';
import { lower } from '#core/autodiff/compile.ts';
import type { Program } from '#core/autodiff/compile.ts';
import { CUDA_KERNELS } from '#core/autodiff/cuda-kernels.ts';
import { readDevice } from '#core/autodiff/device.ts';
import { constant, createGraph, input, operators } from '#core/autodiff/graph.ts';
import { loop } from '#core/autodiff/loop.ts';
import { add, greater, or, silu, where } from '#core/autodiff/ops/elementwise.ts';
import { gather } from '#core/autodiff/ops/indexing.ts';
import { batchMatMul, gemm } from '#core/autodiff/ops/linalg.ts';
import { cast, identity } from '#core/autodiff/ops/movement.ts';
import { argMax, reduceSum } from '#core/autodiff/ops/reduction.ts';
import { unplaced, waits } from '#core/autodiff/placement.ts';
import type { KernelTable } from '#core/autodiff/placement.ts';
import { WEBGPU_KERNELS } from '#core/autodiff/webgpu-kernels.ts';
import { checkpointParameters, scalesOf, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { promptProgram, samplingProgram, tokenProgram } from '#core/models/decoding.ts';
import type { Sampling } from '#core/models/decoding.ts';
import { evaluationProgram } from '#core/models/evaluator.ts';
import type { FamilyName } from '#core/models/families.ts';
import { rowShape } from '#core/models/rows.ts';
import type { RowShape } from '#core/models/rows.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/objectives/language-model.ts';
import {
  criticFeeds,
  criticUpdateLoss,
  policyFeeds,
  policyUpdateLoss,
  rewardFeeds,
  rewardLoss,
} from '#core/training/objectives/row-losses.ts';
import { gradientProgram, trainingProgram } from '#core/training/trainer.ts';
import { smallModel, withAdapter } from '#tests/core/training/small-models.ts';

const ADAM = {
  betas: [0.9, 0.999] as [number, number],
  epsilon: 1e-8,
  epsilonStyle: 'tensorflow' as const,
  weightDecay: 0.01,
  clipNorm: 1,
};
const GROUPS = [
  {
    prompt: [2, 3, 4],
    completions: [
      [5, 6],
      [7, 8, 9],
    ],
  },
  { prompt: [2, 3], completions: [[5], [7, 8, 9]] },
];
const TOKENS = rowShape(GROUPS, 2, 'tokens');
const LAST = rowShape(GROUPS, 2, 'last');
const CHOICES = {
  greedy: { temperature: 0, topK: 0, topP: 1 },
  'top-k and top-p': { temperature: 0.7, topK: 5, topP: 0.9 },
};

/** What is run of a model, but for sampling. */
function programs(words: Checkpoint): Record<string, Program> {
  const { architecture } = words;
  const scorer = withScoreHead(words, 3);
  const adapters = { adapters: scalesOf(words) };
  const language = [
    checkpointParameters(words),
    languageModelFeeds(2, 16),
    languageModelLoss(architecture),
    ADAM,
    adapters,
  ] as const;
  const score = (shape: RowShape) => evaluationProgram(scorer, shape, null);
  return {
    'language model': trainingProgram(...language),
    'language model, micro-batches': trainingProgram(...language, 2),
    'language model, gradients alone': gradientProgram(...language, 1),
    'policy update': trainingProgram(
      checkpointParameters(words),
      policyFeeds(TOKENS),
      policyUpdateLoss(architecture, 0.7, 0.2),
      ADAM,
      adapters,
    ),
    'critic update': trainingProgram(
      checkpointParameters(scorer),
      criticFeeds(TOKENS),
      criticUpdateLoss(scorer, 0.2, 0.1),
      ADAM,
      adapters,
    ),
    reward: trainingProgram(
      checkpointParameters(scorer),
      rewardFeeds(scorer, LAST),
      rewardLoss(scorer),
      ADAM,
      adapters,
    ),
    scores: score(LAST),
    values: score(TOKENS),
    'log-probabilities': evaluationProgram(words, TOKENS, 0.7),
  };
}
const samplings = ({ architecture }: Checkpoint): [string, Sampling][] =>
  Object.entries(CHOICES).map(([name, choice]) => [
    name,
    { architecture, adapter: undefined, shape: { prompts: 2, each: 2, P: 16, N: 8 }, choice },
  ]);

/** What is run whole where there is a Loop, in two graphs where there is none. */
function all(words: Checkpoint, looped: boolean): [string, Program][] {
  const sampled = samplings(words).flatMap(([name, sampling]): [string, Program][] =>
    looped
      ? [[`sampling, ${name}`, samplingProgram(sampling)]]
      : [
          [`prompts, ${name}`, promptProgram(sampling)],
          [`tokens, ${name}`, tokenProgram(sampling)],
        ],
  );
  return [...Object.entries(programs(words)), ...sampled];
}

/** What is found, as sentences. */
function findings(program: Program, words: string, steps: number, kernels: KernelTable): string[] {
  return unplaced(lower(program, steps, { device: readDevice(words) }).graph, kernels).map(({ sentence }) => sentence);
}

const FAMILIES = ['gpt2', 'gpt_neox', 'llama', 'qwen3'] as const satisfies FamilyName[];
describe.each(FAMILIES)('%s', (family) => {
  const words = smallModel(family);

  test.each(['cuda', 'cuda:fast', 'cuda:bf16', 'cuda:bf16:fast'])(
    'all of %s has kernels, in one step and in a loop of three',
    (device) => {
      for (const [name, program] of all(words, true)) {
        for (const steps of [1, 3])
          expect(findings(program, device, steps, CUDA_KERNELS), `${name}, ${steps} steps`).toEqual([]);
      }
    },
  );

  test('all of WebGPU has kernels', () => {
    for (const [name, program] of all(words, false))
      expect(findings(program, 'webgpu', 1, WEBGPU_KERNELS), name).toEqual([]);
  });

  test('training and evaluation wait for nothing the device computed', () => {
    for (const [name, program] of Object.entries(programs(words))) {
      for (const [device, kernels, steps] of [
        ['cuda', CUDA_KERNELS, 3],
        ['webgpu', WEBGPU_KERNELS, 1],
      ] as const) {
        expect(
          waits(lower(program, steps, { device: readDevice(device) }).graph, kernels).map(({ sentence }) => sentence),
          `${name} on ${device}`,
        ).toEqual([]);
      }
    }
  });

  test('an adapter has kernels too', () => {
    const adapted = withAdapter(words);
    for (const [name, program] of Object.entries(programs(adapted))) {
      expect(findings(program, 'cuda:bf16', 3, CUDA_KERNELS), name).toEqual([]);
      expect(findings(program, 'webgpu', 1, WEBGPU_KERNELS), name).toEqual([]);
    }
  });
});

describe('the check', () => {
  test('names operator, node and type of what no kernel takes', () => {
    const graph = createGraph();
    const on = input(graph, 'on', 'bool', [2]);
    const whole = input(graph, 'whole', 'int64', [2]);
    const chosen = where(on, on, on);
    const best = argMax(whole, 0);
    const sum = add(whole, whole);
    const found = unplaced(graph, CUDA_KERNELS);
    expect(found.map(({ node }) => node)).toEqual([chosen.node!.name, best.node!.name]); // and not the sum
    expect(found[0]!.sentence).toBe(
      `Where "${chosen.node!.name}": no kernel has bool for input 2, only float32, float16, float64, bfloat16, int32, int64, uint8.`,
    );
    expect(found[1]!.sentence).toContain(`ArgMax "${best.node!.name}": no kernel has int64 for input 1`);
    expect(unplaced(graph, WEBGPU_KERNELS).map(({ node }) => node)).toContain(sum.node!.name);
  });

  test('names what has no kernel of any type', () => {
    const graph = createGraph();
    const on = input(graph, 'on', 'bool', [2]);
    const stack = input(graph, 'stack', 'float32', [1, 2, 2]);
    const either = or(on, on);
    const product = batchMatMul(stack, stack);
    expect(unplaced(graph, CUDA_KERNELS)).toEqual([]);
    expect(unplaced(graph, WEBGPU_KERNELS).map(({ sentence }) => sentence)).toEqual([
      `Or "${either.node!.name}": no kernel is registered.`,
      `FusedMatMul "${product.node!.name}": no kernel is registered.`,
    ]);
  });

  test('reads the outputs’ types, not only the inputs’', () => {
    const graph = createGraph();
    cast(input(graph, 'x', 'float32', [2]), 'bfloat16');
    expect(unplaced(graph, CUDA_KERNELS)).toEqual([]);
    expect(unplaced(graph, WEBGPU_KERNELS)[0]!.sentence).toContain('no kernel has bfloat16 for output 1');
  });

  test('a kernel of another domain, or of other versions only, does not count', () => {
    const graph = createGraph();
    const x = silu(input(graph, 'x', 'float32', [2]));
    const [kernel] = CUDA_KERNELS.QuickGelu!;
    const { domain: _, ...elsewhere } = kernel!;
    expect(unplaced(graph, { QuickGelu: [elsewhere] })).toHaveLength(1);
    const product = createGraph();
    const a = input(product, 'a', 'float32', [2, 2]);
    gemm(a, a);
    const [plain] = CUDA_KERNELS.Gemm!;
    expect(unplaced(product, { Gemm: [{ ...plain!, until: 20 }] })).toHaveLength(1);
    expect(unplaced(product, { Gemm: [{ ...plain!, since: 22 }] })).toHaveLength(1);
    expect(unplaced(product, { Gemm: [{ ...plain!, until: 21 }] })).toEqual([]);
    expect(x.dtype).toBe('float32');
  });

  test('a node is placed where any one of several kernels takes it', () => {
    const graph = createGraph();
    const a = input(graph, 'a', 'int32', [2]);
    add(a, a);
    const [kernel] = CUDA_KERNELS.Add!;
    const of = (dtype: 'int32' | 'float32' | 'bool') => ({ ...kernel!, types: { T: [dtype] } });
    expect(unplaced(graph, { Add: [of('float32'), of('int32')] })).toEqual([]);
    expect(unplaced(graph, { Add: [of('float32'), of('bool')] })[0]!.sentence).toContain(
      'none of 2 kernels makes int32 of int32, int32',
    );
  });

  test('visits the body of a loop, and of a loop in it', () => {
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', [2]);
    const on = input(graph, 'on', 'bool', [2]);
    let planted = '';
    loop(graph, 2, [x], (_, [outer]) => ({
      carried: loop(outer!.graph, 2, [outer!], (__, [inner]) => {
        const chosen = where(identity(on), on, on);
        planted = chosen.node!.name;
        return { carried: [add(inner!, cast(chosen, 'float32'))], stacked: [] };
      }).carried,
      stacked: [],
    }));
    expect(unplaced(graph, CUDA_KERNELS).map(({ node }) => node)).toEqual([planted]);
    expect(unplaced(graph, WEBGPU_KERNELS).filter(({ operator }) => operator === 'Loop')).toHaveLength(2);
  });

  test('names a loop that asks the device whether to go on, and a shape that the device computed', () => {
    const graph = createGraph();
    const x = input(graph, 'x', 'float32', []);
    const asking = loop(graph, 3, [x], (_, [y], inner) => ({
      carried: [add(y!, y!)],
      stacked: [],
      goOn: greater(constant(inner, 'float32', [], [9]), y!),
    }));
    const counting = loop(graph, 3, [x], (_, [y]) => ({ carried: [add(y!, y!)], stacked: [] }));
    expect(waits(graph, CUDA_KERNELS).map(({ node }) => node)).toEqual([asking.carried[0]!.node!.name]);
    expect(counting.carried[0]!.shape).toEqual([]);

    const sums = createGraph();
    const axes = constant(sums, 'int64', [2], [0, 0]);
    const sum = reduceSum(input(sums, 'x', 'float32', [2, 2]), [0]);
    expect(waits(sums, CUDA_KERNELS)).toEqual([]);
    const computedAxes = gather(axes, constant(sums, 'int64', [1], [0]));
    sums.nodes.push({ ...sum.node!, name: 'planted', inputs: [sum.node!.inputs[0]!, computedAxes] });
    expect(waits(sums, CUDA_KERNELS)[0]!.sentence).toContain('ReduceSum "planted": input 2 is read from host memory');
  });
});

describe('the tables', () => {
  test('name every operator that is emitted, so that a new one is looked up', () => {
    const emitted = [...operators.values()]
      .filter(({ compose }) => !compose)
      .map(({ name, domain }) => `${domain ?? ''}:${name}`);
    const known = Object.entries(CUDA_KERNELS).flatMap(([name, kernels]) =>
      kernels.map(({ domain }) => `${domain ?? ''}:${name}`),
    );
    expect(emitted.filter((name) => !known.includes(name))).toEqual([]);
  });

  test.each([
    ['CUDA', CUDA_KERNELS],
    ['WebGPU', WEBGPU_KERNELS],
  ] as const)('%s: type parameters are all used, and none is unknown', (_, kernels) => {
    const plain = ['float32', 'int64', 'bool'];
    for (const [name, versions] of Object.entries(kernels)) {
      for (const { inputs, outputs, types } of versions) {
        expect(
          Object.keys(types).filter((parameter) => ![...inputs, ...outputs].includes(parameter)),
          name,
        ).toEqual([]);
        expect(
          [...inputs, ...outputs].filter(
            (parameter) =>
              !types[parameter] && !plain.includes(parameter) && !(name === 'OneHot' && parameter === 'int32'),
          ),
          name,
        ).toEqual([]);
      }
    }
  });
});
