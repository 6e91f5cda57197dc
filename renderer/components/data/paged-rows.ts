// A long list of which only pages near the eye are held: fetched on demand, ahead of the scrolling, dropped when stale.
import { ref, shallowRef } from 'vue';
import type { Ref, ShallowRef } from 'vue';

export interface Page<Row> {
  total: number;
  rows: Row[];
}
export interface PagedRows<Row> {
  total: Ref<number>;
  /** counts every page that came in: read it where rows are drawn */
  version: Ref<number>;
  fault: ShallowRef<unknown>;
  /** a page is on its way; read `version` beside it */
  busy(): boolean;
  /** the row at an index, or undefined while its page is on its way */
  at(index: number): Row | undefined;
  /** All rows from one index to another, those that are not held too; throws what fetching them threw. */
  between(first: number, last: number): Promise<Row[]>;
  /**
   * Tells what is on the screen; pages of it come first, then the neighbours, more of them in the direction of
   * scrolling.
   */
  show(first: number, last: number): void;
  /** Forgets everything (another filter) or fetches anew what is shown, keeping the old rows until then. */
  reset(keepShown?: boolean): void;
}

const AT_ONCE = 2; // requests in flight
const BEHIND = 1;
const AHEAD = 4; // pages fetched around the shown ones
const KEPT = 60; // pages

interface Stretch {
  first: number;
  last: number;
}
/** The pages that a stretch of rows lies on. */
function pagesOf({ first, last }: Stretch, size: number): number[] {
  const from = Math.floor(first / size);
  return Array.from({ length: Math.max(1, Math.floor(last / size) - from + 1) }, (_, i) => from + i);
}
/** Pages are held in the order of their use. */
function useLast<Row>(pages: Map<number, Row[]>, page: number): void {
  const rows = pages.get(page);
  if (rows && pages.delete(page)) pages.set(page, rows);
}
/** The rows of a stretch, of pages that are held or fetched. */
async function rowsBetween<Row>(
  { first, last }: Stretch,
  size: number,
  pageAt: (page: number) => Promise<Row[]>,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const page of pagesOf({ first, last }, size))
    rows.push(...(await pageAt(page)).slice(Math.max(0, first - page * size), last + 1 - page * size));
  return rows;
}
/** The pages that should be held, most urgent first: those shown, then their neighbours, more of them ahead. */
function pagesAround(shown: Stretch, direction: number, total: number, size: number): number[] {
  const list = pagesOf(shown, size);
  const [first, last] = [list[0]!, list.at(-1)!];
  const [up, down] = direction > 0 ? [BEHIND, AHEAD] : [AHEAD, BEHIND];
  for (let step = 1; step <= AHEAD; step++) {
    if (step <= down) list.push(last + step);
    if (step <= up) list.push(first - step);
  }
  const end = Math.max(1, Math.ceil(total / size)); // page 0 tells how many there are
  return list.filter((page) => page >= 0 && page < end);
}

/** A list as it is held now. */
interface Held<Row> extends Pick<PagedRows<Row>, 'total' | 'version' | 'fault'> {
  fetchPage(offset: number, limit: number): Promise<Page<Row>>;
  size: number;
  /** which list it is: another filter makes another */
  listed: number;
  /** how often the same list was asked for anew */
  freshness: number;
  /** in order of use */
  pages: Map<number, Row[]>;
  /** not fresh any more, and shown until the fresh ones are here */
  stale: Map<number, Row[]>;
  flying: Set<number>;
  failed: Set<number>;
  shown: Stretch;
  direction: number;
}

function fetchMore<Row>(held: Held<Row>): void {
  const isWanted = (page: number) => ![held.pages, held.flying, held.failed].some((some) => some.has(page));
  for (const page of pagesAround(held.shown, held.direction, held.total.value, held.size).filter(isWanted)) {
    if (held.flying.size >= AT_ONCE) return;
    void fetchOne(held, page);
  }
}

/**
 * An answer to another list is thrown away. One that is not fresh any more is shown, and asked for again: where a list
 * changes more often than it is answered, it would else stay empty.
 */
async function fetchOne<Row>(held: Held<Row>, page: number): Promise<void> {
  const { listed, freshness, size } = held;
  const isFresh = () => freshness === held.freshness;
  held.flying.add(page);
  try {
    const got = await held.fetchPage(page * size, size);
    if (listed !== held.listed) return;
    held.total.value = got.total;
    held.fault.value = null;
    if (!isFresh()) return void held.stale.set(page, got.rows);
    held.pages.set(page, got.rows);
    held.stale.delete(page);
    for (const old of held.pages.keys()) if (held.pages.size > KEPT && old !== page) held.pages.delete(old);
  } catch (error) {
    if (listed !== held.listed) return;
    if (isFresh()) held.failed.add(page); // tried again when it is shown anew
    held.fault.value = error;
  } finally {
    if (listed === held.listed) {
      held.flying.delete(page);
      held.version.value++;
      fetchMore(held);
    }
  }
}

/** `fetchPage(offset, limit)` gives the rows of a page and how many there are in all. */
export function usePagedRows<Row>(
  fetchPage: (offset: number, limit: number) => Promise<Page<Row>>,
  size = 100,
): PagedRows<Row> {
  const held: Held<Row> = {
    fetchPage,
    size,
    total: ref(0),
    version: ref(0),
    fault: shallowRef<unknown>(null),
    listed: 0,
    freshness: 0,
    pages: new Map(),
    stale: new Map(),
    flying: new Set(),
    failed: new Set(),
    shown: { first: 0, last: 0 },
    direction: 1,
  };
  const { total, version, fault } = held;
  return {
    total,
    version,
    fault,
    busy: () => held.flying.size > 0,
    at: (index) => {
      const page = Math.floor(index / size);
      const rows = held.pages.get(page) ?? held.stale.get(page);
      return rows?.[index - page * size];
    },
    between: async (first, last) => {
      const { listed, freshness } = held;
      const isSame = () => listed === held.listed && freshness === held.freshness;
      const pageAt = async (page: number) =>
        isSame() ? (held.pages.get(page) ?? (await fetchPage(page * size, size)).rows) : [];
      const rows = await rowsBetween({ first, last }, size, pageAt);
      return isSame() ? rows : []; // else it is another list by now
    },
    show: (first, last) => {
      if (first !== held.shown.first) held.direction = first > held.shown.first ? 1 : -1;
      held.shown = { first, last };
      held.failed = new Set();
      for (const page of pagesOf(held.shown, size)) useLast(held.pages, page);
      fetchMore(held);
    },
    reset: (keepShown = false) => {
      if (keepShown) {
        held.freshness++;
        held.stale = new Map([...held.stale, ...held.pages]);
      } else {
        held.listed++;
        Object.assign(held, { stale: new Map(), flying: new Set(), shown: { first: 0, last: 0 } });
        total.value = 0;
      }
      Object.assign(held, { pages: new Map(), failed: new Set() });
      version.value++;
      fetchMore(held);
    },
  };
}
