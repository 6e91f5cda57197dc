// Dragging an answer into the ranking, with the pointer: one drag at a time, drawn by the rank strip.

import { shallowRef } from 'vue';
import type { Slot } from './ranking.ts';

export interface Drag {
  id: number;
  x: number;
  y: number;
  slot: Slot | null;
}

/** The drag that is under way. */
export const drag = shallowRef<Drag | null>(null);

/** So far the pointer moves before a press becomes a drag, in pixels. */
const THRESHOLD = 4;

/** The drop place under a point: an element with data-tier, and data-into where it is the tier itself. */
function slotAt(x: number, y: number): Slot | null {
  const element = document.elementFromPoint(x, y)?.closest<HTMLElement>('[data-tier]');
  return element ? { tier: Number(element.dataset['tier']), into: element.dataset['into'] === 'true' } : null;
}

/**
 * Follows the pointer from a press on; `dropped` is called where it is let go over a drop place. Escape calls it off.
 */
export function startDrag(press: PointerEvent, id: number, dropped: (slot: Slot) => void): void {
  if (press.button !== 0) return;
  press.preventDefault();
  const end = new AbortController();
  const options = { signal: end.signal, capture: true };
  const stop = () => {
    drag.value = null;
    end.abort();
  };
  addEventListener(
    'pointermove',
    (event) => {
      if (event.pointerId !== press.pointerId) return;
      if (!drag.value && Math.hypot(event.clientX - press.clientX, event.clientY - press.clientY) < THRESHOLD) return;
      drag.value = { id, x: event.clientX, y: event.clientY, slot: slotAt(event.clientX, event.clientY) };
    },
    options,
  );
  addEventListener(
    'pointerup',
    (event) => {
      if (event.pointerId !== press.pointerId) return;
      const slot = drag.value && slotAt(event.clientX, event.clientY);
      stop();
      if (slot) dropped(slot);
    },
    options,
  );
  addEventListener('pointercancel', stop, options);
  addEventListener(
    'keydown',
    (event) => {
      if (event.key !== 'Escape' || !drag.value) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      stop();
    },
    options,
  );
}
