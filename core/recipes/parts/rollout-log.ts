// Keeps what a policy wrote while it learnt, so that one can look for where it cheated: rollouts.jsonl.
//
// A run that writes more than the setting allows keeps of every update the same share: the best and the worst scored,
// and of the rest as many as fit, at even distances.

import type { Finish } from '#core/contract/samples.ts';
import { endOf } from '#core/models/sampler.ts';
import type { RunContext } from '#core/recipes/recipe.ts';
import { count } from '#core/recipes/settings.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import type { RolloutGroup } from '#core/training/rollout.ts';
import { upToEnd } from './answer-scores.ts';
import { answerTexts } from './answer-text.ts';
import type { EncodedPrompt } from './policy-prompts.ts';

export const KEPT_SETTINGS = {
  keep_rollouts: count(
    20_000,
    [0, 1e7],
    'How many of the answers that it learns from are kept, to be searched for what it found out: all of them up to so many; of more, an even share of each update, with its best and worst. 0 = none.',
    { group: 'evaluation' },
  ),
} as const;

/** A row of rollouts.jsonl; `step` is the update that learnt from it. */
export interface KeptRollout {
  promptId: number;
  text: string;
  /** its closing stop included, where it has one */
  tokenIds: number[];
  finish: Finish;
  /** the reward model's, without the price of a missing end */
  score: number;
  /** the sums of ln π and ln π_ref over its tokens; KL is their difference */
  logprob: number;
  referenceLogprob: number;
}

/** Of an update that keeps so many, the best and the worst tenth always. */
const ALWAYS = 0.1;

/**
 * Which of an update's answers are kept, ascending, where a run of `updates` may keep `most` in all: an even share of
 * each update, in it the best and worst scored, the others at even distances.
 */
export function whichKept(scores: readonly number[], updates: number, most: number): number[] {
  const n = scores.length;
  const share = Math.min(n, Math.floor(most / Math.max(1, updates)) || Math.min(1, most));
  if (share === n) return scores.map((_, i) => i);
  const atEnds = Math.floor(share * ALWAYS);
  const byScore = scores.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
  const kept = new Set([...byScore.slice(0, atEnds), ...byScore.slice(n - atEnds)]);
  const others = scores.map((_, i) => i).filter((i) => !kept.has(i));
  const free = share - kept.size;
  for (let i = 0; i < free; i++) kept.add(others[Math.floor(((i + 0.5) * others.length) / free)]!);
  return [...kept].sort((a, b) => a - b);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
/** Six digits are enough to sort and to plot by. */
const brief = (value: number): number => Number(value.toPrecision(6));

/**
 * Writes down the answers of one update, and gives what was written. `rollout` is of `prompts`, in order; `scores` are
 * the reward model's, [prompt][completion].
 */
export async function logRollout(
  context: RunContext,
  { tokenizer, stops }: { tokenizer: Tokenizer; stops: readonly number[] },
  { keep_rollouts: most, updates }: { keep_rollouts: number; updates: number },
  update: number,
  {
    prompts,
    rollout,
    scores,
  }: { prompts: readonly EncodedPrompt[]; rollout: readonly RolloutGroup[]; scores: readonly (readonly number[])[] },
): Promise<KeptRollout[]> {
  if (most === 0) return [];
  const all = rollout.flatMap(({ prompt, completions, episodes }, i) =>
    completions.map((ids, j) => ({
      ids: upToEnd(ids, stops), // a run of a fixed length writes on after the end
      prompt,
      of: prompts[i]!,
      episode: episodes[j]!,
      score: scores[i]![j]!,
    })),
  );
  const kept = whichKept(
    all.map(({ score }) => score),
    updates,
    most,
  ).map((i) => all[i]!);
  const texts = await answerTexts(tokenizer, kept);
  const rows = kept.map(({ ids, of, episode, score }, i): KeptRollout => ({
    promptId: of.promptId,
    text: texts[i]!,
    tokenIds: [...ids],
    finish: endOf(ids, stops) >= 0 ? 'stop' : 'length',
    score: brief(score),
    logprob: brief(sum(episode.logprobs.slice(0, ids.length))),
    referenceLogprob: brief(sum(episode.referenceLogprobs.slice(0, ids.length))),
  }));
  context.rollouts(update, rows);
  return rows;
}
