// Running text: one file, a folder with folders in it, rows; and a corpus with a hole is refused.
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { readTexts } from '#core/formats/texts.ts';
import { errorOf, fileWith, shared, temporaryFolder } from './folder.ts';

test('one file, with its line ends made plain', () => {
  expect(readTexts(fileWith('\ufeffOnce\r\nupon a time.', 'tale.txt'))).toEqual([
    { name: 'tale.txt', text: 'Once\nupon a time.' },
  ]);
});

test('rows are named by themselves, or by file and line', () => {
  const file = fileWith('{"id":"61263","text":"A"}\n\n{"text":"B\\r\\nC"}\n', 's.jsonl');
  expect(readTexts(file)).toEqual([
    { name: '61263', text: 'A' },
    { name: 's.jsonl:3', text: 'B\nC' },
  ]);
});

test('a folder in the order of names, without hidden, blank and foreign files', () => {
  const folder = temporaryFolder();
  fs.mkdirSync(path.join(folder, 'b'));
  fs.mkdirSync(path.join(folder, '.git'));
  for (const [name, text] of [
    ['c.md', 'not taken from a folder'],
    ['c.TXT', 'C'],
    ['a.txt', 'A'],
    ['b/x.txt', 'X'],
    ['.git/y.txt', 'Y'],
    ['.z.txt', 'Z'],
    ['blank.txt', ' \n'],
    ['image.png', 'P'],
    ['rows.jsonl', '{"text":"R"}'],
  ] as const) {
    fs.writeFileSync(path.join(folder, name), text);
  }
  expect(readTexts(folder).map(({ name, text }) => [name, text])).toEqual([
    ['a.txt', 'A'],
    ['b/x.txt', 'X'],
    ['c.TXT', 'C'],
    ['rows.jsonl:1', 'R'],
  ]);
});

test('nothing to read, a bad row and bytes that are not text are sentences', () => {
  expect(errorOf(() => readTexts(temporaryFolder())).message).toContain('holds no text');
  expect(errorOf(() => readTexts(path.join(temporaryFolder(), 'none'))).message).toContain('does not exist');
  expect(errorOf(() => readTexts(fileWith('{"text":"A"}\n{"txt":"B"}\n{}\n'))).message).toMatch(
    /Line 2 of .*"text" is missing\. \(1 more line/,
  );
  expect(errorOf(() => readTexts(fileWith(Buffer.from('one\ntwo \xe9\n', 'latin1'), 'a.txt'))).message).toMatch(
    /Line 2 of .*a\.txt is not valid UTF-8/,
  );
});

const stories = shared('data', 'gutenberg');
test.skipIf(!stories)('the stories as they are (skipped: data not present)', () => {
  const texts = readTexts(stories!);
  expect(texts.length).toBe(127);
  expect(new Set(texts.map(({ name }) => name)).size).toBe(127);
  expect(texts[0]!.name).toBe('61263');
});
