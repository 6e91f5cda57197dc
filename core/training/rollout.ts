// One rollout batch of PPO, turned into the arrays that the two updates are fed.
// It holds sampled completions with what the reference, the reward model and the critic say of them.

import type { Arrays } from '#core/autodiff/compile.ts';
import { packRows, rowShape, rowSpans } from '#core/models/rows.ts';
import type { Group, RowShape, Span } from '#core/models/rows.ts';
import { standsOf, targetsOf } from '#core/models/evaluator.ts';
import type { Forbidden } from '#core/models/forbidden.ts';
import { episodeRewards, whiten } from './episode-rewards.ts';
import type { Episode, ScorePlacement } from './episode-rewards.ts';
import type { Discounts, Estimator } from './estimators.ts';

export interface RolloutSettings extends Discounts {
  /** how advantages come of the rewards */
  estimator: Estimator;
  beta: number;
  /** the response limit: where the score may still land after the end */
  limit: number;
  placement: ScorePlacement;
  whitenRewards: boolean;
  whitenAdvantages: boolean;
  /** unbiased variance (TRL) or biased (2019, N+) */
  unbiased: boolean;
}

/** One prompt's completions with all that is known of them. */
export interface RolloutGroup extends Group {
  episodes: readonly Episode[];
}

export interface Prepared extends Group {
  /** [completion][slot] */
  rewards: number[][];
  /** whitened where asked, response tokens only */
  advantages: number[][];
  /** from the un-whitened advantages (D23) */
  returns: number[][];
  episodes: readonly Episode[];
}

/** Rewards, advantages and returns; whitening is over all response tokens of the batch (D16, D22). */
export function prepareRollout(groups: readonly RolloutGroup[], settings: RolloutSettings): Prepared[] {
  let rewards = groups.map(({ episodes }) =>
    episodes.map((episode) => episodeRewards(episode, settings.beta, settings.limit, settings.placement)),
  );
  if (settings.whitenRewards)
    rewards = spread(rewards, whiten(rewards.flat(2), { keepMean: true, unbiased: settings.unbiased }));
  const estimated = groups.map(({ episodes }, g) =>
    settings.estimator.estimate({ rewards: rewards[g]!, values: episodes.map(({ values }) => values) }, settings),
  );
  const tokens = groups.map(({ completions }, g) =>
    completions.map((completion, k) => estimated[g]![k]!.advantages.slice(0, completion.length)),
  );
  const whitened = settings.whitenAdvantages
    ? spread(tokens, whiten(tokens.flat(2), { unbiased: settings.unbiased }))
    : tokens;
  return groups.map(({ prompt, completions, episodes }, g) => ({
    prompt,
    completions,
    episodes,
    rewards: rewards[g]!,
    advantages: whitened[g]!,
    returns: estimated[g]!.map(({ returns }) => returns),
  }));
}

/** A flat list back in the nesting it came from. */
function spread(like: readonly (readonly (readonly number[])[])[], flat: readonly number[]): number[][][] {
  let at = 0;
  return like.map((rows) => rows.map((row) => row.map(() => flat[at++]!)));
}

/**
 * Stacked minibatches for the policy: lists of groups, which take as many rows as they need; a list with fewer rows
 * than another is filled up with empty ones.
 */
export function policyArrays(
  minibatches: readonly (readonly Prepared[])[],
  forbidden: Forbidden | null = null,
): { shape: RowShape; arrays: Arrays } {
  const { all, shape, arrays, first, size } = pack(minibatches, 'tokens');
  const old = new Float32Array(size);
  const A = new Float32Array(size);
  const mask = new Float32Array(size);
  const weights = new Float32Array(size).fill(1);
  all.forEach(({ episodes, advantages: rows }, g) =>
    episodes.forEach(({ logprobs }, k) => {
      const at = first[g]![k]!;
      old.set(logprobs, at);
      A.set(rows[k]!, at);
      mask.fill(1, at, at + logprobs.length);
    }),
  );
  const slots = {
    targets: targetsOf(all, first, size),
    ...(forbidden ? { stands: standsOf(forbidden, all, first, size) } : {}),
  };
  return { shape, arrays: { ...arrays, ...slots, old, advantages: A, mask, weights } };
}

/** Stacked minibatches for the critic: every slot that has a return. */
export function criticArrays(minibatches: readonly (readonly Prepared[])[]): { shape: RowShape; arrays: Arrays } {
  const { all, shape, arrays, first, size } = pack(minibatches, 'tokens-and-end');
  const old = new Float32Array(size);
  const returns = new Float32Array(size);
  const mask = new Float32Array(size);
  const weights = new Float32Array(size).fill(1);
  all.forEach(({ episodes, returns: rows }, g) =>
    episodes.forEach(({ values }, k) => {
      const at = first[g]![k]!;
      const row = rows[k]!;
      old.set(values.slice(0, row.length), at);
      returns.set(row, at);
      mask.fill(1, at, at + row.length);
    }),
  );
  return { shape, arrays: { ...arrays, old, returns, mask, weights } };
}

const NOTHING: Prepared = { prompt: [], completions: [], rewards: [], advantages: [], returns: [], episodes: [] };

/** A group as one a row. */
function rowsOf(group: Prepared): Prepared[] {
  const spans = rowSpans(
    group.prompt.length,
    group.completions.map(({ length }) => length),
  );
  if (spans.length === 1) return [group];
  const part = <T>(list: readonly T[], { from, to }: Span): T[] => list.slice(from, to);
  return spans.map((span) => ({
    prompt: group.prompt,
    completions: part(group.completions, span),
    episodes: part(group.episodes, span),
    rewards: part(group.rewards, span),
    advantages: part(group.advantages, span),
    returns: part(group.returns, span),
  }));
}

function pack(minibatches: readonly (readonly Prepared[])[], slots: 'tokens' | 'tokens-and-end') {
  const rows = minibatches.map((groups) => groups.flatMap(rowsOf));
  const B = Math.max(...rows.map(({ length }) => length));
  const all = rows.flatMap((own) => [...own, ...Array.from({ length: B - own.length }, () => NOTHING)]);
  const shape = rowShape(all, B, slots);
  return { all, shape, size: all.length * shape.Q, ...packRows(all, shape, all.length, slots) };
}
