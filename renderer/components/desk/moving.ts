// The way through the queue: to the first item, to a neighbour, to another queue, back to what lay on the desk.

import { useProjectService } from '#renderer/api.ts';
import type { useDeskNews } from './desk-news.ts';
import type { DeskWrites } from './desk-writes.ts';
import type { OpenSheet } from './open-sheet.ts';
import { takePlace } from './place-kept.ts';
import { QUEUE_ORDER, rememberQueue } from './queues.ts';
import type { ShownItem } from './shown-item.ts';

export type Moves = ReturnType<typeof useMoves>;

export function useMoves(
  open: OpenSheet,
  writes: DeskWrites,
  shown: ShownItem,
  news: ReturnType<typeof useDeskNews>,
  tell: (sentence: string) => void,
) {
  const { project } = useProjectService();
  const { item, labelerId } = open;

  /** The first item to label, or `itemId`. */
  async function load(itemId?: number): Promise<void> {
    if (labelerId.value === null) return;
    shown.ahead.forget();
    if (!item.value) shown.phase.value = 'loading';
    const next = await shown.obtain(() => shown.ask(itemId === undefined ? {} : { itemId }));
    if (next !== undefined) shown.show(next);
    news.lookAgain();
  }
  /** To the neighbour in the queue; what was entered stays with its item. */
  async function go(step: 1 | -1): Promise<void> {
    if (!item.value) return void load();
    const from = item.value.itemId;
    writes.keep();
    const ready = step === 1 ? shown.ahead.after(from) : null;
    if (ready?.value) {
      shown.overtake();
      return shown.show(ready.value);
    }
    const next = await shown.obtain(() => ready?.item ?? shown.ask({ from, step }));
    if (next) shown.show(next);
    else if (next === null)
      tell(step === 1 ? 'This is the last item of the queue.' : 'This is the first item of the queue.');
  }
  /** Gives up what could not be saved and shows what is in the project. */
  async function giveUp(): Promise<void> {
    writes.giveUp();
    await load(item.value?.itemId);
  }
  function setQueue(name: string): void {
    const known = QUEUE_ORDER.find((other) => other === name);
    if (!known) return;
    shown.queue.value = known;
    rememberQueue(known);
    writes.keep();
    open.lay(null);
    void load();
  }
  /** Back at the desk: what lay on it still does. */
  async function resume(): Promise<void> {
    if (!item.value) return load(takePlace(project, labelerId.value));
    shown.ahead.fetch(item.value.itemId);
    news.lookAgain();
  }
  /** Another labeler: nothing of this one is shown. */
  function forget(): void {
    shown.overtake();
    shown.ahead.forget();
    open.lay(null);
    news.progress.value = null;
    shown.phase.value = 'loading';
  }
  return { load, go, giveUp, setQueue, resume, forget };
}
