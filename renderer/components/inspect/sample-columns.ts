// The columns of numbers in the list of samples: what each says, and whose it is.
import type { SampleMeasures, SampleRow, SampleSort } from '#core/contract/samples.ts';

export interface SampleColumn {
  sort: SampleSort;
  title: string;
  sentence: string;
  /** what stands in a row, '' where there is nothing */
  text: (row: SampleRow) => string;
  /** it is left out where there is little room, unless it sorts */
  minor?: true;
}

/** "−0.25", never "-0.00"; '' for nothing. */
export const shortNumber = (value: number | null, digits: number): string =>
  value === null
    ? ''
    : value
        .toFixed(digits)
        .replace(/^-(?=[0.]+$)/, '')
        .replace('-', '−');
const ofTokens = (row: SampleRow, value: number, digits: number) => shortNumber(row.tokens ? value : null, digits);

/** Gold only where the world is known; the heads name the models. */
export function columnsFor(measures: SampleMeasures | null): SampleColumn[] {
  const { reward, reference, hasGold = false } = measures ?? {};
  return [
    {
      sort: 'score',
      title: 'Score',
      sentence: reward ? `The score by “${reward.name}”` : 'The score by a reward model; there is none yet',
      text: (row) => shortNumber(row.score, 2),
    },
    ...(hasGold
      ? [
          {
            sort: 'gold',
            title: 'Gold',
            sentence: 'The true score in the demo world, 1 to 7',
            text: (row) => shortNumber(row.gold, 1),
          } satisfies SampleColumn,
        ]
      : []),
    {
      sort: 'kl',
      title: 'KL',
      sentence: `ln π − ln π_ref, summed over the sample${reference ? `; the reference is “${reference.name}”` : ''}`,
      text: (row) => shortNumber(row.kl, 1),
    },
    {
      sort: 'logprob',
      title: 'ln π',
      sentence: 'Summed over the sample, at temperature 1',
      text: (row) => ofTokens(row, row.logprob, 1),
      minor: true,
    },
    {
      sort: 'length',
      title: 'Tokens',
      sentence: 'Length in tokens; … where the sample was cut off',
      text: (row) => `${row.tokens || ''}${row.finish === 'length' ? '…' : ''}`,
    },
    {
      sort: 'repetition',
      title: 'Rep.',
      sentence: 'Share of three-token sequences seen before in the same sample',
      text: (row) => ofTokens(row, row.repetition, 2),
      minor: true,
    },
    {
      sort: 'step',
      title: 'Step',
      sentence: 'Step of the run that drew it',
      text: (row) => `${row.step ?? ''}`,
      minor: true,
    },
  ];
}
