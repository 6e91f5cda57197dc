// What a run measured on held-out prompts against how far it went from its start, and where to stop by it.

import path from 'node:path';
import type { CurveFit, CurveMeasure, RunCurve } from '#core/contract/findings.ts';
import { TastemakerError } from '#core/errors.ts';
import { fittedCurves } from '#core/findings/curve.ts';
import type { FittedCurve } from '#core/findings/curve.ts';
import { recommendStop } from '#core/findings/overoptimisation.ts';
import type { Stop, StopReason } from '#core/findings/overoptimisation.ts';
import type { MetricName, MetricRow } from '#core/recipes/metrics.ts';
import { isMetricRow } from '#core/runs/new-lines.ts';
import { readRows } from '#core/runs/read-rows.ts';
import { runFolderOf } from '#core/store/run-folder.ts';

/** What is measured at a look, each with its standard error; the first was trained on, the second is stopped by. */
const MEASURES: readonly { metric: MetricName; error: MetricName }[] = [
  { metric: 'held_out_score', error: 'held_out_score_se' },
  { metric: 'held_out_value', error: 'held_out_value_se' },
  { metric: 'gold', error: 'gold_se' },
];
const REASONS: Readonly<Record<StopReason, string>> = {
  peak: 'the fitted curve of what it gained turns there',
  best: 'no later look at held-out prompts is better by more than a standard error, for the KL it costs',
  rising: 'what it gains on held-out prompts has not stopped rising',
};

type Look = MetricRow & { step: number };

/** The looks of a run at held-out prompts, in order; none of a run that does not look. */
export async function heldOutLooks(runFolder: string): Promise<Look[]> {
  const rows = await readRows<Look>(path.join(runFolder, 'metrics.jsonl'), isMetricRow);
  return rows.filter(({ held_out_value: value, held_out_kl: kl }) => value !== undefined && kl !== undefined);
}

/** 'bad-argument' of a run that has not looked at held-out prompts. */
export async function runCurve(projectFolder: string, runId: string): Promise<RunCurve> {
  const looks = await heldOutLooks(runFolderOf(projectFolder, runId));
  if (looks.length === 0)
    throw new TastemakerError(
      'bad-argument',
      `Run ${runId} has measured nothing on held-out prompts.`,
      'Runs that tune a policy with a reward model do so, where the project has validation prompts.',
    );
  const stop = recommended(looks);
  return {
    measures: MEASURES.flatMap((measure) => measured(looks, measure)),
    stop: stop && { update: stop.update, kl: stop.kl, reason: REASONS[stop.reason] },
  };
}

/** Where to stop by these looks, and why; null of none. */
export function stopBy(looks: readonly Look[]): { update: number; reason: string } | null {
  const stop = recommended(looks);
  return stop && { update: stop.update, reason: REASONS[stop.reason] };
}

const distanceOf = ({ held_out_kl: kl }: Look): number => Math.max(0, kl!);

/** By the score less the price of KL on prompts that were not trained on. */
function recommended(looks: readonly Look[]): Stop | null {
  const [first] = looks;
  if (!first) return null;
  return recommendStop(
    looks.map((look) => ({
      update: look.step,
      kl: distanceOf(look),
      gain: look.held_out_value! - first.held_out_value!,
      standardError: look.held_out_value_se ?? 0,
    })),
  );
}

/** One measure over the looks that have it; nothing where none has. */
function measured(looks: readonly Look[], { metric, error }: (typeof MEASURES)[number]): CurveMeasure[] {
  const points = looks.flatMap((look) => {
    const value = look[metric];
    return value === undefined ? [] : [{ update: look.step, kl: distanceOf(look), value, error: look[error] ?? null }];
  });
  return points.length > 0 ? [{ metric, points, fits: fittedCurves(points).map(asFit) }] : [];
}

/** What has no end, or lies beyond all numbers, is null: JSON has no infinity. */
const asFit = ({ form, sentence, alpha, beta, peak, residual, n, line }: FittedCurve): CurveFit => ({
  form,
  sentence,
  alpha,
  beta,
  peak: peak && Number.isFinite(peak.value) ? { ...peak, high: Number.isFinite(peak.high) ? peak.high : null } : null,
  residual,
  n,
  line,
});
