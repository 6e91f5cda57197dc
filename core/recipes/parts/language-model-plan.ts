// The phases of trainOnTexts: next-token training and its validation.

import { numbersAbove, reading } from '#core/plans/plan.ts';
import type { ModelShape } from '#core/plans/model-shape.ts';
import type { Phase } from '#core/plans/plan.ts';
import { roundedLength } from '#core/models/rows.ts';
import type { Parameter } from '#core/models/architecture.ts';
import { LANGUAGE_OBJECTIVE, roomForPredictions, rowLength } from '#core/training/objectives/language-model.ts';
import type { Config } from '#core/recipes/settings.ts';
import type { LANGUAGE_MODEL_SETTINGS } from './language-model-steps.ts';
import { microBatches } from './tuning.ts';

interface TextsPlanned {
  learner: { model: ModelShape; parameters: readonly Parameter[]; still: readonly Parameter[] };
  steps: number;
  /** tokens of a text as a rule, and of the longest; how many of those are predicted in training */
  usual: number;
  longest: number;
  predicted: number;
  /** how likely another call has rows of another shape */
  varied: number;
  /** texts to validate with, tokens of the longest, and how many of those are predicted */
  validated: number;
  validatedLongest: number;
  validatedPredicted: number;
}

/** How often it is validated. */
export const validations = (steps: number, every: number): number => (every ? Math.ceil(steps / every) : 1);

/** The settings that its phases hang on. */
export type TextSteps = Pick<
  Config<typeof LANGUAGE_MODEL_SETTINGS>,
  'batch' | 'micro_batch' | 'steps_a_run' | 'validate_every'
>;

export function textPhases(config: TextSteps, asked: TextsPlanned): Phase[] {
  const { learner, steps, usual, longest, predicted, varied, validated } = asked;
  const T = rowLength(longest, 16);
  const numbers = numbersAbove(learner.model, 0);
  return [
    {
      does: 'train',
      ...learner,
      objective: LANGUAGE_OBJECTIVE,
      shape: { B: config.batch, T, Q: roomForPredictions(predicted, T), shared: false },
      growing: true,
      micro: microBatches(config.batch, config),
      steps,
      asked: config.steps_a_run,
      tokensAStep: config.batch * longest,
      varied,
      fed: 0,
      tokens: steps * config.batch * usual,
      numbers,
    },
    ...reading(learner.model, {
      rows: validated,
      longest: asked.validatedLongest,
      slots: roundedLength(asked.validatedPredicted),
      shared: false,
      temperature: 1,
      tokens: validations(steps, config.validate_every) * validated * usual,
    }),
  ];
}
