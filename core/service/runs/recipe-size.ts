// How much work a run would be, from config.json and counts alone.

import type { Config } from '#core/contract/recipes.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { loadArchitecture } from '#core/models/checkpoint.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import type { Facts, Lengths } from './recipe-facts.ts';

const DECODING = 3; // a token that is sampled alone costs about as much as three that are read together

export const parametersOf = (model: Architecture): number =>
  parameters(model).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** The architecture of a model of the project by its name. */
export const architectureOf = (project: Project, name: string): Architecture =>
  loadArchitecture(policyPath(project, getPolicy(project, name)));

/**
 * Tokens times parameters, a training pass counted as three and a token that is sampled as DECODING. `config` is
 * complete. Throws where it names a model that is not there.
 */
export function workOf(project: Project, recipe: RecipeName, config: Config, facts: Facts, lengths: Lengths): number {
  const number = (name: string) => Number(config[name]);
  const model = () => architectureOf(project, String(config.policy));
  const { prompt: P, completion: C } = lengths;
  switch (recipe) {
    case 'pretrain': {
      const heads = number('heads');
      const channels = number('channels');
      const shape = newArchitecture({
        family: config.family as 'gpt2',
        vocabulary: number('vocabulary'),
        channels,
        layers: number('layers'),
        heads,
        feedForward: config.family === 'gpt2' ? 4 * channels : Math.ceil((8 * channels) / 3),
        context: number('context'),
        endOfText: 0,
      });
      return 3 * number('steps') * number('batch') * number('context') * parametersOf(shape);
    }
    case 'sft': {
      const size = parametersOf(model());
      const shown = number('show_prompts');
      const steps = Math.ceil(facts.references / number('batch')) * number('epochs');
      return (
        size * (3 * steps * number('batch') * (P + lengths.reference) + 2 * shown * number('show_max_new') * DECODING)
      );
    }
    case 'reward': {
      const K = lengths.ranked;
      const tokens = facts.rankings * number('epochs') * (P + K * C);
      return parametersOf(model()) * tokens * (3 * (1 - number('validation')) + number('validation'));
    }
    case 'sample': {
      const k = number('k');
      const N = number('max_new');
      const there = config.split
        ? facts.prompts[config.split as 'train']
        : facts.prompts.train + facts.prompts.validation;
      return (
        parametersOf(model()) * Math.min(there, number('prompts') || there) * (P + k * Math.min(N, 1.5 * C) * DECODING)
      );
    }
    case 'score': {
      const shapes = [config.reward, config.reference]
        .filter(Boolean)
        .map((name) => architectureOf(project, String(name)));
      return shapes.reduce((sum, shape) => sum + parametersOf(shape) * facts.completions * (C + P / 4), 0);
    }
    case 'ppo': {
      const policy = model();
      const critic = architectureOf(project, String(config.reward));
      const N = number('max_new');
      const k = number('samples_per_prompt');
      const perBatch = Math.max(1, Math.floor(number('episodes') / k));
      const read = perBatch * (P + k * N);
      const sizes = parametersOf(policy) + parametersOf(critic);
      const evaluations = number('evaluate_every') ? 1 + Math.ceil(number('updates') / number('evaluate_every')) : 0;
      return (
        number('updates') *
          (perBatch * k * N * DECODING * parametersOf(policy) +
            read * (sizes * 3 * number('epochs') + sizes + parametersOf(critic))) +
        evaluations * number('evaluate_prompts') * (N * DECODING * parametersOf(policy) + (P + N) * 2 * sizes)
      );
    }
  }
}
