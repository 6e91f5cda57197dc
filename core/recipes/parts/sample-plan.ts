// The plan of sampling: prompts of like length together, each with its completions.

import { asWriter, whole } from '#core/plans/model-shape.ts';
import { numbersAbove, variety } from '#core/plans/plan.ts';
import type { Plan } from '#core/plans/plan.ts';
import { DEFAULT_ROWS, PROMPT_STEP } from '#core/models/sampler.ts';
import type { Planning } from '#core/recipes/recipe.ts';
import { forbidsLike } from './forbidden-texts.ts';

const EARLY = 1.5; // times the length of the completions there are: beyond it most have ended, and with them their row

interface Planned {
  policy: string;
  k: number;
  split: '' | 'train' | 'validation';
  prompts: number;
  temperature: number;
  top_k: number;
  top_p: number;
  max_new: number;
  forbid: string;
}

export function planSample(config: Planned, { facts, lengths, model }: Planning): Plan {
  const writer = whole(asWriter(model(config.policy)));
  const { k, max_new: N } = config;
  const there = config.split ? facts.prompts[config.split] : facts.prompts.train + facts.prompts.validation;
  const asked = Math.min(there, config.prompts || there);
  const prompts = Math.min(asked, Math.max(1, Math.floor(DEFAULT_ROWS / k)));
  const numbers = numbersAbove(writer, 0);
  return {
    models: [],
    wholes: [writer],
    made: 0,
    phases: [
      {
        does: 'write',
        model: writer,
        prompts,
        each: k,
        prompt: lengths.longestPrompt,
        written: N,
        choice: { temperature: config.temperature, topK: config.top_k, topP: config.top_p },
        forbidden: forbidsLike(writer.architecture, config.forbid),
        kept: 1 + (asked > prompts ? variety(lengths.prompt, lengths.longestPrompt, PROMPT_STEP) : 0),
        prefill: asked * lengths.prompt,
        tokens: asked * k * Math.min(N, EARLY * lengths.completion),
        numbers,
      },
    ],
    turns: 'never',
    rounds: false,
  };
}
