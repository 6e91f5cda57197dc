// Probes in sentences: the same in the window and on the command line.

import type { ProbeCell, ProbedModel, ProbeExpected, ProbeTable } from './probes.ts';

export const EXPECTED: Readonly<Record<ProbeExpected, string>> = {
  rise: 'should rise',
  fall: 'should fall',
  same: 'should not matter',
};

/** "+0.42", "−0.10", "0.00": two decimals with the sign that they have. */
export function signedWords(x: number): string {
  const digits = Math.abs(x).toFixed(2);
  return Number(digits) === 0 ? digits : `${x < 0 ? '−' : '+'}${digits}`;
}
const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** "+0.42 (+0.31 to +0.53)"; of too few answers, how many there are. */
export const differenceWords = ({ difference, n }: ProbeCell): string =>
  difference
    ? `${signedWords(difference.mean)} (${signedWords(difference.low)} to ${signedWords(difference.high)})`
    : n === 0
      ? 'applies to none'
      : `too few: ${n}`;

/** "71 % the wrong way (62 % to 79 %)"; nothing where nobody said which that is. */
export const wrongWords = ({ wrong }: ProbeCell): string =>
  wrong ? `${percent(wrong.share)} the wrong way (${percent(wrong.low)} to ${percent(wrong.high)})` : '';

/** All of a cell in a sentence, for whoever cannot see the column that it stands in. */
export const cellSentence = (cell: ProbeCell, probe: string, model: string): string =>
  [`${probe}, by ${model}: ${differenceWords(cell)}`, `${cell.n} answers`, wrongWords(cell)].filter(Boolean).join(', ');

/** What the probes are measured on. */
export function samplesSentence({ count, split, seed, writers }: ProbeTable['samples']): string {
  if (count === 0) return 'There are no answers to measure probes on yet: sample some first.';
  const answers = count === 1 ? '1 answer to a' : `${count} answers to ${split} prompts, one a`;
  const by = writers.length > 0 ? `, written by ${writers.join(', ')}` : '';
  return count === 1
    ? `Measured on ${answers} ${split} prompt${by}.`
    : `Measured on ${answers} prompt, drawn by seed ${seed}${by}.`;
}

const STATES: Readonly<Record<ProbedModel['state'], (model: ProbedModel) => string>> = {
  measured: () => '',
  measuring: ({ done, total }) => `Measuring: ${done} of ${total}`,
  waiting: () => 'Waits to be measured',
  held: () => 'Large: measured when you say so',
  failed: ({ fault }) => fault?.message ?? 'Could not be measured',
};
/** How far a model is; nothing where all is measured. */
export const stateWords = (model: ProbedModel): string => STATES[model.state](model);
