// What the window is shown of runs beside how far they are: results, notes, tags, sizes, what goes when one is deleted.

import * as v from 'valibot';
import { short } from './schemas.ts';

/**
 * `evaluation`: measured now and then on what is not trained on, so never smoothed; `count` is the metric that says on
 * how many samples.
 */
export interface MetricMeaning {
  sentence: string;
  unit: string;
  healthy: string;
  better: 'high' | 'low' | null;
  evaluation?: boolean;
  count?: string;
}

/** A metric of a run: its last value and its best, with what it rests on where it was measured. */
export interface RunResult {
  metric: string;
  last: number;
  best: number;
  bestStep: number;
  /** standard error of the last value, and of the best; null where none is known */
  lastError: number | null;
  bestError: number | null;
  /** how many samples the last value rests on */
  count: number | null;
}

/** A run in the table: what is not in its row because it changes seldom or takes time to find out. */
export interface RunFacts {
  id: string;
  note: string;
  tags: string[];
  /** when it began to work, which is later than when it was asked for; null where it has not begun */
  startedAt: number | null;
  /** what its folder takes on the disk */
  bytes: number;
  /** the metrics that count for its recipe first */
  results: RunResult[];
  /** its settings where they are other than the recipe's defaults */
  settings: Record<string, number | string | boolean>;
}

export const runNote = v.pipe(v.string(), v.maxLength(20_000));
export const runTags = v.pipe(v.array(v.pipe(v.string(), v.maxLength(60))), v.maxLength(30));

/** What deleting runs would take, and what it would leave. */
export interface RunDeletion {
  runs: number;
  /** samples that nobody has judged, which go with it */
  samples: number;
  /** those that are ranked, rated, marked, flagged or begun: they stay, as samples of no run */
  judged: number;
  /** `keeps`: why the model stays even where it is asked for; null where it can go */
  models: { id: number; name: string; bytes: number; keeps: string | null }[];
  bytes: number;
  /** what stays of that on the disk because a model needs it */
  modelBytes: number;
}

export type RunPart = 'checkpoints' | 'features' | 'rollouts' | 'leftovers';
/** What a run takes on the disk. `free`: parts that nothing needs any more; `held`: why the rest of a part is kept. */
export interface RunSpace {
  id: string;
  name: string;
  bytes: number;
  free: { part: RunPart; bytes: number; files: number }[];
  held: { bytes: number; why: string } | null;
}
export const runParts = v.pipe(
  v.array(v.picklist(['checkpoints', 'features', 'rollouts', 'leftovers'])),
  v.minLength(1),
  v.maxLength(4),
);

/** One ranking that a reward model did not learn from, and how it scored its answers. */
export interface HeldOutRanking {
  promptId: number;
  prompt: string;
  labeler: string | null;
  answers: { completionId: number; text: string; rank: number; score: number }[];
  /** share of its pairs that the scores order as the labeler did; null where all are tied */ agreed: number | null;
}

/** New limits of the rules that end a run by themselves; 0 = off. */
export const stopRules = v.record(v.pipe(short, v.regex(/^stop_[a-z]+$/)), v.pipe(v.number(), v.minValue(0)));
