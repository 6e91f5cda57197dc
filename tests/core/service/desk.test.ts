// The ranking desk: blind items, what is submitted, moving about, hidden repeats, progress.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { deskProgress } from '#core/service/desk/desk-progress.ts';
import { changeProjectSettings } from '#core/service/project.ts';
import type { DeskItem } from '#core/contract/desk.ts';
import { addCompletions } from '#core/store/completions.ts';
import { openProject } from '#core/store/database.ts';
import { addItems } from '#core/store/items.ts';
import { listComparisons, listRankings } from '#core/store/rankings.ts';
import { answerOf, deskFolders, deskOf, deskWorld, label, ranksOf, walk } from './desk-world.ts';
import type { Desk } from './desk-world.ts';

const fresh = deskFolders();
afterEach(() => {
  vi.useRealTimers();
});
const at = (desk: Desk, labelerId: number, itemId: number) =>
  desk.call('desk.item', { labelerId, queue: 'sequential', itemId }) as Promise<DeskItem>;

describe('an item', () => {
  test('says nothing of who wrote its answers', async () => {
    const { project, labelerId } = deskWorld(fresh(), { newerFrom: 3 });
    const desk = deskOf(project);
    for (const itemId of [1, 5]) {
      const item = await at(desk, labelerId, itemId);
      expect(JSON.stringify(item)).not.toMatch(/writer|policyId|policy_id|runId|sampling|logprob/);
      expect(Object.keys(item).sort()).toEqual([
        'answers',
        'draft',
        'flagged',
        'guidelines',
        'itemId',
        'prompt',
        'ranking',
        'reason',
      ]);
      for (const answer of item.answers)
        expect(Object.keys(answer).sort()).toEqual([
          'completionId',
          'cutOff',
          'flagged',
          'marks',
          'ratings',
          'spans',
          'text',
          'times',
        ]);
    }
    project.close();
  });

  test('shows its answers in one order for a labeler and another for the next, and the ranking records it', async () => {
    const { project, labelerId, bob } = deskWorld(fresh(), { prompts: 30 });
    const desk = deskOf(project);
    const orderOf = (item: DeskItem) => item.answers.map(({ completionId }) => completionId);
    const orders = new Set<string>();
    const shifted: boolean[] = [];
    for (let id = 1; id <= 30; id++) {
      const own = orderOf(await at(desk, labelerId, id));
      expect(orderOf(await at(desk, labelerId, id))).toEqual(own);
      expect(own.toSorted((a, b) => a - b)).toEqual([4 * id - 3, 4 * id - 2, 4 * id - 1, 4 * id]);
      orders.add(own.map((one) => one - 4 * id).join());
      shifted.push(orderOf(await at(desk, bob, id)).join() !== own.join());
    }
    expect(orders.size).toBeGreaterThan(10); // of 24
    expect(shifted.filter(Boolean).length).toBeGreaterThan(20);
    const item = await at(desk, labelerId, 7);
    await label(desk, labelerId, item);
    expect(listRankings(project)[0]).toMatchObject({
      itemId: 7,
      promptId: 7,
      labelerId,
      shownOrder: orderOf(item),
      status: 'ranked',
      durationMs: 2000,
      repeatOf: null,
    });
    project.close();
  });

  test('has word spans where no tokenizer is at hand, within its text', async () => {
    const { project, labelerId } = deskWorld(fresh());
    const { answers } = await at(deskOf(project), labelerId, 1);
    for (const { text, spans } of answers)
      expect(spans.map(({ start, end }) => text.slice(start, end).trim())).toEqual(text.split(' '));
    project.close();
  });

  test('ties, none acceptable and skipping make the comparisons that they should; an answer without a rank is named', async () => {
    const { project, labelerId } = deskWorld(fresh());
    const desk = deskOf(project);
    const [one, two, three] = [
      await at(desk, labelerId, 1),
      await at(desk, labelerId, 2),
      await at(desk, labelerId, 3),
    ];
    await label(desk, labelerId, one, [1, 2, 2, 4]);
    expect(listComparisons(project)).toHaveLength(5);
    const submit = (itemId: number, status: 'ranked' | 'none-acceptable' | 'skipped') =>
      desk.call('desk.submit', { labelerId, itemId, status, durationMs: 1 });
    await desk.call('desk.draft', {
      labelerId,
      itemId: 2,
      changes: { ranks: [two.answers[0]!, two.answers[3]!].map(({ completionId }) => ({ completionId, rank: 1 })) },
      durationMs: 1,
    });
    await expect(submit(2, 'ranked')).rejects.toMatchObject({
      code: 'bad-data',
      message: 'Answers B and C have no rank yet.',
    });
    await submit(2, 'none-acceptable');
    await desk.call('desk.draft', {
      labelerId,
      itemId: 3,
      changes: { ranks: ranksOf(three, [1, 2, 3, 4]), note: 'off topic' },
      durationMs: 1,
    });
    await submit(3, 'skipped');
    expect(listComparisons(project)).toHaveLength(5);
    expect(listRankings(project).slice(1)).toMatchObject([
      { itemId: 2, status: 'none-acceptable', ranks: [{ rank: 1 }, { rank: 1 }] },
      { itemId: 3, status: 'skipped', ranks: [], note: 'off topic' },
    ]);
    const wrong = (ranks: { completionId: number; rank: number }[]) =>
      desk.call('desk.draft', { labelerId, itemId: 4, changes: { ranks }, durationMs: 1 });
    await expect(wrong([{ completionId: 1, rank: 1 }])).rejects.toMatchObject({
      code: 'bad-data',
      message: expect.stringContaining('does not show completion 1'),
    });
    await expect(
      wrong([
        { completionId: 13, rank: 1 },
        { completionId: 13, rank: 2 },
      ]),
    ).rejects.toMatchObject({ code: 'bad-data' });
    project.close();
  });

  test('submitted again takes the place of what was submitted, beginning from it', async () => {
    const { project, labelerId } = deskWorld(fresh());
    const desk = deskOf(project);
    await desk.call('guidelines.save', { text: 'Be fair.' });
    const item = await at(desk, labelerId, 1);
    const first = await label(desk, labelerId, item, [1, 2, 3, 4]);
    await desk.call('guidelines.save', { text: 'Be fair and kind.' });
    expect((await desk.call('guidelines.save', { text: 'Be fair and kind.' })).version).toBe(2);
    const again = await at(desk, labelerId, 1);
    expect(again).toMatchObject({
      draft: { ranks: ranksOf(item, [1, 2, 3, 4]) },
      ranking: { id: first, guidelines: 1 },
      guidelines: 2,
    });
    await desk.call('desk.draft', { labelerId, itemId: 1, changes: { confidence: 8 }, durationMs: 3000 });
    expect(
      (await desk.call('desk.submit', { labelerId, itemId: 1, status: 'ranked', durationMs: 4000 })).rankingId,
    ).toBe(first);
    expect(listRankings(project)).toMatchObject([{ id: first, confidence: 8, guidelines: 2, durationMs: 4000 }]);
    expect(await desk.call('guidelines.get', {})).toMatchObject({
      current: { version: 2, text: 'Be fair and kind.' },
      versions: [{ version: 1 }, { version: 2 }],
    });
    project.close();
  });
});

test('previous and next go through what was visited, then on in the queue, and leave drafts where they are; also after a restart', async () => {
  const folder = fresh();
  const { project, labelerId } = deskWorld(folder);
  let desk = deskOf(project);
  const go = async (from: number, step: 1 | -1) =>
    (await desk.call('desk.item', { labelerId, queue: 'sequential', from, step }))?.itemId ?? null;
  expect((await desk.call('desk.item', { labelerId, queue: 'sequential' }))!.itemId).toBe(1);
  expect(await go(1, 1)).toBe(2);
  expect(await go(1, 1)).toBe(2); // asking ahead changes nothing
  await desk.call('desk.draft', { labelerId, itemId: 2, changes: { confidence: 4 }, durationMs: 1 });
  expect(await go(2, 1)).toBe(3);
  await label(desk, labelerId, await at(desk, labelerId, 3));
  expect(await go(3, 1)).toBe(4);
  expect([await go(3, -1), await go(2, -1), await go(1, -1)]).toEqual([2, 1, null]);
  expect((await at(desk, labelerId, 2)).draft.confidence).toBe(4);
  // the last one
  expect([await go(2, 1), await go(3, 1), await go(4, 1), await go(5, 1), await go(6, 1)]).toEqual([3, 4, 5, 6, null]);
  // passed over, so still open
  expect((await desk.call('desk.item', { labelerId, queue: 'sequential' }))!.itemId).toBe(1);
  project.close();

  const again = openProject(folder, { write: true });
  desk = deskOf(again);
  expect([await go(3, -1), await go(2, 1)]).toEqual([2, 3]); // the log knows which items were worked on
  again.close();
});

test('after a look into other queues every step goes on: nobody walks to and fro between two items', async () => {
  const { project, labelerId } = deskWorld(fresh(), { prompts: 8 });
  const desk = deskOf(project);
  const goThrough = async (queue: 'sequential' | 'shuffled', steps: number) => {
    const seen = [(await desk.call('desk.item', { labelerId, queue }))!.itemId];
    for (let i = 0; i < steps; i++) {
      const ahead = (await desk.call('desk.item', { labelerId, queue, from: seen.at(-1)!, step: 1 }))?.itemId ?? null;
      if (ahead === null) break;
      seen.push(ahead);
    }
    return seen;
  };
  const shuffled = await goThrough('shuffled', 7);
  expect(shuffled.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  for (let i = 0; i < 3; i++) {
    // a look, and another, each remembered; then the queue in its order
    await goThrough('shuffled', 1);
    expect(await goThrough('sequential', 7)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    await goThrough('sequential', 1);
    expect(await goThrough('shuffled', 7)).toEqual(shuffled);
  }
  // back and forward again is the way that was come, also over an item that stands there twice
  const [last, before] = [shuffled.at(-1)!, shuffled.at(-2)!];
  expect((await desk.call('desk.item', { labelerId, queue: 'shuffled', from: last, step: -1 }))!.itemId).toBe(before);
  expect((await desk.call('desk.item', { labelerId, queue: 'shuffled', from: before, step: 1 }))!.itemId).toBe(last);
  // one item of another queue is looked at, and everything ahead is asked for, as the window does
  addItems(project, [{ promptId: 1, completionIds: [1, 2], source: 'inspect' }]);
  expect(await goThrough('shuffled', 1)).toEqual(shuffled.slice(0, 2));
  const asked = (await desk.call('desk.item', { labelerId, queue: 'requested' }))!.itemId;
  expect(await desk.call('desk.item', { labelerId, queue: 'requested', from: asked, step: 1 })).toBeNull();
  expect(await goThrough('shuffled', 7)).toEqual(shuffled);
  project.close();
});

describe('hidden repeats', () => {
  const repeating = (prompts: number, repeats: number) => {
    const world = deskWorld(fresh(), { prompts });
    changeProjectSettings(world.project, { repeats });
    return world;
  };

  test('come for the set share of items, each at least ten items later, never twice, in another order, without a trace', async () => {
    const { project, labelerId } = repeating(150, 0.1);
    const desk = deskOf(project);
    await desk.call('marks.add', { completionId: 1, labelerId, start: 0, end: 6, label: 'good', note: null });
    const shown: number[] = [];
    let traces = 0;
    for (
      let item = await desk.call('desk.item', { labelerId, queue: 'sequential' });
      item;
      item = await desk.call('desk.item', { labelerId, queue: 'sequential' })
    ) {
      const isRepeat = shown.includes(item.itemId);
      const earlier = shown.filter((id) => id === item!.itemId);
      expect(earlier.length).toBe(isRepeat ? 1 : 0);
      expect(isRepeat ? shown.length - shown.indexOf(item.itemId) : Infinity).toBeGreaterThan(10);
      expect(item.answers.map(({ completionId }) => completionId)).not.toEqual(
        listRankings(project, { itemId: item.itemId })[0]?.shownOrder,
      );
      if (isRepeat) traces++;
      expect(item).toMatchObject({
        ranking: null,
        flagged: false,
        draft: { ranks: [], confidence: null, note: null, naive: null, durationMs: 0 },
      });
      expect(
        item.answers.every(
          ({ marks, ratings, flagged }) => marks.length === 0 && Object.keys(ratings).length === 0 && !flagged,
        ) ||
          (!isRepeat && item.itemId === 1),
      ).toBe(true);
      expect(item.reason).toBe('It is the next in the order in which the answers came into the project.');
      shown.push(item.itemId);
      if (!isRepeat) {
        await desk.call('desk.flag', { labelerId, itemId: item.itemId, flagged: true });
        await desk.call('ratings.set', {
          completionId: item.answers[0]!.completionId,
          labelerId,
          axis: 'overall',
          value: 3,
        });
      }
      await label(desk, labelerId, item, isRepeat ? [1, 2, 4, 3] : [1, 2, 3, 3]);
    }
    expect(traces).toBeGreaterThan(5);
    expect(traces).toBeLessThan(30); // 15 expected of 150
    const rankings = listRankings(project);
    expect(rankings.filter(({ repeatOf }) => repeatOf !== null)).toHaveLength(traces);
    expect(rankings).toHaveLength(150 + traces);
    expect(listComparisons(project)).toHaveLength(150 * 5); // repeats make none
    for (const { repeatOf, itemId } of rankings.filter((ranking) => ranking.repeatOf !== null))
      expect(rankings.find(({ id }) => id === repeatOf)).toMatchObject({
        itemId,
        repeatOf: null,
        ranks: [{ rank: 1 }, { rank: 2 }, { rank: 3 }, { rank: 3 }],
      });
    expect(await desk.call('desk.progress', { labelerId, queue: 'sequential' })).toMatchObject({
      done: 150,
      total: 150,
      repeats: traces,
      selfAgreement: 1,
      session: 150 + traces,
    });
    project.close();
  });

  /** Labels until a repeat is shown. */
  async function untilRepeat(desk: Desk, labelerId: number): Promise<DeskItem> {
    const seen = new Set<number>();
    for (;;) {
      const item = (await desk.call('desk.item', { labelerId, queue: 'sequential' }))!;
      if (seen.has(item.itemId)) return item;
      seen.add(item.itemId);
      await label(desk, labelerId, item);
    }
  }

  test('asked for ahead, left, changed, closed and opened, undone: it stays that repeat, and the first ranking as it was', async () => {
    const folder = fresh();
    const world = deskWorld(folder, { prompts: 150 });
    changeProjectSettings(world.project, { repeats: 0.1 });
    const { labelerId } = world;
    let { project } = world;
    let desk = deskOf(project);
    const { itemId } = await untilRepeat(desk, labelerId);
    const next = (await desk.call('desk.item', { labelerId, queue: 'sequential', from: itemId, step: 1 }))!.itemId;
    expect(listRankings(project, { itemId: next })).toEqual([]); // an ordinary one follows
    expect((await desk.call('desk.item', { labelerId, queue: 'sequential', from: next, step: -1 }))!.itemId).toBe(
      itemId,
    );
    await desk.call('desk.draft', { labelerId, itemId, changes: { confidence: 2 }, durationMs: 1 });
    await desk.call('desk.flag', { labelerId, itemId, flagged: true });
    project.close();
    project = openProject(folder, { write: true });
    desk = deskOf(project);
    const item = (await desk.call('desk.item', { labelerId, queue: 'sequential' }))!;
    expect(item).toMatchObject({ itemId, ranking: null, flagged: true, draft: { ranks: [], confidence: 2 } });
    const done = (await desk.call('desk.progress', { labelerId, queue: 'sequential' })).done;
    const first = listRankings(project, { itemId })[0]!;
    const repeat = await label(desk, labelerId, item, [4, 3, 2, 1]);
    expect(listRankings(project, { itemId })).toEqual([
      first,
      expect.objectContaining({ id: repeat, repeatOf: first.id, confidence: 2 }),
    ]);
    expect(await desk.call('desk.progress', { labelerId, queue: 'sequential' })).toMatchObject({
      done: done + 1,
      repeats: 0,
      selfAgreement: null,
    }); // as after any other item
    const later = () => deskProgress(project, labelerId, 'sequential', Date.now() + 31 * 60_000);
    expect(await later()).toMatchObject({ done, repeats: 1, selfAgreement: 0 });

    // going back shows what was just submitted, with no sign that it is another ranking than the first
    const back = await at(desk, labelerId, itemId);
    expect(back).toMatchObject({
      ranking: { id: repeat, repeatOf: null },
      draft: { ranks: ranksOf(item, [4, 3, 2, 1]) },
    });
    await label(desk, labelerId, back, [1, 2, 4, 3]);
    expect(listRankings(project, { itemId })).toEqual([
      first,
      expect.objectContaining({ id: repeat, repeatOf: first.id }),
    ]);
    expect((await later()).selfAgreement).toBeCloseTo(5 / 6);

    for (let i = 0; i < 4; i++) await desk.call('desk.undo', { labelerId }); // both times, the ranks and the submitting
    expect(listRankings(project, { itemId })).toEqual([first]);
    expect(await at(desk, labelerId, itemId)).toMatchObject({ ranking: null, draft: { ranks: [], confidence: 2 } });
    for (let i = 0; i < 4; i++) await desk.call('desk.redo', { labelerId });
    expect((await later()).selfAgreement).toBeCloseTo(5 / 6);
    project.close();
  });

  test('self-agreement leaves out pairs that were tied either time', async () => {
    const { project, labelerId } = repeating(150, 0.1);
    const desk = deskOf(project);
    const item = await untilRepeat(desk, labelerId); // first 1 2 3 4
    await label(desk, labelerId, item, [2, 1, 3, 3]);
    expect((await deskProgress(project, labelerId, 'sequential', Date.now() + 31 * 60_000)).selfAgreement).toBeCloseTo(
      4 / 5,
    ); // 1–2 is turned round, 3–4 tied
    project.close();
  });
});

test('progress counts a queue, and a session that half an hour of rest ends, also over a restart', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
  const minutes = (n: number) => vi.setSystemTime(Date.now() + n * 60_000);
  const folder = fresh();
  const world = deskWorld(folder, { prompts: 8 });
  const { labelerId, bob } = world;
  let { project } = world;
  let desk = deskOf(project);
  changeProjectSettings(project, { sessionGoal: 5 });
  const progress = () => desk.call('desk.progress', { labelerId, queue: 'sequential' });
  expect(await progress()).toEqual({
    done: 0,
    total: 8,
    skipped: 0,
    session: 0,
    sessionGoal: 5,
    sessionStartedAt: null,
    ratePerHour: null,
    repeats: 0,
    selfAgreement: null,
  });
  await walk(desk, labelerId, 'sequential', 2);
  minutes(31);
  const start = Date.now();
  await walk(desk, labelerId, 'sequential', 1);
  minutes(20);
  await walk(desk, labelerId, 'sequential', 1);
  await desk.call('desk.submit', { labelerId, itemId: 5, status: 'skipped', durationMs: 1 });
  const now = { done: 5, total: 8, skipped: 1, session: 3, sessionStartedAt: start, ratePerHour: 9 };
  expect(await progress()).toMatchObject(now);
  expect(await desk.call('desk.progress', { labelerId: bob, queue: 'shuffled' })).toMatchObject({
    done: 0,
    total: 8,
    session: 0,
  });
  project.close();
  project = openProject(folder, { write: true });
  desk = deskOf(project);
  expect(await progress()).toMatchObject(now);
  await desk.call('desk.undo', { labelerId });
  expect(await progress()).toMatchObject({ done: 4, skipped: 0, session: 2 });
  await desk.call('desk.redo', { labelerId });
  expect(await progress()).toMatchObject(now);
  addCompletions(
    project,
    [1, 2].map((n) => answerOf(1, `More ${n}.`)),
  );
  expect(await progress()).toMatchObject({ done: 5, total: 9 });
  minutes(31);
  expect(await progress()).toMatchObject({ done: 5, session: 0, sessionStartedAt: null, ratePerHour: null });
  project.close();
});
