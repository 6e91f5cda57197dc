// The keys of a selection, and of the caret while it is out.

import type { useMarkCaret, MarkSelection } from './mark-selection.ts';

/** What the keys do besides moving the caret. */
export interface MarkActs {
  label(index: number): void;
  remove(): void;
}

/** Finds the place a line above or below. */
export type LineOf = (at: number, direction: -1 | 1) => number;

export function useMarkKeys(
  { answer, caret, chosen, on, leave }: MarkSelection,
  { moveTo, moveBy, target }: ReturnType<typeof useMarkCaret>,
  { label, remove }: MarkActs,
) {
  /** Moves the caret; false when the key does not. */
  function caretKey(event: KeyboardEvent, line: LineOf): boolean {
    if (caret.value === null || !answer.value) return false;
    const { value: at } = caret;
    const end = answer.value.text.length;
    const moves: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => moveBy(-1, event.shiftKey, event.altKey),
      ArrowRight: () => moveBy(1, event.shiftKey, event.altKey),
      ArrowUp: () => moveTo(line(at, -1), event.shiftKey),
      ArrowDown: () => moveTo(line(at, 1), event.shiftKey),
      Home: () => moveTo(0, event.shiftKey),
      End: () => moveTo(end, event.shiftKey),
      Enter: () => {}, // it would submit, which nobody means here
    };
    const move = Object.hasOwn(moves, event.key) ? moves[event.key] : undefined;
    move?.();
    return move !== undefined;
  }

  /** True when the key was one of theirs. */
  function key(event: KeyboardEvent, line: LineOf): boolean {
    if (!on.value || event.ctrlKey || event.metaKey) return false;
    if (event.key === 'Escape') return (leave(), true);
    if (/^[1-9]$/.test(event.key)) return (label(Number(event.key) - 1), true);
    if (event.key === 'Delete' || event.key === 'Backspace') return (remove(), true);
    if (event.key === 'Enter' && !chosen.value && target()) return (label(0), true);
    return caretKey(event, line);
  }
  return { key };
}
