// Judgements: labelers, items, rankings, ratings, marks, and the selection of them that is learnt from.

import type { Split, Extra } from './prompts.ts';

export interface Labeler {
  id: number;
  name: string;
  kind: 'person' | 'program';
}

/** What the ranking desk shows at once: one prompt and the two to nine completions to be ranked together. */
export interface Item {
  id: number;
  promptId: number;
  completionIds: number[];
  source: 'sample' | 'import' | 'inspect';
  reason: string | null;
}

/** One labeler's ordering of the completions of one prompt. */
export interface Ranking {
  id: number;
  promptId: number;
  labelerId: number;
  itemId: number | null;
  status: 'ranked' | 'none-acceptable' | 'skipped';
  /** 1 is best; equal numbers are ties; empty when skipped */
  ranks: Rank[];
  /** 1 to 9, where the labeler gave it */
  confidence: number | null;
  /** milliseconds the labeler was active on it */
  durationMs: number | null;
  /** completion ids in the order they were shown */
  shownOrder: number[];
  note: string | null;
  /** what the labeler thought had happened before reading the post */
  naive: string | null;
  /** the earlier ranking that this hidden repeat shows again; it makes no comparisons */
  repeatOf: number | null;
  /** which version of the guidelines was in force */
  guidelines: number | null;
  /** what the file that it came from says besides */
  extra: Extra | null;
  createdAt: number;
}

export interface Rank {
  completionId: number;
  rank: number;
}

/** A pair derived from a ranking (a view, never stored): ties make none. */
export interface Comparison {
  rankingId: number;
  promptId: number;
  labelerId: number;
  chosenId: number;
  rejectedId: number;
}

/**
 * An axis score of one completion: whole, from 1 to 7, where it was given at the desk; files have scales of their own,
 * from `low` (worst, which may be the larger number) to `high` (best).
 */
export interface Rating {
  id: number;
  completionId: number;
  labelerId: number;
  axis: string;
  value: number;
  low: number;
  high: number;
}

/** A labelled character span of a completion, in UTF-16 offsets, end excluded. */
export interface Mark {
  id: number;
  completionId: number;
  labelerId: number;
  start: number;
  end: number;
  label: string;
  note: string | null;
}

/**
 * Which judgements are learnt from, measured or written to a file. An empty list leaves nothing out. Hidden repeats,
 * skipped
 * items and flagged answers are never learnt from, whatever stands here.
 */
export interface Selection {
  /** names of labelers */
  labelers: string[];
  /** names of the models whose answers count, or of the writers that a file gives */
  policies: string[];
  /** ids of the runs that drew the answers */
  rounds: string[];
  splits: Split[];
  /** the least confidence, 1 to 9; 0 = any. A ranking without one stays */
  confidence: number;
  /** what a flag leaves out: the answer that bears it, or also every ranking of a flagged item */
  flagged: 'answers' | 'items';
  /** answers that bear a mark with one of these labels are left out */
  marks: string[];
}
