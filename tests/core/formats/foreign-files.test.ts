// Files that are something else than rows: each is named with what to do, whatever is asked of it, and a file of bad
// rows shows its first row's own error.

import { expect, test } from 'vitest';
import { readCompletions } from '#core/formats/completions.ts';
import { parseJson } from '#core/formats/json-text.ts';
import { readPreferences } from '#core/formats/preferences/read-preferences.ts';
import { readPrompts } from '#core/formats/prompts.ts';
import { fileWith } from './folder.ts';

const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))));
const header = '{"a":{"dtype":"F32"}}';
const FOREIGN: [name: string, content: Uint8Array, says: RegExp][] = [
  ['a PNG', bytes([0x89], 'PNG\r\n', [0x1a, 10, 0]), /is a PNG picture/],
  ['a zip', bytes('PK', [3, 4], 'x'), /is a zip archive/],
  ['gzip', bytes([0x1f, 0x8b, 8, 0]), /compressed with gzip/],
  ['zstd', bytes([0x28, 0xb5, 0x2f, 0xfd]), /compressed with Zstandard/],
  ['a pickle', bytes([0x80, 4, 0x95]), /is a Python pickle/],
  ['an Arrow file', bytes('ARROW1', [0, 0]), /is an Arrow file/],
  ['an Arrow stream', bytes([0xff, 0xff, 0xff, 0xff, 16, 0, 0, 0]), /is an Arrow stream/],
  ['weights', bytes([header.length, 0, 0, 0, 0, 0, 0, 0], header), /is a safetensors file/],
  ['GGUF', bytes('GGUF', [3, 0, 0, 0]), /is a GGUF model/],
  ['a pointer', bytes('version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n'), /is a Git LFS pointer/],
  ['UTF-16', Buffer.from('\ufeff{"prompt": "x"}\n', 'utf16le'), /is UTF-16 text/],
  ['UTF-16 without a mark', Buffer.from('{"prompt": "x"}\n', 'utf16le'), /is UTF-16 text/],
  ['a page', bytes('\n<!DOCTYPE html>\n<html></html>'), /is a web page/],
  ['bytes', bytes('ab', [0, 1, 2, 0xf0]), /is no text: its byte 2 is 0/],
];

test.each(FOREIGN)('%s is named', async (_, content, says) => {
  for (const name of ['x.jsonl', 'x.json', 'x.csv']) {
    for (const read of [readPreferences, readPrompts, readCompletions])
      await expect(read(fileWith(content, name)), name).rejects.toMatchObject({
        code: 'bad-file',
        message: expect.stringMatching(says),
        hint: expect.stringMatching(/./),
      });
  }
});

const rows = (...lines: string[]) => lines.map((line) => `${line}\n`).join('');
test.each([
  [
    'Latin-1',
    Buffer.from(rows('{"prompt": "é", "chosen": "a", "rejected": "b"}').repeat(3), 'latin1'),
    /^No row of .* can be read\. In line 1: The line is not valid UTF-8: byte 13 is 0xe9 \(it may be Latin-1/,
  ],
  ['NaN', rows('{"prompt": "x", "margin": NaN}'), /In line 1: The line is not JSON: .*JSON has no NaN/],
  ['Python', rows("{'prompt': 'x'}", "{'prompt': 'y'}"), /In line 1: .*looks like a Python object/],
  ['lists', rows('[1]', '[2]'), /its row 1 is a list, not an object/],
  ['texts', rows('"a"'), /its row 1 is a text, not an object/],
] as const)('rows that are all bad: %s', async (_, content, says) => {
  await expect(readPreferences(fileWith(content, 'x.jsonl'))).rejects.toMatchObject({
    code: 'bad-data',
    message: expect.stringMatching(says),
  });
});

test('rows within one object are found and named; a comma after each row is forgiven, in files with any line ends', async () => {
  await expect(
    readPreferences(fileWith('{"rows": [{"prompt": "x", "chosen": "a", "rejected": "b"}]}', 'x.json')),
  ).rejects.toMatchObject({ hint: expect.stringContaining(`jq -c '.["rows"][]'`) });
  const row = '{"prompt": "x,", "chosen": "a", "rejected": "b"},';
  for (const text of [rows(row, row), `\ufeff${row}\r\n${row} \r\n`, `[\n${row}\n${row.slice(0, -1)}\n]\n`])
    expect(await readPreferences(fileWith(text, 'x.jsonl'))).toMatchObject({
      rows: [{ prompt: 'x,' }, { prompt: 'x,' }],
      errors: [],
    });
});

test('whole numbers beyond 2^53 come as they are spelled, all others as numbers', () => {
  const text =
    '{"id": 9007199254740993, "list": [-123456789012345678901, 9007199254740992], "small": 9007199254740991, "real": 1234567890.12345678, "in text": "12345678901234567890", "long": 1e30}';
  expect(parseJson(text)).toEqual({
    id: '9007199254740993',
    list: ['-123456789012345678901', '9007199254740992'],
    small: 9007199254740991,
    real: 1234567890.1234567,
    'in text': '12345678901234567890',
    long: 1e30,
  });
  expect(parseJson('12345678901234567890')).toBe('12345678901234567890');
  expect(() => parseJson('{"id": 12345678901234567890')).toThrow(SyntaxError);
});
