// The ranking desk: the item at hand, what has been entered for it, and the way from one item to the next.
//
// What is entered shows at once and is written at once, each change a transaction of its own, one after another (the
// write line). The next item is fetched while this one is worked on, so that Enter has it ready. The parts lie in
// components/desk; here they are put together.

import { getActivePinia } from 'pinia';
import { useProjectService } from '#renderer/api.ts';
import { useDeskNews } from '#renderer/components/desk/desk-news.ts';
import { useDeskWrites } from '#renderer/components/desk/desk-writes.ts';
import { useJudging } from '#renderer/components/desk/judging.ts';
import { useMoves } from '#renderer/components/desk/moving.ts';
import { useOneSentence } from '#renderer/components/desk/one-sentence.ts';
import { useOpenSheet } from '#renderer/components/desk/open-sheet.ts';
import { useRemarks } from '#renderer/components/desk/remarks.ts';
import type { Sheet } from '#renderer/components/desk/sheet.ts';
import { useShownItem } from '#renderer/components/desk/shown-item.ts';
import { useSubmitting } from '#renderer/components/desk/submitting.ts';
import { useUndoing } from '#renderer/components/desk/undoing.ts';
import { createWorkTime } from '#renderer/components/desk/work-time.ts';
import { useApp } from './app.ts';
import { defineProjectStore } from './project-store.ts';
import { useToasts } from './toasts.ts';

export const useDesk = defineProjectStore('desk', () => {
  const { on } = useProjectService();
  const app = useApp();
  const toasts = useToasts();
  const { tell, hush } = useOneSentence();
  const work = createWorkTime(() => app.settings?.breakMinutes ?? 0);

  const open = useOpenSheet(tell);
  const writes = useDeskWrites(open, work, { committed, saved, failed });
  const shown = useShownItem(open, writes, work, tell);
  const news = useDeskNews(open, writes, shown);
  const moves = useMoves(open, writes, shown, news, tell);
  const submitting = useSubmitting(open, writes, shown, moves, { work, tell });
  const undoing = useUndoing(open, writes, moves, { made: news.made, tell });

  function committed(): void {
    news.made();
  }
  function saved(): void {
    news.lookAgain();
  }
  /** A change that could not be committed is shown where it was made. */
  function failed(error: unknown, left: Sheet | undefined): void {
    toasts.fault(error);
    if (!left) return;
    shown.overtake();
    shown.lay(left);
  }

  // what other windows do
  on('labels.changed', (event) => {
    if (event.labelerId !== open.labelerId.value) return;
    news.hear();
    if (open.item.value || shown.phase.value !== 'done') news.lookAgain();
    else void moves.load();
  });
  on('data.changed', () => {
    if (!open.item.value) void moves.load();
  });

  // laying is the desk's own business
  const { sheet: _sheet, lay: _lay, leaving: _leaving, coverAgain: _coverAgain, ...entered } = open;
  return {
    ...entered,
    queue: shown.queue,
    phase: shown.phase,
    fault: shown.fault,
    progress: news.progress,
    saved: writes.saved,
    write: writes.write,
    unsaved: writes.unsaved,
    work,
    tell,
    ...useJudging(open, writes, { tell, hush }),
    ...useRemarks(open, writes),
    ...moves,
    ...submitting,
    ...undoing,
  };
});

/** Whether what was entered last could not be saved; a desk that nobody has opened is not made for the question. */
export function isDeskUnsaved(): boolean {
  const pinia = getActivePinia();
  return pinia !== undefined && useDesk.$id in pinia.state.value && useDesk(pinia).saved.kind === 'failed';
}
