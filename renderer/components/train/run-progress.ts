// How far a run is, the same wherever it is shown: its bar, its per cent, its phase and the time that is left.

import type { RunRow } from '#core/contract/runs.ts';
import { duration } from '#core/contract/time-words.ts';

type HowFar = Pick<RunRow, 'step' | 'total' | 'part'>;

/**
 * The bar of the whole run: its steps while they go on, the phase where a run has no steps. Null where nobody knows,
 * before the first step and after the last: a phase is no part of the run that one could say the size of, and a bar
 * that began anew would say so.
 */
export function progressOf({ step, total, part }: HowFar): { value: number; max: number } | null {
  if (total === 0) return part ? { value: part.done, max: Math.max(1, part.total) } : null;
  return step > 0 && step < total ? { value: step, max: total } : null;
}

/** "12 %", as the bar has it; empty where nobody knows. */
export function percentText(run: HowFar): string {
  const bar = progressOf(run);
  return bar ? `${Math.floor((100 * bar.value) / bar.max)} %` : '';
}

/** "sampling, 30 of 64" */
export const phaseText = ({ phase, part }: Pick<RunRow, 'phase' | 'part'>): string =>
  phase && part ? `${phase}, ${part.done.toLocaleString('en')} of ${part.total.toLocaleString('en')}` : phase;

/** "3 min left"; empty where nobody knows, or it rests. */
export const leftText = ({ status, secondsLeft }: Pick<RunRow, 'status' | 'secondsLeft'>): string =>
  status === 'running' && secondsLeft !== null ? `${duration(secondsLeft)} left` : '';
