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

/**
 * `fetchPage(offset, limit)` gives the rows of a page and how many there are in all. Answers to an older filter are
 * thrown away.
 */
export function usePagedRows<Row>(
  fetchPage: (offset: number, limit: number) => Promise<Page<Row>>,
  size = 100,
): PagedRows<Row> {
  const total = ref(0);
  const version = ref(0);
  const fault = shallowRef<unknown>(null);
  let pages = new Map<number, Row[]>(); // in order of use
  let stale = new Map<number, Row[]>();
  let generation = 0;
  let flying = new Set<number>();
  let failed = new Set<number>();
  let shown = { first: 0, last: 0 };
  let direction = 1;

  const isWanted = (page: number): boolean => !pages.has(page) && !flying.has(page) && !failed.has(page);
  function fetchMore(): void {
    for (const page of pagesAround(shown, direction, total.value, size).filter(isWanted)) {
      if (flying.size >= AT_ONCE) return;
      void fetchOne(page, generation);
    }
  }

  async function fetchOne(page: number, born: number): Promise<void> {
    flying.add(page);
    try {
      const got = await fetchPage(page * size, size);
      if (born !== generation) return;
      total.value = got.total;
      pages.set(page, got.rows);
      stale.delete(page);
      fault.value = null;
      for (const old of pages.keys()) if (pages.size > KEPT && old !== page) pages.delete(old);
    } catch (error) {
      if (born !== generation) return;
      failed.add(page); // tried again when it is shown anew
      fault.value = error;
    } finally {
      if (born === generation) {
        flying.delete(page);
        version.value++;
        fetchMore();
      }
    }
  }

  return {
    total,
    version,
    fault,
    busy: () => flying.size > 0,
    at: (index) => {
      const page = Math.floor(index / size);
      const rows = pages.get(page) ?? stale.get(page);
      return rows?.[index - page * size];
    },
    between: async (first, last) => {
      const born = generation;
      const pageAt = async (page: number) =>
        born !== generation ? [] : (pages.get(page) ?? (await fetchPage(page * size, size)).rows);
      const rows = await rowsBetween({ first, last }, size, pageAt);
      return born === generation ? rows : []; // else it is another list by now
    },
    show: (first, last) => {
      if (first !== shown.first) direction = first > shown.first ? 1 : -1;
      shown = { first, last };
      failed = new Set();
      for (const page of pagesOf(shown, size)) useLast(pages, page);
      fetchMore();
    },
    reset: (keepShown = false) => {
      generation++;
      stale = keepShown ? new Map([...stale, ...pages]) : new Map();
      [pages, flying, failed] = [new Map(), new Set(), new Set()];
      if (!keepShown) [total.value, shown] = [0, { first: 0, last: 0 }];
      version.value++;
      fetchMore();
    },
  };
}
