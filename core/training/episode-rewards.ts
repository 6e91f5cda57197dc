// Rewards of the slots of one completion, and whitening (algorithms.md §1.4, D16–D19, D22).
//
//   r_t = -β (ln π_t - ln π_ref,t), and the score is added once, at its slot
// Slots are the response tokens 0..n-1 and, where the response limit leaves room, one more after the end of the text.

export type ScorePlacement = 'after-end' | 'at-end';

export interface Episode {
  /** ln π of each response token when it was sampled, at the sampling temperature */
  logprobs: readonly number[];
  referenceLogprobs: readonly number[];
  /** V before each token, and after the last: tokens + 1 numbers */
  values: readonly number[];
  /** the reward model's score after the missing-end rule */
  score: number;
}

/**
 * Where the score lands: in the slot after the last token while the response limit allows one, else on the last token
 * (N+'s `actual_end`).
 */
export function scoreSlot(tokens: number, limit: number, placement: ScorePlacement): number {
  return placement === 'after-end' && tokens < limit ? tokens : tokens - 1;
}

/** Per-slot rewards: the KL penalty on every token, the score once (D17). */
export function episodeRewards(
  { logprobs, referenceLogprobs, score }: Episode,
  beta: number,
  limit: number,
  placement: ScorePlacement,
): number[] {
  const at = scoreSlot(logprobs.length, limit, placement);
  const rewards = Array.from({ length: Math.max(at + 1, logprobs.length) }, (_, t) =>
    t < logprobs.length ? -beta * (logprobs[t]! - referenceLogprobs[t]!) : 0,
  );
  rewards[at]! += score;
  return rewards;
}

/**
 * (x - mean) / √(var + 1e-8), plus the mean again when it is to be kept (reward whitening, D22). Biased variance unless
 * told.
 */
export function whiten(values: readonly number[], { keepMean = false, unbiased = false } = {}): number[] {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (unbiased ? n - 1 : n);
  const by = 1 / Math.sqrt(variance + 1e-8);
  return values.map((x) => (x - mean) * by + (keepMean ? mean : 0));
}
