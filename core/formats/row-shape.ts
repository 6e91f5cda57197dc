// JSON rows that every reader of tables takes: each column in every row or in none, numbers with a fraction as such,
// one kind of value a field.

import { notJson, parseJson } from './json-text.ts';

type Row = Record<string, unknown>;

/** What a format says of its columns. */
export interface RowShape {
  /**
   * fields that are numbers with a fraction, wherever they stand: 1 is written as 1.0, for readers guess the kind from
   * the first rows
   */
  floats?: readonly string[];
  /** columns that mean nothing to a reader where they are missing in some rows: then they are in none */
  complete?: readonly string[];
}

/** JSON text that stands for itself: 1.0 is the number 1 to us and a float to others (V8's JSON.rawJSON). */
const raw = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;
const asFloat = (value: number): unknown =>
  Number.isInteger(value) && Math.abs(value) < 1e21 ? raw(`${Object.is(value, -0) ? '-0' : value}.0`) : value;

/** A row as one line of JSON. */
export function jsonOf(row: Row, floats: ReadonlySet<string>): string {
  if (floats.size === 0) return JSON.stringify(row);
  return JSON.stringify(row, (key, value: unknown) =>
    typeof value === 'number' && floats.has(key) ? asFloat(value) : value,
  );
}

type Kind = 'text' | 'boolean' | 'whole' | 'fraction';
const kindOf = (value: unknown): Kind | null =>
  typeof value === 'string'
    ? 'text'
    : typeof value === 'boolean'
      ? 'boolean'
      : typeof value === 'number'
        ? Number.isInteger(value)
          ? 'whole'
          : 'fraction'
        : null;

/** The field that holds what other files said, whose fields may be anything. */
const FREE = 'extra';
/** Those of them that hold values of several kinds, as JSON in a text. */
export const FREE_JSON = 'extra_json';
const isObject = (value: unknown): value is Row => typeof value === 'object' && value !== null && !Array.isArray(value);

/** So much of a file at least is what a reader guesses the kinds of columns from (pyarrow: the first megabyte). */
const GUESSED_FROM = 500_000; // bytes
/**
 * Whether a value has a list's or an object's inside: null and [] say nothing of it, and a reader that saw only those
 * cannot take it later.
 */
const isNested = (value: unknown) => (Array.isArray(value) ? value.some((one) => one !== null) : isObject(value));

/** Sees every row on its way out, and knows at the end what is to be changed so that all rows are of one shape. */
export function watchShape({ complete = [] }: RowShape) {
  const columns = new Map<string, number>();
  const kinds = new Map<string, Set<Kind>>();
  const nested = new Set<string>();
  // by their places: the first rows with a list or an object in a column, where they come late
  const late = new Map<number, Row>();
  let rows = 0;
  const mixed = () => [...kinds].filter(([, seen]) => seen.size > 1);
  const missing = () => [...columns].filter(([, count]) => count < rows).map(([name]) => name);
  const isOfKinds = (name: string) =>
    [...(kinds.get(name) ?? [])].some((kind) => kind === 'text' || kind === 'boolean') && kinds.get(name)!.size > 1;
  const number = (name: string, value: unknown) =>
    kinds.get(name)!.size > 1 && typeof value === 'number' ? asFloat(value) : value;
  return {
    /** `bytes` counts those of the file before this row. */
    see: (row: Row, bytes: () => number) => {
      rows++;
      for (const [name, value] of Object.entries(row)) {
        if (value !== undefined) columns.set(name, (columns.get(name) ?? 0) + 1);
        if (nested.has(name) || !isNested(value)) continue;
        nested.add(name);
        if (bytes() > GUESSED_FROM) late.set(rows - 1, row);
      }
      if (!isObject(row[FREE])) return;
      for (const [name, value] of Object.entries(row[FREE])) {
        const kind = kindOf(value);
        if (!kinds.has(name)) kinds.set(name, new Set());
        if (kind) kinds.get(name)!.add(kind);
      }
    },
    isUneven: () => missing().length > 0 || mixed().length > 0 || late.size > 0,
    /** The rows that are to stand first, by their places among all. */
    late: late as ReadonlyMap<number, Row>,
    /** A row as it is to be: what some rows lack is null, or left out everywhere where null would mean nothing. */
    even: (row: Row): Row => {
      const dropped = new Set(missing().filter((name) => complete.includes(name)));
      const even: Row = Object.fromEntries(
        [...columns.keys()].filter((name) => !dropped.has(name)).map((name) => [name, row[name] ?? null]),
      );
      const free = isObject(even[FREE]) ? Object.entries(even[FREE]) : null;
      const aside = free?.filter(([name]) => isOfKinds(name)) ?? [];
      if (free)
        even[FREE] = Object.fromEntries(
          free.filter(([name]) => !isOfKinds(name)).map(([name, value]) => [name, number(name, value)]),
        );
      return [...kinds.keys()].some(isOfKinds)
        ? { ...even, [FREE_JSON]: aside.length > 0 ? JSON.stringify(Object.fromEntries(aside)) : null }
        : even;
    },
    /** In sentences: what was left out or changed so that all rows are alike. */
    notes: (): string[] => {
      const dropped = missing()
        .filter((name) => complete.includes(name))
        .map(
          (name) =>
            `Left out: the column "${name}", which ${rows - columns.get(name)!} of ${rows} rows lack: it is in every row or in none.`,
        );
      const texts = [...kinds.keys()]
        .filter(isOfKinds)
        .map(
          (name) =>
            `The field ${JSON.stringify(name.slice(0, 60))} holds values of several kinds: it stands in the column "${FREE_JSON}", as JSON in a text.`,
        );
      const first =
        late.size === 0
          ? []
          : [
              `${late.size === 1 ? '1 row stands' : `${late.size} rows stand`} first in the file, so that a reader knows the kind of every column from its start.`,
            ];
      return [...dropped, ...texts, ...first];
    },
  };
}

/** The row in a line that was written a moment ago. */
export function rowOfLine(line: string): Row {
  try {
    return parseJson(line) as Row;
  } catch (error) {
    throw new Error(`a line that was just written cannot be read: ${notJson(line, error)}`, { cause: error });
  }
}
