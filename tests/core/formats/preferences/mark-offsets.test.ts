// Offsets of marks: every unit means the same place, a quoted text settles which one it is, and what cannot be right is
// refused by row.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { spanOf } from '#core/formats/preferences/mark-offsets.ts';
import { OUR_WRITERS } from '#core/formats/preferences/write-ours.ts';
import { WRITE_DEFAULTS } from '#core/formats/preferences/writer.ts';
import { preferencesOf, readRows, record } from './read-file.ts';

const TEXT = 'a😀 naïve 𝒳 end'; // "naïve" is 4–9 in UTF-16, 3–8 in code points, 6–12 in bytes
const row = (mark: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  prompt: 'P',
  completions: [TEXT, 'b'],
  ranks: [1, 2],
  marks: [{ answer: 0, label: 'good', ...mark }],
  ...more,
});
const marked = async (mark: Record<string, unknown>, more: Record<string, unknown> = {}) => {
  const { rows, errors, warnings } = await readRows([row(mark, more)]);
  return {
    is: preferencesOf(rows)[0]?.marks.map(({ start, end }) => TEXT.slice(start, end))[0],
    error: errors[0]?.message,
    warnings: warnings.length,
  };
};

test('a stated unit, at the mark or at the row, by any of its names', async () => {
  for (const unit of ['utf-16', 'UTF16', 'utf-16 code units'])
    expect(await marked({ start: 4, end: 9, unit })).toEqual({ is: 'naïve', error: undefined, warnings: 0 });
  for (const unit of ['code-points', 'codepoints', 'code_points', 'characters'])
    expect(await marked({ start: 3, end: 8 }, { mark_offsets: unit })).toMatchObject({ is: 'naïve', warnings: 0 });
  for (const unit of ['bytes', 'UTF-8'])
    expect(await marked({ start: 6, end: 12, unit })).toMatchObject({ is: 'naïve' });
  expect(await marked({ start: 3, end: 8, unit: 'words' })).toMatchObject({
    error: expect.stringMatching(/"words", which is none of utf-16, code-points, bytes/),
  });
});

test('without one, the text that is quoted says which it is; without that it is UTF-16, and where it matters that is said', async () => {
  for (const [start, end] of [
    [4, 9],
    [3, 8],
    [6, 12],
  ])
    expect(await marked({ start, end, text: 'naïve' })).toEqual({ is: 'naïve', error: undefined, warnings: 0 });
  expect(await marked({ start: 4, end: 9 })).toMatchObject({ is: 'naïve', warnings: 1 });
  const plain = await readRows([{ ...row({ start: 0, end: 2 }), completions: ['naïve', 'b'] }]);
  expect([preferencesOf(plain.rows)[0]!.marks[0], plain.warnings]).toMatchObject([{ start: 0, end: 2 }, []]);
});

test('what cannot be right is refused', async () => {
  for (const [mark, says] of [
    [{ start: 0, end: 2, text: 'naïve' }, /is of the text "naïve", but at 0 to 2 its answer has something else/],
    [{ start: 4, end: 9, unit: 'code-points', text: 'naïve' }, /at 4 to 9 \(code-points\) its answer has "aïve "/],
    [{ start: 4, end: 99 }, /does not lie in its answer/],
    [{ start: 2, end: 4 }, /cuts a character in two/],
    [{ start: 9, end: 12, unit: 'bytes' }, /does not lie in its answer \(bytes\)/],
    [{ start: 9, end: 4 }, /does not lie/],
    [{ start: 1.5, end: 4 }, /does not lie/],
  ] as const)
    expect((await marked(mark)).error).toMatch(says);
});

test('an export states the unit and quotes the text, so that it comes back in any case', async () => {
  const given = record({
    answers: [{ text: TEXT, writer: null, tokenIds: null }],
    ranks: null,
    marks: [{ answer: 0, start: 4, end: 9, label: 'good', note: null, labeler: 'ada' }],
  });
  const [written] = OUR_WRITERS[0]!.write(given, { ...WRITE_DEFAULTS, encode: () => [] }, () => {});
  expect(written).toMatchObject({ mark_offsets: 'utf-16', marks: [{ start: 4, end: 9, text: 'naïve' }] });
  expect(preferencesOf((await readRows([written])).rows)).toEqual([given]);
  expect(
    preferencesOf(
      (
        await readRows([
          {
            ...written,
            mark_offsets: null,
            marks: [{ answer: 0, start: 3, end: 8, label: 'good', text: 'naïve', labeler: 'ada' }],
          },
        ])
      ).rows,
    ),
  ).toEqual([given]);
});

test('of any text and any span, all three units are the same place', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', 'é', '😀', '漢', '\n', '\u0301'), { minLength: 1, maxLength: 20 }),
      fc.nat(19),
      fc.integer({ min: 1, max: 20 }),
      (characters, from, count) => {
        const text = characters.join('');
        const before = characters.slice(0, from).join('');
        const within = characters.slice(from, from + count).join('');
        fc.pre(within !== '');
        const wanted = { start: before.length, end: before.length + within.length, isGuess: false };
        const bytes = [Buffer.byteLength(before), Buffer.byteLength(before + within)] as const;
        expect(spanOf(text, [[...before].length, [...before, ...within].length], 'code-points', within, 'M')).toEqual(
          wanted,
        );
        expect(spanOf(text, bytes, 'bytes', within, 'M')).toEqual(wanted);
        expect(spanOf(text, [wanted.start, wanted.end], 'utf-16', within, 'M')).toEqual(wanted);
      },
    ),
  );
});
