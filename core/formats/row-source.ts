// Rows of a file whatever it is kept in: JSON lines, one JSON list, a table or Parquet, recognised by its content.

import fs from 'node:fs';
import path from 'node:path';
import { readCsv } from './csv.ts';
import { readFully, readUtf8, withFile } from './file-access.ts';
import { refuseForeignText, refuseWebPage } from './foreign-files.ts';
import { notJson, parseJson } from './json-text.ts';
import { readJsonl } from './jsonl.ts';
import { eachParquetRow, isParquet } from './parquet.ts';
import { TastemakerError } from '#core/errors.ts';
import { collect, joinBad, refuseWideRow } from './rows.ts';
import type { BadRows, Rows } from './rows.ts';

export type RowContainer = 'lines' | 'list' | 'table' | 'parquet';
/**
 * `line` is counted from 1, in lists and Parquet by rows. A visit that returns false ends the reading where it can be
 * ended.
 */
export type VisitRow = (row: unknown, line: number, container: RowContainer) => boolean | void;

/** Ends a reading whose visitor wants no more rows. */
const OVER = new Error('the reading is over');

const LIST_LIMIT = 256_000_000; // bytes; a list is parsed whole
const START = 1 << 16;

/** The first bytes of a file as text. */
const startOf = (file: string) =>
  withFile(file, (fd, size) => {
    const bytes = new Uint8Array(Math.min(size, START));
    readFully(fd, bytes, 0, file);
    refuseForeignText(bytes, file);
    return new TextDecoder().decode(bytes).replace(/^\ufeff/, '');
  });

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const LINES = ['.jsonl', '.ndjson'];

/**
 * A list or object over several lines is one JSON value; an ending that says otherwise is believed only where the
 * content does not say.
 */
function containerOf(file: string, start: string): RowContainer {
  const text = start.trimStart();
  const ending = path.extname(file).toLowerCase();
  if (!text.startsWith('{') && !text.startsWith('[')) return ['.json', ...LINES].includes(ending) ? 'lines' : 'table';
  const first = /^[^\r\n]*/.exec(text)![0];
  const rest = text.slice(first.length).trimStart();
  if (text.startsWith('[')) return LINES.includes(ending) && isJson(first) && rest !== '' ? 'lines' : 'list';
  const isCut = start.length >= START - 4 && rest === '';
  return isCut || isJson(first) || LINES.includes(ending) ? 'lines' : 'list';
}

function readList(file: string, visit: VisitRow): BadRows {
  const { size } = fs.statSync(file);
  if (size > LIST_LIMIT)
    throw new TastemakerError(
      'bad-file',
      `${file} is one JSON value of ${size} bytes; the limit is ${LIST_LIMIT}.`,
      'Write one JSON object a line instead (jq -c ".[]" does that): lines are read one at a time.',
    );
  const text = readUtf8(file);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw new TastemakerError(
      'bad-file',
      `${file} is not JSON: ${notJson(text.slice(0, START), error)}.`,
      'Write it as JSON lines (one object a line) or as one JSON list.',
    );
  }
  const rows = Array.isArray(value) ? value : [value];
  const bad: Rows<true> = { rows: [], errors: [] };
  for (const [i, row] of rows.entries()) {
    const good = bad.rows.length;
    collect(bad, i + 1, () => (refuseWideRow(row), true));
    if (bad.rows.length > good && visit(row, i + 1, 'list') === false) break;
  }
  return joinBad(bad);
}

/**
 * Hands every row of a file to `visit` and returns the rows that could not be read, by line. What `visit` throws
 * passes.
 * Throws 'bad-file' where the file is missing, empty, damaged or too large.
 */
export async function eachRow(file: string, visit: VisitRow): Promise<BadRows> {
  if (isParquet(file)) {
    await eachParquetRow(file, (row, line) => visit(row, line, 'parquet'));
    return { errors: [] };
  }
  const start = startOf(file);
  if (start.trim() === '' && start.length < START)
    throw new TastemakerError(
      'bad-file',
      `${file} is empty.`,
      'Give it rows, such as {"prompt": "…", "chosen": "…", "rejected": "…"}, one a line.',
    );
  refuseWebPage(start, file);
  const container = containerOf(file, start);
  if (container === 'list') {
    return readList(file, visit);
  }
  let failed: { error: unknown } | null = null; // what `visit` throws is no fault of a row
  const take = (row: unknown, line: number) => {
    refuseWideRow(row);
    try {
      if (visit(row, line, container) !== false) return null;
    } catch (error) {
      failed = { error };
    }
    throw OVER;
  };
  try {
    return joinBad(container === 'lines' ? readJsonl(file, take) : readCsv(file, take));
  } catch (error) {
    if (error !== OVER) throw error;
  }
  if (failed) throw (failed as { error: unknown }).error;
  return { errors: [] };
}
