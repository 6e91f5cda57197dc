// Tables: round trips of any text, and rows that are named by the line they start on.
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readCsv, writeCsv } from '#core/formats/csv.ts';
import { errorOf, fileWith, temporaryFolder } from './folder.ts';

const read = (content: string | Uint8Array) =>
  readCsv(fileWith(content, 'table.csv'), (row, line) => ({ ...row, line }));

test('what is written is read, line breaks, quotes and delimiters included', () => {
  const file = path.join(temporaryFolder(), 'a.csv');
  const value = fc.oneof(fc.string({ unit: 'grapheme' }), fc.stringMatching(/^[a",;\n|\t ]{0,8}$/));
  fc.assert(
    fc.property(fc.array(fc.record({ id: fc.nat().map(String), text: value })), (rows) => {
      writeCsv(file, ['id', 'text'], rows);
      expect(readCsv(file, (row) => row)).toEqual({ rows, errors: [] });
    }),
    { numRuns: 100 },
  );
});

test('a row is numbered by the line it starts on, however many lines came before it', () => {
  const file = path.join(temporaryFolder(), 'a.csv');
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(2)), { minLength: 1 }), (shapes) => {
      let content = 'id,text\n';
      let line = 2;
      const wanted: number[] = [];
      for (const [breaks, blanks] of shapes) {
        wanted.push(line);
        content += `1,"a${'\nb'.repeat(breaks)}"\n${'\n'.repeat(blanks)}`;
        line += 1 + breaks + blanks;
      }
      const made = fileWithContent(file, content);
      expect(readCsv(made, (_, at) => at)).toEqual({ rows: wanted, errors: [] });
    }),
    { numRuns: 60 },
  );
});

test('a byte order mark, CRLF, blank lines, padded names, and each delimiter', () => {
  expect(read('\ufeffprompt, note\r\n"a, b",c\r\n\r\nd,e')).toEqual({
    rows: [
      { prompt: 'a, b', note: 'c', line: 2 },
      { prompt: 'd', note: 'e', line: 4 },
    ],
    errors: [],
  });
  for (const delimiter of [';', '\t', '|', ','])
    expect(read(`a${delimiter}"b,c"\n1${delimiter}2\n`).rows).toEqual([{ a: '1', 'b,c': '2', line: 2 }]);
  expect(read('prompt\nWrite; or do not; a poem\n').rows).toEqual([{ prompt: 'Write; or do not; a poem', line: 2 }]);
});

test('line ends of two kinds in one file', () => {
  const rows = [
    { a: '1', b: '2', line: 2 },
    { a: 'x\r\ny', b: '3', line: 3 },
    { a: '4', b: '5"', line: 5 },
  ];
  for (const [i, j] of [
    ['\n', '\r\n'],
    ['\r\n', '\n'],
  ] as const)
    expect(read(`a,b${i}1,2${j}"x\r\ny",3${i}4,"5"""${j}`)).toEqual({ rows, errors: [] });
});

test('rows of the wrong length and open quotes are named, the others kept', () => {
  const { rows, errors } = read('a,b\n1,2\n3\n"4\n4",5\n6,7,8\n9,"10\n');
  expect(rows).toEqual([
    { a: '1', b: '2', line: 2 },
    { a: '4\n4', b: '5', line: 4 },
  ]);
  expect(errors.map(({ line, message }) => [line, message])).toEqual([
    [3, 'The row has 1 value, the header 2.'],
    [6, 'The row has 3 values, the header 2.'],
    [7, expect.stringContaining('malformed')],
  ]);
});

test('columns with the names of built-in properties are columns', () => {
  const { rows } = readCsv(fileWith('__proto__,constructor\nx,y\n', 'a.csv'), (row) => Object.entries(row));
  expect(rows).toEqual([
    [
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ],
  ]);
});

test('an empty file, a column named twice, and bytes that are not UTF-8 are refused', () => {
  expect(errorOf(() => read('\n\n')).message).toContain('is empty');
  expect(errorOf(() => read('a,b,a\n1,2,3\n')).message).toContain('"a" twice');
  const error = errorOf(() =>
    read(Buffer.concat([Buffer.from('a,b\n1,é\n2,'), Buffer.from([0xe9]), Buffer.from('\n')])),
  );
  expect(error.message).toMatch(/Line 3 of .*table\.csv is not valid UTF-8/);
});

function fileWithContent(file: string, content: string): string {
  fs.writeFileSync(file, content);
  return file;
}
