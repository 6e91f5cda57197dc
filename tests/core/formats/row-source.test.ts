// Where rows may stand: JSON lines, one JSON list, tables and Parquet, told apart by what is in the file.

import fs from 'node:fs';
import { expect, test } from 'vitest';
import { readPreferences, preferenceColumns } from '#core/formats/preferences/read-preferences.ts';
import { createRowFile } from '#core/formats/row-file.ts';
import { eachRow } from '#core/formats/row-source.ts';
import type { RowContainer } from '#core/formats/row-source.ts';
import { fileWith, temporaryFolder } from './folder.ts';

async function rowsOf(
  file: string,
): Promise<{ container: RowContainer | undefined; rows: unknown[]; lines: number[]; errors: number[] }> {
  const rows: unknown[] = [];
  const lines: number[] = [];
  let container: RowContainer | undefined;
  const { errors } = await eachRow(file, (row, line, kind) => {
    rows.push(row);
    lines.push(line);
    container = kind;
  });
  return { container, rows, lines, errors: errors.map(({ line }) => line) };
}

test('the content decides, whatever the ending', async () => {
  const row = { a: 1 };
  const pretty = JSON.stringify([row, row], null, 2);
  expect(await rowsOf(fileWith('\ufeff{"a":1}\n\n{"a":1}\nno\n{"a"', 'x.txt'))).toEqual({
    container: 'lines',
    rows: [row, row],
    lines: [1, 3],
    errors: [4, 5],
  });
  expect(await rowsOf(fileWith(pretty, 'x.jsonl'))).toEqual({
    container: 'list',
    rows: [row, row],
    lines: [1, 2],
    errors: [],
  });
  expect(await rowsOf(fileWith(`  ${pretty}`, 'x.csv'))).toMatchObject({ container: 'list' });
  expect(await rowsOf(fileWith('[{"a":1},{"a":1}]', 'x.jsonl'))).toMatchObject({ container: 'list', rows: [row, row] });
  expect(await rowsOf(fileWith('[1]\n{"a":1}', 'x.jsonl'))).toMatchObject({ container: 'lines', rows: [[1], row] });
  expect(await rowsOf(fileWith(JSON.stringify(row, null, 2), 'x.json'))).toMatchObject({
    container: 'list',
    rows: [row],
  });
  expect(await rowsOf(fileWith(JSON.stringify({ a: 'x'.repeat(100_000) }), 'x.json'))).toMatchObject({
    container: 'lines',
  });
  expect(await rowsOf(fileWith('a;b\n1;"2;3"\n', 'x'))).toEqual({
    container: 'table',
    rows: [{ a: '1', b: '2;3' }],
    lines: [2],
    errors: [],
  });
  expect(await rowsOf(fileWith('plain words\n', 'x.jsonl'))).toMatchObject({ container: undefined, errors: [1] });
});

test('what cannot be read is one sentence', async () => {
  for (const [file, says] of [
    [fileWith(''), /is empty/],
    [fileWith(' \n\n'), /is empty/],
    [fileWith('[{"a":1},', 'x.json'), /is not JSON/],
    [`${temporaryFolder()}/gone.jsonl`, /does not exist/],
    [temporaryFolder(), /is not a file/],
    [fileWith(new Uint8Array([0x1f, 0x8b, 1, 2])), /gzip/],
  ] as const)
    await expect(eachRow(file, () => {})).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringMatching(says),
    });
});

test('a visit may end the reading, and what it throws is no fault of a row', async () => {
  for (const name of ['x.jsonl', 'x.json', 'x.csv']) {
    const file = fileWith(
      name === 'x.jsonl' ? '{"a":1}\n{"a":2}\n{"a":3}' : name === 'x.json' ? '[{"a":1},{"a":2},{"a":3}]' : 'a\n1\n2\n3',
      name,
    );
    const seen: unknown[] = [];
    await eachRow(file, (row) => seen.push(row) < 2);
    expect(seen).toHaveLength(2);
    await expect(
      eachRow(file, () => {
        throw new RangeError('ours');
      }),
    ).rejects.toThrow('ours');
  }
});

test('cells of a table are what they stand for: numbers, true and false, lists and messages; texts that look like them stay', async () => {
  const csv = (header: string, ...cells: string[]) =>
    fileWith([header, cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',')].join('\n'), 't.csv');
  expect(
    (
      await readPreferences(
        csv('prompt,chosen,rejected,margin,confidence,note', 'P', '[1, 2]', '{"a": 1}', '0.5', '', ''),
      )
    ).rows,
  ).toMatchObject([
    { answers: [{ text: '[1, 2]' }, { text: '{"a": 1}' }], extra: { margin: 0.5 }, confidence: null, note: null },
  ]);
  expect(
    await readPreferences(
      csv(
        'prompt,chosen,rejected',
        '[{"role":"user","content":"Q"}]',
        '[{"role":"assistant","content":"A"}]',
        '[{"role":"assistant","content":"B"}]',
      ),
    ),
  ).toMatchObject({ format: 'trl-conversational', rows: [{ prompt: 'Q', answers: [{ text: 'A' }, { text: 'B' }] }] });
  expect((await readPreferences(csv('prompt,completions,ranks', '7', '["a","b"]', '[2,1]'))).rows).toMatchObject([
    { prompt: '7', ranks: [2, 1] },
  ]);
  expect((await readPreferences(csv('prompt,completion,label', 'P', 'x', 'False'))).rows).toMatchObject([
    { ratings: [{ value: 0 }] },
  ]);
  expect((await readPreferences(fileWith('prompt\tanswer\trejected_answer\nP\ta\tb\n', 't.tsv'))).format).toBe('h2o');
  expect(
    await readPreferences(fileWith('q,good,worse\nP,a,b\n', 't.csv'), {
      map: { prompt: 'q', chosen: 'good', rejected: 'worse' },
    }),
  ).toMatchObject({ format: 'trl-explicit', rows: [{ line: 2, ranks: [1, 2] }] });
});

test('Parquet: row groups in turn, lists of messages, absent values', async () => {
  const file = `${temporaryFolder()}/p.data`;
  const out = createRowFile(file, 'parquet', { prompt: 'messages', chosen: 'text', rejected: 'text' });
  for (let i = 0; i < 12_000; i++)
    out.add([
      {
        prompt:
          i % 2
            ? [{ role: 'user', content: `Q${i}` }]
            : [
                { role: 'system', content: '' },
                { role: 'user', content: 'Q' },
              ],
        chosen: `a${i}`,
        rejected: i === 7 ? null : `b${i}`,
      },
    ]);
  out.finish();
  const { container, rows, lines } = await rowsOf(file);
  expect([container, rows.length, lines.at(-1)]).toEqual(['parquet', 12_000, 12_000]);
  expect(rows[11_001]).toEqual({ prompt: [{ content: 'Q11001', role: 'user' }], chosen: 'a11001', rejected: 'b11001' });
  expect(await preferenceColumns(file)).toEqual(['prompt', 'chosen', 'rejected']);
  const read = await readPreferences(file);
  expect([read.format, read.rows.length, read.errors]).toEqual([
    'trl-explicit',
    11_999,
    [{ line: 8, message: '"rejected" is not text.' }],
  ]);
  expect(fs.statSync(file).size).toBeLessThan(2_000_000);
});
