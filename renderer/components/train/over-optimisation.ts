// Warnings that a run's own numbers give: a score that rises while the truth falls, a loss that is learnt by heart.

import type { RunSample } from '#core/contract.ts';
import type { Curve, Curves } from '#renderer/components/charts/curves.ts';
import { nearest, smooth } from '#renderer/components/charts/series.ts';
import { two } from './run-words.ts';

export interface Hint { title: string; sentence: string; since: number }

const SMOOTHING = 0.6;
/** points a curve must have before anything is said of it */
const ENOUGH = 4;

interface Turn { best: number; bestStep: number; now: number }

/** Where the smoothed curve was best, where it has clearly got worse since: by more than twice its own noise. */
function turned(steps: ArrayLike<number>, values: ArrayLike<number>, length: number, better: 'high' | 'low'): Turn | null {
  if (length < ENOUGH) return null;
  const s = smooth(values, SMOOTHING, length).values, sign = better === 'high' ? 1 : -1;
  let best = 0, squares = 0;
  for (let i = 1; i < length; i++) {
    if (sign * s[i]! > sign * s[best]!) best = i;
    squares += (s[i]! - s[i - 1]!) ** 2;
  }
  const drop = sign * (s[best]! - s[length - 1]!);
  // Single points scatter around the curve: what is left after smoothing is the noise of this mean.
  let residual = 0;
  for (let i = 0; i < length; i++) residual += (values[i]! - s[i]!) ** 2;
  const noise = Math.sqrt(Math.min(residual, squares * 4) / length);
  return best < length - 1 && drop > 2 * noise && drop > 1e-6 ? { best: s[best]!, bestStep: steps[best]!, now: s[length - 1]! } : null;
}

/** How a smoothed curve moved from `step` to its end. */
function since(curve: Curve | undefined, step: number): { before: number; now: number } | null {
  if (!curve || curve.length < ENOUGH) return null;
  const s = smooth(curve.value, SMOOTHING, curve.length).values;
  return { before: s[nearest(curve.step, step, curve.length)]!, now: s[curve.length - 1]! };
}

/** Mean score of the fixed prompts' samples at every step they were written. */
export function heldOutScores(samples: readonly RunSample[]): { step: number[]; value: number[] } {
  const sums = new Map<number, { sum: number; count: number }>();
  for (const { step, score } of samples) {
    if (score === null) continue;
    const at = sums.get(step) ?? { sum: 0, count: 0 };
    sums.set(step, { sum: at.sum + score, count: at.count + 1 });
  }
  const steps = [...sums.keys()].sort((a, b) => a - b);
  return { step: steps, value: steps.map((step) => sums.get(step)!.sum / sums.get(step)!.count) };
}

/** What the numbers of this run warn of; empty where they do not. */
export function hintsOf(curves: Curves, samples: readonly RunSample[]): Hint[] {
  const hints: Hint[] = [];
  const curve = (name: string) => curves.byName.get(name);
  const score = curve('score'), gold = curve('gold');
  const goldTurn = gold ? turned(gold.step, gold.value, gold.length, 'high') : null;
  const scoreSince = goldTurn && since(score, goldTurn.bestStep);
  if (goldTurn && scoreSince && scoreSince.now > scoreSince.before) {
    hints.push({
      title: 'Over-optimisation', since: goldTurn.bestStep,
      sentence: `Since step ${goldTurn.bestStep} the score rose from ${two(scoreSince.before)} to ${two(scoreSince.now)}, while the gold score fell from ${two(goldTurn.best)} to ${two(goldTurn.now)}: the policy pleases the reward model with worse texts. Read the samples after step ${goldTurn.bestStep}; a higher beta or fewer updates keep it honest.`,
    });
  }
  if (goldTurn && scoreSince && scoreSince.now <= scoreSince.before && goldTurn.best - goldTurn.now > 0.2 * Math.abs(goldTurn.best)) {
    hints.push({
      title: 'Falling apart', since: goldTurn.bestStep,
      sentence: `Since step ${goldTurn.bestStep} the gold score fell from ${two(goldTurn.best)} to ${two(goldTurn.now)}, and the score did not rise either (${two(scoreSince.before)}, now ${two(scoreSince.now)}): the steps are too large. A lower learning rate or a higher beta holds it together.`,
    });
  }
  const held = heldOutScores(samples), heldTurn = turned(held.step, held.value, held.step.length, 'high');
  const trainSince = heldTurn && since(score, heldTurn.bestStep);
  if (heldTurn && trainSince && trainSince.now > trainSince.before) {
    hints.push({
      title: 'Learnt by heart', since: heldTurn.bestStep,
      sentence: `Since step ${heldTurn.bestStep} the score on the prompts it trains on rose from ${two(trainSince.before)} to ${two(trainSince.now)}, on held-out prompts it fell from ${two(heldTurn.best)} to ${two(heldTurn.now)}. More prompts or fewer updates help.`,
    });
  }
  const validation = curve('validation_loss'), lossTurn = validation ? turned(validation.step, validation.value, validation.length, 'low') : null;
  const lossSince = lossTurn && since(curve('loss'), lossTurn.bestStep);
  if (lossTurn && lossSince && lossSince.now < lossSince.before) {
    hints.push({
      title: 'Learnt by heart', since: lossTurn.bestStep,
      sentence: `Since step ${lossTurn.bestStep} the loss fell from ${two(lossSince.before)} to ${two(lossSince.now)}, on texts it does not train on it rose from ${two(lossTurn.best)} to ${two(lossTurn.now)}. Fewer epochs, or more data.`,
    });
  }
  return hints;
}
