// Which item of the queue is shown: asked for, fetched ahead of time, and never one that something newer has overtaken.

import { ref, shallowRef } from 'vue';
import type { DeskItem } from '#core/contract/desk.ts';
import type { Fault } from '#core/contract/messages.ts';
import { faultOf, useProjectService } from '#renderer/api.ts';
import { useToasts } from '#renderer/stores/toasts.ts';
import type { DeskWrites } from './desk-writes.ts';
import { createLookahead } from './lookahead.ts';
import type { OpenSheet } from './open-sheet.ts';
import { keepPlace } from './place-kept.ts';
import { rememberedQueue } from './queues.ts';
import { type Sheet, sheetOf } from './sheet.ts';
import type { WorkTime } from './work-time.ts';

export type ShownItem = ReturnType<typeof useShownItem>;

export function useShownItem(open: OpenSheet, writes: DeskWrites, work: WorkTime, tell: (sentence: string) => void) {
  const { project, call } = useProjectService();
  const toasts = useToasts();
  const queue = ref(rememberedQueue());
  const phase = ref<'loading' | 'ready' | 'done' | 'failed'>('loading');
  const fault = shallowRef<Fault | null>(null);
  let turn = 0; // a newer wish makes an older reply worthless

  const ask = (where: { itemId?: number; from?: number; step?: 1 | -1 }) =>
    call('desk.item', { labelerId: open.labelerId.value!, queue: queue.value, ...where });
  /** what comes after the item at hand, as soon as everything entered is committed */
  const ahead = createLookahead((after) => writes.settled().then(() => ask({ from: after, step: 1 })));

  function lay(sheet: Sheet): void {
    open.lay(sheet);
    fault.value = null;
    phase.value = 'ready';
  }
  function show(next: DeskItem | null): void {
    if (!next) {
      open.lay(null);
      phase.value = 'done';
      return;
    }
    work.restart(next.draft.durationMs);
    keepPlace(project, open.labelerId.value, next.itemId);
    lay(sheetOf(next));
    ahead.fetch(next.itemId);
  }
  /** Whatever is being fetched comes too late. */
  const overtake = (): void => void turn++;

  /** Runs a fetch; what it finds is to be shown, undefined where something newer was wanted meanwhile or it failed. */
  async function obtain(get: () => Promise<DeskItem | null>): Promise<DeskItem | null | undefined> {
    const mine = ++turn;
    const failed = writes.saved.value.kind === 'failed';
    try {
      await writes.settled();
      const next = await get();
      return mine === turn ? next : undefined;
    } catch (error) {
      if (mine !== turn) return undefined;
      if (writes.saved.value.kind === 'failed')
        return failed
          ? void tell('Something is not saved yet: try it again or give it up (above), then go on.')
          : undefined; // the first time the line has said it
      if (open.item.value) toasts.fault(error);
      else [phase.value, fault.value] = ['failed', faultOf(error)];
      return undefined;
    }
  }
  return { queue, phase, fault, ask, ahead, lay, show, overtake, obtain };
}
