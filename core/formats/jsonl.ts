// JSON lines: one value a line, read in pieces so that the file may be larger than the longest string, with the line of
// every fault.
import fs from 'node:fs';
import { asFileError, replaceFile, withFile, writeFully } from './file-access.ts';
import { refuseForeignText } from './foreign-files.ts';
import { notJson, parseJson } from './json-text.ts';
import { badRow, collect, noteBad, refuseHopeless, type Rows } from './rows.ts';
import { TastemakerError } from '#core/errors.ts';
import { openUnlinked } from '#core/unlinked.ts';

const PIECE = 1 << 20; // bytes
const LINE_LIMIT = 64 * PIECE; // a longer line is not a row but a mistake
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * A line without its break (LF or CRLF); `bytes` are good only during the visit, `closed` is false for a last line
 * without a break.
 */
export interface Line {
  bytes: Uint8Array;
  line: number;
  offset: number;
  closed: boolean;
}

/**
 * Hands every line to `visit`, numbered from 1, with the byte offset of its start; a visit that returns false ends the
 * reading.
 */
export function eachLine(file: string, visit: (line: Line) => boolean | void): void {
  withFile(file, (fd) => {
    const piece = new Uint8Array(PIECE);
    let pending: Uint8Array[] = []; // the start of a line whose end has not been read
    let pendingBytes = 0;
    let line = 1;
    let offset = 0;
    const finish = (end: Uint8Array, closed: boolean) => {
      const bytes = pending.length > 0 ? Buffer.concat([...pending, end]) : end;
      const goOn = visit({
        bytes: closed && bytes.at(-1) === RETURN ? bytes.subarray(0, -1) : bytes,
        line,
        offset,
        closed,
      });
      line++;
      offset += bytes.length + 1;
      pending = [];
      pendingBytes = 0;
      return goOn !== false;
    };
    for (let first = true; ; first = false) {
      const got = fs.readSync(fd, piece, 0, PIECE, null);
      if (first) refuseForeignText(piece.subarray(0, got), file);
      if (got === 0) break;
      const read = piece.subarray(0, got);
      let start = 0;
      for (let end; (end = read.indexOf(NEWLINE, start)) >= 0; start = end + 1)
        if (!finish(read.subarray(start, end), true)) return;
      if (start === got) continue;
      pending.push(read.slice(start));
      pendingBytes += got - start;
      if (pendingBytes > LINE_LIMIT)
        throw new TastemakerError(
          'bad-file',
          `Line ${line} of ${file} is longer than ${LINE_LIMIT} bytes.`,
          'Write one JSON value a line.',
        );
    }
    if (pending.length > 0) finish(new Uint8Array(0), false);
  });
}

/** A comma after a whole value, as between the entries of a list, says nothing. */
const withoutComma = (text: string): string => text.replace(/([}\]])\s*,\s*$/, '$1');

/** Where a line stops to be UTF-8, and what it may be instead. */
function notUtf8(bytes: Uint8Array): string {
  let good = 0;
  let bad = bytes.length; // the longest start that is UTF-8 but for a sequence that is cut
  while (good < bad) {
    const middle = (good + bad + 1) >> 1;
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, middle), { stream: true });
      good = middle;
    } catch {
      bad = middle - 1;
    }
  }
  while (good > 0 && bytes[good - 1]! >= 0xc0) good--; // the sequence that another byte should have gone on
  return `The line is not valid UTF-8: byte ${good + 1} is 0x${bytes[Math.min(good, bytes.length - 1)]!.toString(16)} (it may be Latin-1 or Windows-1252).`;
}

/**
 * Reads every line through `check`, which returns the row or throws a TastemakerError. A bad line (not UTF-8, not JSON,
 * refused by `check`) is left out and named; blank lines, a byte order mark and a comma after a value are passed over.
 * Throws only 'bad-file'.
 */
export function readJsonl<T>(file: string, check: (row: unknown, line: number) => T): Rows<T> {
  const decoder = new TextDecoder('utf-8', { fatal: true }); // it drops a byte order mark
  const result: Rows<T> = { rows: [], errors: [] };
  eachLine(file, ({ bytes, line, closed }) => {
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      noteBad(result, { line, message: notUtf8(bytes) });
      refuseHopeless(file, result, result.rows.length);
      return;
    }
    if (text.trim() === '') return;
    collect(result, line, () => {
      let row: unknown;
      try {
        row = parseJson(withoutComma(text));
      } catch (error) {
        throw badRow(`The line is not JSON${closed ? '' : ' (it may be cut off)'}: ${notJson(text, error)}.`);
      }
      return check(row, line);
    });
    refuseHopeless(file, result, result.rows.length);
  });
  return result;
}

function* encoded(rows: Iterable<unknown>): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  let text = '';
  for (const row of rows) {
    const json: string | undefined = JSON.stringify(row);
    if (json === undefined)
      throw new TastemakerError(
        'bad-argument',
        `A row of type ${typeof row} cannot be written as JSON.`,
        'Write objects, lists, texts, numbers, true, false or null.',
      );
    text += json + '\n';
    if (text.length > PIECE) {
      yield encoder.encode(text);
      text = '';
    }
  }
  if (text !== '') yield encoder.encode(text);
}

/** Replaces the file by one line a row; whole or untouched. */
export function writeJsonl(file: string, rows: Iterable<unknown>): void {
  replaceFile(file, (fd) => {
    for (const bytes of encoded(rows)) writeFully(fd, bytes);
  });
}

/** Adds lines at the end. A last line that was cut off by a crash is closed first, so that it spoils no new row. */
export function appendJsonl(file: string, rows: Iterable<unknown>): void {
  const pieces = [...encoded(rows)]; // before the file is touched: a row that cannot be written leaves it as it was
  if (pieces.length === 0) return;
  try {
    const fd = openUnlinked(file, 'read and append');
    try {
      const { size } = fs.fstatSync(fd);
      const last = new Uint8Array(1);
      if (size > 0 && fs.readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE)
        pieces.unshift(Uint8Array.of(NEWLINE));
      writeFully(fd, Buffer.concat(pieces)); // one write where the system allows it
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    throw asFileError(error, file);
  }
}
