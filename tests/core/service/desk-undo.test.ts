// Undo and redo at the desk: any sequence of changes goes back to exactly the rows of before and forward again, also
// over restarts.

import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { openProject } from '#core/store/database.ts';
import { listEvents, TYPING_MS } from '#core/store/events.ts';
import type { Project } from '#core/store/project.ts';
import { deskFolders, deskOf, deskWorld, label, ranksOf, rowsOf } from './desk-world.ts';
import type { Desk } from './desk-world.ts';

const fresh = deskFolders();
afterEach(() => {
  vi.useRealTimers();
});

/** Only the clock stands still, and goes on when told. */
function clock(): (milliseconds: number) => void {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
  return (milliseconds) => {
    vi.setSystemTime(Date.now() + milliseconds);
  };
}

const change = fc.record({
  kind: fc.constantFrom(
    'ranks',
    'confidence',
    'note',
    'naive',
    'submit',
    'none',
    'skip',
    'flag',
    'flag answer',
    'rate',
    'mark',
    'change mark',
    'remove mark',
  ),
  labeler: fc.integer({ min: 0, max: 1 }),
  itemId: fc.integer({ min: 1, max: 3 }),
  answer: fc.nat(3),
  n: fc.integer({ min: 1, max: 9 }),
  ranks: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 4, maxLength: 4 }),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** Makes a change at the desk; one that a rule forbids makes none. */
async function make(
  { call }: Desk,
  labelers: readonly number[],
  { kind, labeler, itemId, answer, n, ranks }: Change,
): Promise<void> {
  const labelerId = labelers[labeler]!;
  const item = (await call('desk.item', { labelerId, queue: 'sequential', itemId }))!;
  const here = { labelerId, itemId };
  const { completionId, marks, flagged, ratings } = item.answers[answer]!;
  const span = { completionId, labelerId, start: n - 1, end: n + 2, label: n % 2 ? 'good' : 'bad', note: null };
  const draft = (changes: Parameters<typeof call<'desk.draft'>>[1]['changes']) =>
    call('desk.draft', { ...here, changes, durationMs: item.draft.durationMs + 10.5 });
  const submit = (status: 'ranked' | 'none-acceptable' | 'skipped') =>
    call('desk.submit', { ...here, status, durationMs: n * 100 });
  const mark = marks[n % Math.max(1, marks.length)];
  await {
    ranks: () => draft({ ranks: ranksOf(item, ranks).slice(0, n > 6 ? 4 : n % 5) }),
    confidence: () => draft({ confidence: n > 8 ? null : n }),
    note: () => draft({ note: `note ${n}` }),
    naive: () => draft({ naive: n > 6 ? null : `${n} 🙂` }),
    submit: async () => {
      if (item.draft.ranks.length === 4) await submit('ranked');
    },
    none: () => submit('none-acceptable'),
    skip: () => submit('skipped'),
    flag: () => call('desk.flag', { ...here, flagged: !item.flagged }),
    'flag answer': () => call('samples.flag', { completionId, labelerId, flagged: !flagged }),
    rate: () =>
      call('ratings.set', {
        completionId,
        labelerId,
        axis: 'overall',
        value: n > 7 ? null : ratings['overall'] === n ? null : n,
      }),
    mark: () => call('marks.add', span),
    'change mark': async () => {
      if (mark) await call('marks.change', { markId: mark.id, ...span });
    },
    'remove mark': async () => {
      if (mark) await call('marks.remove', { markId: mark.id });
    },
  }[kind]();
}

/** All rows, less the time spent on drafts: that alone makes no event, so it does not go back. */
function entered(project: Project): Record<string, unknown[]> {
  const { drafts, ...rows } = rowsOf(project);
  return { ...rows, drafts: drafts!.map((draft) => ({ ...(draft as object), duration_ms: 0 })) };
}

test('any changes, undone one by one, pass through exactly the states before, and forward again through the same, closed and opened on the way', async () => {
  const pass = clock();
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 14 }), fc.nat(20), async (changes, restart) => {
      const folder = fresh();
      const world = deskWorld(folder, { prompts: 3 });
      let { project } = world;
      let desk = deskOf(project);
      const labelers = [world.labelerId, world.bob];
      const reopen = (at: number) => {
        if (at !== restart) return;
        project.close();
        project = openProject(folder, { write: true });
        desk = deskOf(project);
      };
      const states = [entered(project)];
      const by: number[] = []; // whose the changes were
      for (const [i, one] of changes.entries()) {
        pass(TYPING_MS + 1);
        const events = listEvents(project).length;
        await make(desk, labelers, one);
        if (listEvents(project).length > events) {
          states.push(entered(project));
          by.push(labelers[one.labeler]!);
        }
        reopen(i);
      }
      for (let i = by.length - 1; i >= 0; i--) {
        expect(await desk.call('desk.undo', { labelerId: by[i]! })).toMatchObject({
          sentence: expect.stringMatching(/^Took back: ./),
        });
        expect(entered(project)).toEqual(states[i]);
        reopen(14 + (i % 7));
      }
      for (const labelerId of labelers) expect(await desk.call('desk.undo', { labelerId })).toBeNull();
      expect(Object.values(entered(project)).flat()).toEqual([]);
      for (let i = 0; i < by.length; i++) {
        expect(await desk.call('desk.redo', { labelerId: by[i]! })).toMatchObject({
          sentence: expect.stringMatching(/^Did again: ./),
        });
        expect(entered(project)).toEqual(states[i + 1]);
      }
      for (const labelerId of labelers) expect(await desk.call('desk.redo', { labelerId })).toBeNull();
      project.close();
    }),
    { numRuns: 12 },
  );
}, 60_000);

test('changes, undos and redos in any order: as many undos as go, then as many redos, come back to where they began', async () => {
  clock();
  const step = fc.oneof(
    { weight: 3, arbitrary: change },
    { weight: 2, arbitrary: fc.constantFrom('undo' as const, 'redo' as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const { project, labelerId } = deskWorld(fresh(), { prompts: 3 });
      const desk = deskOf(project);
      for (const one of steps)
        await (typeof one === 'string'
          ? desk.call(`desk.${one}`, { labelerId })
          : make(desk, [labelerId, labelerId], one)); // the clock stands: typing goes together
      const end = rowsOf(project);
      let count = 0;
      while (await desk.call('desk.undo', { labelerId })) count++;
      expect(Object.values(rowsOf(project)).flat()).toEqual([]);
      for (let i = 0; i < count; i++) expect(await desk.call('desk.redo', { labelerId })).not.toBeNull();
      expect(rowsOf(project)).toEqual(end);
      project.close();
    }),
    { numRuns: 12 },
  );
}, 60_000);

describe('undo', () => {
  test('says what it took back and where, with the letters of the desk', async () => {
    const { project, labelerId } = deskWorld(fresh());
    const desk = deskOf(project);
    const item = (await desk.call('desk.item', { labelerId, queue: 'sequential' }))!;
    const third = item.answers[2]!.completionId;
    const here = { labelerId, itemId: item.itemId };
    const draft = (changes: Parameters<typeof desk.call<'desk.draft'>>[1]['changes']) =>
      desk.call('desk.draft', { ...here, changes, durationMs: 1 });
    const said = async (which: 'desk.undo' | 'desk.redo' = 'desk.undo') =>
      (await desk.call(which, { labelerId }))?.sentence;

    await draft({ ranks: [{ completionId: third, rank: 2 }] });
    expect(await desk.call('desk.undo', { labelerId })).toEqual({
      itemId: item.itemId,
      promptId: item.prompt.id,
      sentence: 'Took back: rank 2 for answer C',
    });
    expect(await said('desk.redo')).toBe('Did again: rank 2 for answer C');
    await draft({ ranks: [] });
    expect(await said()).toBe('Took back: the cleared rank of answer C');
    await draft({ ranks: ranksOf(item, [1, 1, 2, 3]), confidence: 7 });
    expect(await said()).toBe('Took back: a changed order and confidence 7');
    await desk.call('ratings.set', { completionId: third, labelerId, axis: 'overall', value: 5 });
    expect(await said()).toBe('Took back: overall 5 for answer C');
    await desk.call('marks.add', { completionId: third, labelerId, start: 0, end: 6, label: 'bad', note: null });
    expect(await desk.call('desk.undo', { labelerId })).toEqual({
      itemId: item.itemId,
      promptId: item.prompt.id,
      sentence: 'Took back: the mark “bad” in answer C',
    });
    await desk.call('desk.flag', { ...here, flagged: true });
    expect(await said()).toBe('Took back: the flag on the item');
    await label(desk, labelerId, item);
    expect(await said()).toBe('Took back: the submitted ranking');
    expect(
      desk.events.every(
        ({ event, data }) => event === 'labels.changed' && (data as { labelerId: number }).labelerId === labelerId,
      ),
    ).toBe(true);
    expect(desk.events).toHaveLength(16); // one a call, so that a window can tell its own
    project.close();
  });

  test('crosses items, comes back to the draft as it was, and a new change ends redo', async () => {
    const { project, labelerId } = deskWorld(fresh());
    const desk = deskOf(project);
    const one = (await desk.call('desk.item', { labelerId, queue: 'sequential' }))!;
    await desk.call('desk.draft', { labelerId, itemId: 1, changes: { note: 'rude', confidence: 3 }, durationMs: 700 });
    await label(desk, labelerId, one, [2, 1, 1, 3]);
    const two = (await desk.call('desk.item', { labelerId, queue: 'sequential' }))!;
    await desk.call('desk.draft', { labelerId, itemId: two.itemId, changes: { confidence: 1 }, durationMs: 5 });

    expect((await desk.call('desk.undo', { labelerId }))!.itemId).toBe(two.itemId);
    expect((await desk.call('desk.undo', { labelerId }))!.itemId).toBe(one.itemId);
    const back = (await desk.call('desk.item', { labelerId, queue: 'sequential', itemId: 1 }))!;
    expect(back.draft).toEqual({
      ranks: ranksOf(one, [2, 1, 1, 3]),
      confidence: 3,
      note: 'rude',
      naive: null,
      durationMs: 1000,
    });
    expect(back.ranking).toBeNull();
    expect((await desk.call('desk.item', { labelerId, queue: 'sequential' }))!.itemId).toBe(1); // open again
    await desk.call('desk.draft', { labelerId, itemId: 1, changes: { confidence: 9 }, durationMs: 5 });
    expect(await desk.call('desk.redo', { labelerId })).toBeNull();
    project.close();
  });

  test('typing within two seconds is one step, a pause or another field begins a new one', async () => {
    const pass = clock();
    const { project, labelerId } = deskWorld(fresh());
    const { call } = deskOf(project);
    const type = async (changes: { note?: string; naive?: string; confidence?: number }) => {
      await call('desk.draft', { labelerId, itemId: 1, changes, durationMs: 5 });
    };
    const shown = async () => {
      const {
        draft: { note, naive, confidence },
      } = (await call('desk.item', { labelerId, queue: 'sequential', itemId: 1 }))!;
      return [note, naive, confidence];
    };
    for (const note of ['a', 'ab', 'abc']) {
      await type({ note });
      pass(TYPING_MS);
    }
    pass(1); // now it is a pause
    await type({ note: 'abc d' });
    await type({ naive: 'x' });
    await type({ naive: 'xy' });
    await type({ confidence: 4 });
    const states: unknown[] = [];
    while (await call('desk.undo', { labelerId })) states.push(await shown());
    expect(states).toEqual([
      ['abc d', 'xy', null],
      ['abc d', null, null],
      ['abc', null, null],
      [null, null, null],
    ]);
    const forward: unknown[] = [];
    while (await call('desk.redo', { labelerId })) forward.push(await shown());
    expect(forward).toEqual([
      ['abc', null, null],
      ['abc d', null, null],
      ['abc d', 'xy', null],
      ['abc d', 'xy', 4],
    ]);
    project.close();
  });

  test('events.undo takes back one change out of the middle, unless the same was changed later', async () => {
    const { project, labelerId } = deskWorld(fresh());
    const { call } = deskOf(project);
    const flag = await call('desk.flag', { labelerId, itemId: 1, flagged: true });
    const first = await call('desk.draft', { labelerId, itemId: 1, changes: { confidence: 4 }, durationMs: 5 });
    const second = await call('desk.draft', { labelerId, itemId: 1, changes: { confidence: 5 }, durationMs: 5 });
    expect(await call('events.undo', { eventId: flag.eventId! })).toMatchObject({
      itemId: 1,
      sentence: 'Took back: the flag on the item',
    });
    expect(await call('events.undo', { eventId: flag.eventId! })).toBeNull();
    await expect(call('events.undo', { eventId: first.eventId! })).rejects.toMatchObject({
      code: 'bad-data',
      message: expect.stringContaining('changed again later'),
    });
    expect(await call('events.undo', { eventId: second.eventId! })).toMatchObject({ itemId: 1 });
    expect(await call('events.undo', { eventId: first.eventId! })).toMatchObject({ itemId: 1 });
    expect(Object.values(rowsOf(project)).flat()).toEqual([]);
    await expect(call('events.undo', { eventId: 999 })).rejects.toMatchObject({ code: 'bad-data' });
    project.close();
  });
});
