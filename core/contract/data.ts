// What the window is shown of a project's data, and what it may ask of it: lists of prompts and of samples, with their
// filters.

import * as v from 'valibot';
import type { Finish, Mark, Prompt, Ranking, Rating, Split } from '#core/contract.ts';
import { id, offset, runId, short, split } from './schemas.ts';

// ---- Prompts

/**
 * A prompt in a list. `title` is what tells it from others: of a conversation its last turn, of a text by a template
 * the field that names it, else the text without what all rows begin with. `excerpt`: where the words that were
 * searched for stand, if not in the title.
 */
export interface PromptRow {
  id: number;
  title: string;
  excerpt: string | null;
  split: Split;
  source: string;
  completions: number;
  rankings: number;
}
/** What the list of prompts is narrowed to and ordered by; `id` is the order in which they came in. */
export const promptList = {
  split: v.optional(split),
  search: v.optional(short),
  has: v.optional(v.picklist(['rankings', 'marks', 'ratings', 'flags'])),
  sort: v.optional(v.picklist(['id', 'title', 'split', 'completions', 'rankings'])),
  descending: v.optional(v.boolean()),
};
const promptShape = v.strictObject(promptList);
export type PromptList = v.InferOutput<typeof promptShape>;
/** `terms`: the words that were searched for, each to be shown where it stands. */
export interface PromptPage {
  total: number;
  rows: PromptRow[];
  terms: string[];
}
/** What would go with some prompts. */
export interface PromptWeight {
  prompts: number;
  completions: number;
  rankings: number;
  ratings: number;
  marks: number;
  flags: number;
}
/** A change of the data that can be taken back, or was: an import, a removal, prompts that went to another split. */
export interface DataChange {
  eventId: number;
  at: number;
  kind: 'import' | 'remove' | 'split';
  sentence: string;
  undone: boolean;
}
export interface PromptFound {
  prompt: Prompt;
  completions: SampleRow[];
  rankings: Ranking[];
  marks: Mark[];
  ratings: Rating[];
}
export interface SearchHit {
  kind: 'prompt' | 'completion';
  id: number;
  promptId: number;
  excerpt: string;
}

// ---- Samples

export const sampleFilter = v.strictObject({
  search: v.optional(short),
  policyId: v.optional(id),
  runId: v.optional(runId),
  /** what this run wrote that no model has the name of yet: of the one that is coming */ comingOf: v.optional(runId),
  step: v.optional(offset),
  promptId: v.optional(id),
  finish: v.optional(v.picklist(['stop', 'length'])),
  flagged: v.optional(v.boolean()),
  /** the reward model whose scores are meant; left out, the current one */ scoredBy: v.optional(id),
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
    /** why it is this one */ reason: string;
  } | null;
  /** every model that scores, the newest first, and how many samples it has scored */ rewards: {
    modelId: number;
    name: string;
    scored: number;
    current: boolean;
  }[];
  /** there is a true score to compare with */ hasGold: boolean;
  reference: { modelId: number; name: string } | null;
  missing: number;
  why: string | null;
  /** scoring them now would help */ canScore: boolean;
}
