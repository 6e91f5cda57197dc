// Rows of other people's tables: what an error about one looks like, and the checks that their readers share.
import { TastemakerError } from '#core/errors.ts';

/** A row that was left out: its line, counted from 1, and why. */
export interface RowError {
  line: number;
  message: string;
}

/** What a reader of rows gives back: the good rows in order, and an error for each bad one. */
export interface Rows<T> {
  rows: T[];
  errors: RowError[];
}

export type Row = Record<string, unknown>;

/** The error a `check` throws to have its row left out. */
export function badRow(message: string, hint = 'Correct the row, or leave it out.'): TastemakerError {
  return new TastemakerError('bad-data', message, hint);
}

export const isRow = (value: unknown): value is Row => typeof value === 'object' && value !== null && !Array.isArray(value);
export const isText = (value: unknown): value is string => typeof value === 'string';

/** The row as an object, or throws. */
export function asRow(value: unknown): Row {
  if (!isRow(value)) throw badRow('The row is not an object.', 'Write one JSON object a line, such as {"prompt": "…"}.');
  return value;
}

/** The row with its fields taken from the columns that `map` names (field -> column). 'bad-argument' for a field that `fields` does not know. */
export function mapRow(value: unknown, map: Readonly<Record<string, string>>, fields: readonly string[]): unknown {
  const unknown = Object.keys(map).find((field) => !fields.includes(field));
  if (unknown !== undefined) throw new TastemakerError('bad-argument', `There is no field ${JSON.stringify(unknown)} to map.`, `The fields are: ${fields.join(', ')}.`);
  if (!isRow(value)) return value;
  const moved = new Set([...Object.keys(map), ...Object.values(map)]);
  const kept = Object.entries(value).filter(([column]) => !moved.has(column)); // a field that is mapped comes from its column or is absent
  return Object.fromEntries([...kept, ...Object.entries(map).filter(([, column]) => Object.hasOwn(value, column)).map(([field, column]) => [field, value[column]])]);
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

/** Runs `check` on one row; what it refuses (a TastemakerError) joins `errors`, anything else is a mistake of ours and passes. */
export function collect<T>(into: Rows<T>, line: number, check: () => T): void {
  try {
    into.rows.push(check());
  } catch (error) {
    if (!(error instanceof TastemakerError)) throw error;
    into.errors.push({ line, message: error.message });
  }
}
