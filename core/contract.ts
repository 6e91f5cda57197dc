// Every record that crosses a process border: plain data, the field's words, and no import of anything.
// Calls and events (noun.verb, with schemas) join this file when the window does.

export type Split = 'train' | 'validation' | 'test';
/** Why a completion ended: the model wrote end-of-text, or it reached the length limit. */
export type Finish = 'stop' | 'length';
export type PolicyKind = 'base' | 'policy' | 'reward';
export type RunKind = 'pretrain' | 'sft' | 'reward' | 'ppo' | 'sample' | 'demo';
export type RunStatus = 'running' | 'done' | 'stopped' | 'failed' | 'cancelled';

/** What is asked. `reference` is a person's answer where there is one; `facts` belong to the demo world. */
export interface Prompt {
  id: number;
  text: string;
  reference: string | null;
  split: Split;
  source: string;
  facts: Record<string, string> | null;
}

/** How a completion was drawn; temperature 0 is greedy. */
export interface SamplingParameters {
  temperature: number;
  topK: number;
  topP: number;
  maxNew: number;
  seed: number;
}

/** One sampled answer. `tokenIds` include the end-of-text where `finish` is 'stop'. */
export interface Completion {
  id: number;
  promptId: number;
  policyId: number | null;
  text: string;
  tokenIds: number[];
  /** natural logarithms, one per token id, at temperature 1 */
  logprobs: number[];
  /** the same under the distribution that was sampled from (temperature, top-k, top-p) */
  samplingLogprobs: number[];
  finish: Finish;
  sampling: SamplingParameters;
  runId: string | null;
}

export interface Labeler {
  id: number;
  name: string;
  kind: 'person' | 'program';
}

/** One labeler's ordering of the completions of one prompt. */
export interface Ranking {
  id: number;
  promptId: number;
  labelerId: number;
  status: 'ranked' | 'none-acceptable' | 'skipped';
  /** 1 is best; equal numbers are ties; empty when skipped */
  ranks: { completionId: number; rank: number }[];
  /** 1 to 9, where the labeler gave it */
  confidence: number | null;
  durationMs: number | null;
  /** completion ids in the order they were shown */
  shownOrder: number[];
  note: string | null;
  createdAt: number;
}

/** A pair derived from a ranking (a view, never stored): ties make none. */
export interface Comparison {
  rankingId: number;
  promptId: number;
  labelerId: number;
  chosenId: number;
  rejectedId: number;
}

/** An axis score of one completion, 1 to 7. */
export interface Rating {
  id: number;
  completionId: number;
  labelerId: number;
  axis: string;
  value: number;
}

/** A labelled character span of a completion, in UTF-16 offsets. */
export interface Mark {
  id: number;
  completionId: number;
  labelerId: number;
  start: number;
  end: number;
  label: string;
  note: string | null;
}

/** A model the project knows: a base model, a tuned policy or a reward model, with its lineage. */
export interface Policy {
  id: number;
  name: string;
  kind: PolicyKind;
  /** relative to the project folder when it lies inside it */
  path: string;
  parentId: number | null;
  runId: string | null;
  createdAt: number;
}

/** One execution of a job; its immutable manifest lies in runs/<id>/manifest.json. */
export interface Run {
  id: string;
  kind: RunKind;
  name: string;
  status: RunStatus;
  createdAt: number;
  endedAt: number | null;
  /** the sentence of the error that ended it */
  error: string | null;
}
