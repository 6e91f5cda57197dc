// What a policy writes for held-out prompts, in numbers with their standard errors; and by which of them the best
// weights of a run are chosen.

import type { Finish } from '#core/contract/samples.ts';
import { clusteredMean } from '#core/evaluation/clustered-mean.ts';
import { distinctN, repetitionN } from '#core/findings/texts.ts';
import type { MetricRow } from '#core/recipes/metrics.ts';

/** Fewer samples than this say too little to choose by: then each held-out prompt is answered several times. */
const ENOUGH = 64;

export const samplesAPrompt = (prompts: number): number => Math.max(1, Math.ceil(ENOUGH / Math.max(1, prompts)));

/** The random streams of a held-out prompt's samples; the first is the one that is shown. */
export const heldOutStreams = (name: string, promptId: number, samples: number): string[] =>
  Array.from({ length: samples }, (_, j) => (j === 0 ? `${name}/${promptId}` : `${name}/${promptId}/${j}`));

export interface HeldOutSample {
  promptId: number;
  tokenIds: readonly number[];
  finish: Finish;
  kl: number;
  /** with the missing-end rule applied; absent where nothing scores */
  score?: number;
  gold?: number;
}

/**
 * The held-out numbers of metrics.jsonl. `beta` is what the run pays for a nat of KL, `price` what choosing pays for
 * it:
 * held_out_value = score − price·KL, by which best/ is chosen.
 */
export function describeHeldOut(
  samples: readonly HeldOutSample[],
  { beta, price }: { beta: number; price: number },
): MetricRow {
  const of = (values: readonly number[]) =>
    clusteredMean(values.map((value, i) => ({ cluster: samples[i]!.promptId, value, weight: 1 })));
  const kl = of(samples.map((sample) => sample.kl));
  const texts = samples.map(({ tokenIds }) => tokenIds);
  const row: MetricRow = {
    held_out_n: samples.length,
    held_out_kl: kl.mean,
    held_out_length: of(samples.map(({ tokenIds }) => tokenIds.length)).mean,
    held_out_ended: of(samples.map(({ finish }) => Number(finish === 'stop'))).mean,
    held_out_distinct: distinctN(texts, 3),
    held_out_repetition: repetitionN(texts, 4),
  };
  if (samples.every(({ score }) => score !== undefined)) {
    const score = of(samples.map((sample) => sample.score!));
    const value = of(samples.map((sample) => sample.score! - price * sample.kl));
    Object.assign(row, withError('held_out_score', score), withError('held_out_value', value), {
      held_out_reward: score.mean - beta * kl.mean,
    });
  }
  const golds = samples.filter(({ gold }) => gold !== undefined);
  if (golds.length)
    Object.assign(
      row,
      withError(
        'gold',
        clusteredMean(golds.map(({ gold, promptId }) => ({ cluster: promptId, value: gold!, weight: 1 }))),
      ),
    );
  return row;
}

const withError = <const N extends 'held_out_score' | 'held_out_value' | 'gold'>(
  name: N,
  { mean, standardError }: { mean: number; standardError: number | null },
): MetricRow => ({ [name]: mean, ...(standardError === null ? {} : { [`${name}_se`]: standardError }) });
