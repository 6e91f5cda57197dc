// What sampled answers score: as the reward model reads them, and at what price where they do not end.

import { endOf } from '#core/models/sampler.ts';
import { readsEnd } from '#core/models/score-reading.ts';
import type { Group } from '#core/models/rows.ts';
import { choice, real } from '#core/recipes/settings.ts';
import type { Config } from '#core/recipes/settings.ts';
import { withoutStop } from './answer-text.ts';
import type { PolicyModels } from './policy-models.ts';
import { isConversation } from './prompt-tokens.ts';
import type { AskedPrompt } from './prompt-tokens.ts';
import type { Scorer, TokenAnswer } from './scorers.ts';

export const MISSING_END_SETTINGS = {
  missing_end: choice(
    'replace',
    ['replace', 'subtract', 'keep'],
    'A completion without end-of-text: its score becomes the penalty (Ziegler et al. 2019, Huang et al. 2024), loses it (TRL), or stays.',
    { group: 'sampling' },
  ),
  missing_end_penalty: real(-1, [-1e6, 1e6], 'The score that replaces; its size is what is subtracted.', {
    group: 'sampling',
  }),
} as const;
export type MissingEnd = Config<typeof MISSING_END_SETTINGS>;

/** An answer up to and including the first of `stops`; all of one that has none. */
export const upToEnd = (ids: readonly number[], stops: readonly number[]): readonly number[] => {
  const end = endOf(ids, stops);
  return end < 0 ? ids : ids.slice(0, end + 1);
};

/** A score as the policy is given it (D21): of an answer that has ended its own, else by the rule. */
export function withMissingEnd(
  score: number,
  ended: boolean,
  { missing_end: rule, missing_end_penalty: penalty }: MissingEnd,
): number {
  if (ended || rule === 'keep') return score;
  return rule === 'replace' ? penalty : score - Math.abs(penalty);
}

/**
 * A score for each answer as the reward model reads it, [prompt][completion]: nothing after its first end, and the end
 * itself where the model's convention has it (D6).
 */
export async function scoresOfAnswers(
  scorer: Scorer<TokenAnswer>,
  { tokenizer, reading }: Pick<PolicyModels, 'tokenizer' | 'reading'>,
  stops: readonly number[],
  prompts: readonly AskedPrompt[],
  groups: readonly Group[],
): Promise<number[][]> {
  const flat = groups.flatMap(({ prompt, completions }, i) => {
    const withEnd = readsEnd(reading, isConversation(tokenizer, prompts[i]!));
    return completions.map((ids) => {
      const kept = upToEnd(ids, stops);
      return { prompt, completion: withEnd ? kept : withoutStop(tokenizer, kept) };
    });
  });
  const found = (await scorer.score(flat)).values();
  return groups.map(({ completions }) => completions.map(() => found.next().value!.value));
}
