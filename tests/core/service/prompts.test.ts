// Prompts in the window: one prompt with its answers, dealing splits out, removal with undo, search.

import { expect, test } from 'vitest';
import type { PromptRow } from '#core/contract/prompts.ts';
import { tldrPrompt } from '#core/formats/prompts.ts';
import { changeHandlers } from '#core/service/data/data-changes.ts';
import { promptHandlers } from '#core/service/data/prompts.ts';
import { addCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { redoLast, undoEvent, undoLast } from '#core/store/events.ts';
import { setFlag } from '#core/store/flags.ts';
import { noteAdded, recordImport } from '#core/store/imported-rows.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { addMarks } from '#core/store/marks.ts';
import { setMeasures } from '#core/store/measures.ts';
import { addPolicy } from '#core/store/policies.ts';
import { addPrompts, countPrompts, listPrompts } from '#core/store/prompts.ts';
import { addRanking } from '#core/store/rankings.ts';
import { addRatings } from '#core/store/ratings.ts';
import { handled } from './handler-context.ts';
import { completionOf, freshProjects, smallProject } from './projects-at-hand.ts';

const fresh = freshProjects();

test('one prompt comes with its answers, what the reward model says of them, and its rankings', async () => {
  const { project, promptId, completionIds, labelerId } = smallProject(fresh());
  const modelId = addPolicy(project, { name: 'reward', kind: 'reward', path: 'models/reward' });
  setMeasures(project, [{ completionId: completionIds[1]!, modelId, score: 1.5 }]);
  addRanking(project, {
    promptId,
    labelerId,
    status: 'ranked',
    ranks: completionIds.map((completionId, i) => ({ completionId, rank: i + 1 })),
  });
  const { call } = handled(project, promptHandlers);
  const { prompt, completions, rankings } = await call('prompts.get', { promptId });
  expect(prompt.text).toBe('My neighbour plays the trumpet at night.');
  expect(completions.map(({ id, score, rank, gold }) => [id, score, rank, gold])).toEqual([
    [1, null, 1, null],
    [2, 1.5, 2, null],
    [3, null, 3, null],
    [4, null, 4, null],
  ]);
  expect(rankings).toHaveLength(1);
  await expect(call('prompts.get', { promptId: 99 })).rejects.toMatchObject({
    code: 'bad-data',
    message: 'There is no prompt 99 in the project.',
  });
  project.close();
});

test('dealing splits out: the shares, the same for a seed, another for another; too much is refused', async () => {
  const project = createProject(fresh());
  addPrompts(
    project,
    Array.from({ length: 101 }, (_, i) => ({ text: `p${i}`, split: 'test', source: 's' })),
  );
  const { call, events } = handled(project, promptHandlers);
  const splits = () =>
    listPrompts(project)
      .map(({ split }) => split)
      .join();
  expect(await call('prompts.divide', { validation: 0.1, test: 0.2, seed: 5 })).toEqual({
    train: 71,
    validation: 10,
    test: 20,
  });
  const first = splits();
  await call('prompts.divide', { validation: 0.1, test: 0.2, seed: 6 });
  expect(splits()).not.toBe(first);
  await call('prompts.divide', { validation: 0.1, test: 0.2, seed: 5 });
  expect(splits()).toBe(first);
  expect(await call('prompts.divide', { validation: 0.5, test: 0.5, seed: 1 })).toEqual({
    train: 0,
    validation: 51,
    test: 50,
  });
  await expect(call('prompts.divide', { validation: 0.6, test: 0.5, seed: 1 })).rejects.toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('110 %'),
  });
  expect(events).toHaveLength(4);
  project.close();
});

test('removal can be taken back by its event, a change of split too', async () => {
  const { project, promptId, otherPromptId } = smallProject(fresh());
  const { call, events } = handled(project, promptHandlers);
  const { removed, eventId } = await call('prompts.remove', { promptIds: [promptId, otherPromptId] });
  expect([removed, (await call('prompts.page', { offset: 0, limit: 10 })).total]).toEqual([2, 0]);
  undoEvent(project, eventId!);
  expect(await call('prompts.page', { offset: 0, limit: 10 })).toMatchObject({
    total: 2,
    rows: [{ completions: 4 }, { completions: 1 }],
  });
  const moved = await call('prompts.setSplit', { promptIds: [promptId], split: 'test' });
  expect(countPrompts(project)).toEqual({ train: 0, validation: 0, test: 2 });
  undoEvent(project, moved.eventId!);
  expect(countPrompts(project)).toEqual({ train: 1, validation: 0, test: 1 });
  expect(events.map(({ event }) => event)).toEqual(['data.changed', 'data.changed']);
  expect((await call('search.find', { text: 'trumpet', limit: 5 })).hits).toMatchObject([{ kind: 'prompt', promptId }]);
  project.close();
});

test('a prompt comes with its marks and ratings, whoever gave them', async () => {
  const { project, promptId, completionIds, otherId, labelerId } = smallProject(fresh());
  const bob = ensureLabeler(project, 'bob', 'person').id;
  addMarks(project, [
    { completionId: completionIds[0]!, labelerId, start: 0, end: 6, label: 'good' },
    { completionId: completionIds[0]!, labelerId: bob, start: 2, end: 9, label: 'wrong', note: 'no' },
    { completionId: otherId, labelerId, start: 0, end: 1, label: 'bad' },
  ]);
  addRatings(project, [
    { completionId: completionIds[1]!, labelerId: bob, axis: 'accuracy', value: 80, low: 0, high: 100 },
  ]);
  const { call } = handled(project, promptHandlers);
  const { marks, ratings } = await call('prompts.get', { promptId });
  expect(marks.map(({ labelerId: by, label, note }) => [by, label, note])).toEqual([
    [labelerId, 'good', null],
    [bob, 'wrong', 'no'],
  ]);
  expect(ratings).toMatchObject([{ axis: 'accuracy', value: 80, high: 100, labelerId: bob }]);
  const having = async (has: 'rankings' | 'marks' | 'ratings' | 'flags') =>
    (await call('prompts.page', { has, offset: 0, limit: 9 })).rows.map(({ id }) => id);
  expect([await having('marks'), await having('ratings'), await having('flags'), await having('rankings')]).toEqual([
    [1, 2],
    [1],
    [],
    [],
  ]);
  setFlag(project, { labelerId, completionId: otherId }, true);
  addRanking(project, {
    promptId,
    labelerId,
    status: 'ranked',
    ranks: completionIds.map((completionId, i) => ({ completionId, rank: i + 1 })),
  });
  expect([await having('flags'), await having('rankings')]).toEqual([[2], [1]]);
  expect(await call('prompts.weigh', { promptIds: [promptId, promptId, 99] })).toEqual({
    prompts: 1,
    completions: 4,
    rankings: 1,
    ratings: 1,
    marks: 2,
    flags: 0,
  });
  project.close();
});

test('the list of prompts in every order is what sorting the rows oneself gives, also where a thread works it out', async () => {
  for (const count of [40, 1600]) {
    const project = createProject(fresh());
    const { call } = handled(project, promptHandlers);
    const labelerId = ensureLabeler(project, 'ada', 'person').id;
    const ids = addPrompts(
      project,
      Array.from({ length: count }, (_, i) => ({
        text: `${'zyxw'[i % 4]} prompt ${i}`,
        split: i % 3 ? 'train' : 'test',
        source: 's',
      })),
    );
    addCompletions(
      project,
      ids.flatMap((promptId, i) => Array.from({ length: i % 3 }, (_, k) => completionOf(promptId, `answer ${k}`))),
    );
    for (const promptId of ids.slice(4, 9)) addRanking(project, { promptId, labelerId, status: 'skipped', ranks: [] });
    const own = (await Promise.all([0, 1000].map((offset) => call('prompts.page', { offset, limit: 1000 })))).flatMap(
      ({ rows }) => rows,
    );
    expect(own).toHaveLength(count);
    const byTitle = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
    const keys = {
      id: () => 0,
      title: (a, b) => byTitle.compare(a.title, b.title),
      split: (a, b) => (a.split < b.split ? -1 : Number(a.split > b.split)),
      completions: (a, b) => a.completions - b.completions,
      rankings: (a, b) => a.rankings - b.rankings,
    } satisfies Record<string, (a: PromptRow, b: PromptRow) => number>;
    for (const sort of Object.keys(keys) as (keyof typeof keys)[])
      for (const descending of [false, true]) {
        const wanted = own.toSorted((a, b) => keys[sort](a, b) || a.id - b.id);
        const { total, rows } = await call('prompts.page', { sort, descending, offset: 3, limit: 20 });
        expect([sort, descending, total, rows.map(({ id }) => id)]).toEqual([
          sort,
          descending,
          count,
          (descending ? wanted.toReversed() : wanted).slice(3, 23).map(({ id }) => id),
        ]);
      }
    addPrompts(project, [{ text: 'a new one', split: 'train', source: 's' }]);
    expect(
      (await call('prompts.page', { sort: 'title', offset: 0, limit: 1 })).rows[0]!.title,
      'an order is not kept when something has changed',
    ).toBe('a new one');
    project.close();
  }
});

test('a search says which words it looked for, and shows the text around those that the title lacks', async () => {
  const project = createProject(fresh());
  const { call } = handled(project, promptHandlers);
  addPrompts(project, [
    {
      text: tldrPrompt({
        subreddit: 'advice',
        title: 'My trumpet',
        post: `${'So it went. '.repeat(40)}Then the Neighbour called.`,
      }),
      split: 'train',
      source: 's',
    },
  ]);
  expect(await call('prompts.page', { search: 'trumpet', offset: 0, limit: 1 })).toMatchObject({
    terms: ['trumpet'],
    rows: [{ title: 'My trumpet', excerpt: null }],
  });
  const { rows, terms } = await call('prompts.page', { search: '"neighbour called" my', offset: 0, limit: 1 });
  expect(terms).toEqual(['neighbour called', 'my']);
  expect(rows[0]).toMatchObject({
    title: 'My trumpet',
    excerpt: expect.stringMatching(/^….*So it went\. Then the Neighbour called\. TL;DR:…$/),
  });
  project.close();
});

test('what was done to the data can be found later, and taken back there', async () => {
  const { project, promptId, otherPromptId, completionIds, labelerId } = smallProject(fresh());
  const { call } = handled(project, { ...promptHandlers, ...changeHandlers });
  addRanking(project, {
    promptId,
    labelerId,
    status: 'ranked',
    ranks: completionIds.map((completionId, i) => ({ completionId, rank: i + 1 })),
  });
  recordImport(
    project,
    'more.jsonl',
    noteAdded(project, () => void addPrompts(project, [{ text: 'new', split: 'train', source: 'more.jsonl' }])),
  );
  await call('prompts.setSplit', { promptIds: [otherPromptId], split: 'train' });
  const { eventId } = await call('prompts.remove', { promptIds: [promptId] });
  const changes = async () =>
    (await call('data.changes', {})).changes.map(({ sentence, undone }) => [sentence, undone]);
  const said = [
    'Deleted 1 prompt with 4 answers and 1 ranking.',
    'Moved 1 prompt to train.',
    'Imported more.jsonl: 1 prompt.',
  ];
  expect(await changes()).toEqual(said.map((sentence) => [sentence, false]));
  undoEvent(project, eventId!);
  expect(await changes()).toEqual(said.map((sentence, i) => [sentence, i === 0]));
  undoLast(project); // the next that stands: the move
  redoLast(project);
  expect(await changes(), 'done again, it stands').toEqual(said.map((sentence, i) => [sentence, i === 0]));
  project.close();
});

test('dealing out keeps all spellings of a prompt together, in exact shares, and by seed alone', async () => {
  const project = createProject(fresh());
  const { call } = handled(project, promptHandlers);
  const texts = Array.from({ length: 40 }, (_, i) => `Is the café ${i} open?`);
  addPrompts(
    project,
    [...texts, ...texts.slice(0, 10).map((text) => text.normalize('NFD'))].map((text) => ({
      text,
      split: 'train',
      source: 's',
    })),
  );
  expect(await call('prompts.divide', { validation: 0.2, test: 0.3, seed: 1 })).toEqual({
    train: 25,
    validation: 10,
    test: 15,
  });
  const first = listPrompts(project);
  for (const own of Map.groupBy(first, ({ text }) => text.normalize('NFC')).values())
    expect(new Set(own.map(({ split }) => split)).size).toBe(1);
  await call('prompts.divide', { validation: 0.2, test: 0.3, seed: 2 });
  expect(listPrompts(project)).not.toEqual(first);
  await call('prompts.divide', { validation: 0.2, test: 0.3, seed: 1 });
  expect(listPrompts(project)).toEqual(first);
  expect(await call('prompts.unite', {})).toEqual({ moved: 0, eventIds: [] });
  project.close();
});
