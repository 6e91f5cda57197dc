// The pages of a lens: those positions are asked for that are in sight, one page after the other, and kept.

import { ref, shallowReactive, shallowRef, watch } from 'vue';
import type { Ref, ShallowReactive, ShallowRef } from 'vue';
import type { Arguments } from '#core/contract/calls.ts';
import type { Lens } from '#core/contract/inspect.ts';
import type { Fault } from '#core/contract/messages.ts';
import { faultOf, isOfAnother, useProjectService } from '#renderer/api.ts';

export type LensAsked = Pick<Arguments<'inspect.lens'>, 'completionId' | 'modelId' | 'besideId'>;

/** positions a page: one shape of graph for all but short texts */
export const PAGE = 32;
const COUNT = 5;

export interface LensPages {
  /** by the first position of each over PAGE */
  pages: ShallowReactive<Map<number, Lens>>;
  /** the page in which the answer begins; null until it is there */
  first: ShallowRef<Lens | null>;
  fault: ShallowRef<Fault | null>;
  busy: Ref<boolean>;
  /** These positions are in sight now, up to and with the last. */
  show(from: number, to: number): void;
  /** Asks for all up to and with the last; false where that failed. */
  all(from: number, to: number): Promise<boolean>;
}

/** null asks nothing. Other arguments begin anew. */
export function useLensPages(asked: () => LensAsked | null, place: string): LensPages {
  const { call } = useProjectService();
  const pages = shallowReactive(new Map<number, Lens>());
  const first = shallowRef<Lens | null>(null);
  const fault = shallowRef<Fault | null>(null);
  const busy = ref(false);
  let turn = 0; // of the arguments: what was asked with others is not taken
  let inSight: [number, number] = [0, -1];
  let saved: [number, number] | null = null; // what is to be saved, in sight or not
  let isAtWork = false;
  let working = Promise.resolve();

  async function load(from: number | null): Promise<boolean> {
    const wanted = asked();
    if (!wanted) return false;
    const mine = turn;
    busy.value = true;
    try {
      const found = await call('inspect.lens', { ...wanted, from, size: PAGE, count: COUNT, place });
      if (mine !== turn) return false;
      pages.set(Math.floor(found.positions[0] / PAGE), found);
      if (from === null) first.value = found;
      fault.value = null;
      return true;
    } catch (error) {
      if (mine === turn && !isOfAnother(error)) fault.value = faultOf(error);
      return false;
    } finally {
      if (mine === turn) busy.value = false;
    }
  }
  const missing = (from: number, to: number): number | undefined => {
    for (let page = Math.floor(from / PAGE); page <= Math.floor(to / PAGE); page++) if (!pages.has(page)) return page;
    return undefined;
  };
  const next = (): number | undefined => missing(...inSight) ?? (saved ? missing(...saved) : undefined);
  /** Until all that is wanted is there; what that is may change meanwhile. */
  async function work(): Promise<void> {
    isAtWork = true;
    let page = next();
    while (page !== undefined && (await load(page * PAGE))) page = next();
    isAtWork = false;
  }
  function start(): Promise<void> {
    if (!isAtWork) working = work();
    return working;
  }
  function show(from: number, to: number): void {
    inSight = [from, to];
    if (first.value) void start();
  }
  async function all(from: number, to: number): Promise<boolean> {
    saved = [from, to];
    await start();
    saved = null;
    return missing(from, to) === undefined;
  }
  watch(
    () => JSON.stringify(asked()),
    () => {
      turn++;
      pages.clear();
      [first.value, fault.value, busy.value] = [null, null, false];
      void load(null).then((done) => done && show(...inSight));
    },
    { immediate: true },
  );
  return { pages, first, fault, busy, show, all };
}
