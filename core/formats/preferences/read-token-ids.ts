// OpenAI's labels of 2019 (19:label_types.py): lists of token ids, of which a tokenizer makes texts.

import { extraOf, optionalNumber, preference } from './format.ts';
import type { Format, PreferenceRow } from './format.ts';
import type { Preference } from './preference.ts';
import { badRow } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';

/** Texts of lists of token ids, in the order given. */
export type Decode = (lists: readonly (readonly number[])[]) => Promise<string[]>;

/** Fills rows up to their length; it is beyond GPT-2's vocabulary (19:launch.py). */
const PADDING = 50259;

/** A preference whose prompt is yet to be decoded. */
interface OfTokens extends Preference {
  promptIds: number[];
}

function idsOf(row: Row, field: string): number[] {
  const value = row[field];
  if (!Array.isArray(value))
    throw badRow(value === undefined ? `"${field}" is missing.` : `"${field}" is not a list of token ids.`);
  const wrong = value.findIndex((id) => !Number.isSafeInteger(id) || id < 0 || id > 0xffffffff);
  if (wrong >= 0) throw badRow(`Item ${wrong + 1} of "${field}" is not a token id.`);
  return (value as number[]).filter((id) => id !== PADDING);
}

const SAMPLE = /^sample(\d{0,3})$/;

/**
 * The best of several samples, a score of one, or the difference between two (the second less the first; 0 is a tie).
 */
function readLabel(row: Row, line: number): OfTokens {
  const fields = Object.keys(row)
    .filter((field) => SAMPLE.test(field))
    .sort((a, b) => Number(a.slice(6)) - Number(b.slice(6)));
  const answers = fields.map((field) => ({ text: '', writer: null, tokenIds: idsOf(row, field) }));
  const { best } = row;
  const difference = optionalNumber(row, 'difference');
  const score = optionalNumber(row, 'score');
  let ranks: number[] | null = null;
  if (best !== undefined) {
    if (!Number.isSafeInteger(best) || (best as number) < 0 || (best as number) >= answers.length)
      throw badRow(`"best" is not the number of one of the ${answers.length} samples, counted from 0.`);
    if (answers.length < 2) throw badRow('There is nothing to choose from: the row has fewer than two samples.');
    ranks = answers.map((_, i) => (i === best ? 1 : 2)); // the others were not ranked among themselves
  } else if (difference !== null) {
    if (answers.length !== 2) throw badRow(`"difference" is between two samples; this row has ${answers.length}.`);
    ranks = difference === 0 ? [1, 1] : difference > 0 ? [2, 1] : [1, 2];
  } else if (score === null) throw badRow('None of "best", "difference" and "score" is there.');
  else if (answers.length === 0) throw badRow('"sample" is missing.');
  return {
    ...preference({ line, prompt: '', answers, ranks, extra: extraOf(row, ['best']) }),
    promptIds: idsOf(row, 'query'),
  };
}

export const TOKEN_FORMATS: readonly Format[] = [
  {
    name: 'openai-2019',
    title: 'OpenAI 2019, token ids',
    fits: (row) => Array.isArray(row['query']) && ('sample' in row || 'sample0' in row),
    uses: (row) => ['query', 'best', ...Object.keys(row).filter((field) => SAMPLE.test(field))],
    read: readLabel,
    tokens: true,
  },
];

const AT_ONCE = 2000;

/** The same rows with their texts; a prompt without any is an error of its row. */
export async function decodeRows(
  rows: readonly PreferenceRow[],
  decode: Decode,
): Promise<{ rows: Preference[]; errors: { line: number; message: string }[] }> {
  const done: Preference[] = [];
  const errors: { line: number; message: string }[] = [];
  for (let at = 0; at < rows.length; at += AT_ONCE) {
    const part = rows.slice(at, at + AT_ONCE) as OfTokens[];
    const texts = (
      await decode(part.flatMap(({ promptIds, answers }) => [promptIds, ...answers.map(({ tokenIds }) => tokenIds!)]))
    ).values();
    for (const { promptIds: _, ...row } of part) {
      const prompt = texts.next().value!;
      const answers = row.answers.map((one) => ({ ...one, text: texts.next().value! }));
      if (prompt.trim() === '') errors.push({ line: row.line, message: 'The query has no text.' });
      else done.push({ ...row, prompt, answers });
    }
  }
  return { rows: done, errors };
}
