// Numbers of a comparison in words: the same in the window and on the command line.

import type { MeanOver } from './compare.ts';

/** Two decimals with a real minus, and none before a zero. */
const two = (x: number): string =>
  x
    .toFixed(2)
    .replace(/^-(?=[0.]+$)/, '')
    .replace('-', '−');
const signed = (x: number): string => (Number(x.toFixed(2)) > 0 ? `+${two(x)}` : two(x));

const over = ({ low, high, prompts }: MeanOver, words: (x: number) => string): string =>
  low === null || high === null
    ? `too few prompts for an interval: ${prompts}`
    : `${words(low)} to ${words(high)}, ${prompts} prompts`;

/** "1.52 (1.3 to 1.74, 32 prompts)" */
export const meanWords = (mean: MeanOver): string => `${two(mean.mean)} (${over(mean, two)})`;

/** The same of a difference: "+0.4 (−0.1 to +0.9, 32 prompts)" */
export const changeWords = (mean: MeanOver): string => `${signed(mean.mean)} (${over(mean, signed)})`;
