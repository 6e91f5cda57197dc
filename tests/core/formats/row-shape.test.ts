// Files of JSON rows that every reader of tables takes: each column in every row or in none, floats as floats, one kind
// a field.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { readPreferences } from '#core/formats/preferences/read-preferences.ts';
import { isNumbered } from '#core/formats/preferences/format.ts';
import type { Preference } from '#core/formats/preferences/preference.ts';
import { WRITE_DEFAULTS, writePreferences } from '#core/formats/preferences/writer.ts';
import { WRITERS } from '#core/formats/preferences/writers.ts';
import { createRowFile } from '#core/formats/row-file.ts';
import { by, record } from './preferences/read-file.ts';
import { temporaryFolder } from './folder.ts';

function written(name: string, preferences: readonly Preference[]): { text: string; file: string; notes: string[] } {
  const writer = WRITERS.find((one) => one.name === name)!;
  const folder = temporaryFolder();
  const file = path.join(folder, `data.${writer.container}`);
  const out = createRowFile(file, writer.container, writer.columns, writer.shape);
  for (const preference of preferences)
    out.add([...writePreferences(writer, [preference], { ...WRITE_DEFAULTS, encode: () => [1] })]);
  const { notes, bytes } = out.finish();
  const text = fs.readFileSync(file, 'utf8');
  expect(bytes).toBe(Buffer.byteLength(text));
  expect(fs.readdirSync(folder)).toEqual([path.basename(file)]);
  return { text, file, notes };
}
const pair = (prompt: string, extra: Preference['extra'] = {}, more: Partial<Preference> = {}) =>
  record({ prompt, answers: [by('a'), by('b')], ranks: [1, 2], extra, ...more });
const rowsOf = (text: string) =>
  text.startsWith('[')
    ? (JSON.parse(text) as Record<string, unknown>[])
    : text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);

test.each(['trl-explicit', 'openrlhf'])('%s: a margin is a float in every row, or in none', (name) => {
  const all = written(name, [pair('P', { margin: 1 }), pair('Q', { margin: 0.5 }), pair('R', { margin: -2 })]);
  expect(all.text.match(/"margin":[^}]+/g)).toEqual(['"margin":1.0', '"margin":0.5', '"margin":-2.0']);
  expect(all.notes).toEqual([]);
  for (const order of [
    [pair('P', { margin: 1 }), pair('Q')],
    [pair('Q'), pair('P', { margin: 1 })],
  ]) {
    const some = written(name, order);
    expect(rowsOf(some.text).map((row) => Object.keys(row))).toEqual([
      ['prompt', 'chosen', 'rejected'],
      ['prompt', 'chosen', 'rejected'],
    ]);
    expect(some.notes).toEqual([
      'Left out: the column "margin", which 1 of 2 rows lack: it is in every row or in none.',
    ]);
  }
});

const MESSY: Preference[] = [
  pair('P', { id: 7, score: 1, batch: 3, site: 4, note_0: 5 }, { split: 'train', labeler: 'ada' }),
  pair(
    'Article:\nIt rained.\n\nTL;DR:\n',
    { id: 'x', score: 0.5, flag: true, title: 9 },
    { confidence: 4, note: 'n', durationMs: 12 },
  ),
  record({
    prompt: 'System: S\n\nUser: U',
    messages: [
      { role: 'system', content: 'S' },
      { role: 'user', content: 'U' },
    ],
    answers: [by('a', 'w'), by('b'), by('c')],
    ranks: [1, 2, 2],
    reference: 'r',
    ratings: [{ answer: 0, axis: 'overall', value: 3, low: 1, high: 7, labeler: null }],
    extra: { flag: 'no' },
  }),
];

test.each(WRITERS.filter(({ container }) => container === 'jsonl' || container === 'json').map(({ name }) => name))(
  '%s: the same columns in every row, of one kind each',
  (name) => {
    const rows = rowsOf(written(name, MESSY).text);
    const kinds = new Map<string, Set<string>>();
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(Object.keys(rows[0]!));
      const flat = { ...row, ...(row['extra'] as object | null), ...(row['info'] as object | null) };
      for (const [field, value] of Object.entries(flat))
        if (value !== null)
          kinds.set(field, (kinds.get(field) ?? new Set()).add(Array.isArray(value) ? 'list' : typeof value));
    }
    expect([...kinds].filter(([, seen]) => seen.size > 1).map(([field]) => field)).toEqual([]);
  },
);

test('what is evened comes back as it was', async () => {
  const { file, notes, text } = written('tastemaker', MESSY);
  expect((await readPreferences(file)).rows.filter((row) => !isNumbered(row))).toEqual(
    MESSY.map((one, i) => ({ ...one, line: i + 1 })),
  );
  expect(notes).toEqual([
    expect.stringContaining('"id" holds values of several kinds'),
    expect.stringContaining('"flag" holds'),
  ]);
  expect(text).toContain('"score":1.0');
});

test('a list that comes late in a large file stands first, so that no reader has guessed its kind from nulls', () => {
  const plain = Array.from({ length: 3000 }, (_, i) => pair(`P${i} ${'long '.repeat(40)}`));
  const messages = [{ role: 'user' as const, content: 'U' }];
  const late = pair(
    'U',
    {},
    { messages, marks: [{ answer: 0, start: 0, end: 1, label: 'good', note: null, labeler: null }] },
  );
  const { text, notes, file } = written('tastemaker', [
    ...plain,
    late,
    pair('V', {}, { messages: [{ role: 'user', content: 'V' }] }),
  ]);
  const rows = rowsOf(text);
  expect(rows[0]).toMatchObject({ messages, marks: [{ label: 'good' }] });
  expect(rows.map(({ prompt }) => prompt)).toEqual(['U', ...plain.map(({ prompt }) => prompt), 'V']);
  expect(notes).toEqual([expect.stringMatching(/^1 row stands first in the file/)]);
  expect(fs.existsSync(file)).toBe(true);
  // where a reader sees it at the start anyway, every row stays in its place
  const early = written('tastemaker', [...plain.slice(0, 20), late]);
  expect([rowsOf(early.text).at(-1)!['prompt'], early.notes]).toEqual(['U', []]);
});
