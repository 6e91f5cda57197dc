// The queues of the desk: the order of each with planted items and scores, what is done in each, and the reasons.

import { expect, test } from 'vitest';
import { addCompletions } from '#core/store/completions.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { setMeasures } from '#core/store/measures.ts';
import { query } from '#core/store/project.ts';
import type { QueueName } from '#core/contract/desk.ts';
import { addReward, answerOf, deskFolders, deskOf, deskWorld, label, walk } from './desk-world.ts';
import type { Desk } from './desk-world.ts';

const fresh = deskFolders();
const idsOf = async (desk: Desk, labelerId: number, queue: QueueName, ranks?: readonly number[]) =>
  (await walk(desk, labelerId, queue, 40, ranks)).map(({ itemId }) => itemId);
const progress = async (desk: Desk, labelerId: number, queue: QueueName) => {
  const { done, total } = await desk.call('desk.progress', { labelerId, queue });
  return [done, total];
};

test('sequential: by age, everybody from the beginning; new items come at the end, an undone one comes back', async () => {
  const { project, labelerId, bob, older } = deskWorld(fresh());
  const desk = deskOf(project);
  expect(await idsOf(desk, labelerId, 'sequential')).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await desk.call('desk.item', { labelerId, queue: 'sequential' })).toBeNull();
  expect(await idsOf(desk, bob, 'sequential')).toEqual([1, 2, 3, 4, 5, 6]);
  addCompletions(
    project,
    [1, 2].map((n) => ({ ...answerOf(2, `More ${n}.`), policyId: older })),
  );
  expect((await desk.call('desk.item', { labelerId, queue: 'sequential' }))!.itemId).toBe(7);
  for (let i = 0; i < 4; i++) await desk.call('desk.undo', { labelerId }); // ranks and submitting, twice
  expect(await idsOf(desk, labelerId, 'sequential')).toEqual([5, 6, 7]);
  project.close();
});

test('shuffled: every item once, in no simple order, from another place for each labeler, the same after every question', async () => {
  const { project, labelerId, bob } = deskWorld(fresh(), { prompts: 30 });
  const desk = deskOf(project);
  expect((await desk.call('desk.item', { labelerId, queue: 'shuffled' }))!.itemId).toBe(
    (await desk.call('desk.item', { labelerId, queue: 'shuffled' }))!.itemId,
  );
  const [own, his] = [await idsOf(desk, labelerId, 'shuffled'), await idsOf(desk, bob, 'shuffled')];
  for (const order of [own, his])
    expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  expect(own.filter((id, i) => id > (own[i - 1] ?? 0)).length).toBeLessThan(22); // about half go up
  expect(own[0]).not.toBe(his[0]);
  expect(his).toEqual([...own.slice(own.indexOf(his[0]!)), ...own.slice(0, own.indexOf(his[0]!))]);
  project.close();
});

test('newest: the newest policy first, imports last; what is drawn meanwhile comes at once', async () => {
  const { project, labelerId, newer } = deskWorld(fresh(), { newerFrom: 3 });
  addCompletions(
    project,
    [1, 2, 3, 4].map((n) => answerOf(1, `Imported ${n}.`)),
  ); // item 7
  const desk = deskOf(project);
  expect((await walk(desk, labelerId, 'newest', 4)).map(({ itemId }) => itemId)).toEqual([4, 5, 6, 1]);
  addCompletions(
    project,
    [1, 2, 3, 4].map((n) => ({ ...answerOf(2, `Newer ${n}.`), policyId: newer })),
  ); // item 8
  expect(await idsOf(desk, labelerId, 'newest')).toEqual([8, 2, 3, 7]);
  expect(await progress(desk, labelerId, 'newest')).toEqual([8, 8]);
  project.close();
});

/** Best two scores 2, 0.5, 1, none, 0.25 and 3 apart. */
const GAPS = [[3, 1, 0, 0], [0, 2, 1.5, 0], [5, 4, 0, 0], [], [0, 0, 7, 7.25], [3, 0, 0, -1]];

test('uncertain: the smallest gap between the best two scores first; new scores count at once', async () => {
  const { project, labelerId, bob } = deskWorld(fresh());
  const desk = deskOf(project);
  expect(await desk.call('desk.item', { labelerId, queue: 'uncertain' })).toBeNull(); // no reward model
  const modelId = addReward(project, GAPS);
  expect(await progress(desk, labelerId, 'uncertain')).toEqual([0, 5]);
  const items = await walk(desk, labelerId, 'uncertain', 3);
  expect(items.map(({ itemId }) => itemId)).toEqual([5, 2, 3]);
  expect(new Set(items.map(({ reason }) => reason))).toEqual(
    new Set(['The reward model is unsure which answer is best; where it is least sure comes first.']),
  ); // a figure would tell a hidden repeat
  expect(await progress(desk, labelerId, 'uncertain')).toEqual([3, 5]);
  setMeasures(
    project,
    [13, 14].map((completionId) => ({ completionId, modelId, score: completionId })),
  ); // item 4: 1 apart
  setMeasures(project, [{ completionId: 21, modelId, score: 0.1 }]); // item 6: 0.1
  expect(await idsOf(desk, labelerId, 'uncertain')).toEqual([6, 4, 1]);
  expect(await progress(desk, labelerId, 'uncertain')).toEqual([6, 6]);
  expect(await idsOf(desk, bob, 'uncertain')).toEqual([6, 5, 2, 3, 4, 1]);
  project.close();
});

test('disagrees: what the scores contradict most first; own rankings come back once, agreed ones never', async () => {
  const { project, labelerId, bob } = deskWorld(fresh());
  const desk = deskOf(project);
  await walk(desk, bob, 'sequential', 4); // 1 2 3 4 each
  const model = addReward(project, [
    [4, 3, 2, 1],
    [1, 2, 3, 4],
    [4, 3, 1, 2],
    [3, 4, 1, 2],
    [1, 2, 3, 4],
    [1, 2, 3, 4],
  ]);
  // bob: 1 agrees, 2 contradicts all, 3 one pair of six, 4 two; 5 and 6 are not ranked
  for (const [itemId, ranks] of [
    [2, [1, 2, 3, 4]],
    [3, [1, 2, 4, 3]],
    [5, [2, 1, 3, 4]],
  ] as const)
    // ada: 2 contradicts, 3 agrees, 5 contradicts five of six
    await label(desk, labelerId, (await desk.call('desk.item', { labelerId, queue: 'sequential', itemId }))!, ranks);
  const mine = await walk(desk, labelerId, 'disagrees', 40, [1, 2, 3, 4]);
  expect(mine.map(({ itemId, reason }) => [itemId, reason])).toEqual([
    [2, 'The reward model orders 100 % of the pairs the other way than your ranking.'],
    [5, 'The reward model orders 83 % of the pairs the other way than your ranking.'],
    [4, "The reward model orders 33 % of the pairs the other way than another labeler's ranking."],
  ]);
  expect(mine[0]!.ranking).toMatchObject({ itemId: 2, ranks: [{ rank: 1 }, { rank: 2 }, { rank: 3 }, { rank: 4 }] });
  // still against the model, and meant
  expect(await desk.call('desk.item', { labelerId, queue: 'disagrees' })).toBeNull();
  expect(await progress(desk, labelerId, 'disagrees')).toEqual([3, 3]);
  expect(await idsOf(desk, bob, 'disagrees')).toEqual([2, 5, 4, 3]);
  // a newer reward model opens them again
  query(project, 'UPDATE policies SET created_at = ? WHERE id = ?').run(Date.now() + 1000, model);
  expect((await desk.call('desk.item', { labelerId, queue: 'disagrees' }))!.itemId).toBe(2);
  project.close();
});

test('flagged: items by the age of their flags, whoever flagged, until they are submitted again', async () => {
  const { project, labelerId, bob } = deskWorld(fresh());
  const desk = deskOf(project);
  await walk(desk, labelerId, 'sequential', 2);
  await new Promise((resolve) => {
    setTimeout(resolve, 2);
  }); // flags are as exact as a clock
  await desk.call('desk.flag', { labelerId, itemId: 4, flagged: true });
  await desk.call('desk.flag', { labelerId: bob, itemId: 2, flagged: true });
  await desk.call('samples.flag', { labelerId, completionId: 21, flagged: true });
  await desk.call('desk.flag', { labelerId, itemId: 1, flagged: true });
  await desk.call('desk.flag', { labelerId, itemId: 1, flagged: false });
  expect(await progress(desk, labelerId, 'flagged')).toEqual([0, 3]);
  const items = await walk(desk, labelerId, 'flagged');
  expect(items.map(({ itemId, reason, flagged }) => [itemId, reason, flagged])).toEqual([
    [4, 'You flagged it.', true],
    [2, 'bob flagged it.', false],
    [6, 'You flagged one of its answers.', false],
  ]);
  expect(items[2]!.answers.filter(({ flagged }) => flagged).map(({ completionId }) => completionId)).toEqual([21]);
  expect(await progress(desk, labelerId, 'flagged')).toEqual([3, 3]);
  project.close();
});

test('requested: what was asked for on the Inspect screen comes there and in no other queue', async () => {
  const { project, labelerId } = deskWorld(fresh());
  const desk = deskOf(project);
  expect(await desk.call('samples.request', { completionIds: [1, 2, 3, 9], reason: 'too short' })).toEqual({
    items: 2,
  });
  expect(await idsOf(desk, labelerId, 'sequential')).toEqual([1, 2, 3, 4, 5, 6]);
  expect(await idsOf(desk, labelerId, 'shuffled')).toEqual([]);
  const { call } = desk;
  const item = (await call('desk.item', { labelerId, queue: 'requested' }))!;
  expect([item.itemId, item.reason]).toEqual([7, 'It was asked for on the Inspect screen: too short.']);
  expect(item.answers.map(({ completionId }) => completionId).sort()).toEqual([1, 2, 3]);
  await label(desk, labelerId, item, [1, 2, 3]);
  expect(await progress(desk, labelerId, 'requested')).toEqual([1, 2]);
  expect(await progress(desk, labelerId, 'sequential')).toEqual([6, 6]);
  project.close();
});

test('a thousand items: next and progress are right whatever is done, undone and skipped', async () => {
  const { project, labelerId } = deskWorld(fresh(), { prompts: 1000, k: 2 });
  const program = ensureLabeler(project, 'gold', 'program').id;
  const insert = query(
    project,
    "INSERT INTO rankings (prompt_id, labeler_id, status, shown_order, created_at, item_id) VALUES (?, ?, 'skipped', '[]', 0, ?)",
  );
  for (let i = 1; i <= 1000; i++) if (i !== 500 && i !== 900) insert.run(i, labelerId, i);
  for (let i = 1; i <= 1000; i++) insert.run(i, program, i);
  const desk = deskOf(project);
  const next = async (from?: number) =>
    (
      await desk.call('desk.item', {
        labelerId,
        queue: 'sequential',
        ...(from === undefined ? {} : { from, step: 1 as const }),
      })
    )?.itemId ?? null;
  expect([await next(), await next(500), await next(900), await next(300)]).toEqual([500, 900, null, 500]);
  expect(await progress(desk, labelerId, 'sequential')).toEqual([998, 1000]);
  for (const itemId of [500, 900])
    await desk.call('desk.submit', { labelerId, itemId, status: 'skipped', durationMs: 1 });
  expect([await next(), await next(5)]).toEqual([null, null]);
  expect(await progress(desk, labelerId, 'sequential')).toEqual([1000, 1000]);
  await desk.call('desk.undo', { labelerId });
  expect([await next(), await progress(desk, labelerId, 'sequential')]).toEqual([900, [999, 1000]]);
  await desk.call('desk.undo', { labelerId });
  expect(await next()).toBe(500);
  await desk.call('desk.redo', { labelerId });
  expect([await next(), await progress(desk, labelerId, 'sequential')]).toEqual([900, [999, 1000]]);
  project.close();
});
