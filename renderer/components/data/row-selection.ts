// What is selected in a long list: a click takes one row, with Shift all from the last one on, with Ctrl one more or
// less; keys move.
import { computed, ref, shallowRef } from 'vue';
import type { ComputedRef, Ref } from 'vue';
import type { PagedRows } from './paged-rows.ts';

export interface RowSelection<Row> {
  selected: Ref<Set<number>>;
  /** the row that keys move from; null where none was chosen or the list is another */
  cursor: Ref<number | null>;
  /** the row that was chosen last; it stays the one that is read when rows come in above it */
  current: ComputedRef<Row | undefined>;
  clear(): void;
  select(index: number, how?: { shift?: boolean; toggle?: boolean }): Promise<void>;
  move(by: number, shift?: boolean): void;
  onClick(index: number, event: MouseEvent): void;
  /**
   * Moves by the arrows (those without Shift where `arrows` says so), pages, Home and End; says whether the key was one
   * of them.
   */
  onKey(event: KeyboardEvent, arrows: 'all' | 'with Shift'): boolean;
}

const PAGE = 15;
const KEYS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: PAGE,
  PageUp: -PAGE,
  Home: -1e9,
  End: 1e9,
};

/** `reveal` brings a row into sight; `fault` hears why a range could not be fetched. */
export function useRowSelection<Row extends { id: number }>(
  list: PagedRows<Row>,
  reveal: (index: number) => void,
  fault: (error: unknown) => void,
): RowSelection<Row> {
  const selected = ref(new Set<number>());
  const cursor = ref<number | null>(null);
  const chosen = shallowRef<Row>();
  let anchor = 0;
  const current = computed(() => {
    const there = (void list.version.value, cursor.value === null ? undefined : list.at(cursor.value));
    return there && there.id === chosen.value?.id ? there : chosen.value;
  });

  async function select(index: number, { shift = false, toggle = false } = {}): Promise<void> {
    cursor.value = index;
    // a jump goes ahead of what is held
    const row = list.at(index) ?? (await list.between(index, index).catch(() => []))[0];
    if (!row || cursor.value !== index) return;
    chosen.value = row;
    if (!shift) {
      const next = toggle ? new Set(selected.value) : new Set<number>();
      if (toggle && next.has(row.id)) next.delete(row.id);
      else next.add(row.id);
      [selected.value, anchor] = [next, index];
      return;
    }
    try {
      const between = await list.between(Math.min(anchor, index), Math.max(anchor, index));
      if (cursor.value === index) selected.value = new Set([...selected.value, ...between.map(({ id }) => id)]);
    } catch (error) {
      fault(error);
    }
  }
  function move(by: number, shift = false): void {
    if (list.total.value === 0) return;
    const to = Math.max(0, Math.min(list.total.value - 1, (cursor.value ?? -1) + by));
    reveal(to);
    void select(to, { shift });
  }
  return {
    selected,
    cursor,
    current,
    select,
    move,
    clear: () => void ([selected.value, cursor.value, chosen.value] = [new Set(), null, undefined]),
    onClick: (index, event) => void select(index, { shift: event.shiftKey, toggle: event.ctrlKey || event.metaKey }),
    onKey: (event, arrows) => {
      const by = KEYS[event.key];
      if (
        by === undefined ||
        event.ctrlKey ||
        event.altKey ||
        event.metaKey ||
        (arrows === 'with Shift' && event.key.startsWith('Arrow') && !event.shiftKey)
      )
        return false;
      event.preventDefault();
      move(by, event.shiftKey);
      return true;
    },
  };
}
