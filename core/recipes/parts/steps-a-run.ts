// The setting that says how many optimiser steps one call of the runtime takes; training/pace.ts chooses where it is 0.

import { count } from '#core/recipes/settings.ts';

export const STEPS_A_RUN = count(
  0,
  [0, 1000],
  'Optimiser steps in one call of the runtime; checkpoints and Ctrl-C act between calls. 0 = eight, on an NVIDIA card as many as take up to six seconds.',
  { group: 'seeds' },
);
