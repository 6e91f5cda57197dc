// The options that say how completions are drawn, the same wherever something is sampled.

import { list, number, wholeNumber } from './command.ts';

export const samplingOptions = {
  temperature: number(0.7, [0, 100], 'Divides the logits; 0 = always the likeliest token.'),
  'top-p': number(1, [0.000001, 1], 'Keep the smallest set of tokens with this much probability; 1 = all.'),
  'top-k': wholeNumber(0, [0, 1e6], 'Keep the k likeliest tokens; 0 = all.'),
  'max-new': wholeNumber(48, [1, 1e6], 'Longest completion in tokens.'),
  forbid: list('TEXT', 'A text that may not come out, in whatever tokens; may be given several times.'),
  seed: wholeNumber(1, [0, 2 ** 48], 'Seed of the draws.'),
};
