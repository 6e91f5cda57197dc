// How far a run that tunes a policy is: what its looks at held-out prompts said, which weights did best, and why it
// stops.

import type { MetricRow } from '#core/recipes/metrics.ts';
import type { SavedState } from '#core/recipes/recipe.ts';
import type { GuardMemory } from './guard-watch.ts';
import type { KeptLook } from './kept-looks.ts';

/** Kept in checkpoints, so that a resumed run goes on as if it had not been away. */
export interface PolicyProgress {
  /** updates that were taken */
  update: number;
  /** the price of a nat of KL as it is now */
  beta: number;
  /** the highest held-out value, and after how many updates */
  best: { value: number; update: number } | null;
  /** the highest of what `stop_drop` watches */
  peak: number;
  /** the looks whose weights are kept */
  looks: KeptLook[];
  /** what the guards know, where there are some */
  guarded?: GuardMemory;
  /** the numbers of the first look, and of the last update and look */
  first?: MetricRow;
  last: MetricRow;
  /** the reason to stop, as a clause; '' for none */
  why: string;
}

export function progressOf(saved: SavedState | null, { beta }: { beta: number }): PolicyProgress {
  const rest = (saved?.rest ?? {}) as Partial<PolicyProgress>;
  return {
    update: saved?.step ?? 0,
    beta: rest.beta ?? beta,
    best: rest.best ?? null,
    peak: rest.peak ?? -Infinity,
    looks: rest.looks ?? [],
    ...(rest.first && { first: rest.first }),
    ...(rest.guarded && { guarded: rest.guarded }),
    last: rest.last ?? {},
    why: rest.why ?? '',
  };
}

/** What a checkpoint keeps of it beside the step. */
export const keptOf = ({
  beta,
  best,
  peak,
  looks,
  first,
  guarded,
  last,
  why,
}: PolicyProgress): Record<string, unknown> => ({
  beta,
  best,
  peak,
  looks,
  ...(first && { first }),
  ...(guarded && { guarded }),
  last,
  why,
});

/**
 * Takes down a look at held-out prompts; true where no weights did better yet. `most` is how far what is watched (gold,
 * else the held-out value) may fall below its best before the run stops; 0 = off.
 */
export function takeLook(progress: PolicyProgress, row: MetricRow, most: number): boolean {
  const value = row.held_out_value!;
  const watched = row.gold ?? value;
  const { best, update } = progress;
  if (update === 0) progress.first = row;
  progress.last = { ...progress.last, ...row };
  const isBest = !best || value > best.value;
  if (isBest) progress.best = { value, update };
  progress.peak = Math.max(progress.peak, watched);
  if (most > 0 && progress.peak - watched > most)
    progress.why = `the held-out ${row.gold === undefined ? 'score less the price of KL' : 'gold score'} fell from ${progress.peak.toFixed(2)} to ${watched.toFixed(2)}`;
  return isBest;
}

const TOLD = [
  ['score', 'held_out_score'],
  ['KL', 'held_out_kl'],
  ['gold', 'gold'],
] as const;

/** What validation prompts say of it, from the start to the last look; empty where nobody looked. */
export function cameTo({ first, last }: Pick<PolicyProgress, 'first' | 'last'>): string {
  const ways = TOLD.flatMap(([word, name]) => {
    const from = first?.[name];
    const to = last[name];
    return from === undefined || to === undefined ? [] : [`${word} ${from.toFixed(2)} → ${to.toFixed(2)}`];
  });
  return ways.length ? `; on validation prompts ${ways.join(', ')}` : '';
}
