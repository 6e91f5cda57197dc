// The desk's store: every change is a call of its own and in order, the next item is ready, nothing is lost on a fault.
// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { DeskItem, Draft } from '#core/contract/desk.ts';
import { useDesk } from '#renderer/stores/desk.ts';

/** A service in memory: three items, and what it was asked. `broken` makes a call fail, `slow` one take its time. */
const service = vi.hoisted(() => ({
  asked: [] as [string, Record<string, unknown>][],
  broken: '' as string,
  slow: '' as string,
  naive: false,
  listeners: new Map<string, (data: unknown) => void>(),
  items: [] as DeskItem[],
}));
vi.mock('#renderer/api.ts', () => {
  const api = {
    faultOf: (error: Error) => ({ code: 'bad-data', message: error.message, hint: '' }),
    on: (event: string, listener: (data: unknown) => void) => void service.listeners.set(event, listener),
    call: async (
      name: string,
      args: { itemId?: number; from?: number; step?: number; changes?: Partial<Draft>; durationMs?: number },
    ) => {
      service.asked.push([name, structuredClone(args)]);
      await new Promise((resolve) => setTimeout(resolve, name === service.slow ? 30 : 1));
      if (name === service.broken) throw new Error('The disk is full.');
      const at = service.items.find(({ itemId }) => itemId === args.itemId);
      if (name === 'desk.item')
        return structuredClone(
          args.itemId === undefined
            ? (service.items[service.items.findIndex(({ itemId }) => itemId === args.from) + (args.step ?? 1)] ?? null)
            : at,
        );
      if (name === 'desk.draft') at!.draft = { ...at!.draft, ...args.changes, durationMs: args.durationMs! };
      if (name === 'desk.undo') return { itemId: 1, promptId: 1, sentence: 'Undid the rank.' };
      if (name === 'desk.progress')
        return {
          done: 0,
          total: 3,
          skipped: 0,
          session: 0,
          sessionGoal: 0,
          sessionStartedAt: null,
          ratePerHour: null,
          repeats: 0,
          selfAgreement: null,
        };
      return { at: 1000 + service.asked.length, eventId: 1, rankingId: 1 };
    },
  };
  return {
    ...api,
    isOfAnother: () => false,
    showProject: () => {},
    useProjectService: () => ({ project: 'one', call: api.call, on: api.on, beforeClosing: () => {} }),
  };
});
vi.mock('#renderer/stores/app.ts', () => ({
  useApp: () => ({
    labeler: { id: 7, name: 'Ada', kind: 'person' },
    settings: { breakMinutes: 0, naiveReading: service.naive },
  }),
}));

const itemOf = (itemId: number): DeskItem => ({
  itemId,
  prompt: {
    id: itemId,
    text: `Prompt ${itemId}`,
    reference: null,
    split: 'train',
    source: 'test',
    facts: null,
    messages: null,
    extra: null,
  },
  answers: [1, 2, 3].map((n) => ({
    completionId: 10 * itemId + n,
    text: `answer ${n}`,
    times: 1,
    cutOff: null,
    spans: [],
    marks: [],
    ratings: {},
    flagged: false,
  })),
  draft: { ranks: [], confidence: null, note: null, naive: null, durationMs: 0 },
  ranking: null,
  flagged: false,
  reason: 'Next.',
  guidelines: 1,
});
const asked = (name: string) => service.asked.filter(([called]) => called === name).map(([, args]) => args);
const quiet = () => new Promise((resolve) => setTimeout(resolve, 40));

async function sitDown() {
  setActivePinia(createPinia());
  const desk = useDesk();
  await desk.load();
  await quiet();
  return desk;
}
beforeEach(() => {
  localStorage.clear();
  service.asked = [];
  service.broken = '';
  service.slow = '';
  service.naive = false;
  service.items = [itemOf(1), itemOf(2), itemOf(3)];
});

describe('the desk', () => {
  it('writes each key press as a call of its own, in order, and says saved after the last answer', async () => {
    const desk = await sitDown();
    desk.giveRank(11, 2);
    desk.giveRank(12, 1);
    desk.giveRank(12, 2);
    expect([...desk.ranks]).toEqual([
      [11, 2],
      [12, 2],
    ]);
    expect(desk.saved.kind).toBe('saving');
    await quiet();
    expect(asked('desk.draft').map(({ changes }) => (changes as Draft).ranks.map(({ rank }) => rank))).toEqual([
      [2],
      [2, 1],
      [2, 2],
    ]);
    expect(desk.saved).toEqual({ kind: 'saved', at: expect.any(Number) });
  });

  it('takes nothing more for an item that is submitted while the next one is on its way: no draft is left behind', async () => {
    service.slow = 'desk.item';
    setActivePinia(createPinia());
    const desk = useDesk();
    await desk.load();
    for (const [i, id] of [11, 12, 13].entries()) desk.giveRank(id, i + 1);
    void desk.submit('ranked');
    desk.giveRank(11, 3); // meant for the item that is not there yet
    void desk.submit('ranked');
    expect([desk.item!.itemId, desk.ranks.get(11)]).toEqual([1, 1]);
    await vi.waitFor(() => expect(desk.item!.itemId).toBe(2));
    desk.giveRank(21, 2);
    await quiet();
    expect(service.asked.flatMap(([name, { itemId }]) => (/draft|submit/.test(name) ? [[name, itemId]] : []))).toEqual([
      ['desk.draft', 1],
      ['desk.draft', 1],
      ['desk.draft', 1],
      ['desk.submit', 1],
      ['desk.draft', 2],
    ]);
  });

  it('has the next item ready: it shows in the same instant as Enter, and the ranks go out dense', async () => {
    const desk = await sitDown();
    for (const [id, rank] of [
      [11, 3],
      [12, 2],
      [13, 3],
    ] as const)
      desk.giveRank(id, rank);
    await quiet();
    void desk.submit('ranked');
    expect(desk.item?.itemId).toBe(2);
    expect(desk.ranks.size).toBe(0);
    await quiet();
    expect((asked('desk.draft').at(-1)!['changes'] as Draft).ranks.map(({ rank }) => rank)).toEqual([2, 1, 2]);
    expect(asked('desk.submit')).toEqual([expect.objectContaining({ labelerId: 7, itemId: 1, status: 'ranked' })]);
    expect(asked('desk.item').at(-1)).toMatchObject({ from: 2, step: 1 });
  });

  it('refuses to submit half a ranking and goes to the answer that lacks a rank', async () => {
    const desk = await sitDown();
    desk.giveRank(11, 1);
    desk.giveRank(12, 2);
    await desk.submit('ranked');
    expect(asked('desk.submit')).toEqual([]);
    expect(desk.focusedId).toBe(13);
    await desk.submit('none-acceptable');
    await quiet();
    expect(asked('desk.submit')).toMatchObject([{ status: 'none-acceptable' }]);
  });

  it('keeps a change that could not be saved on the screen, and writes it when tried again', async () => {
    const desk = await sitDown();
    service.broken = 'desk.draft';
    desk.giveRank(11, 3);
    await quiet();
    expect(desk.saved.kind).toBe('failed');
    expect(desk.ranks.get(11)).toBe(3);
    service.broken = '';
    desk.retry();
    await quiet();
    expect(desk.saved.kind).toBe('saved');
    expect(service.items[0]!.draft.ranks).toEqual([{ completionId: 11, rank: 3 }]);
  });

  it('comes back to an item whose submit failed, with all that was entered, and leaves it when it is saved', async () => {
    const desk = await sitDown();
    for (const id of [11, 12, 13]) desk.giveRank(id, 1);
    desk.setNote('odd');
    await quiet();
    service.broken = 'desk.submit';
    void desk.submit('ranked');
    expect(desk.item?.itemId).toBe(2);
    await quiet();
    expect(desk.item?.itemId).toBe(1);
    expect([...desk.ranks.values()]).toEqual([1, 1, 1]);
    expect(desk.note).toBe('odd');
    service.broken = '';
    desk.retry();
    await quiet();
    expect(desk.item?.itemId).toBe(2);
    expect(asked('desk.submit')).toHaveLength(2);
  });

  it('sends typing as the newest text only, while an earlier write is on its way', async () => {
    const desk = await sitDown();
    for (const text of ['t', 'te', 'tex', 'text']) desk.setNote(text);
    await quiet();
    expect(asked('desk.draft').map(({ changes }) => (changes as Draft).note)).toEqual(['t', 'text']);
    expect(service.items[0]!.draft.note).toBe('text');
  });

  it('writes what is entered before it undoes, and goes to the item of the undone step', async () => {
    const desk = await sitDown();
    await desk.go(1);
    expect(desk.item?.itemId).toBe(2);
    desk.giveRank(21, 1);
    await desk.undo('desk.undo');
    const order = service.asked.map(([name]) => name);
    expect(order.indexOf('desk.draft')).toBeLessThan(order.indexOf('desk.undo'));
    expect(desk.item?.itemId).toBe(1);
  });

  it('shows what another window entered, and is not disturbed by its own changes', async () => {
    const desk = await sitDown();
    const changed = () => service.listeners.get('labels.changed')!({ labelerId: 7, itemId: 1 });
    await new Promise((resolve) => setTimeout(resolve, 250));
    desk.giveRank(11, 1);
    changed(); // its own
    const before = asked('desk.item').length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(asked('desk.item').length).toBe(before);
    service.items[0]!.draft.ranks = [{ completionId: 12, rank: 5 }];
    changed();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([...desk.ranks]).toEqual([[12, 5]]);
  });

  it('says that the last answer took the place that was left, and another digit ranks it otherwise', async () => {
    const desk = await sitDown();
    desk.giveRank(11, 3, true);
    expect(desk.said).toBe('A; B, C not ranked');
    desk.giveRank(12, 1, true);
    expect([...desk.ranks].map(([, rank]) => rank)).toEqual([3, 1, 2]);
    expect(desk.said).toBe('B, then C, then A; the last took the place that was left');
    desk.giveRank(13, 3, false);
    expect(desk.said).toBe('B, then A and C');
    await quiet();
  });

  it('takes no rank beyond the number of answers', async () => {
    const desk = await sitDown();
    for (const rank of [4, 9]) desk.giveRank(11, rank);
    await quiet();
    expect([desk.ranks.size, asked('desk.draft')]).toEqual([0, []]);
    desk.giveRank(11, 3);
    expect(desk.ranks.get(11)).toBe(3);
  });

  it('covers the prompt of an item that comes back as a repeat, as of any other', async () => {
    service.naive = true;
    const desk = await sitDown();
    expect(desk.covered).toBe(true);
    desk.uncover();
    expect(desk.covered).toBe(false);
    for (const id of [11, 12, 13]) desk.giveRank(id, 1);
    void desk.submit('ranked');
    await quiet();
    // a hidden repeat: as if it had not been ranked
    service.items[0]!.draft = { ranks: [], confidence: null, note: null, naive: null, durationMs: 0 };
    await desk.load(1);
    expect([desk.item?.itemId, desk.covered]).toEqual([1, true]);
  });

  it('gives two answers their nine points in one call', async () => {
    service.items[0]!.answers.pop();
    const desk = await sitDown();
    desk.givePoint(8);
    await quiet();
    expect(asked('desk.draft').map(({ changes }) => changes)).toEqual([
      {
        ranks: [
          { completionId: 11, rank: 2 },
          { completionId: 12, rank: 1 },
        ],
        confidence: 7,
      },
    ]);
  });
});
