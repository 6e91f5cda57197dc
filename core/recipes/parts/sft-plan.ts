// The plan of supervised fine-tuning: references of the train prompts, those of validation prompts, and what is written
// for some of these on the way.

import type { ModelShape } from '#core/plans/model-shape.ts';
import { asWriter } from '#core/plans/model-shape.ts';
import { numbersAbove, reading, variety } from '#core/plans/plan.ts';
import type { Phase, Plan } from '#core/plans/plan.ts';
import { DEFAULT_ROWS } from '#core/models/sampler.ts';
import type { Planning } from '#core/recipes/recipe.ts';
import { textPhases, validations } from './language-model-plan.ts';
import type { TextSteps } from './language-model-plan.ts';
import { addedUp, learnerShape } from './tuning.ts';
import type { TuningConfig } from './tuning.ts';

/** References that it is validated with at most. */
export const VALIDATED = 256;

type Planned = TextSteps &
  TuningConfig & {
    policy: string;
    loss_on: 'response' | 'everything';
    epochs: number;
    show_prompts: number;
    show_max_new: number;
    show_temperature: number;
  };

export function planSft(config: Planned, here: Planning): Plan {
  const { facts, lengths } = here;
  const base = asWriter(here.model(config.policy));
  const learner = learnerShape(base, config);
  const { context } = base.architecture;
  const tokens = Math.min(context, lengths.longestPrompt + lengths.longestReference);
  const steps = Math.ceil(facts.references / config.batch) * config.epochs;
  return {
    models: [config.policy],
    wholes: [],
    made: addedUp(base, config),
    phases: [
      ...textPhases(config, {
        learner,
        steps,
        usual: lengths.prompt + lengths.reference,
        longest: tokens,
        predicted: config.loss_on === 'everything' ? tokens : lengths.longestReference,
        varied: variety(lengths.prompt + lengths.reference, tokens, 16),
        validated: Math.min(VALIDATED, facts.prompts.validation),
        validatedLongest: tokens,
        validatedPredicted: Math.ceil(lengths.longestReference / 16) * 16,
      }),
      ...showing(config, here, learner.model, steps),
    ],
    turns: { large: base.architecture },
    rounds: false,
  };
}

/** Writing for fixed prompts before the first step and at every validation, and reading what was written. */
function showing(
  { show_prompts, show_max_new: N, show_temperature: temperature, validate_every }: Planned,
  { facts, lengths }: Planning,
  model: ModelShape,
  steps: number,
): Phase[] {
  const shown = Math.min(show_prompts, facts.prompts.validation);
  if (!shown || lengths.longestPrompt + N > model.architecture.context) return [];
  const looks = 1 + validations(steps, validate_every);
  return [
    {
      does: 'write',
      model,
      prompts: Math.min(DEFAULT_ROWS, shown),
      each: 1,
      prompt: lengths.longestPrompt,
      written: N,
      choice: { temperature, topK: 0, topP: 1 },
      kept: 1,
      prefill: looks * shown * lengths.prompt,
      tokens: looks * shown * N,
      numbers: numbersAbove(model, 0),
    },
    ...reading(model, {
      rows: shown,
      longest: lengths.longestPrompt + N,
      slots: Math.max(16, Math.ceil(N / 16) * 16),
      shared: false,
      temperature: 1,
      tokens: looks * shown * (lengths.prompt + N),
    }),
  ];
}
