// Files that would take for ever: a million columns, endless texts, millions of bad lines, Parquet that unpacks to
// everything. Each is answered within seconds.
import fs from 'node:fs';
import path from 'node:path';
import { ParquetWriter, ByteWriter } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { readCompletions } from '#core/formats/completions.ts';
import { eachParquetRow } from '#core/formats/parquet.ts';
import { preferenceColumns, readPreferences } from '#core/formats/preferences/read-preferences.ts';
import { readColumns, readPrompts } from '#core/formats/prompts.ts';
import { countBad, LONGEST_TEXT } from '#core/formats/rows.ts';
import { fileWith, temporaryFolder } from './folder.ts';

const SOON = 1500; // ms of work; alone on the machine it is a tenth of it
/** What this process has worked so far, in ms: what others take of the machine does not count. */
const worked = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
/** What became of a reading, and how much work it was. */
async function timed<T>(work: () => Promise<T>): Promise<{ value: T | null; error: string; ms: number }> {
  const started = worked();
  try {
    return { value: await work(), error: '', ms: worked() - started };
  } catch (error) {
    return { value: null, error: (error as Error).message, ms: worked() - started };
  }
}
const READERS: Readonly<Record<string, (file: string) => Promise<unknown>>> = {
  prompts: (file) => readPrompts(file),
  completions: (file) => readCompletions(file),
  rankings: (file) => readPreferences(file),
  'columns of prompts': readColumns,
  'columns of rankings': preferenceColumns,
};
const wide = (count: number, text: (i: number) => string) => Array.from({ length: count }, (_, i) => text(i));

describe.each(Object.entries(READERS))('%s', (_, read) => {
  test('a table with a million columns, and one with a million names twice over', async () => {
    const header = wide(1_000_000, (i) => `c${i}`).join(',');
    for (const text of [`prompt,${header}\n`, `${header}\n${header}\n`]) {
      const { error, ms } = await timed(() => read(fileWith(text, 'wide.csv')));
      expect(error).toMatch(/has 1,000,00[01] columns; the most is 2,000/);
      expect(ms).toBeLessThan(SOON);
    }
  });

  test('rows with a hundred thousand fields', async () => {
    const row = JSON.stringify(Object.fromEntries(wide(100_000, (i) => `f${i}`).map((name) => [name, 'x'])));
    const { value, error, ms } = await timed(() => read(fileWith(`${row}\n`.repeat(5), 'wide.jsonl')));
    expect(error || JSON.stringify(value)).toMatch(/100,000 fields|^\[\]$/); // no columns, where those are asked for
    expect(ms).toBeLessThan(SOON);
  });
});

test.each(['prompts', 'completions', 'rankings'] as const)(
  'hundreds of thousands of bad lines of %s: it is said after the first ten thousand',
  async (kind) => {
    for (const [line, ending] of [
      ['{"prompt": "a", ', 'jsonl'],
      ['[1, 2, 3]', 'jsonl'],
      ['{"prompt": 7, "chosen": 8, "rejected": 9, "completion": 1}', 'jsonl'],
      ['"a","b","c"', 'csv'],
    ] as const) {
      const file = fileWith(
        `prompt,completion\n`.repeat(Number(ending === 'csv')) + `${line}\n`.repeat(300_000),
        `bad.${ending}`,
      );
      const { error, ms } = await timed(() => READERS[kind]!(file));
      expect(error, line).toMatch(
        /The first 10,000 rows of .* are all bad; line \d+: |no format that is known|No prompt was found|rows? .* (names|values)/,
      );
      expect(ms, line).toBeLessThan(SOON);
    }
  },
);

test('a hundred thousand bad lines among good ones: a thousand are named, all are counted, and it is said', async () => {
  const file = fileWith(`${`{"prompt": "Why?"}\n${'{"prompt": 7}\n'.repeat(20)}`.repeat(5000)}`);
  const { value } = await timed(() => readPrompts(file));
  expect(value!.prompts).toHaveLength(5000);
  expect(value!.errors).toHaveLength(1000);
  expect(value!.errors[0]).toMatchObject({ line: 2, message: '"prompt" is not text.' });
  expect(countBad(value!)).toBe(100_000);
  expect(value!.notes[0]).toBe('100,000 rows are bad; only the first 1,000 are named.');
});

test('a text beyond a million characters is a bad row with its line, wherever it stands', async () => {
  const long = 'x'.repeat(LONGEST_TEXT + 1);
  const says = `A text in the row has 1,000,001 characters; the most is 1,000,000.`;
  const rows = (...values: object[]) => fileWith(values.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const messages = [{ role: 'user', content: long }];
  expect(
    await readPrompts(rows({ prompt: 'a' }, { prompt: long }, { prompt: 'b', reference: long }, { messages })),
  ).toMatchObject({ prompts: [{ text: 'a' }], errors: [2, 3, 4].map((line) => ({ line, message: says })) });
  expect(
    await readCompletions(rows({ prompt: 'a', completion: 'b' }, { prompt: 'a', completion: long })),
  ).toMatchObject({ completions: [{ completion: 'b' }], errors: [{ line: 2, message: says }] });
  expect(
    await readPreferences(
      rows({ prompt: 'a', chosen: 'b', rejected: 'c' }, { prompt: 'a', chosen: 'b', rejected: long }),
    ),
  ).toMatchObject({ rows: [{ prompt: 'a' }], errors: [{ line: 2, message: says }] });
  expect(await readPrompts(fileWith(`a\n${long}\nb\n`, 'a.txt'))).toMatchObject({
    prompts: [{ text: 'a' }, { text: 'b' }],
    errors: [{ line: 2, message: says }],
  });
  expect(await readPrompts(fileWith(`prompt\na\n${long}\n`, 'a.csv'))).toMatchObject({
    prompts: [{ text: 'a' }],
    errors: [{ line: 3, message: says }],
  });
  expect((await readPrompts(rows({ prompt: 'x'.repeat(LONGEST_TEXT) }))).prompts).toHaveLength(1);
});

test('a line of more than 64 MiB is no row', async () => {
  const file = path.join(temporaryFolder(), 'long.jsonl');
  fs.writeFileSync(file, '{"prompt":"');
  for (let i = 0; i < 70; i++) fs.appendFileSync(file, 'x'.repeat(2 ** 20));
  const { error, ms } = await timed(() => readPrompts(file));
  expect(error).toContain(`Line 1 of ${file} is longer than 67108864 bytes.`);
  expect(ms).toBeLessThan(SOON);
});

/** A Parquet file of so many columns, each of whose values is the same text. */
function parquetOf(columns: number, rows: number, text: string, groups = 1): string {
  const file = path.join(temporaryFolder(), 'made.parquet');
  const writer = new ByteWriter();
  const names = wide(columns, (i) => `c${i}`);
  const parquet = new ParquetWriter({
    writer,
    schema: [
      { name: 'root', num_children: columns },
      ...names.map((name) => ({
        name,
        type: 'BYTE_ARRAY' as const,
        converted_type: 'UTF8' as const,
        repetition_type: 'REQUIRED' as const,
      })),
    ],
  });
  for (let i = 0; i < groups; i++)
    parquet.write({
      rowGroupSize: rows,
      columnData: names.map((name) => ({
        name,
        data: Array<string>(rows).fill(text),
        encoding: 'RLE_DICTIONARY' as const,
      })),
    });
  parquet.finish();
  fs.writeFileSync(file, writer.getBytes());
  return file;
}

test('twenty thousand columns of Parquet are refused at once', async () => {
  const file = parquetOf(20_000, 1, 'x');
  const { error, ms } = await timed(() => readPreferences(file));
  expect(error).toContain('has 20,000 columns; the most is 2,000.');
  expect(ms).toBeLessThan(SOON);
});

test('a small file of Parquet that unpacks to ninety gigabytes is refused before the memory is full', async () => {
  const file = parquetOf(1, 90_000, 'x'.repeat(1e6));
  expect(fs.statSync(file).size).toBeLessThan(50_000);
  let rows = 0;
  const { error, ms } = await timed(() => eachParquetRow(file, () => void rows++));
  expect(error).toMatch(/would unpack to [\d,]+ bytes/);
  expect(rows).toBeLessThan(100);
  expect(ms).toBeLessThan(SOON);
});
