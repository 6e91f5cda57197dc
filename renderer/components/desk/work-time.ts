// How long the labeler has worked: on this item, and since the last break. Listens to the window while the desk is
// shown.

import { ref } from 'vue';
import { createActiveClock } from './active-time.ts';

/** Hands off for so long is a break, whether it was taken on purpose or not. */
const BREAK_MS = 5 * 60_000;
const LOOK_EVERY_MS = 10_000;
const SIGNS = ['keydown', 'pointermove', 'pointerdown', 'wheel'] as const;

export type WorkTime = ReturnType<typeof createWorkTime>;

/** `breakMinutes` is asked each time, since the project may change it; 0 = no reminders. */
export function createWorkTime(breakMinutes: () => number) {
  const item = createActiveClock(() => performance.now());
  const sitting = createActiveClock(() => performance.now());
  const breakDue = ref(false);
  let last = performance.now();
  let timer: ReturnType<typeof setInterval> | undefined;

  function touch(): void {
    const now = performance.now();
    if (now - last > BREAK_MS) dismissBreak();
    last = now;
    item.touch();
    sitting.touch();
  }
  function seen(): void {
    const visible = document.visibilityState === 'visible';
    item.show(visible);
    sitting.show(visible);
  }
  function look(): void {
    const minutes = breakMinutes();
    breakDue.value = minutes > 0 && sitting.read() >= minutes * 60_000;
  }
  function dismissBreak(): void {
    sitting.restart(0);
    breakDue.value = false;
  }
  function start(): void {
    if (timer !== undefined) return;
    for (const sign of SIGNS) addEventListener(sign, touch, { passive: true, capture: true });
    document.addEventListener('visibilitychange', seen);
    seen();
    timer = setInterval(look, LOOK_EVERY_MS);
  }
  function stop(): void {
    for (const sign of SIGNS) removeEventListener(sign, touch, { capture: true });
    document.removeEventListener('visibilitychange', seen);
    item.show(false);
    sitting.show(false);
    clearInterval(timer);
    timer = undefined;
  }
  return {
    start,
    stop,
    itemMs: () => item.read(),
    restart: (from: number) => item.restart(from),
    sittingMinutes: () => Math.floor(sitting.read() / 60_000),
    breakDue,
    dismissBreak,
  };
}
