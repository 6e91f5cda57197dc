// How fast a run goes, by its heartbeats of the last minute, and how long that leaves it.

import type { Heartbeat } from '#core/runs/control.ts';

const POINTS = 40;
const PACE_MS = 60_000;
/** below this nothing is said of the time left: what is late is not "0 s left" */
const LEAST_LEFT = 0.5; // seconds

export interface Pace {
  /** Takes in how far it is. */
  note(beat: Heartbeat): void;
  /** null where nothing can be said yet */
  secondsLeft(beat: Heartbeat): number | null;
  /** Begins anew, because the run has just been at rest. */
  forget(): void;
}

interface Point {
  at: number;
  done: number;
}
/** The points with a new one, where something was done since; a counter that went back begins anew. */
function paced(points: readonly Point[], now: Point): Point[] {
  const last = points.at(-1);
  if (last && last.done > now.done) return [now];
  return (last?.done === now.done ? [...points] : [...points, now])
    .filter(({ at }) => now.at - at < PACE_MS)
    .slice(-POINTS);
}
/**
 * Seconds until `total`, at the pace of the points; null where there is none. The time since the last point counts as
 * far as its own step takes it.
 */
function leftOf(points: readonly Point[], total: number): number | null {
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last || last.done <= first.done) return null;
  const each = (last.at - first.at) / (last.done - first.done);
  const left = total - last.done; // milliseconds a step
  return Math.max(0, left * each - Math.min(Date.now() - last.at, Math.max(0, left - 1) * each + each / 2)) / 1000;
}

export function createPace(): Pace {
  let points: Point[] = []; // in steps of the run
  let parts: Point[] = []; // in parts of its phase
  let phase = '';
  return {
    note: (beat) => {
      if (beat.phase !== phase) parts = [];
      phase = beat.phase;
      points = paced(points, { at: beat.at, done: beat.step });
      if (beat.part) parts = paced(parts, { at: beat.at, done: beat.part.done });
    },
    secondsLeft: ({ step, total, part }) => {
      // before the first step and after the last one it is the phase that takes time
      const left = step < total ? leftOf(points, total) : part ? leftOf(parts, part.total) : null;
      return left !== null && left > LEAST_LEFT ? left : null;
    },
    forget: () => {
      points = [];
      parts = [];
    },
  };
}
