// Selecting in a long list of which only pages are held: a range is whole, wherever it reaches.
import { expect, test } from 'vitest';
import { usePagedRows } from '#renderer/components/data/paged-rows.ts';
import { useRowSelection } from '#renderer/components/data/row-selection.ts';

const settled = async () => {
  for (let i = 0; i < 40; i++) await new Promise((done) => setTimeout(done));
};
function world(count: number) {
  const rows = Array.from({ length: count }, (_, i) => ({ id: 1000 + i }));
  let refused = false;
  const list = usePagedRows(async (offset, limit) => {
    if (refused) throw new Error('no page');
    return { total: rows.length, rows: rows.slice(offset, offset + limit) };
  }, 10);
  const revealed: number[] = [];
  const faults: unknown[] = [];
  list.reset();
  return {
    rows,
    list,
    revealed,
    faults,
    refuse: (now: boolean) => (refused = now),
    selection: useRowSelection(
      list,
      (index) => revealed.push(index),
      (error) => faults.push(error),
    ),
  };
}
const key = (name: string, shiftKey = false) =>
  ({ key: name, shiftKey, ctrlKey: false, altKey: false, metaKey: false, preventDefault: () => {} }) as KeyboardEvent;

test('Shift takes all rows between, those too whose pages were never fetched', async () => {
  const { selection, list } = world(5000);
  await settled();
  await selection.select(3);
  list.show(4200, 4230);
  await settled();
  await selection.select(4211, { shift: true });
  expect(selection.selected.value.size).toBe(4209);
  expect([
    selection.selected.value.has(1002),
    selection.selected.value.has(1003),
    selection.selected.value.has(5211),
    selection.selected.value.has(5212),
  ]).toEqual([false, true, true, false]);
  await selection.select(4211, { toggle: true });
  expect(selection.selected.value.size).toBe(4208);
});

test('a range that cannot be fetched selects nothing, and says why', async () => {
  const { selection, list, faults, refuse } = world(500);
  await settled();
  await selection.select(3);
  list.show(400, 410);
  await settled();
  refuse(true);
  await selection.select(405, { shift: true });
  expect([selection.selected.value.size, faults.map(String)]).toEqual([1, ['Error: no page']]);
});

test('keys move the cursor, End too before its page is there; with Shift they select', async () => {
  const { selection, revealed } = world(300);
  await settled();
  expect([
    selection.onKey(key('ArrowDown'), 'all'),
    selection.onKey(key('x'), 'all'),
    selection.onKey(key('ArrowDown'), 'with Shift'),
  ]).toEqual([true, false, false]);
  await settled();
  expect(selection.current.value?.id).toBe(1000);
  selection.onKey(key('End'), 'all');
  await settled();
  expect([selection.current.value?.id, revealed]).toEqual([1299, [0, 299]]);
  selection.onKey(key('ArrowUp', true), 'with Shift');
  await settled();
  expect([...selection.selected.value]).toEqual([1299, 1298]);
});

test('the row that is read stays when others come in above it', async () => {
  const { selection, list, rows } = world(30);
  await settled();
  await selection.select(2);
  rows.unshift({ id: 1 }, { id: 2 });
  list.reset(true);
  await settled();
  expect(selection.current.value?.id).toBe(1002);
});
