// Warnings that a run's own numbers give: a score that rises while the truth falls, a loss that is learnt by heart.
//
// What is said quotes what was measured, with its interval; smoothing only helps to see a turn where no error was
// measured.

import type { RunSample } from '#core/contract/runs.ts';
import { beside } from '#renderer/components/charts/curves.ts';
import type { Curves } from '#renderer/components/charts/curves.ts';
import { withError } from '#renderer/components/charts/metric-words.ts';
import { nearest, smooth } from '#renderer/components/charts/series.ts';

export interface Hint {
  title: string;
  /** after it stands a link to the samples of this step, and then `advice` */ sentence: string;
  since: number;
  advice: string;
}

const SMOOTHING = 0.6;
/** points a curve must have before anything is said of it: fewer where each comes with its error */
const ENOUGH = 4;
const ENOUGH_MEASURED = 3;
/** a difference below this many standard errors is none */
const CLEAR = 2;

/** Points of a metric, with their standard errors where the run says them. */
interface Points {
  step: ArrayLike<number>;
  value: ArrayLike<number>;
  length: number;
  error(index: number): number | null;
}
interface Turn {
  best: string;
  bestStep: number;
  now: string;
  drop: number;
  bestValue: number;
}

function pointsOf(curves: Curves, name: string): Points | null {
  const curve = curves.byName.get(name);
  const error = curves.byName.get(`${name}_se`);
  return curve?.length
    ? { step: curve.step, value: curve.value, length: curve.length, error: (i) => beside(curve, i, error) }
    : null;
}

/**
 * Where the curve was best, if it has clearly got worse since; what is quoted are the values measured there and now.
 */
function turned(points: Points | null, better: 'high' | 'low'): Turn | null {
  if (!points) return null;
  const { value, length } = points;
  const sign = better === 'high' ? 1 : -1;
  const last = length - 1;
  const measured = points.error(last) !== null;
  if (length < (measured ? ENOUGH_MEASURED : ENOUGH)) return null;
  const best = measured ? bestOf(value, length, sign) : bestOf(smooth(value, SMOOTHING, length).values, length, sign);
  const drop = sign * (value[best]! - value[last]!);
  const noise = measured ? Math.hypot(points.error(best) ?? 0, points.error(last)!) : scatterOf(value, length);
  if (best === last || !(drop > CLEAR * noise) || !(drop > 1e-6)) return null;
  return {
    best: withError(value[best]!, points.error(best)),
    bestStep: points.step[best]!,
    now: withError(value[last]!, points.error(last)),
    drop,
    bestValue: value[best]!,
  };
}

function bestOf(values: ArrayLike<number>, length: number, sign: number): number {
  let best = 0;
  for (let i = 1; i < length; i++) if (sign * values[i]! > sign * values[best]!) best = i;
  return best;
}

/** How far single points scatter around the smoothed curve. */
function scatterOf(values: ArrayLike<number>, length: number): number {
  const s = smooth(values, SMOOTHING, length).values;
  let residual = 0;
  let moves = 0;
  for (let i = 0; i < length; i++) {
    residual += (values[i]! - s[i]!) ** 2;
    if (i > 0) moves += (s[i]! - s[i - 1]!) ** 2;
  }
  return Math.sqrt(Math.min(residual, moves * 4) / length);
}

/** How a metric moved from `step` to its end: whether it rose, and what was measured at both. */
function since(points: Points | null, step: number): { before: string; now: string; rose: number } | null {
  if (!points || points.length < ENOUGH_MEASURED) return null;
  const { value, length } = points;
  const at = nearest(points.step, step, length);
  const last = length - 1;
  const error = points.error(last);
  const trend = error === null ? smooth(value, SMOOTHING, length).values : value;
  const moved = trend[last]! - trend[at]!;
  const rose = error !== null && Math.abs(moved) < Math.hypot(error, points.error(at) ?? 0) ? 0 : moved;
  return { before: withError(value[at]!, points.error(at)), now: withError(value[last]!, error), rose };
}

/** Mean score of the fixed prompts' samples at every step they were written, with its standard error. */
export function heldOutScores(samples: readonly RunSample[]): {
  step: number[];
  value: number[];
  error: (number | null)[];
} {
  const byStep = Map.groupBy(
    samples.filter(({ score }) => score !== null),
    ({ step }) => step,
  );
  const step = [...byStep.keys()].sort((a, b) => a - b);
  const means = step.map((at) => {
    const scores = byStep.get(at)!.map(({ score }) => score!);
    const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
    const variance = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / Math.max(1, scores.length - 1);
    return { mean, error: scores.length > 1 ? Math.sqrt(variance / scores.length) : null };
  });
  return { step, value: means.map(({ mean }) => mean), error: means.map(({ error }) => error) };
}

/** What the numbers of this run warn of; empty where they do not. */
export function hintsOf(curves: Curves, samples: readonly RunSample[]): Hint[] {
  const hints: Hint[] = [];
  const points = (name: string) => pointsOf(curves, name);
  const score = points('held_out_score') ?? points('score');
  const goldTurn = turned(points('gold'), 'high');
  const scoreSince = goldTurn && since(score, goldTurn.bestStep);
  if (goldTurn && scoreSince && scoreSince.rose > 0) {
    hints.push({
      title: 'Over-optimisation',
      since: goldTurn.bestStep,
      advice: 'A higher beta or fewer updates keep it honest.',
      sentence: `Since step ${goldTurn.bestStep} the score rose from ${scoreSince.before} to ${scoreSince.now}, while the gold score fell from ${goldTurn.best} to ${goldTurn.now}: the policy pleases the reward model with worse texts.`,
    });
  }
  if (goldTurn && scoreSince && scoreSince.rose <= 0 && goldTurn.drop > 0.2 * Math.abs(goldTurn.bestValue)) {
    hints.push({
      title: 'Falling apart',
      since: goldTurn.bestStep,
      advice: 'A lower learning rate or a higher beta holds it together.',
      sentence: `Since step ${goldTurn.bestStep} the gold score fell from ${goldTurn.best} to ${goldTurn.now}, and the score did not rise either (${scoreSince.before}, now ${scoreSince.now}): the steps are too large.`,
    });
  }
  const held = heldOutScores(samples);
  const trained = points('score');
  const heldPoints = points('held_out_score') ?? {
    step: held.step,
    value: held.value,
    length: held.step.length,
    error: (i: number) => held.error[i] ?? null,
  };
  const heldTurn = turned(heldPoints, 'high');
  const trainSince = heldTurn && since(trained, heldTurn.bestStep);
  if (heldTurn && trainSince && trainSince.rose > 0) {
    hints.push({
      title: 'Learnt by heart',
      since: heldTurn.bestStep,
      advice: 'More prompts or fewer updates help.',
      sentence: `Since step ${heldTurn.bestStep} the score on the prompts it trains on rose from ${trainSince.before} to ${trainSince.now}, on held-out prompts it fell from ${heldTurn.best} to ${heldTurn.now}.`,
    });
  }
  const lossTurn = turned(points('validation_loss'), 'low');
  const lossSince = lossTurn && since(points('loss'), lossTurn.bestStep);
  if (lossTurn && lossSince && lossSince.rose < 0) {
    hints.push({
      title: 'Learnt by heart',
      since: lossTurn.bestStep,
      advice: 'Fewer epochs, or more data.',
      sentence: `Since step ${lossTurn.bestStep} the loss fell from ${lossSince.before} to ${lossSince.now}, on texts it does not train on it rose from ${lossTurn.best} to ${lossTurn.now}.`,
    });
  }
  return hints;
}
