// Sending an item on: what is missing is said, ranks go out dense, and the next item is shown in the same instant.

import type { Arguments } from '#core/contract/calls.ts';
import { useProjectService } from '#renderer/api.ts';
import { useApp } from '#renderer/stores/app.ts';
import type { DeskWrites } from './desk-writes.ts';
import type { Moves } from './moving.ts';
import type { OpenSheet } from './open-sheet.ts';
import { dense, isDense, letter, rowsOf, unranked } from './ranking.ts';
import type { ShownItem } from './shown-item.ts';
import type { WorkTime } from './work-time.ts';

type Status = Arguments<'desk.submit'>['status'];

export function useSubmitting(
  open: OpenSheet,
  writes: DeskWrites,
  shown: ShownItem,
  { go }: Moves,
  { work, tell }: { work: WorkTime; tell: (sentence: string) => void },
) {
  const { call } = useProjectService();
  const app = useApp();
  const { item, ids, ranks } = open;
  let submitted: number | null = null;

  /** Says what a ranking lacks and goes there; false where it is whole. */
  function refuseHalf(): boolean {
    const missing = unranked(ranks.value, ids.value);
    if (missing.length === 0) return false;
    open.focus.value = ids.value.indexOf(missing[0]!);
    const names = missing.map((id) => letter(ids.value.indexOf(id))).join(', ');
    tell(
      open.pair.value
        ? `Choose first: ${app.settings?.askConfidence ? '1 to 4 where A is better, 6 to 9 where B is' : '1 or 2 for the better one'}, = where they are even, or X if neither is acceptable.`
        : `${missing.length === 1 ? `Answer ${names} has` : `Answers ${names} have`} no rank yet: give one with the digits, or press X if none is acceptable.`,
    );
    return true;
  }
  function closeGaps(): void {
    if (isDense(ranks.value)) return;
    ranks.value = dense(ranks.value, ids.value);
    writes.change({ ranks: rowsOf(ranks.value) });
  }

  async function submit(status: Status): Promise<void> {
    const labelerId = open.labelerId.value;
    if (!item.value || labelerId === null || open.leaving.value) return;
    if (status !== 'skipped' && open.refuses()) return;
    if (status === 'ranked') {
      if (refuseHalf()) return;
      closeGaps();
    }
    const { itemId } = item.value;
    const args = { labelerId, itemId, status, durationMs: work.itemMs() };
    submitted = itemId;
    open.coverAgain(itemId); // if it comes back as a repeat, it is covered as any other
    writes.write(() => call('desk.submit', args));
    writes.keep();
    const ready = shown.ahead.after(itemId);
    if (ready?.value) {
      shown.overtake();
      return shown.show(ready.value);
    }
    // nothing after it: what is left may lie before it
    open.leaving.value = true;
    const next = await shown.obtain(
      async () => (await ready?.item) ?? (await shown.ask({ from: itemId, step: 1 })) ?? shown.ask({}),
    );
    open.leaving.value = false;
    if (next !== undefined) shown.show(next);
  }

  /** Writes once more what failed; an item whose submit had failed is left behind when it is committed. */
  function retry(): void {
    writes.retry();
    writes.settled().then(
      () => {
        if (item.value && item.value.itemId === submitted) void go(1);
      },
      () => undefined,
    );
  }
  return { submit, retry };
}
