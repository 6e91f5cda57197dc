// Undo and redo at the desk, one after another, wherever the change was made.

import { useProjectService } from '#renderer/api.ts';
import { useToasts } from '#renderer/stores/toasts.ts';
import type { DeskWrites } from './desk-writes.ts';
import type { Moves } from './moving.ts';
import type { OpenSheet } from './open-sheet.ts';

/** `made` hears of what is done, which is a change of this desk. */
export function useUndoing(
  open: OpenSheet,
  writes: DeskWrites,
  { load }: Moves,
  { made, tell }: { made: () => void; tell: (sentence: string) => void },
) {
  const { call } = useProjectService();
  const toasts = useToasts();
  let undoing: Promise<void> = Promise.resolve();

  async function act(which: 'desk.undo' | 'desk.redo'): Promise<void> {
    const labelerId = open.labelerId.value;
    if (labelerId === null) return;
    try {
      await writes.settled();
      const done = await call(which, { labelerId });
      if (!done) return tell(which === 'desk.undo' ? 'There is nothing to undo.' : 'There is nothing to redo.');
      made();
      await load(done.itemId ?? open.item.value?.itemId);
      tell(done.sentence);
    } catch (error) {
      if (writes.saved.value.kind === 'failed')
        tell('Something is not saved yet: try it again or give it up (above), then undo.');
      else toasts.fault(error);
    }
  }
  /** Takes back, or does again, the newest change, wherever it was made; shows the item it was made on. */
  const undo = (which: 'desk.undo' | 'desk.redo'): Promise<void> => (undoing = undoing.then(() => act(which)));
  return { undo };
}
