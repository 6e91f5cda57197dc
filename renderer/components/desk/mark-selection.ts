// What is selected for a mark, and in which answer: by mouse, or with the caret of the keyboard mode.

import { computed, ref, shallowRef } from 'vue';
import type { useDesk } from '#renderer/stores/desk.ts';
import { letter } from './ranking.ts';
import { markAt, snap, step, type Stretch, stops, trim, wholeLetters } from './spans.ts';

export type MarkSelection = ReturnType<typeof useMarkSelection>;

export function useMarkSelection(desk: ReturnType<typeof useDesk>) {
  /** the answer that is being marked, or null */
  const answerId = ref<number | null>(null);
  /** keyboard mode: where the caret stands; null when the mouse selects */
  const caret = ref<number | null>(null);
  const anchor = ref<number | null>(null);
  const picked = shallowRef<Stretch | null>(null);
  const chosenId = ref<number | null>(null);

  const answer = computed(() => desk.item?.answers.find((other) => other.completionId === answerId.value) ?? null);
  const own = computed(() => (answerId.value === null ? [] : (desk.marks.get(answerId.value) ?? [])));
  const chosen = computed(() => own.value.find((mark) => mark.id === chosenId.value) ?? null);
  const on = computed(() => answer.value !== null);

  function leave(): void {
    answerId.value = caret.value = anchor.value = chosenId.value = null;
    picked.value = null;
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
  return { answerId, answer, caret, anchor, picked, own, chosenId, chosen, on, leave, select, choose };
}

/** The caret: it walks by tokens, lines or letters, selects, and chooses the mark that it stands in. */
export function useMarkCaret(
  desk: ReturnType<typeof useDesk>,
  { answerId, answer, caret, anchor, picked, own, chosenId, chosen, leave }: MarkSelection,
) {
  const places = computed(() => (answer.value ? stops(answer.value.text, answer.value.spans) : []));

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
  /** The mark under the caret is the chosen one, as long as nothing is selected. */
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
  /** What a label marks: the selection, without one the token after the caret. */
  function target(): Stretch | null {
    if (picked.value || caret.value === null || !answer.value) return picked.value;
    const from = Math.min(caret.value, places.value.at(-2) ?? 0);
    return trim(answer.value.text, {
      start: from,
      end: places.value.find((place) => place > from) ?? answer.value.text.length,
    });
  }
  return { toggleCaret, moveTo, moveBy, target };
}
