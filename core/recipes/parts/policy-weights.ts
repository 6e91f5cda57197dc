// The weights that a run which tunes a policy writes as models: those it ends with, the best, and those of looks.

import type { WeightArrays } from '#core/models/checkpoint.ts';
import type { MetricRow } from '#core/recipes/metrics.ts';
import type { RunContext } from '#core/recipes/recipe.ts';
import type { Config } from '#core/recipes/settings.ts';
import { keepLook, lookOf } from './kept-looks.ts';
import type { LOOK_SETTINGS } from './kept-looks.ts';
import { writeModel } from './model-folder.ts';
import type { ModelPlace } from './model-folder.ts';
import { takeLook } from './policy-progress.ts';
import type { PolicyProgress } from './policy-progress.ts';
import type { Tuned } from './tuning.ts';

export interface PolicyWeights {
  keep(place: ModelPlace, metrics: MetricRow): void;
  /** Takes down a look at held-out prompts, and keeps the weights where it says so. */
  look(row: MetricRow): void;
}

export function policyWeights(
  context: RunContext,
  part: Tuned,
  weights: () => WeightArrays,
  config: Config<typeof LOOK_SETTINGS> & {
    updates: number;
    evaluate_every: number;
    reference: string;
    stop_drop: number;
  },
  progress: PolicyProgress,
): PolicyWeights {
  const keep = (place: ModelPlace, metrics: MetricRow) =>
    writeModel(
      context,
      place,
      { ...part.start, weights: weights() },
      {
        tokenizerFrom: context.model('policy'),
        step: progress.update,
        steps: config.updates,
        metrics,
        reference: config.reference,
      },
    );
  return {
    keep,
    look: (row) => {
      const isBest = takeLook(progress, row, context.ruled(config).stop_drop);
      if (isBest) keep('best', row);
      const newest = lookOf(progress.update, row, isBest);
      progress.looks = keepLook(context, progress.looks, newest, config, (place) => keep(place, row));
    },
  };
}
