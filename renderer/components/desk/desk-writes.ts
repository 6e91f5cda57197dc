// What the desk writes, one change after another; sheets that were left before their last one was committed are kept,
// so that a change which fails is shown where it was made.

import { shallowRef } from 'vue';
import type { Arguments } from '#core/contract/calls.ts';
import { isOfAnother, useProjectService } from '#renderer/api.ts';
import { useToasts } from '#renderer/stores/toasts.ts';
import type { OpenSheet } from './open-sheet.ts';
import type { Sheet } from './sheet.ts';
import type { WorkTime } from './work-time.ts';
import { createWriteLine, type LineState, UNSAVED } from './write-line.ts';

export interface WritesHeard {
  /** one write is in the project */
  committed(): void;
  /** all are */
  saved(): void;
  /** the line stands still; `left` is the sheet of the failed write, where another one lies open since */
  failed(error: unknown, left: Sheet | undefined): void;
}
export type DeskWrites = ReturnType<typeof useDeskWrites>;

export function useDeskWrites(open: OpenSheet, work: WorkTime, heard: WritesHeard) {
  const { call, beforeClosing } = useProjectService();
  const saved = shallowRef<LineState>({ kind: 'idle' });
  let left: Sheet[] = [];
  let failedItem: number | null = null;

  const line = createWriteLine((state) => {
    saved.value = state;
    if (state.kind === 'failed') failed(state.error);
    if (state.kind !== 'saved') return;
    left = [];
    heard.saved();
  });
  beforeClosing(() => line.settled());

  function failed(error: unknown): void {
    if (isOfAnother(error)) return void useToasts().show(UNSAVED);
    const elsewhere = open.item.value?.itemId !== failedItem;
    heard.failed(error, elsewhere ? left.find(({ item }) => item.itemId === failedItem) : undefined);
  }

  /** Puts a write of the item at hand into the line. */
  function write(make: () => Promise<{ at: number }>, key?: string): void {
    const itemId = open.item.value?.itemId ?? null;
    line.add(
      async () => {
        try {
          const done = await make();
          heard.committed();
          return done;
        } catch (error) {
          failedItem = itemId;
          throw error;
        }
      },
      key && `${itemId} ${key}`,
    );
  }
  function change(changes: Arguments<'desk.draft'>['changes'], key?: string): void {
    const [item, labelerId] = [open.item.value, open.labelerId.value];
    if (!item || labelerId === null) return;
    const args = { labelerId, itemId: item.itemId, changes, durationMs: work.itemMs() };
    write(() => call('desk.draft', args), key);
  }
  /** The open sheet is about to be left. */
  function keep(): void {
    const sheet = open.sheet.value;
    if (sheet && line.waiting > 0) left = [...left.filter((other) => other.item !== sheet.item), sheet];
  }
  function retry(): void {
    failedItem = null;
    line.retry();
  }
  function giveUp(): void {
    line.giveUp();
    left = [];
  }
  return { saved, write, change, keep, retry, giveUp, settled: line.settled, unsaved: () => line.waiting > 0 };
}
