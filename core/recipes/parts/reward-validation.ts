// How a reward model does on rankings that it did not learn from: accuracy with its standard error, gap and loss, and
// by labeler.

import { shareWords } from '#core/contract/share-words.ts';
import { clusteredMean } from '#core/evaluation/clustered-mean.ts';
import type { Clustered } from '#core/evaluation/clustered-mean.ts';
import type { MetricRow } from '#core/recipes/metrics.ts';
import { rankingWeights } from './reward-data.ts';
import type { Element } from './reward-data.ts';

/** A line of validation.jsonl. */
export interface ValidationRow {
  promptId: number;
  completionIds: number[];
  ranks: number[];
  scores: number[];
  labeler: string | null;
  confidence: number | null;
  /** who wrote each completion */
  policies: (string | null)[];
}

/** ln(1 + e^x), where e^x is too large for a number as well. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

interface Judged {
  promptId: number;
  labeler: string | null;
  accuracy: number;
  gap: number;
  loss: number;
}

/** Means over the pairs of one ranking with different ranks and texts; null where it has none. */
function judge({ promptId, labeler, completions, ranks }: Element, scores: readonly number[]): Judged | null {
  const differences = ranks.flatMap((a, i) =>
    ranks.flatMap((b, j) =>
      a < b && completions[i]!.join() !== completions[j]!.join() ? [scores[i]! - scores[j]!] : [],
    ),
  );
  const mean = (of: (difference: number) => number) =>
    differences.reduce((sum, difference) => sum + of(difference), 0) / differences.length;
  if (differences.length === 0) return null;
  return {
    promptId,
    labeler,
    accuracy: mean((d) => (d > 0 ? 1 : 0)),
    gap: mean((d) => d),
    loss: mean((d) => softplus(-d)),
  };
}

/** Of one measure, as training weighs: pairs within a ranking, rankings within a prompt, and every prompt the same. */
function averaged(judged: readonly Judged[], of: (one: Judged) => number): ReturnType<typeof clusteredMean> {
  const weights = rankingWeights(judged);
  return clusteredMean(
    judged.map((one, i): Clustered => ({ cluster: one.promptId, value: of(one), weight: weights[i]! })),
  );
}

export interface Validated {
  /** empty where there was nothing to validate on */
  checked: MetricRow;
  /** "0.712 (0.67 to 0.75) on 60 rankings of 58 prompts": the interval holds it 95 % of the time; empty then, too */
  words: string;
  /** the same for each labeler, where there are several */
  byLabeler: string[];
  rows: ValidationRow[];
}

const wordsOf = (judged: readonly Judged[]): string => {
  const { mean, standardError } = averaged(judged, ({ accuracy }) => accuracy);
  const prompts = new Set(judged.map(({ promptId }) => promptId)).size;
  const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;
  return `${shareWords(mean, { error: standardError, count: judged.length })} on ${counted(judged.length, 'ranking')}${prompts === judged.length ? '' : ` of ${counted(prompts, 'prompt')}`}`;
};

/** @param scores of each ranking's completions */
export function validate(elements: readonly Element[], scores: readonly (readonly number[])[]): Validated {
  const judged = elements.flatMap((element, e) => judge(element, scores[e]!) ?? []);
  const rows = elements.map(({ promptId, completionIds, ranks, labeler, confidence, policies }, e): ValidationRow => ({
    promptId,
    completionIds,
    ranks,
    scores: [...scores[e]!],
    labeler,
    confidence,
    policies,
  }));
  if (judged.length === 0) return { checked: {}, words: '', byLabeler: [], rows };
  const accuracy = averaged(judged, (one) => one.accuracy);
  const labelers = Map.groupBy(judged, ({ labeler }) => labeler);
  return {
    checked: {
      validation_accuracy: accuracy.mean,
      ...(accuracy.standardError === null ? {} : { validation_accuracy_se: accuracy.standardError }),
      validation_rankings: judged.length,
      score_gap: averaged(judged, ({ gap }) => gap).mean,
      validation_loss: averaged(judged, ({ loss }) => loss).mean,
    },
    words: wordsOf(judged),
    byLabeler:
      labelers.size < 2 ? [] : [...labelers].map(([labeler, own]) => `${labeler ?? 'somebody'}: ${wordsOf(own)}`),
    rows,
  };
}
