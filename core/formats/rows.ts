// Rows of other people's tables: what an error about one looks like, and the checks that their readers share.
import { TastemakerError } from '#core/errors.ts';

/** A row that was left out: its line, counted from 1, and why. */
export interface RowError {
  line: number;
  message: string;
}

/** Bad rows: the first of them, each with why, and how many more there are. */
export interface BadRows {
  errors: RowError[];
  unlisted?: number;
}

/** What a reader of rows gives back: the good rows in order, and what is wrong with the others. */
export interface Rows<T> extends BadRows {
  rows: T[];
}

/** So many bad rows are named; of millions, nobody reads more. */
const LISTED = 1000;
/** A file that begins with so many bad rows and not one good one is something else. */
const HOPELESS = 10_000;
/** Columns of a table, fields of a row. */
export const MOST_COLUMNS = 2000;
/** Characters of one text; what the window takes at once, and some 250,000 tokens. */
export const LONGEST_TEXT = 1_000_000;

export const countBad = ({ errors, unlisted = 0 }: BadRows): number => errors.length + unlisted;

/** Adds an error: it is named as one of the first, or counted. */
export function noteBad(into: BadRows, error: RowError): void {
  if (into.errors.length < LISTED) into.errors.push(error);
  else into.unlisted = (into.unlisted ?? 0) + 1;
}

/** Keeps the first doubts; more say nothing new. */
export function warn(into: RowError[], doubt: RowError): void {
  if (into.length < LISTED) into.push(doubt);
}

/** Several as one, in the order of their lines. */
export function joinBad(...parts: readonly BadRows[]): BadRows {
  const all = parts.flatMap(({ errors }) => errors).sort((a, b) => a.line - b.line);
  const errors = all.slice(0, LISTED);
  const unlisted = parts.reduce((sum, part) => sum + countBad(part), 0) - errors.length;
  return unlisted > 0 ? { errors, unlisted } : { errors };
}

/** What is to be said where not every bad row is named. */
export const unlistedNotes = ({ errors, unlisted = 0 }: BadRows): string[] =>
  unlisted === 0
    ? []
    : [
        `${(errors.length + unlisted).toLocaleString('en')} rows are bad; only the first ${errors.length.toLocaleString('en')} are named.`,
      ];

/** 'bad-file' where a file has begun with nothing but bad rows for so long that the rest is not worth reading. */
export function refuseHopeless(file: string, bad: BadRows, good: number): void {
  if (good > 0 || countBad(bad) < HOPELESS) return;
  const first = bad.errors[0]!;
  throw new TastemakerError(
    'bad-file',
    `The first ${HOPELESS.toLocaleString('en')} rows of ${file} are all bad; line ${first.line}: ${first.message}`,
    'Look at the file: it is of another kind, or was damaged.',
  );
}

export type Row = Record<string, unknown>;

/** The error a `check` throws to have its row left out. */
export function badRow(message: string, hint = 'Correct the row, or leave it out.'): TastemakerError {
  return new TastemakerError('bad-data', message, hint);
}

export const isRow = (value: unknown): value is Row =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const isText = (value: unknown): value is string => typeof value === 'string';

/** The row as an object, or throws. Its texts are no longer than `LONGEST_TEXT`. */
export function asRow(value: unknown): Row {
  if (!isRow(value))
    throw badRow('The row is not an object.', 'Write one JSON object a line, such as {"prompt": "…"}.');
  refuseWideRow(value);
  const long = longText(value);
  if (long !== null) throw tooLong(long);
  return value;
}

/** Throws where a value is an object of more fields than a row may have. */
export function refuseWideRow(value: unknown): void {
  const fields = isRow(value) ? Object.keys(value).length : 0;
  if (fields > MOST_COLUMNS)
    throw badRow(
      `The row has ${fields.toLocaleString('en')} fields; the most is ${MOST_COLUMNS.toLocaleString('en')}.`,
    );
}

/** The error for a text that is too long to be worked with. */
export const tooLong = (length: number): TastemakerError =>
  badRow(
    `A text in the row has ${length.toLocaleString('en')} characters; the most is ${LONGEST_TEXT.toLocaleString('en')}.`,
    'Shorten it, or leave the row out.',
  );

/** The length of the first text in a value, at any depth that a row has, that is too long; null where none is. */
function longText(value: unknown, depth = 0): number | null {
  if (isText(value)) return value.length > LONGEST_TEXT ? value.length : null;
  if (typeof value !== 'object' || value === null || depth > 8) return null;
  for (const part of Object.values(value)) {
    const found = longText(part, depth + 1);
    if (found !== null) return found;
  }
  return null;
}

/**
 * The row with its fields taken from the columns that `map` names (field -> column). 'bad-argument' for a field that
 * `fields` does not know.
 */
export function mapRow(value: unknown, map: Readonly<Record<string, string>>, fields: readonly string[]): unknown {
  const unknown = Object.keys(map).find((field) => !fields.includes(field));
  if (unknown !== undefined)
    throw new TastemakerError(
      'bad-argument',
      `There is no field ${JSON.stringify(unknown)} to map.`,
      `The fields are: ${fields.join(', ')}.`,
    );
  if (!isRow(value)) return value;
  const moved = new Set([...Object.keys(map), ...Object.values(map)]);
  // a field that is mapped comes from its column or is absent
  const kept = Object.entries(value).filter(([column]) => !moved.has(column));
  return Object.fromEntries([
    ...kept,
    ...Object.entries(map)
      .filter(([, column]) => Object.hasOwn(value, column))
      .map(([field, column]) => [field, value[column]]),
  ]);
}

/** A text that must be there and not be blank. */
export function requiredText(row: Row, field: string): string {
  const value = row[field];
  if (value === undefined || value === null) throw badRow(`"${field}" is missing.`);
  if (!isText(value)) throw badRow(`"${field}" is not text.`);
  if (value.trim() === '') throw badRow(`"${field}" is empty.`);
  return value;
}

/** A text that may be absent, null or empty: those three are null. */
export function optionalText(row: Row, field: string): string | null {
  const value = row[field];
  if (value === undefined || value === null || value === '') return null;
  if (!isText(value)) throw badRow(`"${field}" is not text.`);
  return value;
}

/**
 * Runs `check` on one row; what it refuses (a TastemakerError) joins `errors`, anything else is a mistake of ours and
 * passes.
 */
export function collect<T>(into: Rows<T>, line: number, check: () => T): void {
  try {
    into.rows.push(check());
  } catch (error) {
    if (!(error instanceof TastemakerError)) throw error;
    noteBad(into, { line, message: error.message });
  }
}
