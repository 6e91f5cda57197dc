// What was asked and what was answered, where files say it in several ways: a system column, prompts that differ or are
// repeated, turns in one text, lost orders, unused columns.

import { expect, test } from 'vitest';
import { readCompletions } from '#core/formats/completions.ts';
import type { Message } from '#core/formats/preferences/preference.ts';
import { readPrompts } from '#core/formats/prompts.ts';
import { fileWith } from '#tests/core/formats/folder.ts';
import { lines, preferencesOf, readRows } from './read-file.ts';

const ask = (content: string): Message => ({ role: 'user', content });
const say = (content: string): Message => ({ role: 'assistant', content });
const system = (content: string): Message => ({ role: 'system', content });
const texts = async (...rows: unknown[]) =>
  preferencesOf((await readRows(rows)).rows).map(({ answers }) => answers.map(({ text }) => text));
const errorOf = async (...rows: unknown[]) => (await readRows(rows)).errors[0]?.message;

const PAIR = { chosen: ' a', rejected: ' b' };
test.each([
  ['TRL', { prompt: 'P?', ...PAIR }],
  ['a prompt of messages', { prompt: [ask('P?')], ...PAIR }],
  ['conversations', { chosen: [ask('P?'), say('a')], rejected: [ask('P?'), say('b')] }],
  [
    'the conversation has it too',
    { chosen: [system('be brief '), ask('P?'), say('a')], rejected: [system('be brief '), ask('P?'), say('b')] },
  ],
  ['one answer', { prompt: 'P?', completion: 'a', label: true }],
  ['ours', { prompt: 'P?', completions: ['a', 'b'], ranks: [1, 2] }],
  ['LLaMA-Factory', { instruction: 'P?', input: '', ...PAIR }],
  ['H2O', { prompt: 'P?', answer: 'a', rejected_answer: 'b' }],
  [
    'ShareGPT',
    {
      conversations: [{ from: 'human', value: 'P?' }],
      chosen: { from: 'gpt', value: 'a' },
      rejected: { from: 'gpt', value: 'b' },
    },
  ],
  [
    'Argilla',
    {
      prompt: 'P?',
      response_a: 'a',
      response_b: 'b',
      'q.responses': [['response_b', 'response_a']],
      'q.responses.users': ['u'],
      'q.responses.status': ['submitted'],
    },
  ],
] as const)('a system column becomes part of the conversation: %s', async (_, row) => {
  for (const column of ['system', 'system_prompt']) {
    const { rows, errors, notes } = await readRows([{ [column]: 'be brief', ...row }]);
    const [read] = preferencesOf(rows);
    expect(errors).toEqual([]);
    expect(read!.messages!.map(({ role, content }) => [role, content.trim()])).toEqual([
      ['system', 'be brief'],
      ['user', 'P?'],
    ]);
    expect(read!.prompt).toMatch(/^System: be brief/);
    expect([read!.extra, notes]).toEqual([{}, []]);
  }
  expect(await errorOf({ system: 7, ...row })).toContain('"system" is not text');
});

test('a system message in Label Studio’s task, in prompts and in completions; another one in the conversation is a bad row', async () => {
  const task = {
    data: { system: 'be brief', prompt: 'P?', text1: 'a', text2: 'b' },
    annotations: [{ result: [{ type: 'pairwise', value: { selected: 'left' } }] }],
  };
  expect(preferencesOf((await readRows([task])).rows)[0]!.messages).toEqual([system('be brief'), ask('P?')]);
  expect(
    (await readPrompts(fileWith(lines({ system: 'be brief', prompt: 'P?' }), 'p.jsonl'))).prompts[0]!.messages,
  ).toEqual([system('be brief'), ask('P?')]);
  expect(
    (await readCompletions(fileWith(lines({ system: 'be brief', prompt: 'P?', completion: 'a' }), 'c.jsonl')))
      .completions[0]!.messages,
  ).toEqual([system('be brief'), ask('P?')]);
  expect(await errorOf({ system: 'be brief', prompt: [system('be long'), ask('P?')], ...PAIR })).toMatch(
    /"be brief".*"be long"/,
  );
});

test('prompts that differ are refused by row; one that says the same, as a whole or as what the user said, is not', async () => {
  const conversation = {
    chosen: [ask('A?'), say('b'), ask('C?'), say('d')],
    rejected: [ask('A?'), say('b'), ask('C?'), say('e')],
  };
  for (const prompt of ['C?', ' C? ', 'A?', 'A?\nC?', ''])
    expect(await errorOf({ prompt, ...conversation }), prompt).toBeUndefined();
  expect(await errorOf({ prompt: 'B?', ...conversation })).toMatch(
    /"prompt" is "B\?", but the conversation in "chosen" and "rejected" asks "C\?"/,
  );
  expect(await errorOf({ prompt: [ask('B?')], ...conversation })).toMatch(/"prompt" asks "B\?"/);
  expect(await errorOf({ chosen: [ask('A?'), say('a')], rejected: [ask('B?'), say('b')] })).toMatch(
    /"chosen" answers "A\?" and "rejected" "B\?"/,
  );
  expect(await errorOf({ prompt: 'B?', messages: [ask('A?')], completions: ['a', 'b'], ranks: [1, 2] })).toMatch(
    /"prompt" is "B\?"/,
  );
  expect(
    await errorOf({
      prompt: 'Why dry?',
      chosen: '\n\nHuman: Why wet?\n\nAssistant: Fog',
      rejected: '\n\nHuman: Why wet?\n\nAssistant: Snow',
    }),
  ).toMatch(/begin with the conversation "Why wet\?"/);
  expect(
    (await readPrompts(fileWith(lines({ prompt: 'B?', messages: [ask('A?')] }), 'p.jsonl'))).errors[0]!.message,
  ).toMatch(/"prompt" is "B\?"/);
  expect(
    preferencesOf(
      (await readRows([{ prompt: [system('S')], chosen: [ask('A?'), say('a')], rejected: [ask('A?'), say('b')] }]))
        .rows,
    )[0]!.messages,
  ).toEqual([system('S'), ask('A?')]);
  expect(
    preferencesOf(
      (
        await readRows([
          { prompt: [system('S'), ask('A?')], chosen: [ask('A?'), say('a')], rejected: [ask('A?'), say('b')] },
        ])
      ).rows,
    )[0]!.messages,
  ).toEqual([system('S'), ask('A?')]);
});

test('a prompt that the answers repeat is taken off, however it is spelled, and that is said', async () => {
  const nfd = 'Why cafe\u0301?';
  for (const [prompt, start] of [
    ['Why wet? ', 'Why wet? '],
    ['Why wet?\n', 'Why wet?\r\n'],
    ['Why café?', nfd],
    ['Why wet?', '\n\nHuman: Why wet?\n\nAssistant:'],
    ['Why wet?', 'USER: Why wet? ASSISTANT:'],
  ] as const) {
    const { rows, warnings } = await readRows([{ prompt, chosen: `${start}Fog`, rejected: `${start}Snow` }]);
    expect(
      preferencesOf(rows)[0]!.answers.map(({ text }) => text),
      start,
    ).toEqual(['Fog', 'Snow']);
    expect(preferencesOf(rows)[0]!.prompt).toBe(prompt);
    expect(warnings, start).toMatchObject([{ line: 1, message: expect.stringContaining('once more') }]);
  }
  expect(
    await texts(
      { prompt: 'Why wet? ', completion: 'Why wet? Fog', label: true },
      { prompt: 'Why wet? ', completion: 'Why wet? Snow', label: false },
    ),
  ).toEqual([['Fog', 'Snow']]);
  const completions = await readCompletions(
    fileWith(lines({ prompt: 'Why wet?', completion: 'Why wet? Fog' }), 'c.jsonl'),
  );
  expect(completions).toMatchObject({ completions: [{ completion: ' Fog' }], warnings: [{ line: 1 }] });
  // our own files are exact: it is said, and nothing is changed
  const ours = await readRows([{ prompt: 'Why wet? ', completions: ['Why wet? Fog', 'Why wet? Snow'], ranks: [1, 2] }]);
  expect(preferencesOf(ours.rows)[0]!.answers[0]!.text).toBe('Why wet? Fog');
  expect(ours.warnings).toHaveLength(1);
});

test('what merely looks like the prompt stays; an answer that begins with it where others do not is named', async () => {
  for (const [row, says] of [
    [{ prompt: 'Why wet? ', chosen: 'Why wet? Fog', rejected: 'Snow' }, 'Answer 1 begins with the prompt once more'],
    [
      { prompt: 'Why wet?', completions: ['Snow', 'Why wet? Fog', 'Why wet?\nRain'], ranks: [2, 1, 3] },
      'Answers 2, 3 begin with the prompt once more',
    ],
  ] as const) {
    const { rows, warnings } = await readRows([row]);
    expect(
      preferencesOf(rows)[0]!
        .answers.map(({ text }) => text)
        .filter((text) => text.startsWith('Why wet?')),
    ).toHaveLength(says.startsWith('Answers') ? 2 : 1);
    expect(warnings).toEqual([{ line: 1, message: expect.stringContaining(says) }]);
  }
  for (const [prompt, chosen, rejected] of [
    ['Why wet?', 'Why wet?', 'Snow'],
    ['A', 'All', 'Any'],
    ['Q', 'Assistant: yes', 'Assistant: no'],
  ] as const) {
    const { rows, warnings } = await readRows([{ prompt, chosen, rejected }]);
    expect(preferencesOf(rows)[0]!.answers[0]!.text, prompt).toBe(chosen);
    expect(warnings, prompt).toEqual([]);
  }
});

test.each([
  '<|im_start|>user\nWhy wet?<|im_end|>\n<|im_start|>assistant\n',
  '<|im_start|>user Why wet?<|im_end|><|im_start|>assistant',
  '<start_of_turn>user\nWhy wet?<end_of_turn>\n<start_of_turn>model\n',
  '<start_of_turn>user Why wet?<end_of_turn><start_of_turn>model',
  'A chat. USER: Why wet? ASSISTANT:',
  '<s>[INST] Why wet? [/INST]',
  '<|start_header_id|>user<|end_header_id|>\n\nWhy wet?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
  '<|start_header_id|>user<|end_header_id|>Why wet?<|eot_id|><|start_header_id|>assistant<|end_header_id|>',
  '\n\nHuman: Why wet?\n\nHuman: Please.\n\nAssistant:',
  'Human: Why wet? Assistant:',
  '<|user|>\nWhy wet?</s>\n<|assistant|>\n',
  '<|user|>Why wet?<|assistant|>',
  '### Instruction:\nWhy wet?\n\n### Response:\n',
  '### Instruction: Why wet? ### Response:',
  '<｜User｜>Why wet?<｜Assistant｜>',
  '<|im_start|>user\r\nWhy wet?<|im_end|>\r\n<|im_start|>assistant\r\n',
  '<|turn>user\nWhy wet?<turn|>\n<|turn>model\n',
  '<reserved_106>Why wet?<reserved_107>',
  'SUBREDDIT: r/x\n\nPOST: It rained.\n\nTL;DR:',
])('turns in one text end where the answer begins, though the answers begin alike: %j', async (prompt) => {
  for (const space of ['', ' ']) {
    const { rows } = await readRows([{ chosen: `${prompt}${space}The fog`, rejected: `${prompt}${space}The snow` }]);
    const [read] = preferencesOf(rows);
    const said = read!.answers.map(({ text }) => text);
    // HH-RLHF's are conversations, of which the prompt is what is left
    const isConversation = read!.messages !== null;
    expect(isConversation ? said.map((text) => text.trim()) : [read!.prompt, ...said]).toEqual(
      isConversation ? ['The fog', 'The snow'] : [prompt, `${space}The fog`, `${space}The snow`],
    );
  }
});

const ranked = (n: number, ranks: (i: number) => number[]) =>
  Array.from({ length: n }, (_, i) => ({ prompt: `P${i}`, completions: ['a', 'b', 'c'], ranks: ranks(i) }));
test('ten or more rankings that all equal the shown order are said to; pairs, fewer, ties throughout and any other order are not', async () => {
  const said = async (rows: unknown[]) => (await readRows(rows)).notes.filter((note) => note.includes('shown'));
  expect(await said(ranked(10, () => [1, 2, 3]))).toEqual([
    expect.stringMatching(/^All 10 rankings equal the order in which the answers were shown/),
  ]);
  expect(await said(ranked(30, (i) => (i % 2 ? [1, 1, 2] : [1, 2, 3])))).toHaveLength(1);
  expect(await said(ranked(14, (i) => (i < 3 ? [1, 1, 1] : [1, 2, 3])))).toEqual([
    expect.stringMatching(/^All 11 rankings/),
  ]); // a tie throughout says nothing against it
  for (const rows of [
    ranked(9, () => [1, 2, 3]),
    ranked(30, (i) => (i === 7 ? [2, 1, 3] : [1, 2, 3])),
    ranked(10, () => [1, 1, 1]),
    Array.from({ length: 30 }, (_, i) => ({ prompt: `P${i}`, ...PAIR })),
  ])
    expect(await said(rows)).toEqual([]);
  const comparison = (i: number) => ({
    info: { id: String(i), post: 'p', title: 't', subreddit: 's' },
    summaries: [
      { text: `a${i}`, policy: 'x' },
      { text: `b${i}`, policy: 'y' },
    ],
    choice: 0,
    worker: 'w',
  });
  expect(await said(Array.from({ length: 12 }, (_, i) => comparison(i)))).toHaveLength(1);
});

test('margins written as text are numbers, ids stay exact, columns without a use are named', async () => {
  const { rows, notes } = await readRows(
    [
      { id: '@9007199254740993@', prompt: 'P', ...PAIR, margin: '1.5', scores: [1], lang: 'en', nothing: null },
      { prompt: 'Q', ...PAIR, margin: ' 2 ' },
      { prompt: 'R', ...PAIR, margin: '' },
    ].map((row) => JSON.stringify(row).replace(/"@(\d+)@"/, '$1')),
  );
  expect(preferencesOf(rows).map(({ extra }) => extra)).toEqual([
    { id: '9007199254740993', margin: 1.5, lang: 'en', nothing: null },
    { margin: 2 },
    {},
  ]);
  expect(notes).toEqual([
    'A column was not taken, for it has no place here: "scores".',
    'Columns are kept with their rows, and nothing is learnt from them: "lang" and "margin".',
  ]);
  for (const margin of ['high', '50%', '1,5', [1], { value: 1 }, true])
    expect(await errorOf({ prompt: 'P', ...PAIR, margin }), String(margin)).toBe('"margin" is not a number.');
  expect((await readPrompts(fileWith(lines({ prompt: 'P', lang: 'en', tags: ['a'] }), 'p.jsonl'))).notes).toEqual([
    'Columns were not taken, for they have no place here: "lang" and "tags".',
  ]);
  expect(
    (await readCompletions(fileWith(lines({ prompt: 'P', completion: 'a', lang: 'en' }), 'c.jsonl'))).notes,
  ).toEqual(['A column was not taken, for it has no place here: "lang".']);
});

test('the prompt of a pair may be called question, query or input; it is never taken from what the answers begin with then', async () => {
  for (const column of ['question', 'query', 'input']) {
    const { format, rows, errors, notes } = await readRows([
      { system: 'be brief', [column]: 'Why wet?', chosen: 'The fog', rejected: 'The snow' },
    ]);
    expect([format, errors, notes]).toEqual(['trl-explicit', [], []]);
    expect(preferencesOf(rows)[0]).toMatchObject({
      messages: [system('be brief'), ask('Why wet?')],
      answers: [{ text: 'The fog' }, { text: 'The snow' }],
      extra: {},
    });
    expect(
      (
        await readRows([
          {
            [column]: 'Why wet?',
            ...PAIR,
            chosen: '\n\nHuman: Why wet?\n\nAssistant: a',
            rejected: '\n\nHuman: Why wet?\n\nAssistant: b',
          },
        ])
      ).format,
    ).toBe('hh-rlhf');
    expect(
      await errorOf({
        [column]: 'Why wet?',
        chosen: 'USER: Why dry? ASSISTANT: a',
        rejected: 'USER: Why dry? ASSISTANT: b',
      }),
    ).toContain('"Why wet?"');
  }
});

test('dialogues that part before their last answer are taken and named', async () => {
  const shared = '\n\nHuman: Why wet?\n\nAssistant:';
  const { rows, warnings } = await readRows([
    { chosen: `${shared} Fog.\n\nHuman: And now?\n\nAssistant: Sun.`, rejected: `${shared} Snow.` },
    { chosen: `${shared} Fog.`, rejected: `${shared} Snow.` },
  ]);
  expect(preferencesOf(rows)[0]!.answers[0]!.text).toBe('Fog.\n\nHuman: And now?\n\nAssistant: Sun.');
  expect(warnings).toEqual([
    {
      line: 1,
      message: 'The two dialogues part before their last answer: the answer in "chosen" holds further turns.',
    },
  ]);
});
