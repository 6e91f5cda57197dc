// A hidden repeat cannot be told from any other item: by what the desk answers, why it comes, the order, the figures,
// undo or a flag.

import { expect, test } from 'vitest';
import { changeProjectSettings } from '#core/service/project.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import type { DeskItem, QueueName } from '#core/contract/desk.ts';
import { addReward, deskFolders, deskOf, deskWorld, label, ranksOf } from './desk-world.ts';
import type { Desk } from './desk-world.ts';

const fresh = deskFolders();
const PROMPTS = 60;
const REPEATING: readonly QueueName[] = ['sequential', 'shuffled', 'newest', 'uncertain'];

/** Items with scores, of which three in ten are asked about twice. */
function repeatingWorld() {
  const world = deskWorld(fresh(), { prompts: PROMPTS, newerFrom: PROMPTS / 2 });
  addReward(
    world.project,
    Array.from({ length: PROMPTS }, (_, i) => [0, 1, 2, 2 + ((i * 37) % PROMPTS) / 10]),
  );
  changeProjectSettings(world.project, { repeats: 0.3 });
  return world;
}

/** The fields of a value and what kind each is; of a list what its parts are. */
function kindsOf(value: unknown): unknown {
  if (Array.isArray(value)) return [...new Set(value.map((part) => JSON.stringify(kindsOf(part))))].sort();
  if (value === null || typeof value !== 'object') return value === null ? 'null' : typeof value;
  return Object.entries(value).map(([field, part]) => [field, kindsOf(part)]); // in their order, too
}

const figures = (desk: Desk, labelerId: number, queue: QueueName) => desk.call('desk.progress', { labelerId, queue });
/** What moved between two looks at the figures. */
const moved = (before: object, after: object) =>
  Object.entries(after).flatMap(([name, value]) => {
    const was = before[name as keyof typeof before] as unknown;
    return value === was || name === 'ratePerHour' || name === 'sessionStartedAt'
      ? []
      : [[name, typeof value === 'number' ? value - Number(was) : value]];
  });

const repeatsIn = (project: Project): number =>
  query<{ n: number }>(project, 'SELECT count(*) AS n FROM rankings WHERE repeat_of IS NOT NULL').get()!.n;

test.each(REPEATING)(
  'in the queue %s: the same fields and kinds, the same reason, figures that move alike, the same sentences of undo',
  async (queue) => {
    const { project, labelerId } = repeatingWorld();
    const desk = deskOf(project);
    const seen = new Map<number, DeskItem>();
    const said: Record<'fresh' | 'repeat', Set<string>> = { fresh: new Set(), repeat: new Set() };
    for (
      let item = await desk.call('desk.item', { labelerId, queue });
      item;
      item = await desk.call('desk.item', { labelerId, queue })
    ) {
      const { itemId } = item;
      const kind = seen.has(itemId) ? 'repeat' : 'fresh';
      const before = await figures(desk, labelerId, queue);
      const tell = (...words: unknown[]) => said[kind].add(JSON.stringify(words));
      tell(
        'shown',
        kindsOf(item),
        item.reason,
        item.flagged,
        item.draft,
        item.ranking,
        item.answers.map(({ marks, ratings, flagged, times }) => [marks, ratings, flagged, times]),
      );
      const earlier = seen.get(itemId);
      expect(item.answers.map(({ completionId }) => completionId)).not.toEqual(
        earlier?.answers.map(({ completionId }) => completionId),
      );
      seen.set(itemId, earlier ?? item);
      if (seen.size > PROMPTS - 15) break; // near the end the figure stands still for every item
      // everything that can be said of an item, so that a trace of the first time would show
      const [{ completionId }] = item.answers as [DeskItem['answers'][number]];
      tell('flag', Object.keys(await desk.call('desk.flag', { labelerId, itemId, flagged: true })));
      await desk.call('samples.flag', { labelerId, completionId, flagged: true });
      await desk.call('ratings.set', { labelerId, completionId, axis: 'overall', value: 4 });
      await desk.call('marks.add', { labelerId, completionId, start: 0, end: 6, label: 'good', note: 'here' });
      const skipped = seen.size % 7 === 0;
      await desk.call('desk.draft', {
        labelerId,
        itemId,
        changes: { ranks: ranksOf(item, [1, 2, 3, 4]), confidence: 5, note: 'noted', naive: 'naive' },
        durationMs: 1000,
      });
      tell(
        skipped,
        'submit',
        kindsOf(
          await desk.call('desk.submit', {
            labelerId,
            itemId,
            status: skipped ? 'skipped' : 'ranked',
            durationMs: 2000,
          }),
        ),
      );
      tell(skipped, 'figures', moved(before, await figures(desk, labelerId, queue)));
      tell(skipped, 'back', kindsOf(await desk.call('desk.item', { labelerId, queue, itemId })));
      const undone = (await desk.call('desk.undo', { labelerId }))!;
      tell(
        skipped,
        'undo',
        undone.sentence,
        undone.itemId === itemId,
        moved(before, await figures(desk, labelerId, queue)),
      );
      tell(skipped, 'opened again', kindsOf(await desk.call('desk.item', { labelerId, queue, itemId })));
      tell(
        skipped,
        'redo',
        (await desk.call('desk.redo', { labelerId }))!.sentence,
        moved(before, await figures(desk, labelerId, queue)),
      );
    }
    expect(repeatsIn(project)).toBeGreaterThan(5);
    expect([...said.repeat].filter((words) => !said.fresh.has(words))).toEqual([]);
    // few repeats are skipped
    expect([...said.fresh].filter((words) => !said.repeat.has(words) && !words.startsWith('[true'))).toEqual([]);
    project.close();
  },
);

/** Labels in a queue until an item comes back, and leaves it as it is. */
async function untilRepeat(desk: Desk, labelerId: number, queue: QueueName): Promise<DeskItem> {
  const seen = new Set<number>();
  for (
    let item = (await desk.call('desk.item', { labelerId, queue }))!;
    ;
    item = (await desk.call('desk.item', { labelerId, queue, from: item.itemId, step: 1 }))!
  ) {
    if (seen.has(item.itemId)) return item;
    seen.add(item.itemId);
    await label(desk, labelerId, item, [4, 3, 2, 1]);
  }
}

test('while an item is a repeat, the queues of flags and of disagreement, whose reasons would tell, are without it', async () => {
  const { project, labelerId } = repeatingWorld();
  const desk = deskOf(project);
  for (let itemId = 1; itemId <= PROMPTS; itemId++) await desk.call('desk.flag', { labelerId, itemId, flagged: true });
  const { itemId } = await untilRepeat(desk, labelerId, 'sequential');
  for (const queue of ['flagged', 'disagrees'] as const) {
    const { total, done } = await figures(desk, labelerId, queue);
    const items = new Set<number>();
    for (
      let item = await desk.call('desk.item', { labelerId, queue });
      item;
      item = await desk.call('desk.item', { labelerId, queue })
    ) {
      items.add(item.itemId);
      await label(desk, labelerId, item, [4, 3, 2, 1]);
    }
    expect(items.has(itemId)).toBe(false);
    expect(total - done).toBe(items.size);
    // by its address
    expect((await desk.call('desk.item', { labelerId, queue, itemId }))!.reason).toBe('You came to it from elsewhere.');
  }
  expect(await desk.call('desk.item', { labelerId, queue: 'uncertain' })).toMatchObject({
    itemId,
    reason: 'The reward model is unsure which answer is best; where it is least sure comes first.',
  });
  project.close();
});

test('on the way back the item is not where it was ranked first, as if it had not been ranked', async () => {
  const { project, labelerId } = repeatingWorld();
  const desk = deskOf(project);
  const { itemId } = await untilRepeat(desk, labelerId, 'sequential');
  const way: number[] = [];
  for (let at = itemId; ;) {
    const item = await desk.call('desk.item', { labelerId, queue: 'sequential', from: at, step: -1 });
    if (!item) break;
    way.push((at = item.itemId));
    expect(item.ranking).not.toBeNull();
  }
  expect(way.length).toBeGreaterThan(9);
  expect(way).not.toContain(itemId);
  project.close();
});

test('what is submitted again is one item of the session', async () => {
  const { project, labelerId } = deskWorld(fresh());
  const desk = deskOf(project);
  for (const itemId of [1, 2, 1, 1])
    await label(desk, labelerId, (await desk.call('desk.item', { labelerId, queue: 'sequential', itemId }))!);
  expect((await figures(desk, labelerId, 'sequential')).session).toBe(2);
  await desk.call('desk.undo', { labelerId }); // the last submission of item 1
  expect((await figures(desk, labelerId, 'sequential')).session).toBe(2);
  for (let i = 0; i < 2; i++) await desk.call('desk.undo', { labelerId }); // the one before, and that of item 2
  expect((await figures(desk, labelerId, 'sequential')).session).toBe(1);
  project.close();
});
