// A clock that counts only while someone works: it stands still when the window is hidden or nothing was touched for a
// minute.

export const IDLE_MS = 60_000;

export interface ActiveClock {
  /** a key, a pointer, a scroll */
  touch(): void;
  /** the window is shown or hidden */
  show(visible: boolean): void;
  /** milliseconds so far */
  read(): number;
  /** begins anew with what an earlier sitting had counted */
  restart(from: number): void;
}

/** `now` in milliseconds; anything that never goes back, such as performance.now. */
export function createActiveClock(now: () => number, idleMs = IDLE_MS): ActiveClock {
  let counted = 0;
  let touched = now();
  let visible = true;
  // a pause longer than idleMs counts as idleMs: one cannot know when in it the eyes left the screen
  const sinceTouch = () => (visible ? Math.max(0, Math.min(now() - touched, idleMs)) : 0);
  const take = () => {
    counted += sinceTouch();
    touched = now();
  };
  return {
    touch: take,
    show(next) {
      take();
      visible = next;
    },
    read: () => Math.round(counted + sinceTouch()),
    restart(from) {
      counted = from;
      touched = now();
    },
  };
}
