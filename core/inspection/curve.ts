// What runs measured on held-out prompts against how far they went from their start, and where to stop by it.

import path from 'node:path';
import type { CurveFit, CurveMeasure, RunCurve } from '#core/contract/findings.ts';
import { TastemakerError } from '#core/errors.ts';
import { fittedCurves } from '#core/findings/curve.ts';
import type { FittedCurve } from '#core/findings/curve.ts';
import { recommendStop } from '#core/findings/overoptimisation.ts';
import type { Stop, StopReason } from '#core/findings/overoptimisation.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import type { Manifest } from '#core/recipes/manifest.ts';
import type { MetricName, MetricRow } from '#core/recipes/metrics.ts';
import { isMetricRow } from '#core/runs/new-lines.ts';
import { readRows } from '#core/runs/read-rows.ts';
import { runFolderOf } from '#core/store/run-folder.ts';

/**
 * What is measured at a look, each with its standard error; the first was trained on, the second is stopped by.
 * `scale`: what two runs have to have in common for their numbers to be on one scale.
 */
const MEASURES: readonly {
  metric: MetricName;
  error: MetricName;
  scale: readonly (keyof typeof SCALES)[];
}[] = [
  { metric: 'held_out_score', error: 'held_out_score_se', scale: ['reward'] },
  { metric: 'held_out_value', error: 'held_out_value_se', scale: ['reward', 'price'] },
  { metric: 'gold', error: 'gold_se', scale: [] },
];
/** What a measure's scale hangs on: as it is in a run, and what is said where two runs differ in it. */
const SCALES = {
  reward: {
    of: ({ models }: Manifest) => models['reward']?.sha256,
    differs: 'they were trained on other reward models',
  },
  price: { of: ({ config }: Manifest) => priceOf(config), differs: 'they were chosen at another price of KL' },
} as const;
/** What choosing weights pays for a nat of KL. */
const priceOf = ({ beta, best_kl_price: least }: Manifest['config']): number =>
  Math.max(Number(beta ?? 0), Number(least ?? 0));

const REASONS: Readonly<Record<StopReason, string>> = {
  peak: 'no look at held-out prompts is better, for the KL it costs, and the fitted curve turns there too',
  best: 'no look at held-out prompts is better, for the KL it costs',
  rising: 'what it gains on held-out prompts has not stopped rising',
};

type Look = MetricRow & { step: number };

/** The looks of a run at held-out prompts, in order; none of a run that does not look. */
export async function heldOutLooks(runFolder: string): Promise<Look[]> {
  const rows = await readRows<Look>(path.join(runFolder, 'metrics.jsonl'), isMetricRow);
  return rows.filter(({ held_out_value: value, held_out_kl: kl }) => value !== undefined && kl !== undefined);
}

/**
 * The curves of runs that began with one policy, beside the first. 'bad-argument' of runs that did not, or have not
 * looked at held-out prompts.
 */
export async function runCurves(projectFolder: string, runIds: readonly string[]): Promise<RunCurve[]> {
  const ids = [...new Set(runIds)];
  const [first, ...others] = ids.map((id) => readManifest(runFolderOf(projectFolder, id)));
  for (const other of others) requireSameStart(first!, other);
  const curves: RunCurve[] = [];
  for (const [i, id] of ids.entries())
    curves.push(besideFirst(await runCurve(projectFolder, id), first!, others[i - 1]));
  return curves;
}

/** What a run's KL is measured from. */
export const originOf = ({ models }: Manifest): { path: string; sha256: string } | null =>
  models['reference'] ?? models['policy'] ?? null;

/** 'bad-argument' where the two began with other policies, or measure KL from other models. */
function requireSameStart(first: Manifest, other: Manifest): void {
  const isSame = (role: 'policy' | 'reference') => {
    const [a, b] = [first, other].map(({ models }) => models[role] ?? models['policy']);
    return a?.sha256 === b?.sha256;
  };
  if (isSame('policy') && isSame('reference')) return;
  throw new TastemakerError(
    'bad-argument',
    `Run ${other.id} did not begin with the policy that run ${first.id} began with, so that they are not at one distance from one start.`,
    'Lay runs beside one another that began with the same model.',
  );
}

/** Without the measures that are on another scale than the first run's. */
function besideFirst(curve: RunCurve, first: Manifest, manifest: Manifest | undefined): RunCurve {
  if (!manifest) return curve;
  const measures: CurveMeasure[] = [];
  const notes: string[] = [];
  for (const measure of curve.measures) {
    const { scale } = MEASURES.find(({ metric }) => metric === measure.metric)!;
    const differs = scale.find((name) => SCALES[name].of(manifest) !== SCALES[name].of(first));
    if (!differs) measures.push(measure);
    else
      notes.push(
        `${measure.metric} of run ${curve.run} is left out: beside run ${first.id} ${SCALES[differs].differs}.`,
      );
  }
  return { ...curve, measures, notes };
}

/** 'bad-argument' of a run that has not looked at held-out prompts. */
async function runCurve(projectFolder: string, runId: string): Promise<RunCurve> {
  const folder = runFolderOf(projectFolder, runId);
  const looks = await heldOutLooks(folder);
  if (looks.length === 0)
    throw new TastemakerError(
      'bad-argument',
      `Run ${runId} has measured nothing on held-out prompts.`,
      'Runs that tune a policy with a reward model do so, where the project has validation prompts.',
    );
  const stop = recommended(looks);
  return {
    run: runId,
    beta: betaOf(readManifest(folder)),
    measures: MEASURES.flatMap((measure) => measured(looks, measure)),
    stop: stop && { update: stop.update, kl: stop.kl, reason: REASONS[stop.reason] },
    notes: [],
  };
}

/** What it pays for a nat of KL; null where it pays for none. */
export const betaOf = ({ config: { beta } }: Manifest): number | null => (typeof beta === 'number' ? beta : null);

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
    })),
  );
}

/** One measure over the looks that have it; nothing where none has. */
function measured(
  looks: readonly Look[],
  { metric, error }: Pick<(typeof MEASURES)[number], 'metric' | 'error'>,
): CurveMeasure[] {
  const points = looks.flatMap((look) => {
    const value = look[metric];
    return value === undefined ? [] : [{ update: look.step, kl: distanceOf(look), value, error: look[error] ?? null }];
  });
  return points.length > 0 ? [{ metric, points, fits: fittedCurves(points).map(asFit) }] : [];
}

/** What has no end, or lies beyond all numbers, is null: JSON has no infinity. */
export const asFit = ({ form, sentence, alpha, beta, peak, residual, n, line }: FittedCurve): CurveFit => ({
  form,
  sentence,
  alpha,
  beta,
  peak: peak && Number.isFinite(peak.value) ? { ...peak, high: Number.isFinite(peak.high) ? peak.high : null } : null,
  residual,
  n,
  line,
});
