// The table of probes as a figure and as rows: what is saved of it.

import { cellSentence, differenceWords, EXPECTED, samplesSentence } from '#core/contract/probe-words.ts';
import type { ProbeCell, ProbeExpected, ProbeTable } from '#core/contract/probes.ts';
import { NO_TINT } from '#renderer/components/inside/figure.ts';
import type { Figure } from '#renderer/components/inside/figure.ts';
import type { Table } from '#renderer/components/inside/figure-export.ts';
import type { Tint } from '#renderer/components/inspect/token-colours.ts';

/** How a cell stands to what people expect, where its interval is on one side of 0: else nothing can be said. */
export type Verdict = 'wrong' | 'right' | 'unsaid' | 'unsure';

const RISES: Readonly<Record<ProbeExpected, { up: Verdict; down: Verdict }>> = {
  rise: { up: 'right', down: 'wrong' },
  fall: { up: 'wrong', down: 'right' },
  same: { up: 'wrong', down: 'wrong' },
};

export function verdictOf({ difference }: ProbeCell, expected: ProbeExpected | null): Verdict {
  if (!difference || (difference.low <= 0 && difference.high >= 0)) return 'unsure';
  if (expected === null) return 'unsaid';
  return RISES[expected][difference.low > 0 ? 'up' : 'down'];
}

const TINTS: Readonly<Record<Verdict, Tint>> = {
  wrong: { hue: 'bad', strength: 0.6 },
  right: { hue: 'good', strength: 0.6 },
  unsaid: NO_TINT,
  unsure: NO_TINT,
};

/** The cell of a probe under a model; null where nothing is measured yet. */
export const cellAt = ({ cells }: ProbeTable, probeId: number, modelId: number): ProbeCell | null =>
  cells.find((cell) => cell.probeId === probeId && cell.modelId === modelId) ?? null;

/** Rows are probes, columns reward models. */
export const probeFigure = (table: ProbeTable): Figure => ({
  title: 'What reward models pay for edits',
  sentence: `Mean of score edited − as written, 95 % intervals by prompt. ${samplesSentence(table.samples)}`,
  columns: table.models.map(({ name }) => name),
  layout: { name: 620, column: 300, heading: (name) => name },
  rows: table.probes.map(({ id, sentence, expected }) => ({
    name: sentence,
    title: expected ? EXPECTED[expected] : '',
    cell: (column) => {
      const model = table.models[column];
      const cell = model ? cellAt(table, id, model.modelId) : null;
      if (!model || !cell) return null;
      return {
        text: differenceWords(cell),
        tint: TINTS[verdictOf(cell, expected)],
        title: cellSentence(cell, sentence, model.name),
      };
    },
  })),
});

const HEADINGS = [
  'probe',
  'edit',
  'people say',
  'reward model',
  'answers',
  'prompts',
  'mean difference',
  'low',
  'high',
  'share the wrong way',
  'share low',
  'share high',
];

/** A line a cell, with all its numbers. */
export const probeRows = (table: ProbeTable): Table => [
  HEADINGS,
  ...table.probes.flatMap(({ id, sentence, expected }) =>
    table.models.flatMap(({ modelId, name }) => {
      const cell = cellAt(table, id, modelId);
      if (!cell) return [];
      const { n, difference, wrong } = cell;
      return [
        [
          id,
          sentence,
          expected ? EXPECTED[expected] : null,
          name,
          n,
          difference?.clusters ?? null,
          difference?.mean ?? null,
          difference?.low ?? null,
          difference?.high ?? null,
          wrong?.share ?? null,
          wrong?.low ?? null,
          wrong?.high ?? null,
        ],
      ];
    }),
  ),
];
