// Rankings, ratings and marks: validated, paired by the view, logged and undone exactly.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { listEvents, undoLast } from '#core/store/events.ts';
import { addCompletions } from '#core/store/completions.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { addMark, deleteMark, listMarks, replaceMark } from '#core/store/marks.ts';
import type { Project } from '#core/store/project.ts';
import {
  addRanking,
  addRankings,
  countRankings,
  deleteRanking,
  listComparisons,
  listRankings,
  replaceRanking,
} from '#core/store/rankings.ts';
import type { NewRanking } from '#core/store/rankings.ts';
import { addRatings, deleteRating, listRatings, setRating } from '#core/store/ratings.ts';
import { completionOf, errorOf, smallProject, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();

test('a ranking comes back as it was given, ranks from best to worst', () => {
  const {
    project,
    promptId,
    labelerId,
    completionIds: [a, b, c, d],
  } = smallProject(fresh()) as ReturnType<typeof smallProject> & { completionIds: [number, number, number, number] };
  const id = addRanking(project, {
    promptId,
    labelerId,
    status: 'ranked',
    ranks: [
      { completionId: c, rank: 1 },
      { completionId: a, rank: 2 },
      { completionId: d, rank: 2 },
      { completionId: b, rank: 5 },
    ],
    confidence: 8,
    durationMs: 1234.5,
    shownOrder: [d, c, b, a],
    note: 'b is “rude” 🙂',
    createdAt: 1_700_000_000_000,
    extra: { batch: 'batch9', margin: 0.5, late: null },
  });
  expect(listRankings(project)).toEqual([
    {
      id,
      promptId,
      labelerId,
      status: 'ranked',
      ranks: [
        { completionId: c, rank: 1 },
        { completionId: a, rank: 2 },
        { completionId: d, rank: 2 },
        { completionId: b, rank: 5 },
      ],
      confidence: 8,
      durationMs: 1234.5,
      shownOrder: [d, c, b, a],
      note: 'b is “rude” 🙂',
      createdAt: 1_700_000_000_000,
      itemId: 1,
      naive: null,
      repeatOf: null,
      guidelines: null,
      extra: { batch: 'batch9', margin: 0.5, late: null },
    },
  ]);
  expect(listComparisons(project).map((pair) => [pair.chosenId, pair.rejectedId])).toEqual([
    [a, b],
    [c, a],
    [c, b],
    [c, d],
    [d, b],
  ]);
  project.close();
});

test('K completions make C(K, 2) comparisons less the ties, and each prefers the lower rank', () => {
  const { project, promptId, labelerId, completionIds } = smallProject(fresh(), 9);
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 9 }),
      fc.constantFrom('ranked' as const, 'none-acceptable' as const),
      (ranks, status) => {
        const id = addRanking(project, {
          promptId,
          labelerId,
          status,
          ranks: ranks.map((rank, i) => ({ completionId: completionIds[i]!, rank })),
        });
        const pairs = listComparisons(project).filter((pair) => pair.rankingId === id);
        const k = ranks.length;
        let ties = 0;
        for (let i = 0; i < k; i++) for (let j = 0; j < i; j++) if (ranks[i] === ranks[j]) ties++;
        expect(pairs).toHaveLength(status === 'ranked' ? (k * (k - 1)) / 2 - ties : 0);
        const rankOf = new Map(ranks.map((rank, i) => [completionIds[i]!, rank]));
        for (const pair of pairs) expect(rankOf.get(pair.chosenId)!).toBeLessThan(rankOf.get(pair.rejectedId)!);
      },
    ),
    { numRuns: 60 },
  );
  project.close();
});

test('filters and counts', () => {
  const { project, promptId, otherPromptId, labelerId, completionIds, otherId } = smallProject(fresh(), 3);
  const [second] = addCompletions(project, [completionOf(otherPromptId, 'Feed it.')]) as [number];
  const bot = ensureLabeler(project, 'gold', 'program').id;
  const ordered = completionIds.map((completionId, i) => ({ completionId, rank: i + 1 }));
  addRankings(project, [
    { promptId, labelerId, status: 'ranked', ranks: ordered },
    { promptId, labelerId, status: 'skipped', ranks: [], shownOrder: completionIds },
    { promptId, labelerId, status: 'none-acceptable', ranks: ordered },
    {
      promptId: otherPromptId,
      labelerId: bot,
      status: 'ranked',
      ranks: [
        { completionId: otherId, rank: 2 },
        { completionId: second, rank: 1 },
      ],
    },
  ]);
  expect(countRankings(project)).toEqual({ ranked: 2, 'none-acceptable': 1, skipped: 1, comparisons: 4 });
  expect(countRankings(project, { labelerId: bot })).toEqual({
    ranked: 1,
    'none-acceptable': 0,
    skipped: 0,
    comparisons: 1,
  });
  expect(listRankings(project, { promptIds: [otherPromptId] }).map((ranking) => ranking.labelerId)).toEqual([bot]);
  expect(listRankings(project, { promptIds: [] })).toEqual([]);
  expect(listRankings(project, { labelerId })).toHaveLength(3);
  expect(listComparisons(project, { split: 'test' }).map((pair) => [pair.chosenId, pair.rejectedId])).toEqual([
    [second, otherId],
  ]);
  expect(listComparisons(project, { split: 'train', labelerId })).toHaveLength(3);
  expect(listComparisons(project, { promptIds: [otherPromptId], labelerId })).toEqual([]);
  project.close();
});

describe('a ranking that breaks a rule', () => {
  const { project, promptId, labelerId, completionIds, otherId } = smallProject(fresh());
  const [a, b] = completionIds as [number, number];
  const good: NewRanking = {
    promptId,
    labelerId,
    status: 'ranked',
    ranks: [
      { completionId: a, rank: 1 },
      { completionId: b, rank: 2 },
    ],
  };
  const cases: [says: string, changes: Partial<NewRanking>][] = [
    [
      'completion 777, which does not exist',
      {
        ranks: [
          { completionId: a, rank: 1 },
          { completionId: 777, rank: 2 },
        ],
      },
    ],
    [
      `completion ${otherId}, which belongs to prompt 2`,
      {
        ranks: [
          { completionId: a, rank: 1 },
          { completionId: otherId, rank: 2 },
        ],
      },
    ],
    [`completion ${otherId}, which belongs to prompt 2`, { shownOrder: [a, otherId] }],
    [
      `completion ${b} the rank 0`,
      {
        ranks: [
          { completionId: a, rank: 1 },
          { completionId: b, rank: 0 },
        ],
      },
    ],
    [
      `completion ${b} the rank 1.5`,
      {
        ranks: [
          { completionId: a, rank: 1 },
          { completionId: b, rank: 1.5 },
        ],
      },
    ],
    [
      `completion ${a} twice`,
      {
        ranks: [
          { completionId: a, rank: 1 },
          { completionId: a, rank: 2 },
        ],
      },
    ],
    ['no prompt 99', { promptId: 99 }],
    ['no labeler 99', { labelerId: 99 }],
    ['confidence 10', { confidence: 10 }],
    ['duration -1', { durationMs: -1 }],
    ['status "later"', { status: 'later' as 'skipped' }],
    ['skipped but has ranks', { status: 'skipped' }],
    ['ranks nothing', { ranks: [] }],
  ];
  test.each(cases)('%s: is bad-data, and nothing is written', (says, changes) => {
    expect(errorOf(() => addRankings(project, [good, { ...good, ...changes }]))).toMatchObject({
      name: 'TastemakerError',
      code: 'bad-data',
      message: expect.stringContaining(says),
    });
    expect(listRankings(project)).toEqual([]);
    expect(listEvents(project)).toEqual([]);
  });
});

test('ratings are set once per axis, marks lie inside their text', () => {
  const {
    project,
    completionIds: [a],
    labelerId,
  } = smallProject(fresh()) as ReturnType<typeof smallProject> & { completionIds: [number] };
  const id = setRating(project, { completionId: a, labelerId, axis: 'overall', value: 3 });
  expect(setRating(project, { completionId: a, labelerId, axis: 'overall', value: 7 })).toBe(id);
  expect(listRatings(project, { axis: 'overall' })).toEqual([
    { id, completionId: a, labelerId, axis: 'overall', value: 7, low: 1, high: 7 },
  ]);
  for (const value of [0, 8, 2.5, NaN])
    expect(errorOf(() => setRating(project, { completionId: a, labelerId, axis: 'overall', value })).code).toBe(
      'bad-data',
    );
  expect(
    errorOf(() => setRating(project, { completionId: 500, labelerId, axis: 'overall', value: 1 })).message,
  ).toContain('no completion 500');
  // scales of other people's files: any number between their ends, which may be the wrong way round (a rank: 1 is best)
  setRating(project, { completionId: a, labelerId, axis: 'overall', value: 62.5, low: 0, high: 100 });
  addRatings(project, [{ completionId: a, labelerId, axis: 'rank', value: 2, low: 4, high: 1 }]);
  expect(listRatings(project).map(({ axis, value, low, high }) => [axis, value, low, high])).toEqual([
    ['overall', 62.5, 0, 100],
    ['rank', 2, 4, 1],
  ]);
  for (const [value, low, high] of [
    [101, 0, 100],
    [NaN, 0, 100],
    [5, 4, 1],
    [0, 4, 1],
    [2, 2, 2],
    [1, 0, Infinity],
  ] as const)
    expect(
      errorOf(() => addRatings(project, [{ completionId: a, labelerId, axis: 'new', value, low, high }])).code,
    ).toBe('bad-data');
  expect(
    errorOf(() =>
      addRatings(project, [
        { completionId: a, labelerId, axis: 'new', value: 1 },
        { completionId: a, labelerId, axis: 'rank', value: 1 },
      ]),
    ).message,
  ).toContain('"rank" by this labeler already');
  expect(listRatings(project)).toHaveLength(2);

  const [smile] = addCompletions(project, [completionOf(1, 'So 🙂 nice')]) as [number];
  const mark = addMark(project, { completionId: smile, labelerId, start: 3, end: 5, label: 'good' });
  expect(listMarks(project)).toEqual([
    { id: mark, completionId: smile, labelerId, start: 3, end: 5, label: 'good', note: null },
  ]);
  for (const [start, end] of [
    [3, 4],
    [4, 5],
    [5, 5],
    [-1, 2],
    [0, 11],
    [0.5, 2],
  ] as const)
    expect(errorOf(() => addMark(project, { completionId: smile, labelerId, start, end, label: 'bad' })).code).toBe(
      'bad-data',
    );
  expect(listMarks(project)).toHaveLength(1);
  project.close();
});

describe('the event log', () => {
  const labels = (project: Project) => ({
    rankings: listRankings(project),
    ratings: listRatings(project),
    marks: listMarks(project),
    comparisons: listComparisons(project),
  });

  test('undo walks back through any changes, each time to exactly the state before', () => {
    const { project, promptId, completionIds } = smallProject(fresh(), 5);
    const labelerIds = [1, ensureLabeler(project, 'bob', 'person').id];
    const pick = <T>(list: readonly T[], n: number): T | undefined => list[n % Math.max(1, list.length)];
    const step = fc.record({
      kind: fc.integer({ min: 0, max: 7 }),
      n: fc.nat(50),
      ranks: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 5, maxLength: 5 }),
      note: fc.option(fc.string({ unit: 'binary' }), { nil: null }),
      ms: fc.double({ min: 0, max: 1e6, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const start = labels(project);
        const history: ReturnType<typeof labels>[] = [];
        for (const { kind, n, ranks, note, ms } of steps) {
          const before = labels(project);
          const labelerId = labelerIds[n % 2]!;
          const completionId = pick(completionIds, n)!;
          const ranking: NewRanking = {
            promptId,
            labelerId,
            status: 'ranked',
            ranks: ranks.map((rank, i) => ({ completionId: completionIds[i]!, rank })),
            note,
            durationMs: ms,
            shownOrder: completionIds,
          };
          const oldRanking = pick(before.rankings, n);
          const oldRating = pick(before.ratings, n);
          const oldMark = pick(before.marks, n);
          const mark = { completionId, labelerId, start: n % 5, end: 8, label: 'bad', note };
          const changes: (undefined | (() => unknown))[] = [
            () => addRanking(project, ranking),
            oldRanking &&
              (() => replaceRanking(project, oldRanking.id, { ...ranking, labelerId: oldRanking.labelerId })),
            oldRanking && (() => deleteRanking(project, oldRanking.id)),
            () => setRating(project, { completionId, labelerId, axis: 'overall', value: (n % 7) + 1 }),
            oldRating && (() => deleteRating(project, oldRating.id)),
            () => addMark(project, mark),
            oldMark && (() => replaceMark(project, oldMark.id, { ...mark, labelerId: oldMark.labelerId })),
            oldMark && (() => deleteMark(project, oldMark.id)),
          ];
          const change = changes[kind];
          if (!change) continue;
          change();
          history.push(before);
        }
        for (const before of history.reverse()) {
          expect(undoLast(project)).not.toBeNull();
          expect(labels(project)).toEqual(before);
        }
        expect(labels(project)).toEqual(start);
      }),
      { numRuns: 25 },
    );
    expect(undoLast(project)).toBeNull();
    project.close();
  });

  test('it says who, when and what, keeps undone events, and cannot be edited', () => {
    const {
      project,
      promptId,
      labelerId,
      completionIds: [a, b],
    } = smallProject(fresh()) as ReturnType<typeof smallProject> & { completionIds: [number, number] };
    const bob = ensureLabeler(project, 'bob', 'person').id;
    const start = Date.now();
    addRanking(project, {
      promptId,
      labelerId,
      status: 'ranked',
      ranks: [
        { completionId: a, rank: 1 },
        { completionId: b, rank: 2 },
      ],
    });
    setRating(project, { completionId: a, labelerId: bob, axis: 'overall', value: 2 });
    // ada's last, though bob came later
    expect(undoLast(project, labelerId)).toMatchObject({ kind: 'ranking.add', labelerId });
    expect(listRankings(project)).toEqual([]);
    expect(listRatings(project)).toHaveLength(1);
    expect(undoLast(project, labelerId)).toBeNull();
    const events = listEvents(project);
    expect(events.map((event) => [event.kind, event.labelerId, event.undoes])).toEqual([
      ['ranking.add', labelerId, null],
      ['rating.set', bob, null],
      ['undo', labelerId, events[0]!.id],
    ]);
    expect(events[1]!.detail).toMatchObject({ completionId: a, axis: 'overall', value: 2 });
    for (const event of events) expect(event.at).toBeGreaterThanOrEqual(start);
    expect(() => project.db.exec('DELETE FROM events')).toThrow('append-only');
    expect(() => project.db.exec('UPDATE events SET at = 0')).toThrow('append-only');
    // the number of an undone ranking is not given out again
    expect(addRanking(project, { promptId, labelerId, status: 'skipped', ranks: [] })).toBe(
      (events[0]!.detail['rankingId'] as number) + 1,
    );
    project.close();
  });

  test('an inverse that names another table is refused', () => {
    const { project, labelerId } = smallProject(fresh());
    project.db
      .prepare(
        `INSERT INTO events (at, labeler_id, kind, detail, inverse) VALUES (0, ?, 'mark.add', '{}', '[{"table":"settings","key":1,"rows":[]}]')`,
      )
      .run(labelerId);
    expect(errorOf(() => undoLast(project))).toMatchObject({
      code: 'bad-data',
      message: expect.stringContaining('unknown table'),
    });
    project.close();
  });
});
