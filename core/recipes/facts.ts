// What a project has, in the numbers that recipes go by: prompts, references, rankings, completions, lengths.

import type { Split } from '#core/contract/prompts.ts';

export interface Facts {
  prompts: Record<Split, number>;
  /** train prompts with a reference completion */
  references: number;
  /** rankings that prefer something, on prompts that are not kept for tests */
  rankings: number;
  /** rankings that programs made, such as the demo's labelers */
  simulated: number;
  /** those of them that validate: on prompts of the validation split */
  validationRankings: number;
  completions: number;
  isDemo: boolean;
}

/** A model from fewer rankings says nothing: as many as the cards and the Home screen ask for. */
export const FEWEST_RANKINGS = 10;
/** From here on what is learnt from rankings becomes trustworthy. */
export const GOOD_RANKINGS = 200;

/** Lengths in tokens. */
export interface Lengths {
  prompt: number;
  longestPrompt: number;
  /** reference completions, with the token that ends them */
  reference: number;
  longestReference: number;
  /** sampled completions */
  completion: number;
  /** completions a ranking */
  ranked: number;
  /** a prompt with all completions of its ranking */
  longestRanked: number;
}
