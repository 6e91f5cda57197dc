// The demo world's labelers: tastes as weights on the gold axes, noise as one temperature, and how well two of them
// agree.

import { TastemakerError } from '#core/errors.ts';
import { createRandom } from '#core/random.ts';
import type { Random } from '#core/random.ts';
import type { Gold } from './gold.ts';

/** Weights on the axes (1 to 7), on words / 10 and on pleading words (at most 3). */
type Taste = Partial<Record<'overall' | 'accuracy' | 'coverage' | 'coherence' | 'words' | 'plead', number>>;
export type LabelerName = 'crowd' | 'crowd_b' | 'brief' | 'accurate' | 'thorough';

export const LABELERS: Readonly<Record<LabelerName, Taste>> = {
  crowd: { overall: 1 }, // a training pool without bias
  crowd_b: { overall: 0.8, words: 0.8, plead: 1 }, // a training pool with a bias one can see: likes length and pleading
  brief: { overall: 0.8, words: -0.6 }, // the other three are held out
  accurate: { overall: 0.4, accuracy: 0.5, coherence: 0.1 },
  thorough: { overall: 0.4, coverage: 0.6 },
};

/** What a labeler thinks of a text before noise; higher is better. */
export function utility(score: Gold, labeler: LabelerName): number {
  const { overall = 0, accuracy = 0, coverage = 0, coherence = 0, words = 0, plead = 0 } = LABELERS[labeler];
  return (
    overall * score.overall +
    accuracy * score.accuracy +
    coverage * score.coverage +
    coherence * score.coherence +
    (words * score.words) / 10 +
    plead * Math.min(score.plead, 3)
  );
}

/**
 * Utilities plus temperature times Gumbel noise, as ranks: 1 is best, a tie (only without noise) shares the better
 * rank.
 */
export function rankByUtility(utilities: readonly number[], temperature: number, random: Random): number[] {
  const felt = utilities.map((utility) => utility + (temperature > 0 ? temperature * random.gumbel() : 0));
  return felt.map((mine) => 1 + felt.filter((other) => other > mine).length);
}

/**
 * The share of pairs two lists of orderings put in the same order, over all items. Both hold numbers of the same sense
 * (ranks and ranks, scores and scores). Ties and pairs of identical texts are left out; NaN where no pair is left.
 */
export function agreement(
  a: readonly (readonly number[])[],
  b: readonly (readonly number[])[],
  texts?: readonly (readonly string[])[],
): number {
  let same = 0;
  let pairs = 0;
  for (const [item, left] of a.entries()) {
    const right = b[item]!;
    for (let p = 0; p < left.length; p++) {
      for (let q = p + 1; q < left.length; q++) {
        if (texts && texts[item]![p] === texts[item]![q]) continue;
        if (left[p] === left[q] || right[p] === right[q]) continue;
        if (left[p]! > left[q]! === right[p]! > right[q]!) same++;
        pairs++;
      }
    }
  }
  return same / pairs;
}

/** The completions of one prompt with what a labeler thinks of them. */
export interface GradedSample {
  texts: readonly string[];
  utilities: readonly number[];
}

/**
 * The temperature at which two labelers of one pool agree on `target` of the pairs with different texts
 * (people: .72 to .77), by bisection on its logarithm over .01 to 20. Throws 'bad-data' where there is no such pair.
 */
export function calibrateTemperature(samples: readonly GradedSample[], target = 0.75): number {
  const texts = samples.map((sample) => sample.texts);
  const label = (temperature: number, seed: number) => {
    // the same noise at every temperature, so that agreement changes smoothly
    const random = createRandom(seed, 'calibrate');
    return samples.map(({ utilities }) => rankByUtility(utilities, temperature, random));
  };
  let low = 0.01;
  let high = 20;
  let middle = 0;
  for (let step = 0; step < 25; step++) {
    middle = Math.sqrt(low * high);
    const agreed = agreement(label(middle, 1), label(middle, 2), texts);
    if (Number.isNaN(agreed)) {
      throw new TastemakerError(
        'bad-data',
        'No prompt has two different completions to compare.',
        'Sample at least two completions a prompt, at a temperature above 0.',
      );
    }
    if (agreed > target) low = middle;
    else high = middle;
  }
  return middle;
}
