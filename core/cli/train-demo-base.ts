// `tastemaker train demo-base`: trains the small base model that ships with the demo; needs no project.

import path from 'node:path';
import { count, readConfig, real } from '#core/recipes/settings.ts';
import { demoBaseFolder } from '#core/recipes/demo/demo-project.ts';
import { DEMO_BASE, trainDemoBase } from '#core/recipes/demo/train-demo-base.ts';
import { defineCommand, flag, list, readPairs, text } from './command.ts';
import { describeSettings, settingLines } from './train.ts';

const SETTINGS = {
  seed: count(DEMO_BASE.seed, [0, 2 ** 48], 'Seed of the posts, their order and the first weights.', {
    group: 'seeds',
  }),
  steps: count(DEMO_BASE.steps, [1, 1e9], 'Optimiser steps.', { group: 'optimisation' }),
  batch: count(DEMO_BASE.batch, [1, 4096], 'Posts a step.', { group: 'optimisation' }),
  learningRate: real(DEMO_BASE.learningRate, [0, 1], 'Peak learning rate.', { group: 'optimisation' }),
  warmup: count(DEMO_BASE.warmup, [0, 1e9], 'Steps of linear warm-up.', { group: 'optimisation' }),
  hold: real(DEMO_BASE.hold, [0, 0.999], 'Share of the steps before the learning rate begins to fall.', {
    group: 'optimisation',
  }),
  objectWeight: real(DEMO_BASE.objectWeight, [0, 1000], 'Weight of the word for what was broken in the loss.', {
    group: 'optimisation',
  }),
  postWeight: real(DEMO_BASE.postWeight, [0, 1000], "Weight of the post's own tokens in the loss.", {
    group: 'optimisation',
  }),
} as const;

export const trainDemoBaseCommand = defineCommand({
  name: 'train demo-base',
  computes: true,
  words: [],
  sentence: 'Train the base model of the demo world from nothing and write its folder.',
  options: {
    out: text('DIR', null, "The model folder to write; without it the demo's own."),
    set: list('key=value', 'A setting; may be given several times.'),
    list: flag('List the settings with their defaults and ranges.'),
  },
  run: async ({ options, tell }) => {
    const described = describeSettings(SETTINGS);
    if (options.list) return { data: described, lines: settingLines(described) };
    const config = readConfig(SETTINGS, readPairs(options.set, 'set'));
    const out = path.resolve(options.out ?? demoBaseFolder());
    await trainDemoBase(out, config, tell);
    return { data: { out, ...config }, lines: [`The base model is in ${out}.`] };
  },
});
