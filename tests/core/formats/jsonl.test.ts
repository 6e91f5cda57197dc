// JSON lines: exact line numbers and byte offsets, awkward line ends, and files that are whole or untouched.
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TastemakerError } from '#core/errors.ts';
import { appendJsonl, eachLine, readJsonl, writeJsonl } from '#core/formats/jsonl.ts';
import { parseJson } from '#core/formats/json-text.ts';
import { errorOf, fileWith, temporaryFolder } from './folder.ts';

const asIs = (row: unknown) => row;

describe('reading', () => {
  test('a byte order mark, CRLF, blank lines and a last line without a break', () => {
    const file = fileWith('\ufeff{"a":1}\r\n\r\n   \n{"a":2}\n{"a":3}');
    expect(readJsonl(file, (row, line) => ({ row, line }))).toEqual({
      rows: [
        { row: { a: 1 }, line: 1 },
        { row: { a: 2 }, line: 4 },
        { row: { a: 3 }, line: 5 },
      ],
      errors: [],
    });
  });

  test('a line that is not UTF-8, not JSON, or refused is named, and the others are kept', () => {
    const file = fileWith(
      Buffer.concat([
        Buffer.from('{"a":1}\n'),
        Buffer.from([0x22, 0xff, 0x22, 0x0a]),
        Buffer.from('{"a":\n{"a":"no"}\n{"a":4}\n{"a":5'),
      ]),
    );
    const { rows, errors } = readJsonl(file, (row) => {
      const { a } = row as { a: unknown };
      if (typeof a !== 'number') throw new TastemakerError('bad-data', '"a" is not a number.', 'Write a number.');
      return a;
    });
    expect(rows).toEqual([1, 4]);
    expect(errors.map(({ line }) => line)).toEqual([2, 3, 4, 6]);
    expect(errors.map(({ message }) => message)).toEqual([
      'The line is not valid UTF-8: byte 2 is 0xff (it may be Latin-1 or Windows-1252).',
      expect.stringMatching(/^The line is not JSON: (?!.*\(line)/),
      '"a" is not a number.',
      expect.stringContaining('may be cut off'),
    ]);
  });

  test('line numbers and offsets are exact wherever lines fall, and a mistake of ours is not taken for a bad row', () => {
    const file = path.join(temporaryFolder(), 'a.jsonl');
    const line = fc.oneof(
      fc.jsonValue().map((value) => ({ text: JSON.stringify(value), bad: false })),
      fc.constant({ text: '', bad: false }),
      fc.constant({ text: '{é', bad: true }),
      // lines across pieces of 1 MiB
      fc.integer({ min: 200_000, max: 700_000 }).map((n) => ({ text: `"${'ü'.repeat(n)}"`, bad: false })),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n')), { maxLength: 12 }), (lines) => {
        fs.writeFileSync(file, lines.map(([{ text }, end]) => text + end).join(''));
        const wanted: unknown[] = [];
        const bad: number[] = [];
        const starts: number[][] = [];
        let offset = 0;
        lines.forEach(([{ text, bad: isBad }, end], i) => {
          starts.push([i + 1, offset]);
          if (isBad) bad.push(i + 1);
          else if (text) wanted.push([i + 1, parseJson(text)]);
          offset += Buffer.byteLength(text + end);
        });
        const { rows, errors } = readJsonl(file, (row, at) => [at, row]);
        expect(rows.length).toBe(wanted.length);
        const differs = rows.findIndex((row, i) => JSON.stringify(row) !== JSON.stringify(wanted[i]));
        expect(differs).toBe(-1);
        expect(errors.map((error) => error.line)).toEqual(bad);
        const visited: number[][] = [];
        eachLine(file, ({ line: at, offset: start }) => {
          visited.push([at, start]);
        });
        expect(visited).toEqual(starts);
      }),
      { numRuns: 60 },
    );
    expect(() =>
      readJsonl(fileWith('1\n'), () => {
        throw new TypeError('ours');
      }),
    ).toThrow(TypeError);
  });

  test('reading ends where the visitor says so', () => {
    const seen: number[] = [];
    eachLine(fileWith('1\n2\n3\n'), ({ line }) => {
      seen.push(line);
      return line < 2;
    });
    expect(seen).toEqual([1, 2]);
  });

  test('files of another kind are refused with a sentence', () => {
    for (const [start, says] of [
      [[0xff, 0xfe, 0x7b, 0], 'UTF-16'],
      [[0x1f, 0x8b, 8, 0], 'gzip'],
      [[0x50, 0x4b, 3, 4], 'zip'],
      [[0x50, 0x41, 0x52, 0x31], 'Parquet'],
    ] as const) {
      const file = fileWith(Uint8Array.from(start));
      expect(errorOf(() => readJsonl(file, asIs)).message).toMatch(new RegExp(`${path.basename(file)}.*${says}`));
    }
    const none = path.join(temporaryFolder(), 'none.jsonl');
    expect(errorOf(() => readJsonl(none, asIs)).message).toBe(`${none} does not exist.`);
    expect(readJsonl(fileWith(''), asIs)).toEqual({ rows: [], errors: [] });
  });
});

describe('writing', () => {
  test('what is written and appended is read', () => {
    const file = path.join(temporaryFolder(), 'a.jsonl');
    const text = fc.string({ unit: 'binary' }).map((value) => ({ value }));
    fc.assert(
      fc.property(fc.array(text), fc.array(text), (first, second) => {
        writeJsonl(file, first);
        appendJsonl(file, second);
        expect(readJsonl(file, asIs)).toEqual({ rows: [...first, ...second], errors: [] });
      }),
      { numRuns: 60 },
    );
    expect(fs.readdirSync(path.dirname(file))).toEqual(['a.jsonl']);
  });

  test('appending after a line that was cut off spoils only that line', () => {
    const file = fileWith('{"a":1}\n{"a":');
    appendJsonl(file, [{ a: 3 }]);
    const { rows, errors } = readJsonl(file, asIs);
    expect([rows, errors.map(({ line }) => line)]).toEqual([[{ a: 1 }, { a: 3 }], [2]]);
  });

  test('rows that fail half-way leave the file untouched', () => {
    const file = fileWith('{"a":1}\n');
    function* failing() {
      yield { text: 'x'.repeat(3_000_000) };
      throw new Error('pulled the plug');
    }
    expect(() => writeJsonl(file, failing())).toThrow('pulled the plug');
    expect(() => appendJsonl(file, failing())).toThrow('pulled the plug');
    expect(errorOf(() => appendJsonl(file, [{ a: 2 }, undefined])).code).toBe('bad-argument');
    expect(fs.readFileSync(file, 'utf8')).toBe('{"a":1}\n');
    expect(fs.readdirSync(path.dirname(file))).toEqual([path.basename(file)]);
  });
});
