// Importing in the window: what the preview promises is what happens, bad rows are named by their lines, and one undo
// takes it all back.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { importHandlers } from '#core/service/data/imports.ts';
import { promptHandlers } from '#core/service/data/prompts.ts';
import { listCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { undoEvent } from '#core/store/events.ts';
import { listItems } from '#core/store/items.ts';
import { listLabelers } from '#core/store/labelers.ts';
import { addPolicy } from '#core/store/policies.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts, countPrompts, listPrompts } from '#core/store/prompts.ts';
import { listRankings } from '#core/store/rankings.ts';
import { handled } from './handler-context.ts';
import { freshProjects, smallProject } from './projects-at-hand.ts';

const fresh = freshProjects();
const jsonl = (rows: readonly unknown[]) =>
  rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n');

function opened(project: Project) {
  const { call, events } = handled(project, importHandlers);
  const file = (name: string, text: string) => {
    const path = join(project.folder, name);
    writeFileSync(path, text);
    return path;
  };
  return { project, call, events, file };
}
const NOTHING = { prompts: 0, completions: 0, rankings: 0, ratings: 0, marks: 0 };
const CSV = [
  'question;answer;from',
  'How do I bake bread?;With flour.;book',
  '"unclosed;x;y',
  '',
  'too;many;values;here',
  ';no text;book',
];

test('a table with three bad rows: three errors with their lines, and the good ones are in', async () => {
  const { project, call, events, file } = opened(createProject(fresh()));
  const path = file(
    'p.csv',
    [
      'prompt,reference,source',
      'How do I bake bread?,With flour.,book',
      'too,many,values,here',
      '"What is',
      'a fox?",An animal.,',
      ',no prompt,book',
      'How do I bake bread?,again,book',
      'only one',
      'Why is it late?,,',
    ].join('\n'),
  );
  const errors = [
    { line: 3, message: 'The row has 4 values, the header 3.' },
    { line: 6, message: '"prompt" is empty.' },
    { line: 8, message: 'The row has 1 value, the header 3.' },
  ];
  const preview = await call('imports.preview', { path, kind: 'prompts', map: {} });
  expect(preview).toEqual({
    format: 'csv prompt',
    columns: ['prompt', 'reference', 'source'],
    fields: ['text', 'reference', 'source'],
    map: { text: 'prompt', reference: 'reference', source: 'source' },
    total: 7,
    duplicates: 1,
    errors,
    warnings: [],
    notes: [],
    formats: [],
    conversations: [null, null, null, null],
    templates: [],
    rows: [
      { text: 'How do I bake bread?', reference: 'With flour.', source: 'book' },
      { text: 'What is\na fox?', reference: 'An animal.', source: 'p.csv' },
      { text: 'How do I bake bread?', reference: 'again', source: 'book' },
      { text: 'Why is it late?', reference: '', source: 'p.csv' },
    ],
  });
  const result = await call('imports.run', { path, kind: 'prompts', map: preview.map, split: 'validation' });
  expect(result).toEqual({ added: 3, duplicates: 1, errors, eventId: 1, made: { ...NOTHING, prompts: 3 }, notes: [] });
  expect(events.map(({ event }) => event)).toEqual(['data.importing', 'data.changed']);
  expect(listPrompts(project).map(({ text, reference, split, source }) => [text, reference, split, source])).toEqual([
    ['How do I bake bread?', 'With flour.', 'validation', 'book'],
    ['What is\na fox?', 'An animal.', 'validation', 'p.csv'],
    ['Why is it late?', null, 'validation', 'p.csv'],
  ]);
  expect(await call('imports.preview', { path, kind: 'prompts', map: {} })).toMatchObject({ total: 7, duplicates: 4 });
  expect(await call('imports.run', { path, kind: 'prompts', map: {}, split: 'train' })).toMatchObject({
    added: 0,
    duplicates: 4,
    eventId: null,
  });
  undoEvent(project, 1);
  expect(listPrompts(project)).toEqual([]);
  project.close();
});

test('columns with other names are shown, mapped, and read as mapped', async () => {
  const { project, call, file } = opened(createProject(fresh()));
  const path = file('q.csv', [CSV[0], CSV[1], CSV[3], CSV[5]].join('\n'));
  expect(await call('imports.preview', { path, kind: 'prompts', map: {} })).toMatchObject({
    format: 'unknown',
    columns: ['question', 'answer', 'from'],
    map: {},
    rows: [],
    errors: [{ line: 1, message: expect.stringContaining('No prompt was found') }],
  });
  const map = { text: 'question', source: 'from', reference: '' };
  expect(await call('imports.preview', { path, kind: 'prompts', map })).toMatchObject({
    format: 'csv mapped',
    map,
    rows: [{ text: 'How do I bake bread?', reference: '', source: 'book' }],
    total: 2,
    errors: [{ line: 4, message: '"question" is empty.' }],
  });
  expect(await call('imports.run', { path, kind: 'prompts', map, split: 'train' })).toMatchObject({
    added: 1,
    errors: [{ line: 4 }],
  });
  expect(listPrompts(project)).toMatchObject([{ reference: null, source: 'book' }]);
  project.close();
});

test('posts of several columns keep their own way of being read', async () => {
  const { project, call, file } = opened(createProject(fresh()));
  const path = file(
    't.jsonl',
    jsonl([{ subreddit: 'advice', title: 'A fox', post: 'It sings.', summary: 'Fox.' }, '{"subreddit": "adv']),
  );
  const preview = await call('imports.preview', { path, kind: 'prompts', map: {} });
  expect(preview).toMatchObject({
    format: 'tldr',
    map: {},
    errors: [{ line: 2, message: expect.stringContaining('may be cut off') }],
  });
  await call('imports.run', { path, kind: 'prompts', map: preview.map, split: 'train' });
  expect(listPrompts(project)[0]).toMatchObject({
    text: 'SUBREDDIT: r/advice\n\nTITLE: A fox\n\nPOST: It sings.\n\nTL;DR:',
    reference: 'Fox.',
  });
  project.close();
});

test('completions: prompts are added, unknown policies are errors unless mapped away, answers of one prompt become one item', async () => {
  const { project, call, file } = opened(createProject(fresh()));
  addPrompts(project, [{ text: 'known', split: 'test', source: 's' }]);
  const policyId = addPolicy(project, { name: 'base', kind: 'base', path: 'models/base' });
  const path = file(
    'c.jsonl',
    jsonl([
      { prompt: 'known', response: 'one', model: 'base' },
      { prompt: 'new', response: 'first', model: null },
      { prompt: 'known', response: 'two', model: 'base' },
      { prompt: 'new', response: 'second' },
      { prompt: 'known', response: 'three', model: 'gpt-9' },
      { prompt: 'known', response: 'one', model: 'base' },
      { prompt: 'known' },
    ]),
  );
  const preview = await call('imports.preview', { path, kind: 'completions', map: {} });
  expect(preview).toMatchObject({
    map: { prompt: 'prompt', completion: 'response', policy: 'model' },
    total: 7,
    duplicates: 1,
    errors: [
      { line: 5, message: expect.stringMatching(/no policy "gpt-9"/) },
      { line: 7, message: '"completion" is missing.' },
    ],
  });
  const before = query(project, 'SELECT * FROM completions').all();
  const { eventId, ...result } = await call('imports.run', {
    path,
    kind: 'completions',
    map: preview.map,
    split: 'validation',
  });
  expect(result).toEqual({
    added: 4,
    duplicates: 1,
    errors: preview.errors,
    made: { ...NOTHING, prompts: 1, completions: 4 },
    notes: ['1 prompt was there already, in another split than is named here: it keeps its split.'],
  });
  expect(countPrompts(project)).toEqual({ train: 0, validation: 1, test: 1 });
  expect(
    listItems(project).map(({ promptId, completionIds, source }) => [promptId, completionIds.length, source]),
  ).toEqual([
    [1, 2, 'sample'],
    [2, 2, 'import'],
  ]);
  expect(listCompletions(project, { promptId: 1 }).map(({ text, policyId: by }) => [text, by])).toEqual([
    ['one', policyId],
    ['two', policyId],
  ]);
  undoEvent(project, eventId!);
  expect(query(project, 'SELECT * FROM completions').all()).toEqual(before);
  expect(
    await call('imports.run', { path, kind: 'completions', map: { ...preview.map, policy: '' }, split: 'train' }),
  ).toMatchObject({ added: 5, errors: [{ line: 7 }] });
  project.close();
});

test('rankings by text, by id and as pairs: completions are added once, each ranking gets its item, and undo takes them away', async () => {
  const { project, promptId, completionIds, otherId, ...rest } = smallProject(fresh());
  const { call, file } = opened(project);
  const rows = [
    { prompt: 'a new one', completions: ['x', 'y', 'z'], ranks: [1, 2, 2], labeler: 'bob', confidence: 7 },
    { prompt_id: promptId, completion_ids: completionIds.slice(0, 2), ranks: [2, 1] },
    { prompt: 'a new one', chosen: 'y', rejected: 'x' },
    { prompt_id: promptId, completion_ids: [completionIds[0], otherId], ranks: [1, 2] },
    { prompt_id: 99, completion_ids: [1, 2], ranks: [1, 2] },
    { prompt: 'a new one', completions: ['y', 'z', 'x'], ranks: [2, 2, 1], labeler: 'bob' },
  ];
  const path = file('r.jsonl', jsonl(rows));
  const errors = [
    { line: 4, message: `Completion ${otherId} belongs to prompt ${rest.otherPromptId}, not to prompt ${promptId}.` },
    { line: 5, message: 'The project has no prompt 99.' },
  ];
  const preview = await call('imports.preview', { path, kind: 'rankings', map: {} });
  expect(preview).toMatchObject({ total: 6, duplicates: 1, errors });
  expect(preview.rows[0]).toEqual({
    prompt: 'a new one',
    completions: '1. x\n2. y\n3. z',
    ranks: '1, 2, 2',
    labeler: 'bob',
    confidence: '7',
    note: '',
  });
  expect(listRankings(project)).toEqual([]); // a preview changes nothing
  const { eventId, ...result } = await call('imports.run', { path, kind: 'rankings', map: {}, split: 'train' });
  expect(result).toEqual({
    added: 3,
    duplicates: 1,
    errors,
    made: { ...NOTHING, prompts: 1, completions: 3, rankings: 3 },
    notes: [],
  });
  expect(listLabelers(project).map(({ name }) => name)).toEqual(['ada', 'bob', 'imported']);
  const rankings = listRankings(project);
  expect(rankings.every(({ itemId }) => itemId !== null)).toBe(true);
  expect(listItems(project).filter(({ promptId: of }) => of === rankings[0]!.promptId)).toMatchObject([
    { source: 'import' },
  ]);
  expect(await call('imports.run', { path, kind: 'rankings', map: {}, split: 'train' })).toMatchObject({
    added: 0,
    duplicates: 4,
  });
  undoEvent(project, eventId!);
  expect([listRankings(project), listPrompts(project).length, listItems(project).length]).toEqual([[], 2, 1]);
  project.close();
});

test('a table of pairs', async () => {
  const { project, call, file } = opened(createProject(fresh()));
  const path = file(
    'pairs.csv',
    'prompt,chosen,rejected,confidence,labeler\nwhy,good,bad,3,\nwhy,good,good,,bob\nwhen,soon,"late, very",,bob',
  );
  expect(await call('imports.run', { path, kind: 'rankings', map: {}, split: 'train' })).toMatchObject({
    added: 2,
    errors: [{ line: 3, message: '"chosen" and "rejected" are the same text.' }],
  });
  expect(listRankings(project).map(({ confidence, labelerId }) => [confidence, labelerId])).toEqual([
    [3, 1],
    [null, 2],
  ]);
  project.close();
});

test('files that are nothing: one sentence each, and the project is as it was', async () => {
  const { project, call, file } = opened(createProject(fresh()));
  const refused = async (path: string, says: RegExp) => {
    for (const name of ['imports.preview', 'imports.run'] as const) {
      const error = await (
        name === 'imports.preview'
          ? call(name, { path, kind: 'prompts', map: {} })
          : call(name, { path, kind: 'prompts', map: {}, split: 'train' })
      ).then(
        () => null,
        (caught: Error & { code: string }) => caught,
      );
      expect([name, error?.code, error?.message]).toEqual([name, 'bad-file', expect.stringMatching(says)]);
    }
  };
  await refused(join(project.folder, 'nowhere.jsonl'), /nowhere\.jsonl does not exist/);
  await refused(file('empty.jsonl', ''), /empty\.jsonl is empty/);
  await refused(file('table.csv', 'PAR1 parquet'), /is not a Parquet file that can be read/);
  expect(listPrompts(project)).toEqual([]);
  project.close();
});

test('20,000 rows: the service answers meanwhile', { timeout: 60_000 }, async () => {
  const { project, call, file } = opened(createProject(fresh()));
  const path = file(
    'big.jsonl',
    jsonl(
      Array.from({ length: 20_000 }, (_, i) => ({
        prompt: `Post ${i}: what should I do about the ${(i * 7919) % 10_007} coins that my neighbour hid in the garden?`,
      })),
    ),
  );
  let turns = 0;
  let longest = 0;
  let last = performance.now();
  let looking = true;
  const look = () => {
    turns++;
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
    if (looking) setTimeout(look, 0);
  };
  setImmediate(look);
  expect(await call('imports.preview', { path, kind: 'prompts', map: {} })).toMatchObject({
    total: 20_000,
    duplicates: 0,
  });
  expect(await call('imports.run', { path, kind: 'prompts', map: {}, split: 'train' })).toMatchObject({
    added: 20_000,
  });
  looking = false;
  console.log(`20,000 rows: others had ${turns} turns, the longest pause between two was ${longest.toFixed(0)} ms`);
  expect(turns).toBeGreaterThan(40); // read and written at once it would be two
  expect(countPrompts(project).train).toBe(20_000);
  project.close();
});

test('prompts of several columns come in by a template, which is remembered and offered where it fits', async () => {
  const { project, call, file } = opened(createProject(fresh()));
  const path = file('posts.csv', 'headline,body,summary\nMy cat,It sleeps.,Cat sleeps.\n,,\n');
  const template = 'ABOUT {headline}: {body}';
  const preview = await call('imports.preview', { path, kind: 'prompts', map: {}, template });
  expect(preview).toMatchObject({
    format: 'csv template',
    rows: [{ text: 'ABOUT My cat: It sleeps.', reference: 'Cat sleeps.' }],
    templates: [],
  });
  await call('imports.run', { path, kind: 'prompts', map: preview.map, split: 'train', template });
  expect(listPrompts(project).map(({ text, reference }) => [text, reference])).toEqual([
    ['ABOUT My cat: It sleeps.', 'Cat sleeps.'],
  ]);
  expect((await call('imports.preview', { path, kind: 'prompts', map: {} })).templates).toEqual([template]);
  expect(
    (await call('imports.preview', { path: file('other.csv', 'text,body\na,b\n'), kind: 'prompts', map: {} }))
      .templates,
  ).toEqual([]);
  expect((await handled(project, promptHandlers).call('prompts.page', { offset: 0, limit: 1 })).rows[0]!.title).toBe(
    'My cat',
  );
  const no = 'The template names {none}, and the file has no such column.';
  expect(
    await call('imports.preview', { path, kind: 'prompts', map: {}, template: '{none}' }),
    'the person may go on typing',
  ).toMatchObject({ rows: [], errors: [{ message: no }] });
  await expect(
    call('imports.run', { path, kind: 'prompts', map: {}, split: 'train', template: '{none}' }),
  ).rejects.toMatchObject({ message: no });
  project.close();
});
