// Paged lists against a fetcher whose answers come late and out of order.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { usePagedRows } from '#renderer/components/data/paged-rows.ts';

/** A fetcher that answers when told to, in any order. */
function slow(rows: () => number[]) {
  const open: {
    offset: number;
    limit: number;
    resolve: (page: { total: number; rows: number[] }) => void;
    reject: (error: Error) => void;
  }[] = [];
  return {
    open,
    fetchPage: (offset: number, limit: number) =>
      new Promise<{ total: number; rows: number[] }>((resolve, reject) =>
        open.push({ offset, limit, resolve, reject }),
      ),
    answer: async (which = 0) => {
      const [request] = open.splice(which, 1);
      request?.resolve({ total: rows().length, rows: rows().slice(request.offset, request.offset + request.limit) });
      await new Promise((done) => setTimeout(done));
    },
  };
}
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);

test('whatever the order of scrolling and of answers, a row that is shown is the right one', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(999), fc.nat(3)), { maxLength: 30 }), async (moves) => {
      const server = slow(() => numbers(1000));
      const list = usePagedRows(server.fetchPage, 10);
      list.reset();
      for (const [first, which] of moves) {
        list.show(first, Math.min(999, first + 25));
        expect(server.open.length).toBeLessThanOrEqual(2);
        await server.answer(which % Math.max(1, server.open.length));
      }
      while (server.open.length) await server.answer();
      const { first } = { first: moves.at(-1)?.[0] ?? 0 };
      list.show(first, first + 5);
      while (server.open.length) await server.answer();
      for (let i = 0; i < 1000; i++) expect(list.at(i) ?? i).toBe(i);
      for (let i = first; i <= Math.min(999, first + 5); i++) expect(list.at(i)).toBe(i);
    }),
    { numRuns: 40 },
  );
});

test('pages ahead of the scrolling are there before they are shown', async () => {
  const server = slow(() => numbers(1000));
  const list = usePagedRows(server.fetchPage, 10);
  list.reset();
  await server.answer();
  list.show(50, 70);
  while (server.open.length) await server.answer();
  expect([list.at(45), list.at(80), list.at(109)]).toEqual([45, 80, 109]);
  list.show(40, 60); // upward now
  while (server.open.length) await server.answer();
  expect(list.at(5)).toBe(5);
});

test('an answer to the filter of before is thrown away', async () => {
  let filter = 0;
  const server = slow(() => numbers(100, filter));
  const list = usePagedRows(server.fetchPage, 10);
  list.reset();
  const late = server.open.shift()!;
  filter = 1000;
  list.reset();
  while (server.open.length) await server.answer();
  late.resolve({ total: 3, rows: [7, 8, 9] });
  await new Promise((done) => setTimeout(done));
  expect([list.total.value, list.at(0)]).toEqual([100, 1000]);
});

test('after a change elsewhere the old rows stay until the new ones are here', async () => {
  let shift = 0;
  const server = slow(() => numbers(100, shift));
  const list = usePagedRows(server.fetchPage, 10);
  list.reset();
  while (server.open.length) await server.answer();
  shift = 5;
  list.reset(true);
  expect(list.at(0)).toBe(0);
  while (server.open.length) await server.answer();
  expect(list.at(0)).toBe(5);
});

test('a failed page is said, and tried again when it is shown again', async () => {
  const server = slow(() => numbers(100));
  const list = usePagedRows(server.fetchPage, 10);
  list.reset();
  server.open.shift()!.reject(new Error('no'));
  await new Promise((done) => setTimeout(done));
  expect([list.fault.value, server.open.length]).toEqual([new Error('no'), 0]);
  list.show(0, 9);
  await server.answer();
  expect([list.fault.value, list.at(3)]).toEqual([null, 3]);
});

test('a list that changes more often than it is answered is shown all the same, and ends up fresh', async () => {
  let from = 0;
  const server = slow(() => numbers(50, from));
  const list = usePagedRows(server.fetchPage, 10);
  list.reset();
  for (let change = 1; change <= 5; change++) {
    from = change;
    list.reset(true); // before the answer to the question of before
    expect(server.open.length).toBeLessThanOrEqual(2);
    await server.answer();
    expect(list.total.value).toBe(50);
    expect(list.at(0)).toBeGreaterThan(0); // not of before, though perhaps of the change before this one
    expect(list.at(0)).toBeLessThanOrEqual(change);
  }
  from = 6;
  list.reset(true);
  while (server.open.length) await server.answer();
  expect(numbers(10).map((i) => list.at(i))).toEqual(numbers(10, 6));
});
