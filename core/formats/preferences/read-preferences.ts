// Reading a file of preference data: which format it is in, its rows as records, and what is wrong with which row.

import { repeatingPrompt, SYSTEM_COLUMNS, withoutPrompt, withSystem } from './prompt-part.ts';
import { isNumbered, OWN_FIELDS, watchSplits } from './format.ts';
import type { Format, PreferenceRow, ReadContext } from './format.ts';
import { FORMATS } from './formats.ts';
import { fieldsOfCells } from './table-cells.ts';
import { decodeRows } from './read-token-ids.ts';
import type { Decode } from './read-token-ids.ts';
import type { Preference } from './preference.ts';
import { TastemakerError } from '#core/errors.ts';
import { refuseWide } from '#core/formats/csv.ts';
import { eachRow } from '#core/formats/row-source.ts';
import {
  asRow,
  isRow,
  isText,
  joinBad,
  mapRow,
  noteBad,
  refuseHopeless,
  unlistedNotes,
  warn,
} from '#core/formats/rows.ts';
import type { BadRows, Row, RowError } from '#core/formats/rows.ts';
import { normalForm } from '#core/spelling.ts';
import { watchColumns } from '#core/formats/unused-columns.ts';

export interface ReadPreferences extends BadRows {
  /** the name of the format that the file was read in */
  format: string;
  rows: PreferenceRow[];
  /** what is doubtful in rows that were taken */
  warnings: RowError[];
  /** what is to be said of the file as a whole */
  notes: string[];
}

export interface ReadOptions {
  /** the name of a format, or 'auto': what most of the first rows look like */
  format?: string;
  /** field -> column, for columns that are called otherwise */
  map?: Readonly<Record<string, string>>;
  /** makes texts of token ids; only files of token ids ask */
  decode?: Decode | null;
}

/** What --map and the window let one name otherwise, in any of the formats. */
export const PREFERENCE_FIELDS = [
  'prompt',
  'completions',
  'ranks',
  'prompt_id',
  'completion_ids',
  'chosen',
  'rejected',
  'completion',
  'label',
  'labels',
  'messages',
  'conversations',
  'instruction',
  'input',
  'system',
  'history',
  'margin',
  'writers',
  'labeler',
  'confidence',
  'note',
  'duration_ms',
  'split',
  'reference',
] as const;

/** So many rows at the start of a file are looked at to find its format. */
const LOOKED_AT = 50;

const namesOf = () => FORMATS.map(({ name }) => name).join(', ');

/** The format of this name; 'bad-argument' with the names that there are. */
export function formatNamed(name: string): Format {
  const found = FORMATS.find((format) => format.name === name);
  if (!found)
    throw new TastemakerError(
      'bad-argument',
      `There is no format ${JSON.stringify(name.slice(0, 40))} of preference data.`,
      `The formats are: ${namesOf()}; or auto.`,
    );
  return found;
}

/** The format that most rows look like, or null. */
export function detectFormat(rows: readonly unknown[]): Format | null {
  const votes = FORMATS.map((format) => ({
    format,
    count: rows.filter((row) => isRow(row) && format.fits(row)).length,
  }));
  const best = votes.reduce((most, vote) => (vote.count > most.count ? vote : most));
  return best.count > 0 ? best.format : null;
}

function nothingFits(file: string, rows: readonly { value: unknown; line: number }[]): TastemakerError {
  const found = rows.find(({ value }) => isRow(value));
  const names = `Name the columns that hold prompt, chosen and rejected, or name its format, one of: ${namesOf()}.`;
  if (!found) {
    const first = rows[0];
    const what =
      first === undefined
        ? 'it has no rows'
        : `its row ${first.line} is ${Array.isArray(first.value) ? 'a list' : first.value === null ? 'null' : `a ${isText(first.value) ? 'text' : typeof first.value}`}, not an object`;
    return new TastemakerError(
      'bad-data',
      `${file} is preference data in no format that is known: ${what}.`,
      'Write one JSON object a line, such as {"prompt": "…", "chosen": "…", "rejected": "…"}.',
    );
  }
  const row = found.value as Row;
  const fields = Object.keys(row);
  const wrapped =
    rows.length === 1
      ? fields.find((field) => Array.isArray(row[field]) && row[field].length > 0 && row[field].every(isRow))
      : undefined;
  const seen = `its rows have the fields ${
    fields
      .slice(0, 12)
      .map((field) => JSON.stringify(field.slice(0, 40)))
      .join(', ') || '(none)'
  }`;
  return new TastemakerError(
    'bad-data',
    `${file} is preference data in no format that is known: ${seen}.`,
    wrapped === undefined
      ? names
      : `The rows seem to be the list "${wrapped}": write it alone (jq -c '.[${JSON.stringify(wrapped)}][]' does that).`,
    wrapped === undefined ? 'Columns are named with --map prompt=COLUMN, the format with --format NAME.' : '',
  );
}

/** No row could be read, so nothing says what the file is: the first row's own error does. */
const nothingRead = (file: string, [first, ...others]: readonly RowError[]): TastemakerError =>
  new TastemakerError(
    'bad-data',
    `No row of ${file} can be read. In line ${first!.line}: ${first!.message.replace(/\.$/, '')}${others.length > 0 ? ` (and so on: ${others.length + 1} lines)` : ''}.`,
    'Correct the file: one JSON object a line in UTF-8, a JSON list, a table with a header, or Parquet.',
  );

/** Half characters cannot be stored; lengths and offsets stay as they are. */
function wellFormed(row: PreferenceRow): PreferenceRow {
  if (isNumbered(row)) return row;
  const isFine =
    row.prompt.isWellFormed() &&
    row.answers.every(({ text }) => text.isWellFormed()) &&
    (row.messages ?? []).every(({ content }) => content.isWellFormed()) &&
    (row.note ?? '').isWellFormed();
  if (isFine) return row;
  return {
    ...row,
    prompt: row.prompt.toWellFormed(),
    note: row.note === null ? null : row.note.toWellFormed(),
    answers: row.answers.map((one) => ({ ...one, text: one.text.toWellFormed() })),
    messages: row.messages && row.messages.map((message) => ({ ...message, content: message.content.toWellFormed() })),
  };
}

const REPEATED = 'all of its answers begin with the prompt once more';

/**
 * The row with a system message of its own column as part of the conversation, and without a prompt that all its
 * answers repeat.
 */
function straightened(row: PreferenceRow, from: Row, { exact, tokens }: Format, { warn }: ReadContext): PreferenceRow {
  if (isNumbered(row) || tokens) return row;
  const asked = withSystem(
    row,
    SYSTEM_COLUMNS.some((column) => from[column] !== undefined) || !isRow(from['data']) ? from : from['data'],
  );
  const extra = Object.fromEntries(
    Object.entries(row.extra).filter(([field]) => !SYSTEM_COLUMNS.includes(field as never)),
  );
  const question = row.messages?.findLast(({ role }) => role === 'user')?.content ?? row.prompt;
  const texts = row.answers.map(({ text }) => text);
  const rests = withoutPrompt(question, texts);
  const some = rests ? [] : repeatingPrompt(question, texts);
  const same =
    row.ranks?.findIndex((rank, i) =>
      row.answers.some(
        ({ text }, j) => j < i && rank !== row.ranks![j] && normalForm(text) === normalForm(row.answers[i]!.text),
      ),
    ) ?? -1;
  if (same >= 0)
    warn(
      `Answer ${same + 1} has the text of one before it and another rank; equal texts share the best of their ranks.`,
    );
  if (some.length > 0)
    warn(
      `${some.length === 1 ? `Answer ${some[0]! + 1} begins` : `Answers ${some.map((i) => i + 1).join(', ')} begin`} with the prompt once more, and others do not; they are taken as they are.`,
    );
  const isKept = exact || row.marks.length > 0;
  if (rests) warn(isKept ? `${REPEATED}; they are taken as they are.` : `${REPEATED}; it was taken off.`);
  return {
    ...row,
    ...asked,
    extra,
    answers: rests && !isKept ? row.answers.map((answer, i) => ({ ...answer, text: rests[i]! })) : row.answers,
  };
}

/** So many rankings in the order in which the answers were shown are no chance. */
const TOO_MANY_SHOWN = 10;

/**
 * Says so where every ranking equals the order in which its answers stand: an order of preference that was lost on the
 * way looks like that.
 */
function shownOrderNotes(all: readonly (readonly number[])[]): string[] {
  const ranked = all.filter((ranks) => new Set(ranks).size > 1); // where all are tied nothing was preferred
  const isShown = (ranks: readonly number[]) => ranks.every((rank, i) => i === 0 || rank >= ranks[i - 1]!);
  if (ranked.length < TOO_MANY_SHOWN || !ranked.every(isShown)) return [];
  return [
    `All ${ranked.length} rankings equal the order in which the answers were shown: the first is always the best. An order of preference that was lost on the way looks like that.`,
  ];
}

/** Reads rows one by one, in a format that is decided on already. */
function rowReader(file: string, format: Format, found: BadRows & Pick<ReadPreferences, 'rows' | 'warnings'>) {
  const { rows, warnings } = found;
  const ranked: (readonly number[])[] = [];
  const columns = watchColumns();
  const splits = watchSplits();
  const context = (line: number): ReadContext => ({
    warn: (message) => warn(warnings, { line, message: `${message[0]!.toUpperCase()}${message.slice(1)}` }),
  });
  const see = (row: Row, found: readonly PreferenceRow[]) => {
    const says = found.filter((one): one is Preference => !isNumbered(one));
    const extra: Row = Object.assign({}, ...says.map((one) => one.extra)) as Row;
    // the column of the prompt or of an answer may be called anything
    const isTold = (value: unknown) =>
      isText(value) &&
      says.some(
        ({ prompt, messages, answers }) =>
          value === prompt ||
          messages?.some(({ content }) => content === value) ||
          answers.some(({ text }) => text !== '' && value.endsWith(text)),
      );
    const look = (part: Row, used: readonly string[]) =>
      columns.see(
        part,
        [...used, ...OWN_FIELDS, ...SYSTEM_COLUMNS, 'id', ...Object.keys(part).filter((field) => isTold(part[field]))],
        extra,
      );
    look(row, typeof format.uses === 'function' ? format.uses(row) : format.uses);
    const inner = format.inner?.(row);
    splits.see(row['split'] ?? inner?.row['split'] ?? row['metadata.split']);
    if (inner) look(inner.row, inner.used);
    if (!format.bestFirst && !('chosen' in row))
      ranked.push(...found.flatMap(({ ranks }) => (ranks && ranks.length > 1 ? [ranks] : [])));
  };
  return {
    read: (value: unknown, line: number) => {
      const before = warnings.length;
      try {
        const row = asRow(value);
        const found = format.read(row, line, context(line));
        const all = (Array.isArray(found) ? found : [found]).map((one) =>
          wellFormed(straightened(one, row, format, context(line))),
        );
        see(row, all);
        rows.push(...all);
      } catch (error) {
        if (!(error instanceof TastemakerError)) throw error;
        warnings.length = before; // a row that is left out is not doubtful
        noteBad(found, { line, message: error.message });
        refuseHopeless(file, found, rows.length);
      }
    },
    notes: () => [...shownOrderNotes(ranked), ...splits.notes(), ...columns.notes()],
  };
}

/**
 * Reads JSON lines, one JSON list, a table (.csv, .tsv) or Parquet in any of `FORMATS`. A bad row is left out and
 * named.
 * Throws 'bad-file' where the file cannot be read, 'bad-data' where no format fits, 'bad-argument' for a format or
 * field
 * of the map that does not exist, and for token ids without a tokenizer.
 */
export async function readPreferences(
  file: string,
  { format: name = 'auto', map = {}, decode = null }: ReadOptions = {},
): Promise<ReadPreferences> {
  mapRow(null, map, PREFERENCE_FIELDS); // a wrong map is one error, not one a row
  const wanted = name === 'auto' ? null : formatNamed(name);
  const found = {
    rows: [] as PreferenceRow[],
    errors: [] as RowError[],
    warnings: [] as RowError[],
  } satisfies BadRows & Partial<ReadPreferences>;
  const waiting: { value: unknown; line: number }[] = [];
  let decided: { format: Format; reader: ReturnType<typeof rowReader> } | null = null;
  const decide = () => {
    const format = wanted ?? detectFormat(waiting.map(({ value }) => value));
    if (!format) throw nothingFits(file, waiting);
    if (format.tokens && !decode)
      throw new TastemakerError(
        'bad-argument',
        `${file} holds token ids, and no tokenizer is given that makes texts of them.`,
        "Name the folder of a model with the tokenizer that made them (GPT-2's, for OpenAI's files).",
        '`tastemaker import rankings FILE --tokenizer FOLDER` does.',
      );
    const reader = rowReader(file, format, found);
    for (const { value, line } of waiting.splice(0)) reader.read(value, line);
    return { format, reader };
  };
  const bad = await eachRow(file, (given, line, container) => {
    const mapped = mapRow(given, map, PREFERENCE_FIELDS);
    const value = container === 'table' && isRow(mapped) ? fieldsOfCells(mapped) : mapped;
    if (decided) return decided.reader.read(value, line);
    waiting.push({ value, line });
    if (waiting.length >= LOOKED_AT) decided = decide();
  });
  if (!decided && waiting.length === 0 && bad.errors.length > 0) throw nothingRead(file, bad.errors);
  const { format, reader } = decided ?? decide();
  let kept = format.gather ? format.gather(found.rows) : found.rows;
  let undone: BadRows = { errors: [] };
  if (format.tokens) {
    const decoded = await decodeRows(kept, decode!);
    kept = decoded.rows;
    undone = decoded;
  }
  const all = joinBad(found, bad, undone);
  return {
    format: format.name,
    rows: kept,
    ...all,
    warnings: found.warnings,
    notes: [...unlistedNotes(all), ...reader.notes()],
  };
}

/** The fields of the first rows, as the map would name them. */
export async function preferenceColumns(file: string): Promise<string[]> {
  const columns = new Set<string>();
  let left = LOOKED_AT;
  await eachRow(file, (row) => {
    if (isRow(row)) for (const column of Object.keys(row as Row)) columns.add(column);
    refuseWide(file, columns.size);
    return --left > 0;
  });
  return [...columns];
}
