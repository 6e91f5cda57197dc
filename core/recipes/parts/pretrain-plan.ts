// The plan of pretraining: a model from nothing, windows of its context, the end of the texts to validate with.

import { bytesOfShape } from '#core/plans/model-shape.ts';
import type { Plan } from '#core/plans/plan.ts';
import { newArchitecture } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { textPhases } from './language-model-plan.ts';
import type { TextSteps } from './language-model-plan.ts';
import { wholly } from './tuning.ts';

/** What the shape of the model hangs on, and with the plan what else does. */
interface Shape {
  family: 'gpt2' | 'llama';
  channels: number;
  layers: number;
  heads: number;
  context: number;
}
type Planned = Shape & TextSteps & { vocabulary: number; steps: number; validation: number };

/** Windows that it is validated with at most. */
export const VALIDATED = 32;

/** The model that is made, for a tokenizer. */
export const architectureOf = (
  { family, channels, layers, heads, context }: Shape,
  tokenizer: { vocabulary: number; endOfText: number; pad: number | null },
): Architecture =>
  newArchitecture({
    family,
    channels,
    layers,
    heads,
    feedForward: family === 'gpt2' ? 4 * channels : Math.round((8 * channels) / 3 / 32) * 32 || channels,
    context,
    ...tokenizer,
  });

export function planPretrain(config: Planned): Plan {
  const { context, steps, vocabulary } = config;
  const architecture = architectureOf(config, { vocabulary, endOfText: 0, pad: null });
  const { start: model, parameters } = wholly({ architecture, head: 'language-model', weights: {} });
  return {
    models: [],
    wholes: [],
    made: bytesOfShape(model),
    phases: textPhases(config, {
      learner: { model, parameters, still: [] },
      steps,
      usual: context,
      longest: context + 1,
      predicted: context,
      varied: 0,
      validated: config.validation > 0 ? VALIDATED : 0,
      validatedLongest: context,
      validatedPredicted: context - 1,
    }),
    turns: { large: architecture },
    rounds: false,
  };
}
