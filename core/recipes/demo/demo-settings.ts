// The settings that the demo world is known to work with (demo-world.md §6), for the command line and for one click in
// the window.
//
// One pool of labelers with a bias one can see, a sensible price of KL, and no price at all on the same reward model.

import type { LabelerName } from '#core/demo/labelers.ts';

export const TASTE: LabelerName = 'crowd_b';
/**
 * Of the `ranked` prompts 300 are for validation: the reward model is checked, and the best policy chosen, on them; the
 * held-out ones are the test split, which only the report looks at.
 */
export const DEMO = { ranked: 1300, prompts: 2300, validation: 300, heldOut: 160, temperature: 0.7, maxNew: 40 };
export const SAMPLE = {
  policy: 'base',
  k: 4,
  split: '',
  temperature: DEMO.temperature,
  top_k: 0,
  top_p: 1,
  max_new: DEMO.maxNew,
};
export const REWARD = { learning_rate: 5e-4, schedule: 'linear', batch: 8 };
const HELD_OUT = { evaluate_prompts: 160, temperature: DEMO.temperature, max_new: DEMO.maxNew };
export const SENSIBLE = {
  beta: 0.2,
  updates: 20,
  episodes: 64,
  epochs: 2,
  minibatches: 2,
  learning_rate: 6e-4,
  schedule: 'linear',
  evaluate_every: 5,
  checkpoint_every: 20,
  ...HELD_OUT,
};
/**
 * A rate that grows with the updates: at first so slow that gold is seen to rise, and in the end so quick that nothing
 * is left of it. Where the best weights are
 * chosen a nat of KL costs what the sensible run pays.
 */
export const FREE = {
  beta: 0,
  updates: 52,
  episodes: 64,
  epochs: 2,
  minibatches: 2,
  learning_rate: 2.4e-3,
  warmup: 64,
  schedule: 'constant',
  evaluate_every: 2,
  best_kl_price: SENSIBLE.beta,
  checkpoint_every: 52,
  ...HELD_OUT,
};
