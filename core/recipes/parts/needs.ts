// What a recipe needs, as its card says it: what is there, what is doubtful, what is missing and how many.

import type { Need } from '#core/contract/recipes.ts';
import { FEWEST_RANKINGS, GOOD_RANKINGS } from '#core/recipes/facts.ts';
import type { Facts } from '#core/recipes/facts.ts';

export const has = (sentence: string): Need => ({ state: 'ok', sentence });
export const warns = (sentence: string): Need => ({ state: 'warn', sentence });
export const lacks = (sentence: string): Need => ({ state: 'missing', sentence });

const counted = (n: number, one: string, many: string): string => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

/** "has 12 prompts", or "needs 3 more prompts" and `how` they are got. */
export function enough(have: number, fewest: number, one: string, many: string, how: string): Need {
  const missing = fewest - have;
  if (missing <= 0) return has(`has ${counted(have, one, many)}`);
  const more = have === 0 ? counted(missing, one, many) : counted(missing, `more ${one}`, `more ${many}`);
  return lacks(`needs ${more}${how}`);
}

/** What a recipe that learns from rankings says of those there are: how many, by whom, and whether they are few. */
export function rankingNeeds({ rankings, simulated }: Facts, batch: number): Need[] {
  const some = `${simulated.toLocaleString('en')} of them by simulated labelers`;
  return [
    enough(rankings, Math.max(FEWEST_RANKINGS, batch), 'ranking', 'rankings', ''),
    ...(simulated > 0 ? [has(simulated >= rankings ? 'by simulated labelers, not yours' : some)] : []),
    ...(rankings >= FEWEST_RANKINGS && rankings < GOOD_RANKINGS
      ? [warns(`enough to try; with ${GOOD_RANKINGS} rankings and more it becomes trustworthy`)]
      : []),
  ];
}

/** The largest power of two that is not above. */
export const powerOfTwo = (atMost: number): number => 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, atMost))));
