// A state that changes in place takes the steps it takes inside the graph, up to that graph's rounding, and leaves what
// it started from alone.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { compile } from '#core/autodiff/compile.ts';
import { reshape } from '#core/autodiff/ops/movement.ts';
import { readSafetensors, writeSafetensors } from '#core/formats/safetensors.ts';
import { isAdapterTensor } from '#core/models/adapter.ts';
import { checkpointParameters, scalesOf } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createRandom } from '#core/random.ts';
import { ADAM_FEED, adamFeed, adamStep } from '#core/training/adamw.ts';
import type { AdamSettings } from '#core/training/adamw.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/objectives/language-model.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import type { TrainerState } from '#core/training/trainer.ts';
import { createUpdater } from '#core/training/update-in-place.ts';
import { expectClose, ONE } from './graph-values.ts';
import { smallModel, withAdapter } from './small-models.ts';

const SETTINGS: AdamSettings = {
  betas: [0.9, 0.999],
  epsilon: 1e-5,
  epsilonStyle: 'torch',
  weightDecay: 0.1,
  clipNorm: 0.5,
};
const random = createRandom(5, 'in place');
const normal = (size: number): Float32Array => Float32Array.from({ length: size }, () => random.normal());
const NAMES = ['w', 'm', 'v'] as const;
const ROUNDING = { relative: 2e-6, absolute: 1e-7 };

test.each([
  ['torch', 1],
  ['tensorflow', 29],
] as const)('ε as in %s, %i numbers: the update of the graph', async (epsilonStyle, size) => {
  const settings = { ...SETTINGS, epsilonStyle };
  const feed = adamFeed(settings, 0.02, 3);
  const clip = Math.fround(0.3);
  for (const decay of [true, false]) {
    const type = { dtype: 'float32' as const, shape: [size] };
    const whole = await compile(
      {
        state: { w: type, m: type, v: type },
        frozen: {},
        feeds: { g: type, clip: { dtype: 'float32', shape: [1] }, adam: { dtype: 'float32', shape: [ADAM_FEED] } },
        step: ({ state: { w, m, v }, feeds: { g, clip, adam } }) => ({
          state: {
            ...adamStep([{ w: w!, m: m!, v: v!, gradient: g!, decay }], adam!, reshape(clip!, []), settings)[0]!,
          },
          outputs: {},
        }),
      },
      ONE,
    );
    const updater = createUpdater(
      [
        { name: 'other', size: 3, decay: !decay },
        { name: 'x', size, decay },
      ],
      1,
    );
    const { gradient, ...state } = updater.arrays.x!;
    const g = normal(size);
    for (const [array, data] of [
      [state.w, normal(size)],
      [state.m, normal(size)],
      [state.v, normal(size).map(Math.abs)],
      [gradient, g],
    ] as const)
      array.set(data);
    const before = { w: state.w.slice() };
    const wanted = await whole.run(state, {}, { g, clip: Float32Array.of(clip), adam: Float32Array.from(feed) });
    await updater.update({ clip, feed, betas: settings.betas });
    for (const name of NAMES) expectClose(state[name], wanted.state[name] as Float32Array, name, ROUNDING);
    expect(updater.arrays.other!.w, 'its neighbour had no gradient').toEqual(new Float32Array(3));
    expect(state.w).not.toEqual(before.w);
    await whole.release();
  }
});

const B = 2;
const T = 8;
const K = 3;
const RATES = [0.02, 0.01, 0.03];
const numbers = (size: number) => Int32Array.from({ length: size }, () => 2 + random.integer(40));
const feeds = () => ({
  ids: numbers(K * B * T),
  targets: numbers(K * B * T),
  mask: new Float32Array(K * B * T).fill(1),
  weights: Float32Array.from({ length: K * B * T }, (_, i) => (i % 5) / 4),
});

/** Everything learns, or an adapter only. */
function trainer(like: Checkpoint, inPlace: boolean, from?: TrainerState) {
  const learns = (name: string) => !like.adapter || isAdapterTensor(name);
  const all = checkpointParameters(like);
  const part = (wanted: boolean) => all.filter(({ name }) => learns(name) === wanted);
  const frozen = { parameters: part(false), weights: like.weights };
  return createTrainer(
    part(true),
    from ?? freshState(Object.fromEntries(part(true).map(({ name }) => [name, like.weights[name]!]))),
    languageModelLoss(like.architecture),
    SETTINGS,
    { frozen, adapters: scalesOf(like), inPlace, ...ONE },
  );
}

test.each([
  ['all of a model, a matrix of it large', smallModel('gpt_neox', { vocabulary: 4500 })],
  ['an adapter', withAdapter(smallModel('llama'))],
])('%s: the losses, norms and state of the steps in one run; micro-batches too', async (_, like) => {
  const before = Object.fromEntries(Object.entries(like.weights).map(([name, data]) => [name, data.slice()]));
  for (const micro of [1, 2]) {
    const fed = feeds();
    const sides = [trainer(like, false), trainer(like, true)] as const;
    const [looped, own] = [
      await sides[0].steps('x', languageModelFeeds(B / micro, T), fed, RATES, micro),
      await sides[1].steps('x', languageModelFeeds(B / micro, T), fed, RATES, micro),
    ];
    for (const name of Object.keys(looped))
      expectClose(own[name]!, looped[name]!, name, { relative: 2e-5, absolute: 1e-6 });
    expect(own.loss).toHaveLength(K);
    for (const part of ['weights', 'm', 'v'] as const)
      for (const [name, data] of Object.entries(sides[0].state()[part]))
        expectClose(sides[1].state()[part][name]!, data, `${part} of ${name}`, { relative: 1e-3, absolute: 2e-5 });
    expect(sides[1].state().step).toBe(K);
    await sides[1].steps('x', languageModelFeeds(B / micro, T), fed, RATES, micro);
    expect(sides[1].state().weights, 'it goes on from there').not.toEqual(sides[0].state().weights);
    expect(like.weights, 'what it started from stays').toEqual(before);
    for (const side of sides) await side.release();
  }
});

test('a step that is not finite is named, and the state is that of the step before', async () => {
  const like = smallModel('llama');
  const side = trainer(like, true);
  const fed = feeds();
  const after = trainer(like, true);
  fed.weights[B * T + 3] = Number.NaN; // of the second step
  await expect(side.steps('x', languageModelFeeds(B, T), fed, RATES)).rejects.toMatchObject({
    code: 'not-finite',
    message: 'The loss is NaN at step 2, batch 2 of the 3 in this call.',
  });
  await after.steps(
    'x',
    languageModelFeeds(B, T),
    {
      ids: fed.ids.slice(0, B * T),
      targets: fed.targets.slice(0, B * T),
      mask: fed.mask.slice(0, B * T),
      weights: fed.weights.slice(0, B * T),
    },
    [RATES[0]!],
  );
  expect(side.state()).toEqual(after.state());
  expect(side.state().step).toBe(1);
  for (const one of [side, after]) await one.release();
});

test('the same steps again, or stopped after one and resumed from its state, end in the same bits', async () => {
  const like = smallModel('llama');
  const types = languageModelFeeds(B, T);
  const fed = feeds();
  const sides = [trainer(like, true), trainer(like, true), trainer(like, true)] as const;
  const part = (from: number, to: number) => ({
    ids: fed.ids.slice(from * B * T, to * B * T),
    targets: fed.targets.slice(from * B * T, to * B * T),
    mask: fed.mask.slice(from * B * T, to * B * T),
    weights: fed.weights.slice(from * B * T, to * B * T),
  });
  const [once, again] = [await sides[0].steps('x', types, fed, RATES), await sides[1].steps('x', types, fed, RATES)];
  expect(again).toEqual(once);
  expect(sides[1].state()).toEqual(sides[0].state());
  await sides[2].steps('x', types, part(0, 1), RATES.slice(0, 1));
  const resumed = trainer(like, true, structuredClone(sides[2].state()));
  await resumed.steps('x', types, part(1, K), RATES.slice(1));
  expect(resumed.state()).toEqual(sides[0].state());
  for (const side of [...sides, resumed]) await side.release();
});

test('on two threads: the bits of one', async () => {
  const units = [5, 1, 300, 42, 7].map((size, i) => ({ name: `unit ${i}`, size, decay: i % 2 === 0 }));
  const update = { clip: 0.3, feed: adamFeed(SETTINGS, 0.02, 3), betas: SETTINGS.betas };
  const [one, two] = [createUpdater(units, 1), createUpdater(units, 2)];
  for (const { name, size } of units) {
    for (const [part, data] of [
      ['w', normal(size)],
      ['m', normal(size)],
      ['v', normal(size).map(Math.abs)],
      ['gradient', normal(size)],
    ] as const)
      for (const updater of [one, two]) updater.arrays[name]![part].set(data);
  }
  for (let step = 0; step < 3; step++) {
    const before = one.arrays['unit 2']!.w.slice();
    for (const updater of [one, two]) await updater.update(update);
    for (const { name } of units)
      for (const part of NAMES)
        expect(two.arrays[name]![part], `${part} of ${name} after step ${step + 1}`).toEqual(one.arrays[name]![part]);
    expect(
      one.arrays['unit 2']!.w.every((value, i) => value !== before[i]),
      'every number moves',
    ).toBe(true);
  }
  for (const updater of [one, two]) await updater.release();
});

test('moments that have become too small for a normal number are 0, as in the graph', async () => {
  const updater = createUpdater([{ name: 'x', size: 4, decay: false }], 1);
  const { w, m, v, gradient } = updater.arrays.x!;
  m.set([1.2e-38, -1.2e-38, 1, 0]);
  v.set([1.1755e-38, 1, 1, 0]);
  gradient.fill(0);
  await updater.update({ clip: 1, feed: adamFeed(SETTINGS, 0.02, 3), betas: SETTINGS.betas });
  expect([...m].map(Math.abs)).toEqual([0, 0, Math.fround(0.9), 0]);
  expect([...v]).toEqual([0, Math.fround(0.999), Math.fround(0.999), 0]);
  expect([...w].every(Number.isFinite)).toBe(true);
});

test('a state beyond what an update can hold is refused in a sentence', () => {
  expect(() => createUpdater([{ name: 'x', size: 2 ** 31, decay: true }], 1)).toThrow(
    expect.objectContaining({
      code: 'runtime',
      message: 'Weights, moments and gradients take 34.4 GB, which is more than the 17.2 GB an update can hold.',
    }),
  );
});

test('a trainer on two threads takes the steps of one on one, and its state can be written down', async () => {
  const like = smallModel('gpt_neox');
  const types = languageModelFeeds(B, T);
  const fed = feeds();
  const ends: TrainerState[] = [];
  for (const threads of [1, 2]) {
    const side = createTrainer(
      checkpointParameters(like),
      freshState(like.weights),
      languageModelLoss(like.architecture),
      SETTINGS,
      { threads },
    );
    await side.steps('x', types, fed, RATES);
    const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'state-')), 'state.safetensors');
    writeSafetensors(
      file,
      Object.entries(side.state().weights).map(([name, data]) => ({
        name,
        dtype: 'F32' as const,
        shape: [data.length],
        data,
      })),
    );
    const read = readSafetensors(file).tensors;
    for (const [name, data] of Object.entries(side.state().weights))
      expect(read.get(name)!.load(), name).toEqual(Float32Array.from(data));
    ends.push(structuredClone(side.state()));
    await side.release();
    fs.rmSync(path.dirname(file), { recursive: true });
  }
  for (const part of ['weights', 'm', 'v'] as const)
    for (const [name, data] of Object.entries(ends[0]![part]))
      expectClose(ends[1]![part][name]!, data, name, { relative: 1e-3, absolute: 2e-5 });
});
