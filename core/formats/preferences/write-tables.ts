// Pairs as tables: comma-separated values, and Parquet as the Hugging Face hub keeps it.

import type { Preference } from './preference.ts';
import { conversational, ofPairs } from './write-pairs.ts';
import { pairsOf } from './writer.ts';
import type { Leave, Pair, WriteOptions, Writer } from './writer.ts';

const LOST = 'ties, who wrote the answers, durations, references, ratings and marks';
const texts = <const T extends readonly string[]>(...names: T) =>
  Object.fromEntries(names.map((name) => [name, 'text'])) as Record<T[number], 'text'>;
/** In a table an empty cell is a missing one. */
const ofFullPairs =
  (row: (preference: Preference, pair: Pair) => Record<string, unknown>) =>
  (preference: Preference, { pairs }: WriteOptions, leave: Leave) =>
    pairsOf(preference, pairs, leave).flatMap((pair) => {
      if (pair.chosenText !== '' && pair.rejectedText !== '') return [row(preference, pair)];
      leave('emptyText');
      return [];
    });
const plain = ({ prompt }: Preference, { chosenText, rejectedText }: { chosenText: string; rejectedText: string }) => ({
  prompt,
  chosen: chosenText,
  rejected: rejectedText,
});

export const TABLE_WRITERS: readonly Writer[] = [
  {
    name: 'csv',
    title: 'CSV, chosen and rejected',
    container: 'csv',
    columns: texts('prompt', 'chosen', 'rejected', 'labeler', 'confidence', 'note', 'split'),
    holds: `Pairs with their prompt, labeler, confidence, note and split. Loses ${LOST}. A conversation becomes plain text.`,
    write: ofFullPairs((preference, pair) => ({
      ...plain(preference, pair),
      labeler: preference.labeler,
      confidence: preference.confidence,
      note: preference.note,
      split: preference.split,
    })),
  },
  {
    name: 'h2o',
    title: 'H2O LLM Studio, CSV',
    container: 'csv',
    columns: texts('prompt', 'answer', 'rejected_answer'),
    holds: `Pairs with their prompt. Loses ${LOST}, and who ranked, confidence, notes and splits. A conversation becomes plain text.`,
    write: ofFullPairs(({ prompt }, { chosenText, rejectedText }) => ({
      prompt,
      answer: chosenText,
      rejected_answer: rejectedText,
    })),
  },
  {
    name: 'parquet',
    title: 'Parquet, prompt, chosen and rejected',
    container: 'parquet',
    columns: texts('prompt', 'chosen', 'rejected'),
    holds: `Pairs with their prompt, as TRL reads them. Loses ${LOST}, and who ranked, confidence, notes and splits. A conversation becomes plain text.`,
    write: ofPairs(plain),
  },
  {
    name: 'parquet-conversational',
    title: 'Parquet, conversations',
    container: 'parquet',
    columns: { prompt: 'messages', chosen: 'messages', rejected: 'messages' },
    holds: `Pairs with their whole conversation, as TRL reads them. Loses ${LOST}, and who ranked, confidence, notes and splits.`,
    write: ofPairs(conversational),
  },
];
