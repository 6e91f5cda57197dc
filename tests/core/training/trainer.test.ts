// Training steps: micro-batches give the numbers of the whole batch, frozen weights stay to the bit, adapters learn
// over them.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Arrays, Types } from '#core/autodiff/compile.ts';
import { adapterParameters, chosenMatrices, freshAdapter, isAdapterTensor } from '#core/models/adapter.ts';
import { checkpointParameters, mergedCheckpoint, scalesOf, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint, WeightArrays } from '#core/models/checkpoint.ts';
import { packRows, rowShape } from '#core/models/rows.ts';
import type { Group, RowShape, Slots } from '#core/models/rows.ts';
import { createRandom } from '#core/random.ts';
import type { AdamSettings } from '#core/training/adamw.ts';
import {
  languageModelFeeds,
  languageModelLoss,
  languageModelRows,
  predictionsPerRow,
  rowLength,
} from '#core/training/objectives/language-model.ts';
import type { WeightedText } from '#core/training/objectives/language-model.ts';
import { pairWeights } from '#core/training/objectives/pair-losses.ts';
import {
  criticFeeds,
  criticUpdateLoss,
  policyFeeds,
  policyUpdateLoss,
  rewardFeeds,
  rewardLoss,
} from '#core/training/objectives/row-losses.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import type { Loss, LossBuild } from '#core/training/trainer.ts';
import { expectClose, ONE } from './graph-values.ts';
import { FAMILIES, randomTokens, smallModel, withAdapter } from './small-models.ts';

// an epsilon that keeps the step proportional to the gradient: a tiny one would turn rounding errors into whole steps
const SETTINGS: AdamSettings = {
  betas: [0.9, 0.999],
  epsilon: 0.1,
  epsilonStyle: 'tensorflow',
  weightDecay: 0.01,
  clipNorm: 1,
};
const SAME = { relative: 1e-5, absolute: 2e-6 };
const ROWS = 4;
const STEPS = 2;
const RATES = [0.02, 0.01];
const words = smallModel('llama');
const scorer = withScoreHead(words, 3);

/** A loss with the inputs of STEPS steps of ROWS rows each; `types` of so many rows. */
interface Task {
  like: Checkpoint;
  build: (given: LossBuild) => Loss;
  types: (rows: number) => Types;
  feeds: Arrays;
}
interface Ran {
  report: Record<string, number[]>;
  weights: WeightArrays;
}
/** `trained` of the weights, all others frozen, the rows of each step cut into `micro` parts. */
async function run(
  { like, build, types, feeds }: Task,
  micro: number,
  {
    trained = () => true,
    settings = SETTINGS,
    rates = RATES,
  }: { trained?: (name: string) => boolean; settings?: AdamSettings; rates?: readonly number[] } = {},
): Promise<Ran & { all: WeightArrays }> {
  const of = (wanted: boolean) => checkpointParameters(like).filter(({ name }) => trained(name) === wanted);
  const pick = (wanted: boolean) => Object.fromEntries(of(wanted).map(({ name }) => [name, like.weights[name]!]));
  const trainer = createTrainer(of(true), freshState(pick(true)), build, settings, {
    frozen: { parameters: of(false), weights: pick(false) },
    adapters: scalesOf(like),
    ...ONE,
  });
  const report = await trainer.steps('task', types(ROWS / micro), feeds, rates, micro);
  const { weights } = trainer.state();
  const all = trainer.weights();
  await trainer.release();
  return { report, weights, all };
}
function expectSameRun(found: Ran, wanted: Ran, what: string): void {
  expect(Object.keys(found.report).toSorted()).toEqual(Object.keys(wanted.report).toSorted());
  for (const [name, values] of Object.entries(wanted.report))
    expectClose(found.report[name]!, values, `${what}: ${name}`, SAME);
  for (const [name, data] of Object.entries(wanted.weights))
    expectClose(found.weights[name]!, data, `${what}: ${name}`, SAME);
}

const draw = createRandom(21, 'trainer');
const text = (length: number, counts: (t: number) => number): WeightedText => ({
  ids: randomTokens(draw, length),
  weights: Array.from({ length }, (_, t) => counts(t)),
});

/** Rows of uneven length and weight; the third row of each step has nothing to predict. */
function languageTask(like: Checkpoint): Task {
  const T = 16;
  const texts = [
    text(17, () => 1),
    text(5, () => 1),
    text(9, () => 0),
    text(12, (t) => (t > 7 ? 0.5 : 0)),
    text(3, () => 1),
    text(17, (t) => t % 2),
    { ids: [2], weights: [1] },
    text(8, () => 1),
  ];
  return {
    like,
    build: languageModelLoss(like.architecture),
    types: (rows) => languageModelFeeds(rows, T),
    feeds: languageModelRows([texts.slice(0, ROWS), texts.slice(ROWS)], T),
  };
}

/**
 * Packed rows with several completions each; the last row of the second step is all padding, and one row of the first
 * has no slot that counts.
 */
function packed(slots: Slots): {
  groups: Group[];
  shape: RowShape;
  arrays: Arrays;
  mask: Float32Array;
  normal: (spread: number) => Float32Array;
} {
  const groups = [
    [4, 2, 3],
    [9, 7, 2],
    [2, 1, 1, 5],
    [6, 3, 3],
    [3, 8, 1],
    [1, 2],
    [5, 4, 4],
  ].map(([prompt, ...lengths]): Group => ({
    prompt: randomTokens(draw, prompt!),
    completions: lengths.map((n) => randomTokens(draw, n)),
  }));
  const shape = rowShape(groups, ROWS, slots);
  const count = ROWS * STEPS;
  const { arrays, first } = packRows(groups, shape, count, slots);
  const mask = new Float32Array(count * shape.Q);
  groups.forEach(({ completions }, g) =>
    completions.forEach((completion, k) =>
      mask.fill(g === 2 ? 0 : 1, first[g]![k]!, first[g]![k]! + completion.length),
    ),
  );
  return {
    groups,
    shape,
    arrays,
    mask,
    normal: (spread) => Float32Array.from({ length: mask.length }, () => spread * draw.normal()),
  };
}
const under = (shape: RowShape, feeds: (shape: RowShape) => Types) => (rows: number) => feeds({ ...shape, B: rows });

function rewardTask(): Task {
  const { groups, shape, arrays } = packed('last');
  const K = shape.Q;
  const pairs = new Float32Array(ROWS * STEPS * K * K);
  groups.forEach(({ completions }, g) => {
    const ranks = completions.map((_, k) => (g === 3 ? 1 : (k + g) % completions.length));
    const own = pairWeights(ranks, K);
    pairs.set(own, g * K * K); // the tied fourth and the sixth, a single one, have no pair
  });
  return {
    like: scorer,
    build: rewardLoss(scorer),
    types: under(shape, (of) => rewardFeeds(scorer, of)),
    feeds: { ...arrays, pairs },
  };
}
function policyTask(like: Checkpoint = words): Task {
  const { shape, arrays, mask, normal } = packed('tokens');
  const targets = Int32Array.from(mask, () => 2 + draw.integer(46));
  return {
    like,
    build: policyUpdateLoss(like.architecture, 0.7, 0.2),
    types: under(shape, policyFeeds),
    feeds: {
      ...arrays,
      targets,
      old: normal(0.5).map((x) => x - 6),
      advantages: normal(1),
      mask,
      weights: mask.map(() => 1),
    },
  };
}
function criticTask(): Task {
  const { shape, arrays, mask, normal } = packed('tokens-and-end');
  return {
    like: scorer,
    build: criticUpdateLoss(scorer, 0.2, 0.1),
    types: under(shape, criticFeeds),
    feeds: { ...arrays, old: normal(1), returns: normal(1), mask, weights: mask.map(() => 1) },
  };
}

describe('micro-batches', () => {
  test.each<[string, () => Task]>([
    ['language model', () => languageTask(words)],
    ['reward', rewardTask],
    ['policy', policyTask],
    ['critic', criticTask],
    ['language model of an adapter', () => languageTask(withAdapter(words))],
    ['policy of an adapter', () => policyTask(withAdapter(words))],
  ])('%s: 2 and 4 of them give the losses, gradient norms and weights of the whole batch', async (kind, task) => {
    const made = task();
    const trained = made.like.adapter ? isAdapterTensor : () => true;
    const whole = await run(made, 1, { trained });
    expect(whole.report.loss).toHaveLength(STEPS);
    expect(Math.min(...whole.report.grad_norm!)).toBeGreaterThan(1e-3);
    const ratios = whole.report.ratio_max ?? [];
    expect(ratios.length).toBe(kind.startsWith('policy') ? STEPS : 0);
    expect(Math.min(...ratios), 'far enough from 1 that a mean would not do for the largest').toBeGreaterThan(2);
    for (const micro of [2, 4]) expectSameRun(await run(made, micro, { trained }), whole, `${micro} micro-batches`);
    const still = Object.entries(whole.weights)
      .filter(
        ([name, data]) =>
          !(kind === 'reward' && name === 'score.bias') && data.every((x, i) => x === made.like.weights[name]![i]),
      )
      .map(([name]) => name);
    // (a bias cancels in differences of scores, but for rounding)
    expect(still, 'training moves all weights').toEqual([]);
  });

  test.each([1, 2, 4])('a step of padding only has loss and gradient 0 and moves nothing (%d)', async (micro) => {
    for (const make of [() => languageTask(words), rewardTask, policyTask, criticTask]) {
      const task = make();
      const nothing = Object.fromEntries(
        ['weights', 'pairs', 'mask'].flatMap((name) =>
          task.feeds[name] ? [[name, new Float32Array(task.feeds[name].length)]] : [],
        ),
      );
      const { report, weights } = await run({ ...task, feeds: { ...task.feeds, ...nothing } }, micro, {
        settings: { ...SETTINGS, weightDecay: 0 },
      });
      expect(report.loss!.map(Math.abs)).toEqual([0, 0]);
      expect(report.grad_norm).toEqual([0, 0]);
      expect(weights).toEqual(task.like.weights);
    }
  });
});

describe.each(FAMILIES)('%s: an adapter', (family) => {
  const base = smallModel(family);
  const blank = withAdapter(base, { rank: 2, alpha: 4 });
  const settings = { ...SETTINGS, epsilon: 1e-5, weightDecay: 0 };

  test('learns a text while its base stays as it is, to the bit', async () => {
    const start: Checkpoint = {
      ...blank,
      weights: { ...base.weights, ...freshAdapter(adapterParameters(base.architecture, blank.adapter!.settings), 2) },
    };
    const before = Object.fromEntries(Object.entries(start.weights).map(([name, data]) => [name, data.slice()]));
    const task = languageTask(start);
    const K = 12;
    const first: Arrays = Object.fromEntries(
      Object.entries(task.feeds).map(([name, data]) => {
        const rows = Array.from({ length: (K / STEPS) * data.length }, (_, i) =>
          Number(data[i % (data.length / STEPS)]),
        ); // the same rows K times
        return [name, data instanceof Int32Array ? Int32Array.from(rows) : Float32Array.from(rows)];
      }),
    );
    const { report, weights, all } = await run({ ...task, feeds: first }, 2, {
      trained: isAdapterTensor,
      settings,
      rates: Array<number>(K).fill(0.02),
    });
    expect(report.loss!.at(-1)!).toBeLessThan(0.8 * report.loss![0]!);
    expect(Object.keys(weights).toSorted(), 'the state holds the adapter and nothing else').toEqual(
      Object.keys(start.weights).filter(isAdapterTensor).toSorted(),
    );
    expect(Object.keys(all).toSorted()).toEqual(Object.keys(start.weights).toSorted());
    const [learnt, kept] = [isAdapterTensor, (name: string) => !isAdapterTensor(name)].map((is) =>
      Object.keys(all).filter(is),
    ) as [string[], string[]];
    for (const name of learnt) expect(all[name], name).not.toEqual(before[name]);
    for (const name of kept) {
      expect(all[name], `${name} is the very array`).toBe(start.weights[name]);
      expect(all[name], name).toEqual(before[name]);
    }
    const merged = mergedCheckpoint({ ...start, weights: all });
    const again = await run({ ...task, like: merged }, 1, { settings, rates: [0, 0] });
    const apart = await run({ ...task, like: { ...start, weights: all } }, 1, {
      settings,
      rates: [0, 0],
      trained: isAdapterTensor,
    });
    expectClose(again.report.loss!, apart.report.loss!, 'merged, it has the loss that was trained to', {
      relative: 1e-4,
    });
    expect(again.report.loss![0]!).toBeLessThan(0.8 * report.loss![0]!);
  });
});

test('weights trained alone take the step they take together with all, and the others stay', async () => {
  const settings = { ...SETTINGS, clipNorm: null };
  const task = languageTask(words);
  const last = (name: string) => name.startsWith('model.layers.1.') || name === 'lm_head.weight';
  const cut = {
    ...task,
    feeds: Object.fromEntries(
      Object.entries(task.feeds).map(([name, data]) => [name, data.slice(0, data.length / STEPS)]),
    ),
  };
  const all = await run(cut, 1, { settings, rates: [0.02] });
  for (const micro of [1, 2]) {
    const some = await run(cut, micro, { settings, rates: [0.02], trained: last });
    expect(Object.keys(some.weights).every(last)).toBe(true);
    expect(Object.keys(some.weights).length).toBe(10);
    for (const name of Object.keys(some.weights)) expectClose(some.all[name]!, all.weights[name]!, name, SAME);
    for (const name of Object.keys(some.all).filter((one) => !last(one)))
      expect(some.all[name], name).toEqual(words.weights[name]);
    expect(some.report.grad_norm![0]!).toBeLessThan(all.report.grad_norm![0]!);
  }
});

test('a large matrix, which is updated by itself, and the small ones, which are updated together, take the steps they take apart', async () => {
  const like = smallModel('gpt_neox', { vocabulary: 4500 });
  const task = languageTask(like);
  const settings = { ...SETTINGS, clipNorm: null };
  const all = await run(task, 1, { settings });
  const large = 'gpt_neox.embed_in.weight';
  const one = 'gpt_neox.layers.0.attention.dense.bias';
  expect(like.weights[large]!.length).toBeGreaterThan(1 << 16);
  const first = { rates: [0.02], settings };
  const cut = {
    ...task,
    feeds: Object.fromEntries(
      Object.entries(task.feeds).map(([name, data]) => [name, data.slice(0, data.length / STEPS)]),
    ),
  };
  const whole = await run(cut, 1, first);
  for (const trained of [
    (name: string) => name === large,
    (name: string) => name !== large,
    (name: string) => name === one,
    (name: string) => name === one || name.endsWith('dense.weight'),
  ]) {
    const { weights } = await run(cut, 1, { ...first, trained });
    expect(Object.keys(weights).every(trained)).toBe(true);
    for (const [name, data] of Object.entries(weights)) expectClose(data, whole.weights[name]!, name, SAME);
  }
  expectSameRun(await run(task, 2, { settings }), all, '2 micro-batches');
});

describe('predictions where the loss reads them', () => {
  const T = 64;
  const responses = [
    text(40, (t) => (t >= 33 ? 1 : 0)),
    text(65, (t) => (t >= 50 ? 1 : 0)),
    text(9, (t) => (t > 6 ? 1 : 0)),
    text(30, (t) => (t >= 20 && t < 26 ? 0.25 : 0)),
  ];

  test.each(FAMILIES)('%s: responses only give the loss, gradient and weights of all positions', async (family) => {
    const like = smallModel(family);
    const Q = predictionsPerRow(responses, T);
    expect(Q).toBe(16);
    const task = (slots: number): Task => ({
      like,
      build: languageModelLoss(like.architecture),
      types: (rows) => languageModelFeeds(rows, T, slots),
      feeds: languageModelRows([responses], T, slots),
    });
    const everywhere = await run(task(T), 1, { rates: [0.02] });
    for (const micro of [1, 2])
      expectSameRun(await run(task(Q), micro, { rates: [0.02] }), everywhere, `${micro} micro-batches`);
  });

  test('every prediction that counts has a slot, in its row, once', () => {
    const some = fc.array(
      fc.record({
        length: fc.integer({ min: 1, max: 65 }),
        from: fc.integer({ min: 0, max: 65 }),
        every: fc.integer({ min: 1, max: 3 }),
      }),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(some, (list) => {
        const texts = list.map(({ length, from, every }) =>
          text(length, (t) => (t >= from && t % every === 0 ? 1 + t : 0)),
        );
        const Q = predictionsPerRow(texts, T);
        expect(Q === T || (Q % 16 === 0 && Q <= 0.75 * T)).toBe(true);
        const { ids, at, targets, weights } = languageModelRows([texts], T, Q) as {
          ids: Int32Array;
          at?: Int32Array;
          targets: Int32Array;
          weights: Float32Array;
        };
        texts.forEach((wanted, row) => {
          const found = Array.from({ length: Q }, (_, q) => row * Q + q)
            .filter((slot) => weights[slot] !== 0)
            .map((slot) => [at ? at[slot]! + 1 : (slot % Q) + 1, targets[slot]!, weights[slot]!]);
          const counting = wanted.ids
            .map((id, t) => [t, id, wanted.weights[t]!])
            .filter(([t, , weight]) => t! > 0 && weight !== 0);
          expect(found).toEqual(counting);
          for (const [t] of found)
            expect(Array.from(ids.subarray(row * T, row * T + t!))).toEqual(wanted.ids.slice(0, t));
        });
      }),
      { numRuns: 50 },
    );
  });

  test('rows are as long as their texts need, in steps', () => {
    expect([1, 2, 17, 18, 33].map((longest) => rowLength(longest, 16))).toEqual([16, 16, 16, 32, 32]);
    expect(predictionsPerRow([text(65, () => 1)], T), 'most positions count: all are computed').toBe(T);
    expect(predictionsPerRow([], T)).toBe(16);
  });
});

test('an adapter on attention alone leaves the other matrices without factors', () => {
  const { architecture } = smallModel('gpt2');
  const names = adapterParameters(architecture, { rank: 2, matrices: chosenMatrices(architecture, 'attention') }).map(
    ({ name }) => name,
  );
  expect(names.some((name) => name.includes('mlp'))).toBe(false);
  expect(names).toHaveLength(8);
});
