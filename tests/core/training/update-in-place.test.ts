// A state that changes in place takes the steps it takes inside the graph, up to that graph's rounding, and leaves what it started from alone.

import { expect, test } from 'vitest';
import { compile } from '#core/autodiff/compile.ts';
import { reshape } from '#core/autodiff/ops/movement.ts';
import { isAdapterTensor } from '#core/models/adapter.ts';
import { checkpointParameters, scalesOf } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createRandom } from '#core/random.ts';
import { ADAM_FEED, adamFeed, adamStep } from '#core/training/adamw.ts';
import type { AdamSettings } from '#core/training/adamw.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/language-model.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import { updateInPlace } from '#core/training/update-in-place.ts';
import { expectClose, ONE } from './graph-values.ts';
import { smallModel, withAdapter } from './small-models.ts';

const SETTINGS: AdamSettings = { betas: [0.9, 0.999], epsilon: 1e-5, epsilonStyle: 'torch', weightDecay: 0.1, clipNorm: 0.5 };
const random = createRandom(5, 'in place');
const normal = (size: number): Float32Array => Float32Array.from({ length: size }, () => random.normal());
const NAMES = ['w', 'm', 'v'] as const, ROUNDING = { relative: 2e-6, absolute: 1e-7 };

test.each([['torch', 1], ['tensorflow', 29]] as const)('ε as in %s, %i numbers: the update of the graph', async (epsilonStyle, size) => {
  const settings = { ...SETTINGS, epsilonStyle }, feed = adamFeed(settings, 0.02, 3), clip = Math.fround(0.3);
  for (const decay of [true, false]) {
    const type = { dtype: 'float32' as const, shape: [size] };
    const whole = await compile({
      state: { w: type, m: type, v: type }, frozen: {}, feeds: { g: type, clip: { dtype: 'float32', shape: [1] }, adam: { dtype: 'float32', shape: [ADAM_FEED] } },
      step: ({ state: { w, m, v }, feeds: { g, clip, adam } }) => ({ state: { ...adamStep([{ w: w!, m: m!, v: v!, gradient: g!, decay }], adam!, reshape(clip!, []), settings)[0]! }, outputs: {} }),
    }, ONE);
    const state = { w: normal(size), m: normal(size), v: normal(size).map(Math.abs) }, before = { w: state.w.slice() }, g = normal(size);
    const wanted = await whole.run(state, {}, { g, clip: Float32Array.of(clip), adam: Float32Array.from(feed) });
    updateInPlace(state, g, clip, feed, decay, settings);
    for (const name of NAMES) expectClose(state[name], wanted.state[name] as Float32Array, name, ROUNDING);
    expect(state.w).not.toEqual(before.w);
    await whole.release();
  }
});

const B = 2, T = 8, K = 3, RATES = [0.02, 0.01, 0.03];
const numbers = (size: number) => Int32Array.from({ length: size }, () => 2 + random.integer(40));
const feeds = () => ({ ids: numbers(K * B * T), targets: numbers(K * B * T), weights: Float32Array.from({ length: K * B * T }, (_, i) => (i % 5) / 4) });

/** Everything learns, or an adapter only. */
function trainer(like: Checkpoint, inPlaceAbove: number) {
  const learns = (name: string) => !like.adapter || isAdapterTensor(name), all = checkpointParameters(like);
  const part = (wanted: boolean) => all.filter(({ name }) => learns(name) === wanted);
  const frozen = { parameters: part(false), weights: like.weights };
  return createTrainer(part(true), freshState(Object.fromEntries(part(true).map(({ name }) => [name, like.weights[name]!]))), languageModelLoss(like.architecture), SETTINGS, { frozen, adapters: scalesOf(like), inPlaceAbove, ...ONE });
}

test.each([
  ['all of a model, a matrix of it large', smallModel('gpt_neox', { vocabulary: 4500 })],
  ['an adapter', withAdapter(smallModel('llama'))],
])('%s: the losses, norms and state of the steps in one run; micro-batches too', async (_, like) => {
  const before = Object.fromEntries(Object.entries(like.weights).map(([name, data]) => [name, data.slice()]));
  for (const micro of [1, 2]) {
    const fed = feeds(), sides = [trainer(like, Infinity), trainer(like, 0)] as const;
    const [looped, own] = [await sides[0].steps('x', languageModelFeeds(B / micro, T), fed, RATES, micro), await sides[1].steps('x', languageModelFeeds(B / micro, T), fed, RATES, micro)];
    for (const name of Object.keys(looped)) expectClose(own[name]!, looped[name]!, name, { relative: 2e-5, absolute: 1e-6 });
    expect(own.loss).toHaveLength(K);
    for (const part of ['weights', 'm', 'v'] as const) for (const [name, data] of Object.entries(sides[0].state()[part])) expectClose(sides[1].state()[part][name]!, data, `${part} of ${name}`, { relative: 1e-3, absolute: 2e-5 });
    expect(sides[1].state().step).toBe(K);
    await sides[1].steps('x', languageModelFeeds(B / micro, T), fed, RATES, micro);
    expect(sides[1].state().weights, 'it goes on from there').not.toEqual(sides[0].state().weights);
    expect(like.weights, 'what it started from stays').toEqual(before);
    for (const side of sides) await side.release();
  }
});

test('a step that is not finite is named, and the state is that of the step before', async () => {
  const like = smallModel('llama'), side = trainer(like, 0), fed = feeds(), after = trainer(like, 0);
  fed.weights[B * T + 3] = Number.NaN; // of the second step
  await expect(side.steps('x', languageModelFeeds(B, T), fed, RATES)).rejects.toMatchObject({ code: 'not-finite', message: 'The loss is NaN at step 2, batch 2 of the 3 in this call.' });
  await after.steps('x', languageModelFeeds(B, T), { ids: fed.ids.slice(0, B * T), targets: fed.targets.slice(0, B * T), weights: fed.weights.slice(0, B * T) }, [RATES[0]!]);
  expect(side.state()).toEqual(after.state());
  expect(side.state().step).toBe(1);
  for (const one of [side, after]) await one.release();
});
