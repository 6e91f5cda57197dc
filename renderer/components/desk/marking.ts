// Marks in the making: what is selected in which answer, the caret of the keyboard mode, and the marks written with it.

import { computed } from 'vue';
import type { Mark } from '#core/contract/rankings.ts';
import { useProjectService } from '#renderer/api.ts';
import { useApp } from '#renderer/stores/app.ts';
import { useDesk } from '#renderer/stores/desk.ts';
import { defineProjectStore } from '#renderer/stores/project-store.ts';
import { useMarkKeys } from './mark-keys.ts';
import { useMarkCaret, useMarkSelection } from './mark-selection.ts';

export const useMarking = defineProjectStore('marking', () => {
  const { call } = useProjectService();
  const app = useApp();
  const desk = useDesk();
  const selection = useMarkSelection(desk);
  const caretMode = useMarkCaret(desk, selection);
  const { answerId, caret, anchor, picked, own, chosenId, chosen, on, leave, select, choose } = selection;
  const labels = computed(() => app.settings?.markLabels ?? []);
  /**
   * a mark gets its true id with the answer of the service; writes wait in line, so the id is known when they need it
   */
  const trueIds = new Map<number, number>();
  const trueId = (id: number) => trueIds.get(id) ?? id;
  let lastTemporary = 0;

  /** The label goes on the selection, or on the chosen mark instead of its old one. */
  function label(index: number): void {
    const name = labels.value[index];
    if (name === undefined || desk.refuses()) return;
    if (chosen.value && !picked.value) return change(chosen.value, { label: name });
    const stretch = caretMode.target();
    const labelerId = desk.labelerId;
    if (!stretch || answerId.value === null || labelerId === null) return;
    const temporary = --lastTemporary;
    const row = { completionId: answerId.value, labelerId, ...stretch, label: name, note: null };
    desk.setMarks(row.completionId, [...own.value, { id: temporary, ...row }]);
    desk.write(async () => {
      const saved = await call('marks.add', row);
      trueIds.set(temporary, saved.markId);
      return saved;
    });
    desk.said = `Marked ${name}`;
    anchor.value = null;
    picked.value = null;
    chosenId.value = temporary;
  }
  function change(mark: Mark, changes: Partial<Pick<Mark, 'label' | 'note'>>): void {
    const { id, ...row } = { ...mark, ...changes };
    desk.setMarks(
      mark.completionId,
      own.value.map((other) => (other.id === id ? { id, ...row } : other)),
    );
    desk.write(
      () => call('marks.change', { markId: trueId(id), ...row }),
      changes.note === undefined ? undefined : `mark ${id}`,
    );
  }
  function setNote(text: string): void {
    if (chosen.value) change(chosen.value, { note: text || null });
  }
  function remove(): void {
    const mark = chosen.value;
    if (!mark) return;
    desk.setMarks(
      mark.completionId,
      own.value.filter((other) => other !== mark),
    );
    desk.write(() => call('marks.remove', { markId: trueId(mark.id) }));
    desk.said = `Mark ${mark.label} removed`;
    chosenId.value = null;
    if (caret.value === null) leave();
  }

  const { toggleCaret } = caretMode;
  const { key } = useMarkKeys(selection, caretMode, { label, remove });
  const shown = { answerId, caret, picked, chosenId, chosen, on, labels };
  return { ...shown, leave, toggleCaret, select, choose, label, setNote, remove, key };
});
