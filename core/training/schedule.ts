// Learning-rate schedules as functions of progress: how much of the peak rate a step gets.

export type Schedule = 'constant' | 'linear' | 'cosine';

/**
 * The factor at `step` (from 0) of `total`: linear warm-up, then constant, linear or cosine to 0 (P20 §B.1: cosine for
 * SFT and reward model, linear for PPO; D25: 0 at the end).
 */
export function scheduleFactor(schedule: Schedule, step: number, total: number, warmup = 0): number {
  if (step < warmup) return (step + 1) / warmup;
  const progress = total > warmup ? (step - warmup) / (total - warmup) : 0;
  if (schedule === 'linear') return Math.max(0, 1 - progress);
  if (schedule === 'cosine') return 0.5 + 0.5 * Math.cos(Math.PI * Math.min(1, progress));
  return 1;
}
