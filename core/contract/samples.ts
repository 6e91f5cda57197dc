// Completions and what was measured of them, how samples are listed and filtered; the calls about them.

import * as v from 'valibot';
import type { Saved } from './desk.ts';
import { call } from './call.ts';
import { id, short, ids, runId, offset, limit } from './schemas.ts';

/** Why a completion ended: the model wrote end-of-text, or it reached the length limit. */
export type Finish = 'stop' | 'length';

/** How a completion was drawn; temperature 0 is greedy. */
export interface SamplingParameters {
  temperature: number;
  topK: number;
  topP: number;
  maxNew: number;
  seed: number;
  /** texts that could not come out; absent where there were none */
  forbid?: string[] | undefined;
}

/** One sampled answer. `tokenIds` include the end-of-text where `finish` is 'stop'. */
export interface Completion {
  id: number;
  promptId: number;
  policyId: number | null;
  /** who wrote it, as the file that it came from says; null where none does */
  writer: string | null;
  text: string;
  tokenIds: number[];
  /**
   * hash of the tokenizer whose ids they are; null where no one knows, as of what came without ids or from an older
   * version
   */
  tokenizer: string | null;
  /** natural logarithms, one per token id, at temperature 1 */
  logprobs: number[];
  /** the same under the distribution that was sampled from (temperature, top-k, top-p) */
  samplingLogprobs: number[];
  finish: Finish;
  sampling: SamplingParameters;
  /** the run that drew it, and at which of its steps (null where it was not drawn during training) */
  runId: string | null;
  step: number | null;
}

export const sampleFilter = v.strictObject({
  search: v.optional(short),
  policyId: v.optional(id),
  runId: v.optional(runId),
  /** what this run wrote that no model has the name of yet: of the one that is coming */
  comingOf: v.optional(runId),
  step: v.optional(offset),
  promptId: v.optional(id),
  finish: v.optional(v.picklist(['stop', 'length'])),
  flagged: v.optional(v.boolean()),
  /** the reward model whose scores are meant; left out, the current one */
  scoredBy: v.optional(id),
  /** tokens, share of repeated three-token sequences, score, KL, gold: [lowest, highest] */
  length: v.optional(v.tuple([v.number(), v.number()])),
  repetition: v.optional(v.tuple([v.number(), v.number()])),
  score: v.optional(v.tuple([v.number(), v.number()])),
  kl: v.optional(v.tuple([v.number(), v.number()])),
  gold: v.optional(v.tuple([v.number(), v.number()])),
});
export type SampleFilter = v.InferOutput<typeof sampleFilter>;
export const sampleSort = v.picklist(['id', 'score', 'gold', 'length', 'kl', 'repetition', 'step', 'logprob']);
export type SampleSort = v.InferOutput<typeof sampleSort>;
export interface SampleRow {
  id: number;
  promptId: number;
  prompt: string;
  text: string;
  policyId: number | null;
  policy: string;
  runId: string | null;
  step: number | null;
  finish: Finish;
  tokens: number;
  repetition: number;
  score: number | null;
  kl: number | null;
  gold: number | null;
  logprob: number;
  flagged: boolean;
  rank: number | null;
}

export interface SampleMeasures {
  /**
   * who measured what a list of samples shows; `missing` have no score by that reward model, and `why` says why
   */
  reward: {
    modelId: number;
    name: string;
    /** why it is this one */
    reason: string;
  } | null;
  /** every model that scores, the newest first, and how many samples it has scored */
  rewards: {
    modelId: number;
    name: string;
    scored: number;
    current: boolean;
  }[];
  /** there is a true score to compare with */
  hasGold: boolean;
  reference: { modelId: number; name: string } | null;
  missing: number;
  why: string | null;
  /** scoring them now would help */
  canScore: boolean;
}

/**
 * One token: its characters, ln π at temperature 1, and where they were measured ln π_ref and the critic's or reward
 * model's value.
 */
export interface TokenRow {
  id: number;
  token: string;
  start: number;
  end: number;
  logprob: number;
  reference: number | null;
  value: number | null;
}

export const SAMPLE_CALLS = {
  'samples.page': call<{ total: number; rows: SampleRow[] }>('again')({
    filter: sampleFilter,
    sort: sampleSort,
    descending: v.boolean(),
    offset,
    limit,
  }),
  'samples.measures': call<SampleMeasures>('again')({ filter: sampleFilter }),
  'samples.tokens': call<{ text: string; tokens: TokenRow[] }>('again')({ completionId: id }),
  'samples.flag': call<Saved>('once')({ completionId: id, labelerId: id, flagged: v.boolean() }),
  /** Puts these completions, by prompt, before the labeler: one item a prompt. */
  'samples.request': call<{ items: number }>('once')({ completionIds: ids, reason: short }),
} as const;
