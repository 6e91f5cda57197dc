// Prompts in the window: one prompt with its answers, dealing splits out, removal with undo, search.

import { expect, test } from 'vitest';
import { promptHandlers } from '#core/service/data/prompts.ts';
import { createProject } from '#core/store/database.ts';
import { undoEvent } from '#core/store/events.ts';
import { setMeasures } from '#core/store/measures.ts';
import { addPolicy } from '#core/store/policies.ts';
import { addPrompts, countPrompts, listPrompts } from '#core/store/prompts.ts';
import { addRanking } from '#core/store/rankings.ts';
import { handled } from './handler-context.ts';
import { freshProjects, smallProject } from './projects-at-hand.ts';

const fresh = freshProjects();

test('one prompt comes with its answers, what the reward model says of them, and its rankings', async () => {
  const { project, promptId, completionIds, labelerId } = smallProject(fresh());
  const modelId = addPolicy(project, { name: 'reward', kind: 'reward', path: 'models/reward' });
  setMeasures(project, [{ completionId: completionIds[1]!, modelId, score: 1.5 }]);
  addRanking(project, { promptId, labelerId, status: 'ranked', ranks: completionIds.map((completionId, i) => ({ completionId, rank: i + 1 })) });
  const { call } = handled(project, promptHandlers);
  const { prompt, completions, rankings } = await call('prompts.get', { promptId });
  expect(prompt.text).toBe('My neighbour plays the trumpet at night.');
  expect(completions.map(({ id, score, rank, gold }) => [id, score, rank, gold])).toEqual([[1, null, 1, null], [2, 1.5, 2, null], [3, null, 3, null], [4, null, 4, null]]);
  expect(rankings).toHaveLength(1);
  await expect(call('prompts.get', { promptId: 99 })).rejects.toMatchObject({ code: 'bad-data', message: 'There is no prompt 99 in the project.' });
  project.close();
});

test('dealing splits out: the shares, the same for a seed, another for another; too much is refused', async () => {
  const project = createProject(fresh());
  addPrompts(project, Array.from({ length: 101 }, (_, i) => ({ text: `p${i}`, split: 'test', source: 's' })));
  const { call, events } = handled(project, promptHandlers);
  const splits = () => listPrompts(project).map(({ split }) => split).join();
  expect(await call('prompts.divide', { validation: 0.1, test: 0.2, seed: 5 })).toEqual({ train: 71, validation: 10, test: 20 });
  const first = splits();
  await call('prompts.divide', { validation: 0.1, test: 0.2, seed: 6 });
  expect(splits()).not.toBe(first);
  await call('prompts.divide', { validation: 0.1, test: 0.2, seed: 5 });
  expect(splits()).toBe(first);
  expect(await call('prompts.divide', { validation: 0.5, test: 0.5, seed: 1 })).toEqual({ train: 0, validation: 51, test: 50 });
  await expect(call('prompts.divide', { validation: 0.6, test: 0.5, seed: 1 })).rejects.toMatchObject({ code: 'bad-argument', message: expect.stringContaining('110 %') });
  expect(events).toHaveLength(4);
  project.close();
});

test('removal can be taken back by its event, a change of split too', async () => {
  const { project, promptId, otherPromptId } = smallProject(fresh());
  const { call, events } = handled(project, promptHandlers);
  const { removed, eventId } = await call('prompts.remove', { promptIds: [promptId, otherPromptId] });
  expect([removed, (await call('prompts.page', { offset: 0, limit: 10 })).total]).toEqual([2, 0]);
  undoEvent(project, eventId!);
  expect(await call('prompts.page', { offset: 0, limit: 10 })).toMatchObject({ total: 2, rows: [{ completions: 4 }, { completions: 1 }] });
  const moved = await call('prompts.setSplit', { promptIds: [promptId], split: 'test' });
  expect(countPrompts(project)).toEqual({ train: 0, validation: 0, test: 2 });
  undoEvent(project, moved.eventId!);
  expect(countPrompts(project)).toEqual({ train: 1, validation: 0, test: 1 });
  expect(events.map(({ event }) => event)).toEqual(['data.changed', 'data.changed']);
  expect((await call('search.find', { text: 'trumpet', limit: 5 })).hits).toMatchObject([{ kind: 'prompt', promptId }]);
  project.close();
});

test('dealing out keeps all spellings of a prompt together, in exact shares, and by seed alone', async () => {
  const project = createProject(fresh()), { call } = handled(project, promptHandlers);
  const texts = Array.from({ length: 40 }, (_, i) => `Is the café ${i} open?`);
  addPrompts(project, [...texts, ...texts.slice(0, 10).map((text) => text.normalize('NFD'))].map((text) => ({ text, split: 'train', source: 's' })));
  expect(await call('prompts.divide', { validation: 0.2, test: 0.3, seed: 1 })).toEqual({ train: 25, validation: 10, test: 15 });
  const first = listPrompts(project);
  for (const own of Map.groupBy(first, ({ text }) => text.normalize('NFC')).values()) expect(new Set(own.map(({ split }) => split)).size).toBe(1);
  await call('prompts.divide', { validation: 0.2, test: 0.3, seed: 2 });
  expect(listPrompts(project)).not.toEqual(first);
  await call('prompts.divide', { validation: 0.2, test: 0.3, seed: 1 });
  expect(listPrompts(project)).toEqual(first);
  expect(await call('prompts.unite', {})).toEqual({ moved: 0, eventIds: [] });
  project.close();
});
