// No JSON whatsoever makes a reader throw anything but the error of its row, and no damaged file more than one
// sentence.

import fs from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TastemakerError } from '#core/errors.ts';
import { isNumbered } from '#core/formats/preferences/format.ts';
import type { PreferenceRow } from '#core/formats/preferences/format.ts';
import { FORMATS } from '#core/formats/preferences/formats.ts';
import { readPreferences } from '#core/formats/preferences/read-preferences.ts';
import { asRow } from '#core/formats/rows.ts';
import { createRowFile } from '#core/formats/row-file.ts';
import { fileWith, temporaryFolder } from '#tests/core/formats/folder.ts';
import { INVENTED } from './invented-rows.ts';

const FIELDS = [
  'prompt',
  'chosen',
  'rejected',
  'completions',
  'ranks',
  'completion',
  'label',
  'labels',
  'messages',
  'conversations',
  'info',
  'summaries',
  'summary',
  'choice',
  'extra',
  'query',
  'sample0',
  'sample1',
  'best',
  'data',
  'annotations',
  'result',
  'value',
  'ranker',
  'items',
  'questions',
  'passage-id',
  'reviews',
  'response',
  'worker_id',
  'preference',
  'preference.responses',
  'preference-suggestion',
  'role',
  'content',
  'from',
  'text',
  'policy',
  'ratings',
  'marks',
  'axes',
  'context',
  'samples',
  '__proto__',
  'constructor',
  '',
];
const key = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...FIELDS) }, { weight: 1, arbitrary: fc.string() });
const leaf = fc.oneof(
  fc.string(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.nat(9),
  fc.constantFrom('user', 'assistant', 'left', 'ranker', 'pairwise', 'submitted', '\n\nHuman: a\n\nAssistant: b'),
);
const { value: anyValue } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .array(fc.tuple(key, tie('value')), { maxLength: 6 })
      .map(
        (entries) =>
          JSON.parse(
            `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value) ?? 'null'}`).join(',')}}`,
          ) as unknown,
      ),
  ),
}));

/** Puts `put` at some place of a value, named by a list of numbers. */
function damaged(value: unknown, place: readonly number[], put: unknown): unknown {
  const [first, ...rest] = place;
  if (first === undefined || typeof value !== 'object' || value === null) return put;
  const names = Object.keys(value);
  const name = names[first % Math.max(1, names.length)];
  if (name === undefined) return put;
  if (Array.isArray(value)) return value.map((one: unknown, i) => (String(i) === name ? damaged(one, rest, put) : one));
  return Object.fromEntries(
    Object.entries(value).flatMap(([field, one]) =>
      field === name
        ? rest.length === 0 && put === undefined
          ? []
          : [[field, damaged(one, rest, put)]]
        : [[field, one]],
    ),
  );
}

/** What every record must be, whatever it was read from. */
function isSound(row: PreferenceRow): void {
  if (isNumbered(row)) return expect(row.ranks).toHaveLength(row.completionIds.length);
  const { prompt, answers, ranks, ratings, marks, confidence, messages, durationMs } = row;
  expect(answers.every(({ text }) => typeof text === 'string')).toBe(true);
  expect(prompt === '' ? 'promptIds' in row : prompt.trim() !== '').toBe(true); // token ids are decoded later
  expect(
    ranks === null ||
      (ranks.length === answers.length && ranks.every((rank) => Number.isSafeInteger(rank) && rank >= 1)),
  ).toBe(true);
  expect(confidence === null || [1, 2, 3, 4, 5, 6, 7, 8, 9].includes(confidence)).toBe(true);
  expect(durationMs === null || durationMs >= 0).toBe(true);
  expect(
    messages === null ||
      (messages.length > 0 &&
        messages.every(
          ({ role, content }) => ['system', 'user', 'assistant'].includes(role) && typeof content === 'string',
        )),
  ).toBe(true);
  for (const { answer, axis, value, low, high } of ratings)
    expect([
      answer < answers.length,
      axis !== '',
      low !== high,
      value >= Math.min(low, high),
      value <= Math.max(low, high),
    ]).toEqual([true, true, true, true, true]);
  for (const { answer, start, end, label } of marks)
    expect([start >= 0, start < end, end <= answers[answer]!.text.length, label !== '']).toEqual([
      true,
      true,
      true,
      true,
    ]);
}

/** The refusal in which work ends, or null; any other fault is thrown on. */
function refusalOf(work: () => void): TastemakerError | null {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof TastemakerError) return error;
    throw error;
  }
}

function readWith(name: string, value: unknown): void {
  const format = FORMATS.find((one) => one.name === name)!;
  const refusal = refusalOf(() => {
    const row = asRow(value);
    format.fits(row);
    const read = format.read(row, 1, { warn: () => {} });
    const rows = Array.isArray(read) ? read : [read];
    rows.forEach(isSound);
    format.gather?.(rows).forEach(isSound);
  });
  const said = refusal?.message ?? 'Nothing is refused.';
  expect(said).toMatch(/\S.*[.:]$/s); // a sentence
  expect(said.length).toBeLessThan(400);
}

test.each(FORMATS.map(({ name }) => [name]))('%s: any JSON is read or is one row error', (name) => {
  fc.assert(
    fc.property(anyValue, (value) => readWith(name, value)),
    { numRuns: 300 },
  );
  const own = INVENTED.find((one) => one.name === name);
  if (own)
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 9 }), fc.option(anyValue, { nil: undefined }), (place, put) =>
        readWith(name, JSON.parse(JSON.stringify(damaged(own.row, place, put) ?? null))),
      ),
      { numRuns: 300 },
    );
});

test('files with bytes changed: rows, or one sentence that names the file', async () => {
  const folder = temporaryFolder();
  const parquet = `${folder}/p.parquet`;
  const out = createRowFile(parquet, 'parquet', {
    prompt: 'messages',
    chosen: 'messages',
    rejected: 'messages',
    note: 'text',
  });
  const message = (role: string, content: string) => ({ role, content });
  for (let i = 0; i < 60; i++)
    out.add([
      {
        prompt: [message('user', `Q${i % 7}`), message('assistant', 'ok'), message('user', 'more')].slice(
          0,
          1 + (i % 3),
        ),
        chosen: [message('assistant', `A${i}`)],
        rejected: [message('assistant', 'no'.repeat(i))],
        note: i % 4 ? null : 'n',
      },
    ]);
  out.finish();
  const whole = (await readPreferences(parquet)).rows.length;
  expect(whole).toBe(60);
  const json = INVENTED.map(({ row }) => JSON.stringify(row));
  const files: [name: string, bytes: Uint8Array][] = [
    ['p.parquet', fs.readFileSync(parquet)],
    ['l.jsonl', Buffer.from(json.join('\n'))],
    ['l.json', Buffer.from(`[${json.join(',\n')}]`)],
    [
      't.csv',
      Buffer.from(
        'prompt,chosen,rejected,confidence\n"a, b","c ""d""",e,7\nf,"[{""role"":""assistant"",""content"":""x""}]","[]",\n',
      ),
    ],
  ];
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...files),
      fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
      async ([name, bytes], changes, cut) => {
        const copy = Uint8Array.from(bytes);
        for (const [at, byte] of changes) copy[Math.min(copy.length - 1, Math.floor(at * copy.length))] = byte;
        const file = `${folder}/changed-${name}`;
        fs.writeFileSync(file, cut === null || cut < 0.7 ? copy : copy.subarray(0, Math.floor(cut * copy.length)));
        const read = await readPreferences(file).catch((error: unknown) => {
          if (!(error instanceof TastemakerError)) throw error;
          refused++;
          return error;
        });
        const isSaid =
          read instanceof TastemakerError
            ? read.message.includes(file) && read.hint !== ''
            : read.errors.every(({ line, message: says }) => line >= 1 && says !== '');
        expect(isSaid).toBe(true);
      },
    ),
    { numRuns: 400 },
  );
  expect(refused).toBeGreaterThan(20);
});

test('Parquet that promises more than it can hold is refused before anything is unpacked', async () => {
  const folder = temporaryFolder();
  const file = `${folder}/p.parquet`;
  const out = createRowFile(file, 'parquet', { prompt: 'text', chosen: 'text', rejected: 'text' });
  out.add([{ prompt: 'P', chosen: 'a', rejected: 'b' }]);
  out.finish();
  const bytes = fs.readFileSync(file);
  const short = fileWith(bytes.subarray(0, bytes.length - 9), 'short.parquet');
  const long = Uint8Array.from(bytes);
  new DataView(long.buffer).setUint32(long.length - 8, 0x7fffffff, true);
  await expect(readPreferences(short)).rejects.toMatchObject({
    code: 'bad-file',
    message: expect.stringContaining(short),
  });
  await expect(readPreferences(fileWith(long, 'long.parquet'))).rejects.toMatchObject({
    code: 'bad-file',
    message: expect.stringMatching(/footer would be 2147483647 bytes/),
  });
  await expect(readPreferences(fileWith('PAR1PAR1', 'tiny.parquet'))).rejects.toMatchObject({
    code: 'bad-file',
    message: expect.stringMatching(/too short/),
  });
});
