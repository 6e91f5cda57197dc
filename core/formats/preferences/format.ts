// What a reader of preference data is, and the checks of fields that several of them share.

import type { Answer, Preference } from './preference.ts';
import { parseJson } from '#core/formats/json-text.ts';
import { FREE_JSON } from '#core/formats/row-shape.ts';
import { badRow, isRow, isText, optionalText } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';

/** A ranking of completions that the project knows by number; only our own files hold such. */
export interface NumberedRanking {
  line: number;
  promptId: number;
  completionIds: number[];
  ranks: number[];
  labeler: string | null;
  confidence: number | null;
  note: string | null;
}
export type PreferenceRow = Preference | NumberedRanking;
export const isNumbered = (row: PreferenceRow): row is NumberedRanking => 'promptId' in row;

export interface ReadContext {
  /** tells of something doubtful in a row that is taken all the same */
  warn(message: string): void;
}

export interface Format {
  name: string;
  title: string;
  /** whether a row of a file looks like one of this format; at most one format says so of any row */
  fits(row: Row): boolean;
  /** What a row says; throws a TastemakerError, and nothing else, for one that is not as it should be. */
  read(row: Row, line: number, context: ReadContext): PreferenceRow | PreferenceRow[];
  /** puts together what stands in several rows */
  gather?(rows: PreferenceRow[]): PreferenceRow[];
  /** the columns that its rows use, the ones of every format (OWN_FIELDS) apart */
  uses: readonly string[] | ((row: Row) => readonly string[]);
  /** the part of a row that has columns of its own, and which of them are used */
  inner?(row: Row): { row: Row; used: readonly string[] };
  /**
   * where the file says which answer is better by its place, so that the order in which they were shown is not in it
   */
  bestFirst?: true;
  /** its answers stay as they are, even where all of them begin with the prompt */
  exact?: true;
  /** its texts are token ids: they are decoded after all rows are read */
  tokens?: true;
}

/** A record with what a file gives, and nothing in all other places. */
export const preference = (
  given: Pick<Preference, 'line' | 'prompt' | 'answers'> & Partial<Preference>,
): Preference => ({
  messages: null,
  ranks: null,
  labeler: null,
  confidence: null,
  note: null,
  durationMs: null,
  split: null,
  reference: null,
  ratings: [],
  marks: [],
  extra: {},
  ...given,
});

export const answer = (text: string, writer: string | null = null): Answer => ({ text, writer, tokenIds: null });

/** A text that must be there; it may be empty, for a model may answer nothing. */
export function textOf(row: Row, field: string): string {
  const value = row[field];
  if (!isText(value)) throw badRow(value === undefined ? `"${field}" is missing.` : `"${field}" is not text.`);
  return value;
}

/** A text or a number as text; absent, null and empty are null. */
export function nameOf(row: Row, field: string): string | null {
  const value = row[field];
  return typeof value === 'number' ? String(value) : optionalText(row, field);
}

export function rowOf(row: Row, field: string): Row {
  const value = row[field];
  if (!isRow(value)) throw badRow(value === undefined ? `"${field}" is missing.` : `"${field}" is not an object.`);
  return value;
}

export function listOf<T>(row: Row, field: string, is: (value: unknown) => value is T, what: string): T[] {
  const value = row[field];
  if (!Array.isArray(value)) throw badRow(value === undefined ? `"${field}" is missing.` : `"${field}" is not a list.`);
  const wrong = value.findIndex((item) => !is(item));
  if (wrong >= 0) throw badRow(`Item ${wrong + 1} of "${field}" is not ${what}.`);
  return value as T[];
}

/** A number that is written as text, as tables and some programs write it, is a number; all else stays what it is. */
const numberFrom = (value: unknown): unknown =>
  isText(value) && /^\s*[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?\s*$/i.test(value) ? Number(value) : value;

/** A number that may be absent, null or empty, from `low` to `high`. */
export function optionalNumber(row: Row, field: string, low = -Infinity, high = Infinity): number | null {
  const value = numberFrom(row[field]);
  if (value === undefined || value === null || value === '') return null;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw badRow(`"${field}" is not a number.`);
  if (value < low || value > high)
    throw badRow(`"${field}" is ${value}, not a number from ${low}${high === Infinity ? '' : ` to ${high}`}.`);
  return value;
}

/** Whether an offset falls between the two halves of one character. */
export const cutsCharacter = (text: string, at: number): boolean =>
  at > 0 && /[\ud800-\udbff]/.test(text[at - 1]!) && /[\udc00-\udfff]/.test(text[at] ?? '');

export const isId = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;
const isScalar = (value: unknown): value is string | number | boolean | null =>
  value === null ||
  isText(value) ||
  typeof value === 'boolean' ||
  (typeof value === 'number' && Number.isFinite(value));

/** The plain values of a row that have no place of their own: all fields but the `used` ones, kept for the way back. */
export function extraOf(row: Row, used: readonly string[]): Preference['extra'] {
  if (typeof row[MARGIN] === 'object' && row[MARGIN] !== null && !used.includes(MARGIN))
    throw badRow(`"${MARGIN}" is not a number.`);
  const kept = Object.entries(row).filter(
    (entry): entry is [string, string | number | boolean | null] => !used.includes(entry[0]) && isScalar(entry[1]),
  );
  return Object.fromEntries(
    kept
      .filter(([field, value]) => field !== MARGIN || (value !== null && value !== ''))
      .map(([field, value]) => [field, field === MARGIN ? optionalNumber(row, MARGIN) : value]),
  );
}
/** The fields of other files that a file of ours carries along. */
export function carriedExtra(row: Row): Preference['extra'] {
  const text = row[FREE_JSON];
  const more: unknown = isText(text) && text !== '' ? parsedOrNull(text) : {};
  if (!isRow(more)) throw badRow(`"${FREE_JSON}" is not a JSON object.`);
  return { ...(isRow(row['extra']) ? extraOf(row['extra'], []) : {}), ...extraOf(more, []) };
}
function parsedOrNull(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}
/** How much better the chosen answer is: a number, or the row is bad. */
const MARGIN = 'margin';

const SPLITS: Readonly<Record<string, Preference['split']>> = {
  train: 'train',
  training: 'train',
  validation: 'validation',
  valid: 'validation',
  valid1: 'validation',
  val: 'validation',
  dev: 'validation',
  development: 'validation',
  eval: 'validation',
  evaluation: 'validation',
  valid2: 'test',
  test: 'test',
  testing: 'test',
};
/**
 * What a file calls a split, in our three words; null for any other word. P20's valid2 is what nothing was chosen by,
 * as our test.
 */
export function splitOf(value: unknown): Preference['split'] {
  const word = isText(value) ? value.trim().toLowerCase() : '';
  return Object.hasOwn(SPLITS, word) ? SPLITS[word]! : null;
}

/**
 * Watches the splits that rows name, and says which of them are none of ours: their prompts would be taken for rows
 * that name none.
 */
export function watchSplits() {
  const unknown = new Map<string, number>();
  return {
    see: (value: unknown) => {
      if (value === undefined || value === null || value === '' || splitOf(value) !== null) return;
      const word = String(isText(value) ? value : JSON.stringify(value)).slice(0, 40);
      unknown.set(word, (unknown.get(word) ?? 0) + 1);
    },
    notes: () =>
      [...unknown].map(
        ([word, rows]) =>
          `${rows === 1 ? '1 row names' : `${rows} rows name`} the split ${JSON.stringify(word)}, which is none of train, validation and test: it was not taken.`,
      ),
  };
}

/** What rows with a labeler have in every format that has no names of its own for it. */
export const OWN_FIELDS = ['labeler', 'confidence', 'note', 'duration_ms', 'split', 'reference'] as const;
export function ownFields(
  row: Row,
): Pick<Preference, 'labeler' | 'confidence' | 'note' | 'durationMs' | 'split' | 'reference'> {
  const confidence = numberFrom(row['confidence']) ?? null;
  if (confidence !== null && !(isId(confidence) && confidence <= 9))
    throw badRow('"confidence" is not a whole number from 1 to 9.');
  return {
    labeler: optionalText(row, 'labeler'),
    confidence,
    note: optionalText(row, 'note'),
    durationMs: optionalNumber(row, 'duration_ms', 0),
    split: splitOf(row['split']),
    reference: optionalText(row, 'reference'),
  };
}
