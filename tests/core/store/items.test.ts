// Items of samples and imports, what hangs on rankings that are changed, and rows that go into the log and come back.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addCompletions, deleteCompletions, repetitionOf } from '#core/store/completions.ts';
import { openDraft, saveDraft, startRepeat, submitItem } from '#core/store/drafts.ts';
import { listEvents, recordEvent, undoLast } from '#core/store/events.ts';
import { capture, restore, stepsOf, textOf } from '#core/store/inverse.ts';
import { addItem, getItem, itemOf, listItems, partsOf, placeOf } from '#core/store/items.ts';
import { settleItems } from '#core/store/item-scores.ts';
import { setMeasures } from '#core/store/measures.ts';
import { addPolicy } from '#core/store/policies.ts';
import { query, transaction } from '#core/store/project.ts';
import { addRanking, deleteRanking, listRankings, replaceRanking } from '#core/store/rankings.ts';
import { addRun } from '#core/store/runs.ts';
import { completionOf, errorOf, smallProject, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();

test('a list comes in as few parts of at most nine as will do, in order, and as even as they can be', () => {
  fc.assert(
    fc.property(fc.nat(100), (n) => {
      const list = Array.from({ length: n }, (_, i) => i);
      const parts = partsOf(list);
      expect(parts.length === 0).toBe(n < 2);
      if (n < 2) return;
      expect(parts.flat()).toEqual(list);
      expect(parts).toHaveLength(Math.ceil(n / 9));
      const sizes = parts.map((part) => part.length);
      expect(Math.min(...sizes)).toBeGreaterThanOrEqual(2);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(Math.min(9, Math.min(...sizes) + 1));
    }),
  );
});

test('the shuffled place is one to one, and neighbours lie far apart', () => {
  const places = Array.from({ length: 5000 }, (_, i) => placeOf(i + 1));
  expect(new Set(places).size).toBe(5000);
  expect(places.filter((place, i) => place > (places[i - 1] ?? 0)).length).toBeGreaterThan(2350);
  expect(places.filter((place, i) => place > (places[i - 1] ?? 0)).length).toBeLessThan(2650);
});

test('what is drawn or imported together for one prompt becomes items; single ones and evaluation samples do not', () => {
  const { project, promptId, otherPromptId } = smallProject(fresh(), 4);
  expect(listItems(project)).toEqual([
    { id: 1, promptId, completionIds: [1, 2, 3, 4], source: 'import', reason: null },
  ]);
  const policyId = addPolicy(project, { name: 'base', kind: 'base', path: 'models/base' });
  addRun(project, { id: 'ppo-1', kind: 'ppo', name: 'x' });
  const one = (prompt: number, changes = {}) => ({ ...completionOf(prompt, 'Wait.'), policyId, ...changes });
  const ids = addCompletions(project, [
    ...Array.from({ length: 10 }, () => one(promptId)),
    one(otherPromptId),
    one(promptId, { policyId: null }),
    one(otherPromptId, { runId: 'ppo-1', step: 3 }),
    one(otherPromptId, { runId: 'ppo-1', step: 3 }),
  ]);
  expect(listItems(project).slice(1)).toEqual([
    { id: 2, promptId, completionIds: ids.slice(0, 5), source: 'sample', reason: null },
    { id: 3, promptId, completionIds: ids.slice(5, 10), source: 'sample', reason: null },
  ]);
  expect(itemOf(project, [ids[1]!, ids[3]!])).toBe(2);
  expect(itemOf(project, [ids[1]!, ids[6]!])).toBeNull();
  const pair = addItem(project, { promptId, completionIds: [ids[1]!, ids[3]!], source: 'inspect', reason: 'odd' });
  expect(getItem(project, pair)).toEqual({
    id: pair,
    promptId,
    completionIds: [ids[1], ids[3]],
    source: 'inspect',
    reason: 'odd',
  });
  expect(itemOf(project, [ids[3]!, ids[1]!])).toBe(pair); // the smallest
  for (const [completionIds, says] of [
    [[1], '1 completions'],
    [[1, 1], '1 completions'],
    [ids.slice(0, 10), '10 completions'],
    [[1, 5], 'belongs to prompt 2'],
    [[1, 999], 'does not exist'],
  ] as const)
    expect(
      errorOf(() => addItem(project, { promptId, completionIds: [...completionIds], source: 'inspect' })),
    ).toMatchObject({ code: 'bad-data', message: expect.stringContaining(says) });
  deleteCompletions(project, [ids[1]!]); // a pair with one answer is none
  expect(listItems(project).map(({ id, completionIds }) => [id, completionIds.length])).toEqual([
    [1, 4],
    [2, 4],
    [3, 5],
  ]);
  project.close();
});

test('repetition is the share of three-token sequences that stood there before', () => {
  for (const [ids, share] of [
    [[], 0],
    [[1, 2], 0],
    [[1, 2, 3], 0],
    [[1, 1, 1, 1], 0.5],
    [[1, 2, 1, 2, 1, 2], 0.5],
    [[1, 2, 3, 4, 5], 0],
    [[1, 12, 3, 11, 2, 3], 0],
  ] as const)
    expect(repetitionOf(ids)).toBe(share);
  const { project, promptId } = smallProject(fresh());
  const [id] = addCompletions(project, [
    {
      ...completionOf(promptId, 'x'),
      tokenIds: [7, 7, 7, 7, 7],
      logprobs: [-1, -0.5, -0.25, -2, -Infinity],
      samplingLogprobs: [0, 0, 0, 0, 0],
    },
  ]) as [number];
  expect(query(project, 'SELECT tokens, logprob, repetition, step FROM completions WHERE id = ?').get(id)).toEqual({
    tokens: 5,
    logprob: -Infinity,
    repetition: 2 / 3,
    step: null,
  });
  project.close();
});

test('rows of every kind go into the log and come back to the last bit', () => {
  const { project, promptId, completionIds, labelerId } = smallProject(fresh());
  const modelId = addPolicy(project, { name: 'reward', kind: 'reward', path: 'models/reward' });
  const [odd] = addCompletions(project, [
    { ...completionOf(promptId, '\0 “Straße” 🙂'), logprobs: [-0.1, -Infinity], samplingLogprobs: [-0, -1e-300] },
  ]) as [number];
  setMeasures(project, [
    { completionId: odd, modelId, score: -0, tokenLogprobs: [-Infinity, -0.3], tokenValues: [1, 2] },
  ]);
  const rankingId = addRanking(project, {
    promptId,
    labelerId,
    status: 'ranked',
    ranks: completionIds.map((completionId, i) => ({ completionId, rank: i + 1 })),
    note: '{"base64":"eA=="}',
  });
  const dump = () =>
    ['prompts', 'completions', 'measures', 'rankings', 'ranking_items', 'items', 'item_completions'].map((table) =>
      query(project, `SELECT * FROM ${table}`).all(),
    );
  const before = dump();
  const steps = [
    capture(project, 'completions', odd),
    capture(project, 'measures', odd),
    capture(project, 'items', 1),
    capture(project, 'item_completions', 1),
    capture(project, 'rankings', rankingId),
    capture(project, 'ranking_items', rankingId),
  ];
  const read = stepsOf(textOf(steps));
  transaction(project, () => {
    query(project, 'DELETE FROM completions WHERE id = ?').run(odd);
    query(project, 'UPDATE rankings SET note = NULL, duration_ms = 4, item_id = NULL WHERE id = ?').run(rankingId);
    query(project, 'DELETE FROM items').run();
    restore(project, read);
  });
  expect(dump()).toEqual(before);
  recordEvent(project, null, 'prompt.remove', {}, steps);
  expect(undoLast(project)).toMatchObject({ kind: 'prompt.remove', labelerId: null });
  expect(dump()).toEqual(before);
  project.close();
});

describe('a ranking that hidden repeats refer to', () => {
  function repeated() {
    const small = smallProject(fresh());
    const { project, labelerId, completionIds } = small;
    const here = { itemId: 1, labelerId, shownOrder: completionIds, durationMs: 5 };
    const ranks = completionIds.map((completionId, i) => ({ completionId, rank: i + 1 }));
    const submit = () => {
      saveDraft(project, 1, labelerId, { ranks });
      return submitItem(project, { ...here, status: 'ranked' }).rankingId;
    };
    const first = submit();
    startRepeat(project, { id: first, itemId: 1, labelerId });
    return { ...small, first, repeat: submit(), ranks };
  }

  test('keeps them when it is replaced, takes them along when it is deleted, and undo brings all back', () => {
    const { project, first, repeat, ranks, promptId, labelerId } = repeated();
    expect(listRankings(project).map(({ id, repeatOf }) => [id, repeatOf])).toEqual([
      [first, null],
      [repeat, first],
    ]);
    replaceRanking(project, first, {
      promptId,
      labelerId,
      itemId: 1,
      status: 'ranked',
      ranks: ranks.toReversed(),
      confidence: 2,
    });
    const all = listRankings(project);
    expect(all.map(({ id, confidence, repeatOf }) => [id, confidence, repeatOf])).toEqual([
      [first, 2, null],
      [repeat, null, first],
    ]);
    startRepeat(project, { id: first, itemId: 1, labelerId });
    deleteRanking(project, first);
    expect(listRankings(project)).toEqual([]);
    undoLast(project, labelerId);
    expect(listRankings(project)).toEqual(all);
    expect(openDraft(project, 1, labelerId).repeat).toMatchObject({ repeatOf: first });
    project.close();
  });

  test('an untouched repeat gives way when an older draft comes back', () => {
    const { project, first, labelerId } = repeated();
    saveDraft(project, 1, labelerId, { confidence: 9 });
    submitItem(project, { itemId: 1, labelerId, shownOrder: [1, 2, 3, 4], durationMs: 5, status: 'skipped' });
    startRepeat(project, { id: first, itemId: 1, labelerId });
    expect(undoLast(project, labelerId)).toMatchObject({ kind: 'ranking.submit', detail: { itemId: 1, first: false } });
    expect(openDraft(project, 1, labelerId)).toMatchObject({ repeat: null, draft: { confidence: 9 } });
    project.close();
  });
});

test('a draft that does not change makes no event; the same ranks in another order are no change', () => {
  const { project, labelerId } = smallProject(fresh());
  expect(
    saveDraft(project, 1, labelerId, {
      ranks: [
        { completionId: 2, rank: 1 },
        { completionId: 1, rank: 3 },
      ],
      durationMs: 4,
    }),
  ).toBe(1);
  expect(
    saveDraft(project, 1, labelerId, {
      ranks: [
        { completionId: 1, rank: 3 },
        { completionId: 2, rank: 1 },
      ],
      durationMs: 9,
    }),
  ).toBeNull();
  expect(openDraft(project, 1, labelerId).draft).toMatchObject({
    ranks: [
      { completionId: 1, rank: 3 },
      { completionId: 2, rank: 1 },
    ],
    durationMs: 9,
  });
  expect(listEvents(project)).toMatchObject([
    { kind: 'draft.change', detail: { itemId: 1, promptId: 1, changed: ['ranks'] } },
  ]);
  for (const changes of [{ confidence: 10 }, { ranks: [{ completionId: 1, rank: 10 }] }, { durationMs: -1 }])
    expect(errorOf(() => saveDraft(project, 1, labelerId, changes)).code).toBe('bad-data');
  expect(errorOf(() => saveDraft(project, 77, labelerId, { confidence: 1 })).message).toContain('no item 77');
  project.close();
});

test('what reward models say of items follows scores and rankings, a little at a time', () => {
  const { project, promptId, labelerId, completionIds } = smallProject(fresh(), 4);
  const modelId = addPolicy(project, { name: 'reward', kind: 'reward', path: 'models/reward' });
  const scores = (...list: number[]) =>
    setMeasures(
      project,
      list.map((score, i) => ({ completionId: completionIds[i]!, modelId, score })),
    );
  const said = () => {
    expect(settleItems(project, 1000).settled).toBe(true);
    return query(project, 'SELECT gap, agreed FROM item_scores').all();
  };
  expect(said()).toEqual([]);
  scores(1, 4, 2.5);
  expect(settleItems(project, 0).settled).toBe(false);
  expect(said()).toEqual([{ gap: 1.5, agreed: null }]);
  const id = addRanking(project, {
    promptId,
    labelerId,
    status: 'ranked',
    ranks: completionIds.map((completionId, i) => ({ completionId, rank: i + 1 })),
  });
  // 1 before 2 and 3 is against, 2 before 3 is with; the fourth has no score
  expect(said()).toEqual([{ gap: 1.5, agreed: 1 / 3 }]);
  scores(5, 4, 2.5, 2.5);
  expect(said()).toEqual([{ gap: 1, agreed: 5 / 6 }]); // equal scores order nothing
  deleteRanking(project, id);
  expect(said()).toEqual([{ gap: 1, agreed: null }]);
  query(project, 'DELETE FROM measures WHERE completion_id <> 1').run();
  expect(said()).toEqual([]);
  project.close();
});
