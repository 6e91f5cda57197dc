// Other people's formats: each is told from the others by its content, read as its documentation means it, and its bad
// rows are named.

import { expect, test } from 'vitest';
import { FORMATS } from '#core/formats/preferences/formats.ts';
import { readPreferences } from '#core/formats/preferences/read-preferences.ts';
import { promptEnd } from '#core/formats/preferences/read-pairs.ts';
import { finderIn } from '#core/formats/preferences/read-squality.ts';
import { fileWith } from '#tests/core/formats/folder.ts';
import { INVENTED } from './invented-rows.ts';
import { by, lines, preferencesOf, readRows, record } from './read-file.ts';

const asList = <T>(one: T | T[]): T[] => (Array.isArray(one) ? one : [one]);

test.each(INVENTED.map(({ name, row, is }) => ({ name, row, is })))(
  '$name is recognised and read',
  async ({ name, row, is }) => {
    const { format, rows, errors } = await readRows([row]);
    expect([format, errors]).toEqual([name, []]);
    expect(rows).toEqual(asList(is));
  },
);

test.each(INVENTED.flatMap(({ name, row, bad }) => bad.map(([wrong, says]) => ({ name, row, wrong, says }))))(
  '$name: a row is refused ($says)',
  async ({ name, row, wrong, says }) => {
    const { format, rows, errors } = await readRows([row, wrong, row], { format: name });
    expect(format).toBe(name);
    expect(errors).toEqual([{ line: 2, message: expect.stringMatching(says) }]);
    expect(rows.every(({ line }) => line === 1 || line === 3)).toBe(true);
    expect(rows.length).toBeGreaterThan(0);
  },
);

test('no format takes the row of another for its own', () => {
  expect(INVENTED.map(({ name }) => name).sort()).toEqual(
    FORMATS.map(({ name }) => name)
      .filter((name) => !['tastemaker', 'openrlhf', 'openai-2019'].includes(name))
      .sort(),
  );
  const rows = [
    ...INVENTED.map(({ name, row }) => ({ name, row })),
    { name: 'tastemaker', row: { prompt: 'p', completions: ['a', 'b'], ranks: [1, 2] } },
    { name: 'openai-2019', row: { query: [1], sample0: [2], sample1: [3], best: 0 } },
  ];
  for (const { name, row } of rows)
    expect(FORMATS.filter((format) => format.fits(row)).map((format) => format.name)).toEqual([name]);
});

test('a file is what most of its rows are; a format may be named, and one that does not exist is refused with the list', async () => {
  const good = { prompt: 'P', chosen: 'a', rejected: 'b' };
  expect(await readRows([{ prompt: 'P', completion: 'x', label: true }, good, { what: 1 }, good])).toMatchObject({
    format: 'trl-explicit',
    errors: [{ line: 1, message: '"chosen" is missing.' }, { line: 3 }],
  });
  expect(await readRows([good], { format: 'openrlhf' })).toMatchObject({
    format: 'openrlhf',
    rows: [{ ranks: [1, 2] }],
  });
  await expect(readRows([good], { format: 'csvv' })).rejects.toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('"csvv"'),
    hint: expect.stringMatching(/trl-explicit.*squality/),
  });
  await expect(readRows([{ question: 'Q', better: 'a' }, 7])).rejects.toMatchObject({
    code: 'bad-data',
    message: expect.stringMatching(/no format that is known.*"question", "better"/),
    hint: expect.stringMatching(/trl-explicit.*squality/),
  });
});

test('OpenRLHF and UltraFeedback: whole conversations in both answers, own names by map', async () => {
  const user = { role: 'user', content: 'Q' };
  const answered = (content: string) => [user, { role: 'assistant', content }];
  const expected = { prompt: 'Q', messages: [user], answers: [by('A'), by('B')], ranks: [1, 2] };
  expect((await readRows([{ chosen: answered('A'), rejected: answered('B') }])).rows).toMatchObject([expected]);
  expect(
    (
      await readRows([
        { prompt: 'Q', prompt_id: 'x1', chosen: answered('A'), rejected: answered('B'), score_chosen: 8.5 },
      ])
    ).rows,
  ).toMatchObject([{ ...expected, extra: { prompt_id: 'x1', score_chosen: 8.5 } }]);
  expect((await readRows([{ prompt: [user], chosen: answered('A'), rejected: answered('B') }])).rows).toMatchObject([
    expected,
  ]); // the prompt once more
  expect(
    (
      await readRows([
        { prompt: 'Q', chosen: [{ role: 'assistant', content: 'A' }], rejected: [{ role: 'assistant', content: 'B' }] },
      ])
    ).rows,
  ).toMatchObject([{ ...expected, messages: null }]);
  const map = { prompt: 'context_messages', chosen: 'pos', rejected: 'neg', margin: 'gap' };
  expect(
    (
      await readRows(
        [
          {
            context_messages: [user],
            pos: [{ role: 'assistant', content: 'A' }],
            neg: [{ role: 'assistant', content: 'B' }],
            gap: 2,
          },
        ],
        { map, format: 'openrlhf' },
      )
    ).rows,
  ).toMatchObject([{ ...expected, extra: { margin: 2 } }]);
});

test('a prompt that two texts begin with ends at a border, never within a word', () => {
  const split = (a: string, b: string) => a.slice(0, promptEnd(a, b));
  expect(split('The sky is blue.', 'The sky is black.')).toBe('The sky is');
  expect(split('Q:\n\n  yes', 'Q:\n\n  no')).toBe('Q:');
  expect(split('same', 'same')).toBe('');
  expect(split('abc', 'abd')).toBe('');
  expect(split('Q two<|assistant|>\nyes it is', 'Q two<|assistant|>\nyes it was')).toBe('Q two<|assistant|>\n');
  expect(split('Human: Q\n\nAssistant: yes', 'Human: Q\n\nAssistant:no')).toBe('Human: Q\n\nAssistant:');
});

test('unpaired answers of one prompt and labeler become one ranking, good before bad; where all are the same, ratings say so', async () => {
  const rows = [
    ['P', ' a', true],
    ['Q', ' x', false],
    ['P', ' b', false],
    ['P', ' c', true],
    ['P', ' a', true],
    ['Q', ' y', false],
  ].map(([prompt, completion, label]) => ({ prompt, completion, label }));
  const { rows: read } = await readRows([
    ...rows,
    { prompt: [{ role: 'user', content: 'P' }], completion: [{ role: 'assistant', content: 'z' }], label: 1 },
    { prompt: 'P', completion: ' b', label: true, labeler: 'ada' },
  ]);
  const rated = (...values: number[]) =>
    values.map((value, answer) => ({ answer, axis: 'label', value, low: 0, high: 1, labeler: null }));
  expect(read).toEqual([
    record({ answers: [by(' a'), by(' b'), by(' c')], ranks: [1, 2, 1], ratings: rated(1, 0, 1) }),
    record({ line: 2, prompt: 'Q', answers: [by(' x'), by(' y')], ratings: rated(0, 0) }),
    record({ line: 7, messages: [{ role: 'user', content: 'P' }], answers: [by('z')], ratings: rated(1) }),
    record({ line: 8, answers: [by(' b')], labeler: 'ada', ratings: [{ ...rated(1)[0]!, labeler: 'ada' }] }),
  ]);
});

test('a choice that its confidence contradicts is taken, with a warning, a note and no confidence; 5 is unsure', async () => {
  const row = (choice: number, confidence: number | null) => ({
    info: { id: 'x', post: 'p', title: 't', subreddit: 's' },
    summaries: [
      { text: 'a', policy: 'x' },
      { text: 'b', policy: 'x' },
    ],
    choice,
    worker: 'w',
    extra: { confidence },
  });
  const { rows, warnings } = await readRows([
    row(1, 8),
    row(1, 2),
    row(0, 9),
    row(0, 5),
    row(1, 5),
    row(1, null),
    row(1, 9),
    row(0, 1),
  ]);
  expect(preferencesOf(rows).map(({ ranks, confidence }) => [ranks, confidence])).toEqual([
    [[2, 1], 7],
    [[2, 1], null],
    [[1, 2], null],
    [[1, 2], 1],
    [[2, 1], null],
    [[2, 1], null],
    [[2, 1], 9],
    [[1, 2], 9],
  ]);
  expect(warnings.map(({ line }) => line)).toEqual([2, 3, 5]);
  expect(preferencesOf(rows).map(({ note }) => note !== null)).toEqual([
    false,
    true,
    true,
    false,
    true,
    false,
    false,
    false,
  ]);
  expect(preferencesOf(rows)[1]).toMatchObject({ extra: { confidence: 2 } });
});

test('token ids: the best of several, a difference, a score; decoded by the tokenizer that is given, padding left out', async () => {
  const decode = (all: readonly (readonly number[])[]) =>
    Promise.resolve(all.map((ids) => ids.map((id) => String.fromCharCode(96 + id)).join('')));
  const rows = [
    { query: [1, 2, 50259], sample0: [3], sample1: [4, 50259], sample2: [5], sample3: [6], best: 2, extra_key: 'k' },
    { query: [1], sample0: [2], sample1: [3], difference: -1.5 },
    { query: [1], sample: [2, 3], score: 0.25 },
    { query: [1], sample0: [2], sample1: [3], best: 2 },
    { query: [1], sample0: ['x'], sample1: [3], best: 0 },
    { query: [50259], sample0: [2], sample1: [3], best: 0 },
    { query: [1], sample0: [2], sample1: [3] },
  ];
  const file = fileWith(JSON.stringify(rows), 'labels.json');
  const read = await readPreferences(file, { decode });
  const tokens = (text: string, ...tokenIds: number[]) => ({ text, writer: null, tokenIds });
  expect(read.format).toBe('openai-2019');
  expect(read.rows).toEqual([
    record({
      prompt: 'ab',
      answers: [tokens('c', 3), tokens('d', 4), tokens('e', 5), tokens('f', 6)],
      ranks: [2, 2, 1, 2],
      extra: { extra_key: 'k' },
    }),
    record({
      line: 2,
      prompt: 'a',
      answers: [tokens('b', 2), tokens('c', 3)],
      ranks: [1, 2],
      extra: { difference: -1.5 },
    }),
    record({ line: 3, prompt: 'a', answers: [tokens('bc', 2, 3)], extra: { score: 0.25 } }),
  ]);
  expect(read.errors.map(({ line, message }) => [line, message])).toEqual([
    [4, '"best" is not the number of one of the 2 samples, counted from 0.'],
    [5, 'Item 1 of "sample0" is not a token id.'],
    [6, 'The query has no text.'],
    [7, 'None of "best", "difference" and "score" is there.'],
  ]);
  await expect(readPreferences(file)).rejects.toMatchObject({
    code: 'bad-argument',
    message: expect.stringMatching(/holds token ids, and no tokenizer/),
    hint: expect.not.stringContaining('--'),
    atCommandLine: expect.stringContaining('--tokenizer'),
  });
});

test('tasks and records that nobody has judged are their answers without ranks', async () => {
  const task = {
    data: {
      question: 'Why?',
      results: [
        { id: 1, title: 'Fog.' },
        { id: 2, html: '<b>Snow.</b>' },
      ],
    },
    annotations: [],
  };
  expect((await readRows([task])).rows).toEqual([
    record({ prompt: 'Why?', answers: [by('Fog.'), by('<b>Snow.</b>')] }),
  ]);
  const argilla = {
    prompt: 'P',
    'response-1': 'A',
    'response-2': 'B',
    preference: [],
    'preference-suggestion': null,
    metadata: 'no json',
  };
  expect(await readRows([argilla])).toMatchObject({
    format: 'argilla-1',
    rows: [{ prompt: 'P', answers: [{ text: 'A' }, { text: 'B' }], ranks: null }],
  });
  const drafts = {
    prompt: 'P',
    a: 'A',
    b: 'B',
    'q.responses': [['a', 'b']],
    'q.responses.status': ['draft'],
    'q.responses.users': [''],
  };
  expect(await readRows([drafts])).toMatchObject({
    format: 'argilla-2',
    rows: [{ ranks: null }],
    warnings: [{ line: 1, message: expect.stringContaining('1 of 1 responses') }],
  });
});

test('a selection is found whatever its white space, at its next place, and never in the middle of a character', () => {
  expect(finderIn('one  two one\ntwo')('one two')).toEqual({ start: 0, end: 8 });
  expect(finderIn('one  two one\ntwo')(' one  two ', 8)).toEqual({ start: 9, end: 16 });
  expect(finderIn('one two')('one', 5)).toEqual({ start: 0, end: 3 });
  expect(finderIn('one two')('three')).toBeNull();
  expect(finderIn('one two')(' \n')).toBeNull();
  expect(finderIn('a 🙂 b')('🙂')).toEqual({ start: 2, end: 4 });
  expect(finderIn('a 🙂 b')('\ud83d')).toBeNull();
});

test('half characters become the replacement character, so that what is stored is what is marked', async () => {
  const { rows } = await readPreferences(
    fileWith(lines('{"prompt": "a\\ud800", "chosen": "b\\udc00c", "rejected": "d"}')),
  );
  expect(rows).toMatchObject([{ prompt: 'a\ufffd', answers: [{ text: 'b\ufffdc' }, { text: 'd' }] }]);
});
