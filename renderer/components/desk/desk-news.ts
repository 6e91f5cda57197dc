// The figures of the queue, and the item at hand where somebody else has changed it: looked at soon after.

import { onScopeDispose, shallowRef } from 'vue';
import type { DeskProgress } from '#core/contract/desk.ts';
import { useProjectService } from '#renderer/api.ts';
import type { DeskWrites } from './desk-writes.ts';
import type { OpenSheet } from './open-sheet.ts';
import { sheetOf } from './sheet.ts';
import type { ShownItem } from './shown-item.ts';

const LOOK_AGAIN_MS = 200;

export function useDeskNews(open: OpenSheet, writes: DeskWrites, shown: ShownItem) {
  const { call } = useProjectService();
  const progress = shallowRef<DeskProgress | null>(null);
  let own = 0;
  let heard = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  onScopeDispose(() => clearTimeout(timer));

  async function look(): Promise<void> {
    const labelerId = open.labelerId.value;
    if (labelerId === null || writes.unsaved()) return;
    const foreign = heard > own;
    heard = own = 0;
    try {
      progress.value = await call('desk.progress', { labelerId, queue: shown.queue.value });
      if (!foreign || !open.item.value || writes.unsaved()) return;
      const again = await shown.ask({ itemId: open.item.value.itemId });
      if (again && !writes.unsaved() && again.itemId === open.item.value?.itemId) shown.lay(sheetOf(again));
    } catch {
      /* the figures come with the next change */
    }
  }
  function lookAgain(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      void look();
    }, LOOK_AGAIN_MS);
  }
  return {
    progress,
    lookAgain,
    /** a change of this desk was committed: an event tells of it, and is no news */
    made: () => void own++,
    /** an event told of a change */
    hear: () => void heard++,
  };
}
