// Comma-separated tables (also semicolons, tabs, bars) with a header line, in the same shape as JSON lines.
import Papa from 'papaparse';
import { readUtf8, replaceFile, writeFully } from './file-access.ts';
import { badRow, collect, MOST_COLUMNS, refuseHopeless, type Rows } from './rows.ts';
import { TastemakerError } from '#core/errors.ts';

const delimiters = [',', ';', '\t', '|'];

/** The delimiter that the header line holds most of, outside quotes; a comma where it holds none. */
export function delimiterOf(header: string): string {
  const bare = header.replace(/"(?:[^"]|"")*"/g, '');
  const count = (delimiter: string) => bare.split(delimiter).length;
  return delimiters.reduce((best, delimiter) => (count(delimiter) > count(best) ? delimiter : best));
}

/** The first line that is not blank. */
export function firstLine(text: string): string {
  return /^\s*([^\r\n]*)/.exec(text)![1]!;
}

/** The column names in a header line. */
export function headerOf(line: string): string[] {
  return (Papa.parse<string[]>(line, { delimiter: delimiterOf(line) }).data[0] ?? []).map((name) => name.trim());
}

/**
 * 'bad-file' for a header with more columns than a table of preferences can have: each row would be taken apart in
 * vain.
 */
export function refuseWide(file: string, columns: number): void {
  if (columns > MOST_COLUMNS)
    throw new TastemakerError(
      'bad-file',
      `${file} has ${columns.toLocaleString('en')} columns; the most is ${MOST_COLUMNS.toLocaleString('en')}.`,
      'Write only the columns that hold prompts, answers and what is known of them.',
    );
}

/** Papa Parse wants one kind of line end in a file: where LF and CRLF are mixed outside quotes, all become LF. */
function evenLines(text: string): string {
  const bare = text.replace(/"[^"]*"/g, '');
  const mixed = bare.includes('\r\n') && /(?:^|[^\r])\n/.test(bare);
  return mixed ? text.replace(/"[^"]*"|\r\n/g, (part) => (part === '\r\n' ? '\n' : part)) : text;
}

/**
 * Reads a table through `check`, which gets each row as {column: text} with the line it starts on and returns the row
 * or
 * throws a TastemakerError. A bad row (wrong number of values, a quote that never closes, refused by `check`) is left
 * out
 * and named by its line. Throws 'bad-file' where there is no header or it names a column twice.
 */
export function readCsv<T>(file: string, check: (row: Record<string, string>, line: number) => T): Rows<T> {
  const text = evenLines(readUtf8(file));
  const result: Rows<T> = { rows: [], errors: [] };
  let columns: string[] | null = null;
  let line = 1;

  Papa.parse<string[]>(text, {
    delimiter: delimiterOf(firstLine(text)),
    step: ({ data, errors, meta }) => {
      const at = line;
      const end = meta.linebreak === '\r' ? '\r' : '\n';
      // a quoted value may hold line breaks
      line += data.reduce((breaks, value) => breaks + value.split(end).length - 1, 1);
      if (data.length === 1 && data[0]!.trim() === '') return; // a blank line
      if (!columns) {
        columns = data.map((name) => name.trim());
        refuseWide(file, columns.length);
        const seen = new Set<string>();
        const twice = columns.find((name) => seen.size === seen.add(name).size);
        if (twice !== undefined)
          throw new TastemakerError(
            'bad-file',
            `The header of ${file} names the column ${JSON.stringify(twice)} twice.`,
            'Give every column a name of its own.',
          );
        return;
      }
      const names = columns;
      collect(result, at, () => {
        const quotes = errors.find((error) => error.type === 'Quotes');
        if (quotes)
          throw badRow(
            `The row is malformed: ${quotes.message}.`,
            'Close the quote, and double a quote inside a value.',
          );
        if (data.length !== names.length)
          throw badRow(
            `The row has ${data.length} ${data.length === 1 ? 'value' : 'values'}, the header ${names.length}.`,
            'Put quotes around a value that holds the delimiter or a line break.',
          );
        return check(Object.fromEntries(names.map((name, i) => [name, data[i]!])), at);
      });
      refuseHopeless(file, result, result.rows.length);
    },
  });
  if (!columns) throw new TastemakerError('bad-file', `${file} is empty.`, 'Give it a header line and rows.');
  return result;
}

/** Replaces the file by a table with a header; null and undefined become empty. Whole or untouched. */
export function writeCsv(file: string, columns: readonly string[], rows: Iterable<Record<string, unknown>>): void {
  const data = Array.from(rows, (row) => columns.map((column) => row[column]));
  const text = Papa.unparse({ fields: [...columns], data }, { newline: '\n' });
  replaceFile(file, (fd) => writeFully(fd, new TextEncoder().encode(text + '\n')));
}
