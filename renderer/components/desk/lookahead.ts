// The item after the one at hand, fetched while that one is worked on, so that Enter has it ready.

import type { DeskItem } from '#core/contract/desk.ts';

export interface Ahead {
  item: Promise<DeskItem | null>;
  /** once it is here; null where nothing comes after */
  value?: DeskItem | null;
}

/** `get` fetches what comes after an item. A fetch that failed is as if it had not been begun. */
export function createLookahead(get: (after: number) => Promise<DeskItem | null>) {
  let from: number | null = null;
  let ahead: Ahead | null = null;
  function fetch(after: number): void {
    const begun: Ahead = { item: get(after) };
    [from, ahead] = [after, begun];
    begun.item.then(
      (value) => {
        begun.value = value;
      },
      () => {
        if (ahead === begun) ahead = null;
      },
    );
  }
  return { fetch, after: (itemId: number) => (from === itemId ? ahead : null), forget: () => void (ahead = null) };
}
