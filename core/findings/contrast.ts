// How far a number of now lies from that of the start, and how surely: a jackknife that leaves out a group of prompts
// at a time, the same way for a mean, a share and what only many texts together have.

import { FEWEST_CLUSTERS, studentT } from '#core/evaluation/interval.ts';

/** What is measured on one side: units (answers, or groups of them), each of a prompt. */
export interface Side {
  /** the prompt of each unit */
  prompts: readonly number[];
  /** the number over some units, by their places, ascending; NaN of none */
  over(units: readonly number[]): number;
}

/** A number with its 95 % interval, over so many units of so many prompts; no interval of too few prompts. */
export interface Measured {
  value: number;
  low: number | null;
  high: number | null;
  n: number;
  prompts: number;
}

/** In which direction, and on which scale, now is worse than the start: always larger is worse. */
export const COMPARED = {
  more: { of: (now: number, start: number) => now - start, isRatio: false },
  fewer: { of: (now: number, start: number) => start - now, isRatio: false },
  times: { of: (now: number, start: number) => now / start, isRatio: true },
  'times less': { of: (now: number, start: number) => start / now, isRatio: true },
  level: { of: (now: number) => now, isRatio: false },
} as const satisfies Readonly<Record<string, { of(now: number, start: number): number; isRatio: boolean }>>;
export type Compared = keyof typeof COMPARED;

export interface Contrast {
  start: Measured;
  now: Measured;
  /** null where a side has fewer than FEWEST_CLUSTERS prompts, or the comparison is with nothing */
  change: { value: number; low: number; high: number } | null;
}

/** Groups of prompts that are left out one at a time. */
const GROUPS = 32;

const everything = ({ prompts }: Side): number[] => prompts.map((_, i) => i);
const countPrompts = ({ prompts }: Side): number => new Set(prompts).size;

/** Which group each prompt of both sides is in: in turn, those of now first, so that every group has some of each. */
function groupsOf(now: Side, start: Side): Map<number, number> {
  const groups = new Map<number, number>();
  const deal = (prompts: readonly number[]) => {
    const fresh = new Set(prompts.filter((prompt) => !groups.has(prompt)));
    let next = 0;
    for (const prompt of fresh) groups.set(prompt, next++ % GROUPS);
  };
  deal(now.prompts);
  deal(start.prompts);
  return groups;
}

/** √((K − 1)/K Σ_k (θ_k − θ̄)²) over the K groups (Quenouille 1956; Efron and Stein 1981). */
function jackknifeError(left: readonly number[]): number {
  const K = left.length;
  const mean = left.reduce((sum, value) => sum + value, 0) / K;
  return Math.sqrt(((K - 1) / K) * left.reduce((sum, value) => sum + (value - mean) ** 2, 0));
}

/** The error of a share where all or none have it is not 0, but that of a share of half a unit. */
function leastError(value: number, n: number, isShare: boolean): number {
  if (!isShare || n === 0) return 0;
  const inside = (value * n + 1 / 2) / (n + 1);
  return Math.sqrt((inside * (1 - inside)) / n);
}

/**
 * Both numbers and how they compare, each with its 95 % interval by Student's t over the groups of prompts: what
 * belongs to one prompt is left out together, on both sides. Ratios are compared by their logarithms.
 */
export function contrastOf(now: Side, start: Side, compared: Compared, isShare: boolean): Contrast {
  const { of, isRatio } = COMPARED[compared];
  const scale = isRatio ? Math.log : (x: number) => x;
  const back = isRatio ? Math.exp : (x: number) => x;
  const groups = groupsOf(now, start);
  const ids = [...new Set(groups.values())];
  const without = (side: Side, group: number) =>
    side.over(everything(side).filter((i) => groups.get(side.prompts[i]!) !== group));
  const left = ids.map((group) => ({ now: without(now, group), start: without(start, group) }));
  const t = studentT(Math.max(1, ids.length - 1));
  const measured = (side: Side, name: 'now' | 'start'): Measured & { error: number } => {
    const n = side.prompts.length;
    const prompts = countPrompts(side);
    const value = side.over(everything(side));
    const error = Math.max(jackknifeError(left.map((one) => one[name])), leastError(value, n, isShare));
    const known = prompts >= FEWEST_CLUSTERS && Number.isFinite(error);
    const held = (x: number) => (isShare ? Math.min(1, Math.max(0, x)) : x);
    const [low, high] = known ? [held(value - t * error), held(value + t * error)] : [null, null];
    return { value, low, high, n, prompts, error };
  };
  const { error: errorNow, ...ofNow } = measured(now, 'now');
  const { error: errorStart, ...ofStart } = measured(start, 'start');
  const value = scale(of(ofNow.value, ofStart.value));
  const jackknifed = jackknifeError(left.map((one) => scale(of(one.now, one.start))));
  const least = isRatio ? 0 : compared === 'level' ? errorNow : Math.hypot(errorNow, errorStart);
  const error = isShare ? Math.max(jackknifed, least) : jackknifed;
  const sure = ofNow.low !== null && (compared === 'level' || ofStart.low !== null);
  const change =
    sure && Number.isFinite(value) && Number.isFinite(error)
      ? { value: back(value), low: back(value - t * error), high: back(value + t * error) }
      : null;
  return { start: ofStart, now: ofNow, change };
}
