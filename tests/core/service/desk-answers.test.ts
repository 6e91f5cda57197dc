// Equal texts on the desk: shown once, ranked once for all, asked about never.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addCompletions } from '#core/store/completions.ts';
import { setMeasures } from '#core/store/measures.ts';
import { addPolicy } from '#core/store/policies.ts';
import { query } from '#core/store/project.ts';
import { addRanking, listComparisons, listRankings } from '#core/store/rankings.ts';
import type { QueueName } from '#core/contract/desk.ts';
import { answerOf, deskFolders, deskOf, deskWorld, label, walk } from './desk-world.ts';

const fresh = deskFolders();
const QUEUES: readonly QueueName[] = [
  'sequential',
  'shuffled',
  'newest',
  'uncertain',
  'disagrees',
  'flagged',
  'requested',
];

/** Items of these texts, one of a prompt each; the completions are numbered in this order. */
function sampledWorld(texts: readonly (readonly string[])[]) {
  const world = deskWorld(fresh(), { prompts: texts.length, k: 0 });
  addCompletions(
    world.project,
    texts.flatMap((own, i) => own.map((text) => ({ ...answerOf(i + 1, text), policyId: world.older }))),
  );
  return world;
}
const TWICE = ['Tea.', 'Wine.', ' Tea.\n', 'Tea.', 'Milk.'];

test('an answer that was sampled three times is shown once, and its rank is that of all three', async () => {
  const { project, labelerId } = sampledWorld([TWICE]);
  const desk = deskOf(project);
  const item = (await desk.call('desk.item', { labelerId, queue: 'sequential' }))!;
  expect(item.answers.map(({ completionId, text, times }) => [completionId, text, times]).sort()).toEqual([
    [1, 'Tea.', 3],
    [2, 'Wine.', 1],
    [5, 'Milk.', 1],
  ]);
  const rank = (ranks: [number, number][]) =>
    desk.call('desk.draft', {
      labelerId,
      itemId: 1,
      changes: { ranks: ranks.map(([completionId, rank]) => ({ completionId, rank })) },
      durationMs: 1,
    });
  await rank([
    [1, 2],
    [2, 1],
  ]);
  await expect(
    desk.call('desk.submit', { labelerId, itemId: 1, status: 'ranked', durationMs: 1 }),
  ).rejects.toMatchObject({
    message: `Answer ${'ABC'[item.answers.findIndex(({ completionId }) => completionId === 5)]} has no rank yet.`,
  });
  await expect(rank([[1, 4]])).rejects.toMatchObject({ code: 'bad-data', hint: expect.stringContaining('which is 3') });
  await rank([
    [1, 2],
    [2, 1],
    [5, 3],
  ]);
  expect((await desk.call('desk.item', { labelerId, queue: 'sequential', itemId: 1 }))!.draft.ranks).toEqual([
    { completionId: 1, rank: 2 },
    { completionId: 2, rank: 1 },
    { completionId: 5, rank: 3 },
  ]);
  await desk.call('desk.submit', { labelerId, itemId: 1, status: 'ranked', durationMs: 1 });
  const [ranking] = listRankings(project);
  expect(ranking!.ranks).toEqual(
    [2, 1, 3, 4, 5].map((completionId, i) => ({ completionId, rank: [1, 2, 2, 2, 3][i] })),
  );
  expect(ranking!.shownOrder).toEqual(item.answers.map(({ completionId }) => completionId));
  expect(listComparisons(project)).toHaveLength(7); // 1 over 4, 3 over 1
  const again = (await desk.call('desk.item', { labelerId, queue: 'sequential', itemId: 1 }))!;
  expect(again.ranking!.ranks).toEqual([
    { completionId: 2, rank: 1 },
    { completionId: 1, rank: 2 },
    { completionId: 5, rank: 3 },
  ]);
  expect((await desk.call('desk.undo', { labelerId }))!.sentence).toBe('Took back: the submitted ranking');
  const letter = 'ABC'[item.answers.findIndex(({ completionId }) => completionId === 5)];
  expect((await desk.call('desk.undo', { labelerId }))!.sentence).toBe(`Took back: rank 3 for answer ${letter}`);
  project.close();
});

test('what was said of one of equal completions shows on their answer, and goes from all when it is taken off', async () => {
  const { project, labelerId } = sampledWorld([TWICE]);
  const desk = deskOf(project);
  await desk.call('marks.add', { completionId: 4, labelerId, start: 0, end: 3, label: 'good', note: null });
  // of another spelling: its places are others
  await desk.call('marks.add', { completionId: 3, labelerId, start: 1, end: 4, label: 'bad', note: null });
  for (const [completionId, value] of [
    [3, 2],
    [4, 5],
  ] as const)
    await desk.call('ratings.set', { completionId, labelerId, axis: 'overall', value });
  for (const completionId of [3, 4]) await desk.call('samples.flag', { completionId, labelerId, flagged: true });
  const tea = async () =>
    (await desk.call('desk.item', { labelerId, queue: 'sequential', itemId: 1 }))!.answers.find(
      ({ completionId }) => completionId === 1,
    )!;
  expect(await tea()).toMatchObject({
    flagged: true,
    ratings: { overall: 2 },
    marks: [{ completionId: 1, start: 0, end: 3, label: 'good' }],
  });
  await desk.call('ratings.set', { completionId: 1, labelerId, axis: 'overall', value: 6 });
  expect((await tea()).ratings).toEqual({ overall: 6 });
  await desk.call('ratings.set', { completionId: 1, labelerId, axis: 'overall', value: null });
  await desk.call('samples.flag', { completionId: 1, labelerId, flagged: false });
  expect(await tea()).toMatchObject({ flagged: false, ratings: {} });
  project.close();
});

test('no queue asks about equal texts: they are no work to do and none that is done', async () => {
  const { project, labelerId, bob, older } = sampledWorld([['A.', 'A. '], TWICE, ['B.', 'B.', 'B.'], ['C.', 'D.']]);
  const desk = deskOf(project);
  addRanking(project, {
    promptId: 1,
    labelerId: bob,
    status: 'ranked',
    ranks: [
      { completionId: 1, rank: 1 },
      { completionId: 2, rank: 2 },
    ],
  });
  const modelId = addPolicy(project, { name: 'reward', kind: 'reward', path: 'models/reward', parentId: older });
  setMeasures(
    project,
    Array.from({ length: 12 }, (_, i) => ({ completionId: i + 1, modelId, score: i % 5 })),
  );
  await desk.call('desk.flag', { labelerId, itemId: 1, flagged: true });
  await desk.call('desk.flag', { labelerId, itemId: 3, flagged: true });
  for (const queue of QUEUES) {
    const items = await walk(desk, labelerId, queue);
    expect(
      items.every(
        ({ answers }) => answers.length > 1 && new Set(answers.map(({ text }) => text.trim())).size === answers.length,
      ),
    ).toBe(true);
    for (let i = 0; i < 2 * items.length; i++) await desk.call('desk.undo', { labelerId });
    const { done, total } = await desk.call('desk.progress', { labelerId, queue });
    expect([queue, done, total, items.length]).toEqual([
      queue,
      0,
      items.length,
      { flagged: 0, requested: 0, disagrees: 0 }[queue as string] ?? 2,
    ]);
    // his ranking of equal texts is no work done
    expect(await desk.call('desk.progress', { labelerId: bob, queue })).toMatchObject({ done: 0, total: items.length });
  }
  const alone = (await desk.call('desk.item', { labelerId, queue: 'sequential', itemId: 3 }))!; // by its address
  expect(alone).toMatchObject({
    answers: [{ text: 'B.', times: 3 }],
    reason: 'All its answers are the same text, so there is nothing to compare: no queue asks about it.',
  });
  await label(desk, labelerId, alone, [1]);
  expect(listComparisons(project)).toEqual([]);
  expect(await desk.call('desk.progress', { labelerId, queue: 'sequential' })).toMatchObject({ done: 0, total: 2 });
  project.close();
});

test('a draft and a ranking of before, with a rank for each completion, go on as ranks of answers', async () => {
  const { project, labelerId } = sampledWorld([TWICE]);
  const ranks = [5, 1, 2, 4, 3].map((rank, i) => ({ completionId: i + 1, rank }));
  query(project, 'INSERT INTO drafts (item_id, labeler_id, ranks, duration_ms) VALUES (1, ?, ?, 1)').run(
    labelerId,
    JSON.stringify(ranks),
  );
  const desk = deskOf(project);
  expect((await desk.call('desk.item', { labelerId, queue: 'sequential' }))!.draft.ranks).toEqual([
    { completionId: 1, rank: 2 },
    { completionId: 2, rank: 1 },
    { completionId: 5, rank: 3 },
  ]);
  await desk.call('desk.submit', { labelerId, itemId: 1, status: 'ranked', durationMs: 1 });
  expect(listRankings(project)[0]!.ranks.map(({ completionId, rank }) => [completionId, rank])).toEqual([
    [2, 1],
    [1, 2],
    [3, 2],
    [4, 2],
    [5, 3],
  ]);
  project.close();
});

test('whichever completions are alike, the desk shows each text once, and what is submitted ties exactly the equal ones', async () => {
  const text = fc.constantFrom('Tea.', 'Tea. ', 'Te\u0301a.', 'Téa.', 'Milk.', 'milk.', 'a\r\nb', 'a\nb');
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 2, maxLength: 9 }), async (texts) => {
      const { project, labelerId } = sampledWorld([texts]);
      const desk = deskOf(project);
      const looks = texts.map((one) => one.normalize('NFC').replaceAll('\r\n', '\n').trim());
      const different = [...new Set(looks)];
      const item = await desk.call('desk.item', { labelerId, queue: 'sequential' });
      expect(item === null).toBe(different.length < 2);
      const shown = different.length < 2 ? [] : different;
      expect((item?.answers ?? []).map(({ completionId, times }) => [looks[completionId - 1], times]).sort()).toEqual(
        shown.map((look) => [look, looks.filter((other) => other === look).length]).sort(),
      );
      const ordered = shown.map((_, i) => i + 1);
      if (item) await label(desk, labelerId, item, ordered);
      const ranks = listRankings(project)[0]?.ranks ?? [];
      expect(ranks).toHaveLength(shown.length && texts.length);
      for (const a of ranks)
        for (const b of ranks) expect(a.rank === b.rank).toBe(looks[a.completionId - 1] === looks[b.completionId - 1]);
      project.close();
    }),
    { numRuns: 25 },
  );
});

test('where answers come from cannot be told by how they are cut into words, nor by what the prompt says of its reference', async () => {
  const { project, labelerId } = sampledWorld([['Tea, please.', 'Wine.']]);
  addCompletions(project, [
    { ...answerOf(1, 'Milk, please.'), tokenIds: [], logprobs: [], samplingLogprobs: [], writer: 'reference' },
  ]);
  query(project, 'UPDATE prompts SET reference = \'Milk, please.\', facts = \'{"a":"b"}\' WHERE id = 1').run();
  const desk = deskOf(project);
  await desk.call('samples.request', { completionIds: [1, 2, 3], reason: 'both' });
  const item = (await desk.call('desk.item', { labelerId, queue: 'requested' }))!;
  expect(item.answers.map(({ text, spans }) => spans.map(({ start, end }) => text.slice(start, end))).sort()).toEqual([
    ['Milk,', ' please.'],
    ['Tea,', ' please.'],
    ['Wine.'],
  ]);
  expect(JSON.stringify(item)).not.toContain('reference":"'); // neither the prompt's nor a writer
  project.close();
});
