// Marks in the making: what is selected in which answer, the caret of the keyboard mode, and the marks written with it.

import { computed, ref, shallowRef } from 'vue';
import type { Mark } from '#core/contract/rankings.ts';
import { useProjectService } from '#renderer/api.ts';
import { useApp } from '#renderer/stores/app.ts';
import { useDesk } from '#renderer/stores/desk.ts';
import { defineProjectStore } from '#renderer/stores/project-store.ts';
import { letter } from './ranking.ts';
import { markAt, snap, step, type Stretch, stops, trim, wholeLetters } from './spans.ts';

export const useMarking = defineProjectStore('marking', () => {
  const { call } = useProjectService();
  const app = useApp();
  const desk = useDesk();

  /** the answer that is being marked, or null */
  const answerId = ref<number | null>(null);
  /** keyboard mode: where the caret stands; null when the mouse selects */
  const caret = ref<number | null>(null);
  const anchor = ref<number | null>(null);
  const picked = shallowRef<Stretch | null>(null);
  const chosenId = ref<number | null>(null);

  const labels = computed(() => app.settings?.markLabels ?? []);
  const answer = computed(() => desk.item?.answers.find((other) => other.completionId === answerId.value) ?? null);
  const own = computed(() => (answerId.value === null ? [] : (desk.marks.get(answerId.value) ?? [])));
  const chosen = computed(() => own.value.find((mark) => mark.id === chosenId.value) ?? null);
  const on = computed(() => answer.value !== null);
  const places = computed(() => (answer.value ? stops(answer.value.text, answer.value.spans) : []));
  /**
   * a mark gets its true id with the answer of the service; writes wait in line, so the id is known when they need it
   */
  const trueIds = new Map<number, number>();
  let lastTemporary = 0;

  function leave(): void {
    answerId.value = caret.value = anchor.value = chosenId.value = null;
    picked.value = null;
  }

  /** Keyboard mode in the focused answer; again leaves it. */
  function toggleCaret(): void {
    const id = desk.focusedId;
    if (caret.value !== null || id === null) return leave();
    leave();
    answerId.value = id;
    caret.value = 0;
    look();
    desk.said = `Marking answer ${letter(desk.ids.indexOf(id))}: arrows move, Shift and arrows select, a digit marks, Escape leaves`;
  }

  /** A selection by mouse: whole tokens, or `exact` characters. */
  function select(completionId: number, raw: Stretch, exact: boolean): void {
    const target = desk.item?.answers.find((other) => other.completionId === completionId);
    if (!target) return;
    leave();
    const stretch = exact ? trim(target.text, wholeLetters(target.text, raw)) : snap(target.text, target.spans, raw);
    if (!stretch) return;
    answerId.value = completionId;
    picked.value = stretch;
    desk.focus = desk.ids.indexOf(completionId);
  }
  /** A click on a mark. */
  function choose(completionId: number, markId: number): void {
    leave();
    answerId.value = completionId;
    chosenId.value = markId;
    desk.focus = desk.ids.indexOf(completionId);
  }

  /** In keyboard mode the mark under the caret is the chosen one, as long as nothing is selected. */
  function look(): void {
    chosenId.value = caret.value === null || picked.value ? null : (markAt(own.value, caret.value)?.id ?? null);
  }
  function moveTo(at: number, extend: boolean): void {
    if (caret.value === null || !answer.value) return;
    if (extend) anchor.value ??= caret.value;
    else anchor.value = null;
    caret.value = at;
    picked.value = anchor.value === null ? null : trim(answer.value.text, { start: anchor.value, end: at });
    look();
    const { text } = answer.value;
    desk.said = picked.value
      ? `${text.slice(picked.value.start, picked.value.end)}, selected`
      : chosen.value
        ? `Mark ${chosen.value.label}`
        : text.slice(at, places.value.find((place) => place > at) ?? text.length).trim();
  }
  function moveBy(direction: -1 | 1, extend: boolean, characters: boolean): void {
    if (caret.value !== null && answer.value)
      moveTo(step(answer.value.text, places.value, caret.value, direction, characters), extend);
  }
  /** What a label without a selection marks: the token after the caret. */
  function target(): Stretch | null {
    if (picked.value || caret.value === null || !answer.value) return picked.value;
    const from = Math.min(caret.value, places.value.at(-2) ?? 0);
    return trim(answer.value.text, {
      start: from,
      end: places.value.find((place) => place > from) ?? answer.value.text.length,
    });
  }

  /** The label goes on the selection, or on the chosen mark instead of its old one. */
  function label(index: number): void {
    const name = labels.value[index];
    if (name === undefined || desk.refuseCovered()) return;
    if (chosen.value && !picked.value) return change(chosen.value, { label: name });
    const stretch = target();
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
  const trueId = (id: number) => trueIds.get(id) ?? id;
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

  /**
   * The keys of the caret, and of a selection. True when the key was one of them. `line` finds the place a line up or
   * down.
   */
  function key(event: KeyboardEvent, line: (at: number, direction: -1 | 1) => number): boolean {
    if (!on.value || event.ctrlKey || event.metaKey) return false;
    if (event.key === 'Escape') return (leave(), true);
    if (/^[1-9]$/.test(event.key)) return (label(Number(event.key) - 1), true);
    if (event.key === 'Delete' || event.key === 'Backspace') return (remove(), true);
    if (event.key === 'Enter' && !chosen.value && target()) return (label(0), true);
    if (caret.value === null || !answer.value) return false;
    if (event.key === 'Enter') return true; // it would submit, which nobody means here
    const at = caret.value;
    switch (event.key) {
      case 'ArrowLeft':
        moveBy(-1, event.shiftKey, event.altKey);
        return true;
      case 'ArrowRight':
        moveBy(1, event.shiftKey, event.altKey);
        return true;
      case 'ArrowUp':
        moveTo(line(at, -1), event.shiftKey);
        return true;
      case 'ArrowDown':
        moveTo(line(at, 1), event.shiftKey);
        return true;
      case 'Home':
        moveTo(0, event.shiftKey);
        return true;
      case 'End':
        moveTo(answer.value.text.length, event.shiftKey);
        return true;
      default:
        return false;
    }
  }

  return {
    answerId,
    caret,
    picked,
    chosenId,
    chosen,
    on,
    labels,
    leave,
    toggleCaret,
    select,
    choose,
    label,
    setNote,
    remove,
    key,
  };
});
