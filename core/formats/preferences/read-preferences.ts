// Reading a file of preference data: which format it is in, its rows as records, and what is wrong with which row.

import { isNumbered } from './format.ts';
import type { Format, PreferenceRow } from './format.ts';
import { FORMATS } from './formats.ts';
import { fieldsOfCells } from './table-cells.ts';
import { decodeRows } from './read-token-ids.ts';
import type { Decode } from './read-token-ids.ts';
import { TastemakerError } from '#core/errors.ts';
import { eachRow } from '#core/formats/row-source.ts';
import { asRow, isRow, mapRow } from '#core/formats/rows.ts';
import type { Row, RowError } from '#core/formats/rows.ts';

export interface ReadPreferences {
  /** the name of the format that the file was read in */
  format: string;
  rows: PreferenceRow[];
  /** rows that were left out, by line */
  errors: RowError[];
  /** what is doubtful in rows that were taken */
  warnings: RowError[];
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
  'prompt', 'completions', 'ranks', 'prompt_id', 'completion_ids', 'chosen', 'rejected', 'completion', 'label', 'labels', 'messages', 'conversations', 'instruction', 'input', 'system', 'history', 'margin',
  'writers', 'labeler', 'confidence', 'note', 'duration_ms', 'split', 'reference',
] as const;

/** So many rows at the start of a file are looked at to find its format. */
const LOOKED_AT = 50;

const namesOf = () => FORMATS.map(({ name }) => name).join(', ');

/** The format of this name; 'bad-argument' with the names that there are. */
export function formatNamed(name: string): Format {
  const found = FORMATS.find((format) => format.name === name);
  if (!found) throw new TastemakerError('bad-argument', `There is no format ${JSON.stringify(name.slice(0, 40))} of preference data.`, `The formats are: ${namesOf()}; or auto.`);
  return found;
}

/** The format that most rows look like, or null. */
export function detectFormat(rows: readonly unknown[]): Format | null {
  const votes = FORMATS.map((format) => ({ format, count: rows.filter((row) => isRow(row) && format.fits(row)).length }));
  const best = votes.reduce((most, vote) => (vote.count > most.count ? vote : most));
  return best.count > 0 ? best.format : null;
}

function nothingFits(file: string, rows: readonly unknown[]): TastemakerError {
  const row = rows.find(isRow);
  const seen = row ? `its rows have the fields ${Object.keys(row).slice(0, 12).map((field) => JSON.stringify(field.slice(0, 40))).join(', ') || '(none)'}` : 'it has no rows that are objects';
  return new TastemakerError('bad-data', `${file} is preference data in no format that is known: ${seen}.`, `Name the columns that hold prompt, chosen and rejected (--map prompt=COLUMN), or name its format, one of: ${namesOf()}.`);
}

/** Half characters cannot be stored; lengths and offsets stay as they are. */
function wellFormed(row: PreferenceRow): PreferenceRow {
  if (isNumbered(row)) return row;
  const isFine = row.prompt.isWellFormed() && row.answers.every(({ text }) => text.isWellFormed()) && (row.messages ?? []).every(({ content }) => content.isWellFormed()) && (row.note ?? '').isWellFormed();
  if (isFine) return row;
  return {
    ...row, prompt: row.prompt.toWellFormed(), note: row.note === null ? null : row.note.toWellFormed(),
    answers: row.answers.map((one) => ({ ...one, text: one.text.toWellFormed() })), messages: row.messages && row.messages.map((message) => ({ ...message, content: message.content.toWellFormed() })),
  };
}

/**
 * Reads JSON lines, one JSON list, a table (.csv, .tsv) or Parquet in any of `FORMATS`. A bad row is left out and named.
 * Throws 'bad-file' where the file cannot be read, 'bad-data' where no format fits, 'bad-argument' for a format or field
 * of the map that does not exist, and for token ids without a tokenizer.
 */
export async function readPreferences(file: string, { format: name = 'auto', map = {}, decode = null }: ReadOptions = {}): Promise<ReadPreferences> {
  mapRow(null, map, PREFERENCE_FIELDS); // a wrong map is one error, not one a row
  let format = name === 'auto' ? null : formatNamed(name);
  const rows: PreferenceRow[] = [], errors: RowError[] = [], warnings: RowError[] = [];
  const waiting: { value: unknown; line: number }[] = [];
  const read = (value: unknown, line: number) => {
    try {
      const found = format!.read(asRow(value), line, { warn: (message) => warnings.push({ line, message }) });
      rows.push(...(Array.isArray(found) ? found : [found]).map(wellFormed));
    } catch (error) {
      if (!(error instanceof TastemakerError)) throw error;
      errors.push({ line, message: error.message });
    }
  };
  const decide = () => {
    const seen = waiting.map(({ value }) => value);
    format ??= detectFormat(seen);
    if (!format) throw nothingFits(file, seen);
    if (format.tokens && !decode) throw new TastemakerError('bad-argument', `${file} holds token ids, and no tokenizer is given that makes texts of them.`, 'Name the folder of a model with the tokenizer that made them: `tastemaker import rankings FILE --tokenizer FOLDER` (GPT-2\'s, for OpenAI\'s files).');
    for (const { value, line } of waiting.splice(0)) read(value, line);
  };
  let isDecided = false;
  const bad = await eachRow(file, (given, line, container) => {
    const mapped = mapRow(given, map, PREFERENCE_FIELDS);
    const value = container === 'table' && isRow(mapped) ? fieldsOfCells(mapped) : mapped;
    if (isDecided) return read(value, line);
    waiting.push({ value, line });
    if (waiting.length < LOOKED_AT) return;
    decide();
    isDecided = true;
  });
  errors.push(...bad);
  if (!isDecided && (waiting.length > 0 || errors.length === 0)) decide();
  let kept = format?.gather ? format.gather(rows) : rows;
  if (format?.tokens) {
    const decoded = await decodeRows(kept, decode!);
    kept = decoded.rows;
    errors.push(...decoded.errors);
  }
  if (format === null) throw nothingFits(file, []);
  return { format: format.name, rows: kept, errors: errors.sort((a, b) => a.line - b.line), warnings };
}

/** The fields of the first rows, as the map would name them. */
export async function preferenceColumns(file: string): Promise<string[]> {
  const columns = new Set<string>();
  let left = LOOKED_AT;
  await eachRow(file, (row) => {
    if (isRow(row)) for (const column of Object.keys(row as Row)) columns.add(column);
    return --left > 0;
  });
  return [...columns];
}
