// What a batch of samples looks like as numbers, and the rules that stop a run when it goes wrong (D35).

import { distinctN } from '#core/findings/texts.ts';
import { endOf } from '#core/models/sampler.ts';
import { real } from '#core/recipes/settings.ts';

export const STOP_SETTINGS = {
  stop_kl: real(0, [0, 1e9], 'Stop when KL exceeds this; 0 = off.', { group: 'stop' }),
  stop_ended: real(0, [0, 1], 'Stop when fewer than this share of completions end; 0 = off.', { group: 'stop' }),
  stop_distinct: real(0, [0, 1], 'Stop when the share of distinct three-token sequences falls below; 0 = off.', {
    group: 'stop',
  }),
  stop_drop: real(
    0,
    [0, 1e6],
    'Stop when the held-out gold score (where there is none, what best/ is chosen by) falls this far below its best; 0 = off.',
    { group: 'stop' },
  ),
} as const;

/** Mean length, share that ended, and the share of distinct three-token sequences. */
export function describeSamples(
  completions: readonly (readonly number[])[],
  stops: readonly number[],
): { length: number; ended: number; distinct: number } {
  return {
    length: completions.reduce((sum, ids) => sum + ids.length, 0) / completions.length,
    ended: completions.filter((ids) => endOf(ids, stops) >= 0).length / completions.length,
    distinct: distinctN(completions, 3),
  };
}

/** The sentence of the first rule that is broken; thresholds of 0 are off. */
export function stopReason(
  now: { kl: number; ended: number; distinct: number },
  rules: { stop_kl: number; stop_ended: number; stop_distinct: number },
): string | null {
  if (rules.stop_kl > 0 && now.kl > rules.stop_kl)
    return `KL reached ${now.kl.toFixed(1)} nats, above ${rules.stop_kl}`;
  if (now.ended < rules.stop_ended)
    return `only ${(100 * now.ended).toFixed(0)} % of the completions ended, below ${100 * rules.stop_ended} %`;
  if (now.distinct < rules.stop_distinct)
    return `only ${(100 * now.distinct).toFixed(0)} % of three-token sequences are distinct, below ${100 * rules.stop_distinct} %`;
  return null;
}
