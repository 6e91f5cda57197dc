// What an import shows: the columns of its preview that say something, and its result in words.

import type { ImportKind, ImportPreview, ImportResult } from '#core/contract/data.ts';

/** "1 row", "1,204 rows". */
export const counted = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

/** "a", "a and b", "a, b and c". */
export const listed = (parts: readonly string[]): string =>
  parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;

/** One of what is imported. A row of rankings may be a rating or a mark alone. */
export const ROWS_OF: Readonly<Record<ImportKind, string>> = {
  prompts: 'prompt',
  completions: 'completion',
  rankings: 'row',
};

type Shown = Pick<ImportPreview, 'fields' | 'rows' | 'conversations'>;

/** The field whose cell is the conversation, where a row has one. */
const ASKED = ['text', 'prompt'];
export const isAsked = (field: string): boolean => ASKED.includes(field);

/**
 * The fields that some row fills, in the order of the mapping; what the format says besides (writers, ratings, marks)
 * comes last.
 */
export function shownFields({ fields, rows, conversations }: Shown): string[] {
  const filled = (field: string) =>
    rows.some((row) => (row[field] ?? '') !== '') ||
    (isAsked(field) && field in (rows[0] ?? {}) && conversations.some(Boolean));
  const more = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((field) => !fields.includes(field));
  const answers = ['completions']; // the answers stand beside what was asked
  const known = fields.filter(filled);
  const order = (field: string) => (isAsked(field) ? 0 : answers.includes(field) ? 1 : 2);
  return [...known, ...more.filter(filled)]
    .map((field, i) => ({ field, i }))
    .sort((a, b) => order(a.field) - order(b.field) || a.i - b.i)
    .map(({ field }) => field);
}

/** The format by its title. */
export const titleOf = ({ format, formats }: Pick<ImportPreview, 'format' | 'formats'>): string =>
  formats.find(({ name }) => name === format)?.title ?? format;

/** A file of token ids is read with a model's tokenizer; until one is named its reader says so. */
export const holdsTokens = ({ format, errors }: Pick<ImportPreview, 'format' | 'errors'>): boolean =>
  format === 'openai-2019' || (format === 'unknown' && errors.some(({ message }) => message.includes('token ids')));

/**
 * What answers are called in rows of a prompt and an answer; a summary or target is a person's, and stays with its
 * prompt.
 */
const ASKS = ['prompt', 'query', 'question', 'instruction', 'post'];
const ANSWERS = ['completion', 'response', 'answer', 'output'];

/**
 * What a file is, by what a reader of rankings says of it: rankings in some format, a prompt and an answer a row, else
 * prompts.
 */
export function kindOf(found: Pick<ImportPreview, 'format' | 'errors' | 'columns'>): ImportKind {
  if (found.format !== 'unknown' || holdsTokens(found)) return 'rankings';
  return ASKS.some((name) => found.columns.includes(name)) && ANSWERS.some((name) => found.columns.includes(name))
    ? 'completions'
    : 'prompts';
}

const MADE = {
  prompts: 'prompt',
  completions: 'answer',
  rankings: 'ranking',
  ratings: 'rating',
  marks: 'mark',
} as const;

/** "12 prompts, 48 answers and 30 rankings": what the rows became. */
export function madeSentence(made: ImportResult['made']): string {
  const parts = (Object.keys(MADE) as (keyof typeof MADE)[])
    .filter((what) => made[what] > 0)
    .map((what) => counted(made[what], MADE[what]));
  if (parts.length === 0) return 'Nothing was added.';
  return `Added ${listed(parts)}.`;
}
