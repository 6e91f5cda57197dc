// What is said beside the ranking: notes, the naive reading, flags, ratings, and marks as they are shown.

import type { Mark } from '#core/contract/rankings.ts';
import { useProjectService } from '#renderer/api.ts';
import type { DeskWrites } from './desk-writes.ts';
import type { OpenSheet } from './open-sheet.ts';
import { letter } from './ranking.ts';

export function useRemarks(open: OpenSheet, { write, change }: DeskWrites) {
  const { call } = useProjectService();
  const { item, labelerId, ids, note, naive, flagged, flaggedAnswers, marks, ratings, said } = open;

  function setNote(text: string): void {
    note.value = text;
    change({ note: text || null }, 'note');
  }
  function setNaive(text: string): void {
    naive.value = text;
    change({ naive: text || null }, 'naive');
  }
  function setFlag(value: boolean): void {
    if (!item.value || labelerId.value === null) return;
    flagged.value = value;
    const args = { labelerId: labelerId.value, itemId: item.value.itemId, flagged: value };
    write(() => call('desk.flag', args));
    said.value = value ? 'Flagged' : 'Flag taken off';
  }
  function setAnswerFlag(completionId: number, value: boolean): void {
    if (labelerId.value === null) return;
    const next = new Set(flaggedAnswers.value);
    if (value) next.add(completionId);
    else next.delete(completionId);
    flaggedAnswers.value = next;
    const args = { completionId, labelerId: labelerId.value, flagged: value };
    write(() => call('samples.flag', args));
    said.value = `Answer ${letter(ids.value.indexOf(completionId))} ${value ? 'flagged' : 'no longer flagged'}`;
  }
  function setRating(completionId: number, axis: string, value: number | null): void {
    if (labelerId.value === null || open.refuses()) return;
    const { [axis]: _, ...others } = ratings.value.get(completionId) ?? {};
    ratings.value = new Map(ratings.value).set(completionId, value === null ? others : { ...others, [axis]: value });
    const args = { completionId, labelerId: labelerId.value, axis, value };
    write(() => call('ratings.set', args));
    said.value = value === null ? `${axis} cleared` : `${axis} ${value} of 7`;
  }
  /** Shows other marks on an answer; whoever makes them writes them. */
  const setMarks = (completionId: number, next: Mark[]) =>
    void (marks.value = new Map(marks.value).set(completionId, next));
  return { setNote, setNaive, setFlag, setAnswerFlag, setRating, setMarks };
}
