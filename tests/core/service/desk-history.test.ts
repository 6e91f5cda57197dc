// Going back: the lists of drafts, skipped and submitted items, and the history of what was ranked.

import { expect, test } from 'vitest';
import { changeProjectSettings } from '#core/service/project.ts';
import { wordSpans } from '#core/service/desk/token-spans.ts';
import type { QueueName } from '#core/contract/desk.ts';
import { addCompletions } from '#core/store/completions.ts';
import { query } from '#core/store/project.ts';
import { answerOf, deskFolders, deskOf, deskWorld, label, ranksOf, walk } from './desk-world.ts';
import type { Desk } from './desk-world.ts';

const fresh = deskFolders();

/** The items of a list, gone through without changing anything. */
async function through(desk: Desk, labelerId: number, queue: QueueName): Promise<[number, string][]> {
  const items: [number, string][] = [];
  for (
    let item = await desk.call('desk.item', { labelerId, queue });
    item && items.length < 20;
    item = await desk.call('desk.item', { labelerId, queue, from: item.itemId, step: 1 })
  ) {
    items.push([item.itemId, item.reason]);
  }
  return items;
}

test("drafts, skipped and submitted items are lists, each labeler's own; ranking a skipped one takes it out", async () => {
  const { project, labelerId, bob } = deskWorld(fresh(), { prompts: 8 });
  const desk = deskOf(project);
  await walk(desk, labelerId, 'sequential', 3); // 1, 2, 3
  for (const itemId of [5, 6]) await desk.call('desk.submit', { labelerId, itemId, status: 'skipped', durationMs: 1 });
  await desk.call('desk.draft', { labelerId, itemId: 7, changes: { note: 'odd' }, durationMs: 1 });
  // submitted, and being changed
  await desk.call('desk.draft', { labelerId, itemId: 2, changes: { confidence: 3 }, durationMs: 1 });
  expect(await through(desk, labelerId, 'skipped')).toEqual([
    [5, 'You skipped it.'],
    [6, 'You skipped it.'],
  ]);
  expect(await through(desk, labelerId, 'drafts')).toEqual([
    [7, 'You began it and have not submitted it.'],
    [2, 'You began it and have not submitted it.'],
  ]);
  expect((await through(desk, labelerId, 'submitted')).map(([id]) => id)).toEqual([1, 2, 3, 5, 6]);
  for (const queue of ['drafts', 'skipped', 'submitted'] as const) expect(await through(desk, bob, queue)).toEqual([]);
  expect(await desk.call('desk.progress', { labelerId, queue: 'skipped' })).toMatchObject({ done: 0, total: 2 });

  await label(desk, labelerId, (await desk.call('desk.item', { labelerId, queue: 'skipped', itemId: 5 }))!);
  expect((await through(desk, labelerId, 'skipped')).map(([id]) => id)).toEqual([6]);
  await desk.call('desk.undo', { labelerId });
  expect((await through(desk, labelerId, 'skipped')).map(([id]) => id)).toEqual([5, 6]);
  project.close();
});

test('the history names the order as the desk showed it, newest first, page by page', async () => {
  const { project, labelerId, bob } = deskWorld(fresh());
  const desk = deskOf(project);
  const [first] = await walk(desk, labelerId, 'sequential', 1, [2, 1, 2, 3]);
  await desk.call('desk.submit', { labelerId, itemId: 2, status: 'skipped', durationMs: 1 });
  await desk.call('desk.draft', { labelerId, itemId: 3, changes: { note: 'all bad', confidence: 8 }, durationMs: 1 });
  await desk.call('desk.submit', { labelerId, itemId: 3, status: 'none-acceptable', durationMs: 1 });
  await walk(desk, bob, 'sequential', 2);
  const { rows } = await desk.call('desk.history', { labelerId, limit: 50 });
  const letterOf = (completionId: number) =>
    String.fromCharCode(65 + first!.answers.findIndex((answer) => answer.completionId === completionId));
  expect(rows.map(({ itemId, status, prompt }) => [itemId, status, prompt])).toEqual([
    [3, 'none-acceptable', 'Question 3?'],
    [2, 'skipped', 'Question 2?'],
    [1, 'ranked', 'Question 1?'],
  ]);
  expect(rows[0]).toMatchObject({ note: 'all bad', confidence: 8, order: [] });
  expect(rows[2]!.order.map((tier) => tier.toSorted())).toEqual([
    [letterOf(2)],
    [letterOf(1), letterOf(3)].toSorted(),
    [letterOf(4)],
  ]);
  const page = await desk.call('desk.history', { labelerId, limit: 2 });
  expect(
    (await desk.call('desk.history', { labelerId, limit: 2, before: page.rows.at(-1)!.rankingId })).rows.map(
      ({ itemId }) => itemId,
    ),
  ).toEqual([1]);
  // opened, it is what was submitted, and submitting again replaces it
  const opened = (await desk.call('desk.item', { labelerId, queue: 'sequential', itemId: 1 }))!;
  expect(opened.draft.ranks).toEqual(ranksOf(opened, [2, 1, 2, 3]));
  await label(desk, labelerId, opened, [1, 2, 3, 4]);
  expect((await desk.call('desk.history', { labelerId, limit: 50 })).rows).toHaveLength(3);
  project.close();
});

test('neither a list nor the history gives a hidden repeat away', async () => {
  const { project, labelerId } = deskWorld(fresh(), { prompts: 60 });
  changeProjectSettings(project, { repeats: 0.1 });
  const desk = deskOf(project);
  const seen = await walk(desk, labelerId, 'shuffled', 55);
  const repeats = query<{ id: number; item: number }>(
    project,
    'SELECT id, item_id AS item FROM rankings WHERE repeat_of IS NOT NULL',
  ).all();
  expect(repeats.length).toBeGreaterThan(0);
  const { rows } = await desk.call('desk.history', { labelerId, limit: 100 });
  // as they came, repeats among them
  expect(rows.map(({ itemId }) => itemId)).toEqual(seen.map(({ itemId }) => itemId).toReversed());
  expect(new Set(rows.map((row) => Object.keys(row).join(' '))).size).toBe(1);
  // one that has come back and is not submitted yet is in no list
  query(
    project,
    "INSERT INTO drafts (item_id, labeler_id, ranks, duration_ms, note, repeat_of, since_event) SELECT item_id, labeler_id, '[]', 0, 'x', id, 0 FROM rankings WHERE repeat_of IS NULL ORDER BY id LIMIT 1",
  ).run();
  const back = query<{ id: number }>(project, 'SELECT item_id AS id FROM drafts WHERE repeat_of IS NOT NULL').get()!.id;
  for (const queue of ['drafts', 'submitted'] as const)
    expect((await through(desk, labelerId, queue)).map(([id]) => id)).not.toContain(back);
  project.close();
});

test('an answer that its limit ended says after how many tokens, and one of unknown tokens only that', async () => {
  const { project, labelerId } = deskWorld(fresh());
  addCompletions(project, [
    {
      ...answerOf(1, 'It goes on and'),
      finish: 'length',
      tokenIds: [5, 6, 7],
      logprobs: [0, 0, 0],
      samplingLogprobs: [0, 0, 0],
    },
    answerOf(1, 'It ends.'),
  ]);
  const desk = deskOf(project);
  const item = (await desk.call('desk.item', { labelerId, queue: 'sequential', itemId: 7 }))!;
  expect(Object.fromEntries(item.answers.map(({ text, cutOff }) => [text, cutOff]))).toEqual({
    'It goes on and': 3,
    'It ends.': null,
  });
  project.close();
});

test('words of scripts without spaces are words, and together the spans are the text', () => {
  const of = (text: string) => wordSpans(text).map(({ start, end }) => text.slice(start, end));
  expect(of('Two words, here')).toEqual(['Two', ' words,', ' here']);
  for (const text of [
    '私は猫が好きです。 とても。',
    '我喜欢学习中文。',
    'ผมรักภาษาไทย',
    'mixed 日本語 text\n',
    ' 我喜欢 你',
  ]) {
    expect(of(text).join('')).toBe(text);
    expect(of(text).length).toBeGreaterThan(text.trim().split(/\s+/).length);
  }
});
