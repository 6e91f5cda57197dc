// Reading a file to import: its rows, its columns, the fields they fill, and what is wrong with which line.

import type { ImportKind } from '#core/contract/data.ts';
import type { Message } from '#core/contract/prompts.ts';
import { COMPLETION_FIELDS, readCompletions } from '#core/formats/completions.ts';
import type { CompletionRow } from '#core/formats/completions.ts';
import { isNumbered } from '#core/formats/preferences/format.ts';
import type { Preference } from '#core/formats/preferences/preference.ts';
import type { PreferenceRow } from '#core/formats/preferences/format.ts';
import { PREFERENCE_FIELDS, preferenceColumns, readPreferences } from '#core/formats/preferences/read-preferences.ts';
import type { Decode } from '#core/formats/preferences/read-token-ids.ts';
import { promptColumns, readColumns, readPrompts, referenceColumns } from '#core/formats/prompts.ts';
import type { PromptRow } from '#core/formats/prompts.ts';
import type { RowError } from '#core/formats/rows.ts';

export interface ImportRows {
  prompts: PromptRow;
  completions: CompletionRow;
  rankings: PreferenceRow;
}
export type ImportRow = ImportRows[ImportKind];

export interface ReadImport<K extends ImportKind = ImportKind> {
  /** what the file was taken for */
  format: string;
  rows: ImportRows[K][];
  errors: RowError[];
  /** bad rows that are not among them, only counted */
  unlisted?: number;
  /** what is doubtful in rows that are taken all the same */
  warnings: RowError[];
  /** what is to be said of the file as a whole */
  notes: string[];
}

export interface ImportFormat {
  /** of prompts: makes their texts of several columns */
  template?: string | undefined;
  /** of rankings: the name of a format, or 'auto' */
  format?: string | undefined;
  decode?: Decode | null | undefined;
}

type Columns = Readonly<Record<string, string>>;

/**
 * Rows of one prompt side by side, in the order in which the prompts first come, so that what belongs together is added
 * together.
 */
const byPrompt = <T>(rows: readonly T[], promptOf: (row: T) => string | number): T[] =>
  [...Map.groupBy(rows, promptOf).values()].flat();

/** What a row is of, where rows of the same belong together. */
const promptOf = (row: ImportRow): string | number | null =>
  'promptId' in row ? row.promptId : 'prompt' in row ? row.prompt : null;
/** So many times longer than asked a part may be, so that the answers to one prompt come in together. */
const STRETCH = 4;

/**
 * Characters of a part's texts: what is taken in, or handed from thread to thread, without anybody waiting for long.
 */
const PART_TEXT = 1_000_000;

const textOf = (value: unknown): number =>
  typeof value === 'string'
    ? value.length
    : typeof value === 'object' && value !== null
      ? Object.values(value).reduce((sum: number, part) => sum + textOf(part), 0)
      : 0;

/**
 * Where a part of about `count` rows that begins at `at` ends, sooner where their texts are long: not among the rows of
 * one prompt.
 */
export function partEnd(rows: readonly ImportRow[], at: number, count: number): number {
  const last = Math.min(rows.length, at + count);
  let end = at;
  let text = 0;
  do text += textOf(rows[end++]);
  while (end < last && text < PART_TEXT);
  while (
    end < rows.length &&
    end - at < count * STRETCH &&
    promptOf(rows[end]!) !== null &&
    promptOf(rows[end]!) === promptOf(rows[end - 1]!)
  )
    end++;
  return end;
}

const READERS: { [K in ImportKind]: (file: string, map: Columns, format: ImportFormat) => Promise<ReadImport<K>> } = {
  prompts: async (file, map, { template }) => {
    const { prompts, ...read } = await readPrompts(file, {
      map: Object.keys(map).length > 0 ? map : undefined,
      template,
    });
    return { ...read, rows: prompts, warnings: [] };
  },
  completions: async (file, map) => {
    const { completions, ...read } = await readCompletions(file, { map });
    return { ...read, format: 'completions', rows: byPrompt(completions, (row) => row.prompt) };
  },
  rankings: async (file, map, { format = 'auto', decode = null }) => {
    const read = await readPreferences(file, { map, format, decode });
    return { ...read, rows: byPrompt(read.rows, (row) => (isNumbered(row) ? row.promptId : row.prompt)) };
  },
};

/**
 * Reads a whole file; bad rows are left out and named. `map`: field -> column. Throws 'bad-file' and 'bad-data' as the
 * readers do.
 */
export function readImport<K extends ImportKind>(
  file: string,
  kind: K,
  map: Columns,
  format: ImportFormat = {},
): Promise<ReadImport<K>> {
  return READERS[kind](file, map, format);
}

/**
 * What a column may hold, by the name it has in other people's files; a column called as the field needs no row here.
 */
const ALIASES: Record<ImportKind, Record<string, readonly string[]>> = {
  prompts: { text: promptColumns, reference: referenceColumns, source: ['source'] },
  completions: {
    prompt: ['prompt', 'query', 'post', 'question', 'instruction', 'text'],
    completion: ['completion', 'response', 'answer', 'summary', 'output'],
    policy: ['policy', 'model'],
  },
  rankings: Object.fromEntries(PREFERENCE_FIELDS.map((field) => [field, [field]])),
};

/** The fields that a row of this kind has. */
export const FIELDS: Record<ImportKind, readonly string[]> = {
  prompts: ['text', 'reference', 'source'],
  completions: COMPLETION_FIELDS,
  rankings: PREFERENCE_FIELDS,
};

/** field -> column, as far as the names of the columns say. */
export function guessMap(kind: ImportKind, columns: readonly string[]): Record<string, string> {
  const found = Object.entries(ALIASES[kind]).map(
    ([field, names]) => [field, names.find((name) => columns.includes(name))] as const,
  );
  const map = Object.fromEntries(found.filter((pair): pair is [string, string] => pair[1] !== undefined));
  // a prompt may be put together from several columns; then none of them is its text
  return kind === 'prompts' && map['text'] === undefined ? {} : map;
}

/** The file's columns, and the map that is meant: the one given, or what the names of the columns say. */
export async function columnsAndMap(
  file: string,
  kind: ImportKind,
  given: Columns,
): Promise<{ columns: string[]; map: Record<string, string>; isGuess: boolean }> {
  const columns = kind === 'rankings' ? await preferenceColumns(file) : await readColumns(file);
  const guessed = guessMap(kind, columns);
  const map = Object.keys(given).length > 0 ? { ...given } : guessed;
  return {
    columns,
    map,
    isGuess:
      Object.keys(map).length === Object.keys(guessed).length &&
      Object.entries(guessed).every(([field, column]) => map[field] === column),
  };
}

/**
 * Reads a file by the map that a person was shown and has changed or not. A guess is no order: a reader of prompts then
 * finds its way row by row.
 */
export async function readAsMapped(
  file: string,
  kind: ImportKind,
  given: Columns,
  format: ImportFormat = {},
): Promise<ReadImport> {
  const { map, isGuess } = await columnsAndMap(file, kind, given);
  return readImport(file, kind, kind === 'prompts' && isGuess ? {} : map, format);
}

const LONGEST_CELL = 2000;
const listed = (texts: readonly string[]) => texts.map((text, i) => `${i + 1}. ${text}`).join('\n');

/** What not every preference has. */
function moreCells({ answers, split, reference, ratings, marks }: Preference): Record<string, string> {
  const cells = {
    writers: answers.some(({ writer }) => writer !== null) ? answers.map(({ writer }) => writer ?? '?').join(', ') : '',
    split: split ?? '',
    reference: reference ?? '',
    ratings: ratings.map(({ answer, axis, value }) => `${answer + 1}. ${axis} ${value}`).join('\n'),
    marks: marks
      .map(
        ({ answer, start, end, label, note }) =>
          `${answer + 1}. ${label} “${answers[answer]!.text.slice(start, end)}”${note === null ? '' : ` (${note})`}`,
      )
      .join('\n'),
  };
  return Object.fromEntries(Object.entries(cells).filter(([, cell]) => cell !== ''));
}

const LONGEST_CONVERSATION = 40;

/** The conversation of a row as the preview shows it: its last messages; null where its prompt is plain text. */
export function conversationIn(row: ImportRow): Message[] | null {
  const messages = 'messages' in row ? row.messages : null;
  return (
    messages &&
    messages
      .slice(-LONGEST_CONVERSATION)
      .map(({ role, content }) => ({ role, content: content.slice(0, LONGEST_CELL).toWellFormed() }))
  );
}

/** A row as the preview shows it: field -> text. */
export function cellsOf(row: ImportRow): Record<string, string> {
  let cells: Record<string, string | number | null>;
  if (!('line' in row)) cells = { text: row.text, reference: row.reference, source: row.source };
  else if ('completion' in row) cells = { prompt: row.prompt, completion: row.completion, policy: row.policy };
  else {
    const { labeler, confidence, note } = row;
    const what: typeof cells = isNumbered(row)
      ? { prompt_id: row.promptId, completion_ids: row.completionIds.join(', ') }
      : { prompt: row.prompt, completions: listed(row.answers.map(({ text }) => text)) };
    cells = {
      ...what,
      ranks: row.ranks?.join(', ') ?? null,
      labeler,
      confidence,
      note,
      ...(isNumbered(row) ? {} : moreCells(row)),
    };
  }
  return Object.fromEntries(
    Object.entries(cells).map(([field, value]) => [
      field,
      value === null ? '' : String(value).slice(0, LONGEST_CELL).toWellFormed(),
    ]),
  );
}
