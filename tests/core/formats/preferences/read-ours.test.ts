// Our own rows: by text, by number and as pairs, all that a preference may have, and each way to get one wrong, by its
// line.

import { describe, expect, test } from 'vitest';
import { readPreferences } from '#core/formats/preferences/read-preferences.ts';
import { fileWith } from '#tests/core/formats/folder.ts';
import { by, lines, readRows, record } from './read-file.ts';

test('by text, by number, and pairs', async () => {
  const { format, rows, errors } = await readRows([
    { prompt: 'p', completions: ['a', 'b', 'c'], ranks: [2, 1, 2], labeler: 'ada', confidence: 9, note: 'close' },
    { prompt_id: 7, completion_ids: [3, 1], ranks: [1, 2] },
    { prompt: 'p', chosen: ' good', rejected: '', margin: 0.5 },
  ]);
  expect([format, errors]).toEqual(['tastemaker', []]);
  expect(rows).toEqual([
    record({
      prompt: 'p',
      answers: [by('a'), by('b'), by('c')],
      ranks: [2, 1, 2],
      labeler: 'ada',
      confidence: 9,
      note: 'close',
    }),
    { line: 2, promptId: 7, completionIds: [3, 1], ranks: [1, 2], labeler: null, confidence: null, note: null },
    record({ line: 3, prompt: 'p', answers: [by(' good'), by('')], ranks: [1, 2], extra: { margin: 0.5 } }),
  ]);
});

test('conversations, writers, splits, durations, ratings, marks and fields without a place', async () => {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Why?' },
  ];
  const { rows, errors } = await readRows([
    {
      messages,
      completions: ['Fog 🙂.', 'Fog 🙂.'],
      writers: ['sup4', 'ref'],
      token_ids: [[1, 2], null],
      ranks: [1, 1],
      duration_ms: 4200.5,
      split: 'valid',
      reference: 'Snow.',
      batch: 'b7',
      tags: ['x'],
      ratings: [
        { answer: 1, axis: 'overall', value: 62.5, low: 0, high: 100, labeler: 'ben' },
        { answer: 0, axis: 'tone', value: 7 },
      ],
      marks: [{ answer: 0, start: 4, end: 6, label: 'good', note: 'cheerful' }],
      extra: { id: 3, late: null },
    },
    { prompt: 'p', completions: ['a', 'b'], ranks: null },
  ]);
  expect(errors).toEqual([]);
  expect(rows).toEqual([
    record({
      prompt: 'System: Be brief.\n\nUser: Why?',
      messages: messages as never,
      answers: [{ text: 'Fog 🙂.', writer: 'sup4', tokenIds: [1, 2] }, by('Fog 🙂.', 'ref')],
      ranks: [1, 1],
      durationMs: 4200.5,
      split: 'validation',
      reference: 'Snow.',
      ratings: [
        { answer: 1, axis: 'overall', value: 62.5, low: 0, high: 100, labeler: 'ben' },
        { answer: 0, axis: 'tone', value: 7, low: 1, high: 7, labeler: null },
      ],
      marks: [{ answer: 0, start: 4, end: 6, label: 'good', note: 'cheerful', labeler: null }],
      extra: { batch: 'b7', id: 3, late: null },
    }),
    record({ line: 2, prompt: 'p', answers: [by('a'), by('b')] }), // null: nobody has ranked them
  ]);
});

describe('bad rows', () => {
  const good = { prompt: 'p', completions: ['a', 'b'], ranks: [1, 2] };
  const byId = { prompt_id: 1, completion_ids: [1, 2], ranks: [1, 2] };
  const pair = { prompt: 'p', chosen: 'a', rejected: 'b' };
  const rating = { answer: 0, axis: 'overall', value: 4 };
  const mark = { answer: 0, start: 0, end: 1, label: 'bad' };
  test.each<[row: unknown, says: RegExp]>([
    [{ ...good, ranks: [1] }, /2 completions but 1 ranks/],
    [{ ...good, ranks: [1, 2, 3] }, /2 completions but 3 ranks/],
    [{ ...good, completions: ['a'], ranks: [1] }, /two completions.*has 1/],
    [{ ...good, completions: [], ranks: [] }, /two completions.*has 0/],
    [{ ...good, ranks: [1, 1.5] }, /Item 2 of "ranks" is not a whole number/],
    [{ ...good, ranks: [0, 1] }, /Item 1 of "ranks"/],
    [{ ...good, ranks: ['1', '2'] }, /Item 1 of "ranks"/],
    [{ ...good, ranks: 7 }, /"ranks" is not a list/],
    [{ prompt: 'p', completions: ['a', 'b'] }, /"ranks" is missing/],
    [{ ...good, completions: ['a', null] }, /Item 2 of "completions" is not text/],
    [{ ...good, completions: ['a', 'a'] }, /Completions 1 and 2 are the same text/],
    [{ ...good, prompt: '' }, /"prompt" is empty/],
    [{ ...good, confidence: 10 }, /"confidence"/],
    [{ ...good, confidence: 2.5 }, /"confidence"/],
    [{ ...good, labeler: 4 }, /"labeler"/],
    [{ ...good, duration_ms: -1 }, /"duration_ms" is -1/],
    [{ ...good, writers: ['a'] }, /2 completions but 1 entries in "writers"/],
    [{ ...good, messages: [] }, /"messages" has no messages/],
    [{ ...good, messages: [{ role: 'tool', content: 'x' }] }, /Message 1 of "messages" has the role "tool"/],
    [{ ...good, ratings: [{ ...rating, answer: 2 }] }, /Rating 1 is of no answer/],
    [{ ...good, ratings: [{ ...rating, value: 8 }] }, /"value" is 8/],
    [{ ...good, ratings: [rating, { ...rating, axis: ' ' }] }, /Rating 2 has no axis/],
    [{ ...good, marks: [{ ...mark, end: 2 }] }, /Mark 1 does not lie in its answer/],
    [{ ...good, completions: ['🙂', 'b'], marks: [mark] }, /Mark 1 cuts a character/],
    [{ ...good, marks: [{ ...mark, label: '' }] }, /Mark 1 has no label/],
    [{ ...byId, prompt_id: '1' }, /"prompt_id"/],
    [{ ...byId, completion_ids: [1, 1] }, /Completion 1 is ranked twice/],
    [{ ...byId, completion_ids: [1, -2] }, /Item 2 of "completion_ids"/],
    [{ prompt_id: 1, ranks: [1, 2] }, /"completion_ids" is missing/],
    [{ ...pair, rejected: 'a' }, /same text/],
    [{ prompt: 'p', chosen: 'a' }, /"rejected" is missing/],
    [{ chosen: 'a', rejected: 'b' }, /"prompt" is missing/],
    [{ ...pair, chosen: [{ role: 'assistant', content: 'a' }] }, /"chosen" is a list of messages/],
    [[1], /not an object/],
    [null, /not an object/],
  ])('%j is refused', async (row, says) => {
    const { rows, errors } = await readRows([good, row, byId]);
    expect(rows.map(({ line }) => line)).toEqual([1, 3]);
    expect(errors).toEqual([{ line: 2, message: expect.stringMatching(says) }]);
  });
});

test('a map names other columns; a field that does not exist is one error', async () => {
  const map = { prompt: 'question', chosen: 'better', rejected: 'worse' };
  expect(
    await readPreferences(fileWith(lines({ question: 'q', better: 'a', worse: 'b' }, { question: 'q', better: 'a' })), {
      map,
    }),
  ).toMatchObject({
    format: 'trl-explicit',
    rows: [{ prompt: 'q', answers: [{ text: 'a' }, { text: 'b' }], ranks: [1, 2] }],
    errors: [{ line: 2, message: '"rejected" is missing.' }],
  });
  await expect(readPreferences(fileWith('{}'), { map: { colour: 'x' } })).rejects.toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('"colour"'),
  });
});
