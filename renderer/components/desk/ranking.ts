// The arithmetic of a ranking in the making: ranks given, tied, moved, dropped; made dense when it is submitted.

import type { Rank } from '#core/contract/rankings.ts';

/** completion id -> rank, 1 is best; an id that is missing has no rank yet. Never changed in place. */
export type Ranks = ReadonlyMap<number, number>;
/**
 * Where a dragged answer lands: into tier `tier` (a tie), or as a tier of its own before it; `tier` may be the number
 * of tiers.
 */
export interface Slot {
  tier: number;
  into: boolean;
}

export const MOST_RANKS = 9;

export const ranksOf = (rows: readonly Rank[]): Ranks => new Map(rows.map((row) => [row.completionId, row.rank]));
/** By completion id, so that the same ranks are the same rows however they were come by. */
export const rowsOf = (ranks: Ranks): Rank[] =>
  [...ranks].map(([completionId, rank]) => ({ completionId, rank })).sort((a, b) => a.completionId - b.completionId);

/** Best first; ties share a tier, in the order of `ids`. Answers without a rank are in none. */
export function tiersOf(ranks: Ranks, ids: readonly number[]): number[][] {
  const given = [...new Set(ids.map((id) => ranks.get(id)).filter((rank) => rank !== undefined))].sort((a, b) => a - b);
  return given.map((rank) => ids.filter((id) => ranks.get(id) === rank));
}

/** Tiers to dense ranks 1..n. */
export function fromTiers(tiers: readonly (readonly number[])[]): Ranks {
  const filled = tiers.filter((tier) => tier.length > 0);
  return new Map(filled.flatMap((tier, i) => tier.map((id): [number, number] => [id, i + 1])));
}

/** The same order with the gaps closed: 2, 5, 5 becomes 1, 2, 2. */
export const dense = (ranks: Ranks, ids: readonly number[]): Ranks => fromTiers(tiersOf(ranks, ids));
export const isDense = (ranks: Ranks): boolean => {
  const given = new Set(ranks.values());
  return Math.max(0, ...given) === given.size;
};

export const unranked = (ranks: Ranks, ids: readonly number[]): number[] => ids.filter((id) => !ranks.has(id));
/**
 * Where a digit goes on to: the next answer without a rank, round the end to the beginning; null where all have one.
 */
export function nextUnranked(ranks: Ranks, ids: readonly number[], from: number): number | null {
  const round = ids.map((_, i) => (from + 1 + i) % ids.length);
  return round.find((i) => !ranks.has(ids[i]!)) ?? null;
}
/** A ranking can be submitted when every answer has a rank. */
export const isComplete = (ranks: Ranks, ids: readonly number[]): boolean =>
  ids.length > 0 && ids.every((id) => ranks.has(id));

/** The rank itself, whatever the others have: the same digit twice is a tie. */
export function setRank(ranks: Ranks, id: number, rank: number): Ranks {
  if (!Number.isInteger(rank) || rank < 1 || rank > MOST_RANKS || ranks.get(id) === rank) return ranks;
  return new Map(ranks).set(id, rank);
}

/**
 * With the last answer on the place that is left, where the others stand on places of their own; a tie leaves it open.
 */
export function withLast(ranks: Ranks, ids: readonly number[]): Ranks {
  const [last, ...more] = unranked(ranks, ids);
  const taken = new Set(ids.map((id) => ranks.get(id)));
  const free = ids.map((_, i) => i + 1).filter((rank) => !taken.has(rank));
  return last !== undefined && more.length === 0 && free.length === 1 ? setRank(ranks, last, free[0]!) : ranks;
}

export function clearRank(ranks: Ranks, id: number): Ranks {
  if (!ranks.has(id)) return ranks;
  const next = new Map(ranks);
  next.delete(id);
  return next;
}

/** Ties an answer with the one above it on the screen; whichever of the two has a rank gives it to the other. */
export function tieWithAbove(ranks: Ranks, ids: readonly number[], id: number): Ranks {
  const above = ids[ids.indexOf(id) - 1];
  if (above === undefined) return ranks;
  const rank = ranks.get(above) ?? ranks.get(id);
  if (rank !== undefined) return setRank(setRank(ranks, above, rank), id, rank);
  return fromTiers([...tiersOf(ranks, ids), [above, id]]);
}

/**
 * One place up or down in the ranking: out of a tie first, then past the neighbouring tier; an answer without a rank
 * enters at the end.
 */
export function move(ranks: Ranks, ids: readonly number[], id: number, direction: -1 | 1): Ranks {
  const tiers = tiersOf(ranks, ids);
  const at = tiers.findIndex((tier) => tier.includes(id));
  if (at < 0) return ids.includes(id) ? fromTiers([...tiers, [id]]) : ranks;
  const alone = tiers[at]!.length === 1;
  if (alone && (direction < 0 ? at === 0 : at === tiers.length - 1)) return isDense(ranks) ? ranks : fromTiers(tiers);
  if (alone) return place(ranks, ids, id, { tier: direction < 0 ? at - 1 : at + 2, into: false });
  return place(ranks, ids, id, { tier: direction < 0 ? at : at + 1, into: false });
}

/** What a drag does. `slot` counts the tiers as they stand before the answer is lifted out of its own. */
export function place(ranks: Ranks, ids: readonly number[], id: number, slot: Slot): Ranks {
  const tiers = tiersOf(ranks, ids);
  const rest = tiers.map((tier) => tier.filter((other) => other !== id));
  const at = Math.max(0, Math.min(slot.tier, tiers.length));
  if (slot.into && at < rest.length) rest[at] = ids.filter((other) => other === id || rest[at]!.includes(other));
  else rest.splice(at, 0, [id]);
  return fromTiers(rest);
}

// ---- Two answers: one nine-point scale says which is better and how sure it is

export const EVEN = 5;

/**
 * Far left (1): the first is much better; 5: even, a tie; far right (9): the second is. Sureness is stored 1 (a guess)
 * to 9.
 */
export function fromScale(point: number, ids: readonly [number, number]): { ranks: Ranks; confidence: number } {
  const ranks =
    point === EVEN ? fromTiers([ids]) : fromTiers(point < EVEN ? [[ids[0]], [ids[1]]] : [[ids[1]], [ids[0]]]);
  return { ranks, confidence: 1 + 2 * Math.abs(point - EVEN) };
}

/**
 * Where on the scale a ranking of two stands; null without a ranking, or where no confidence was given (a tie is always
 * 5).
 */
export function toScale(ranks: Ranks, confidence: number | null, ids: readonly [number, number]): number | null {
  const first = ranks.get(ids[0]);
  const second = ranks.get(ids[1]);
  if (first === undefined || second === undefined) return null;
  if (first === second) return EVEN;
  if (confidence === null) return null;
  const distance = Math.max(1, Math.round((confidence - 1) / 2));
  return first < second ? EVEN - distance : EVEN + distance;
}

// ---- In words

/** How often an answer was sampled, where that is more than once. */
export const timesInWords = (times: number): string => (times === 2 ? 'sampled twice' : `sampled ${times} times`);

/** An answer that its length limit ended, after so many tokens (0: nobody knows). */
export const cutOffInWords = (tokens: number): string =>
  tokens > 0 ? `cut off at ${tokens.toLocaleString('en')} ${tokens === 1 ? 'token' : 'tokens'}` : 'cut off';

/** Answers are named by letters so that no name is taken for a rank. */
export const letter = (index: number): string => String.fromCharCode(65 + index);

/** "B, then A and C, then D" for those who listen; what has no rank is said too. */
export function inWords(ranks: Ranks, ids: readonly number[]): string {
  const name = (id: number) => letter(ids.indexOf(id));
  const tiers = tiersOf(ranks, ids).map((tier) => tier.map(name).join(' and '));
  const missing = unranked(ranks, ids).map(name);
  const order = tiers.length > 0 ? tiers.join(', then ') : 'Nothing ranked';
  return missing.length > 0 && tiers.length > 0 ? `${order}; ${missing.join(', ')} not ranked` : order;
}
