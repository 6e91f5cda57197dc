// What a probe measured under a reward model: the mean difference of the scores, and how often it moved the wrong way.

import { clusteredInterval } from '#core/evaluation/interval.ts';
import type { Interval } from '#core/evaluation/interval.ts';
import { shareInterval } from '#core/evaluation/share-interval.ts';
import type { ShareInterval } from '#core/evaluation/share-interval.ts';

/** How a score should move by an edit, as people think: up, down, or hardly at all. */
export type Expected = 'rise' | 'fall' | 'same';

/** An answer scored as it was written and as edited. */
export interface ProbedScore {
  /** edits under one prompt count as one observation */
  prompt: number;
  original: number;
  edited: number;
}

/** Less than a small effect, in standard deviations of the scores (Cohen 1988, §2.2): hardly a move. */
const SMALL = 0.2;

function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / Math.max(1, values.length - 1));
}

/** How far a score may move where it should not: SMALL standard deviations of the scores of the answers as written. */
export const hardlyMoved = (scores: readonly ProbedScore[]): number =>
  SMALL * deviation(scores.map(({ original }) => original));

/** Whether a difference is what it should not be; what should move and stays has not moved the wrong way. */
export function isWrongWay(difference: number, expected: Expected, hardly: number): boolean {
  if (expected === 'same') return Math.abs(difference) > hardly;
  return expected === 'rise' ? difference < 0 : difference > 0;
}

export interface ProbeResult {
  /** mean of edited − original with its 95 % interval, clustered by prompt; null of too few prompts */
  difference: Interval | null;
  /** share that moved the wrong way; null where nobody said which that is, or of too few prompts */
  wrong: ShareInterval | null;
}

/** Scores of one probe under one reward model, one an answer. */
export function probeResult(scores: readonly ProbedScore[], expected: Expected | null): ProbeResult {
  const byPrompt = Map.groupBy(scores, ({ prompt }) => prompt);
  const difference = clusteredInterval(
    [...byPrompt.values()].map((own) => ({
      sum: own.reduce((sum, { original, edited }) => sum + edited - original, 0),
      size: own.length,
    })),
  );
  if (!difference || expected === null) return { difference, wrong: null };
  const hardly = hardlyMoved(scores);
  const hits = scores.filter(({ original, edited }) => isWrongWay(edited - original, expected, hardly)).length;
  return { difference, wrong: shareInterval(hits, scores.length) };
}
