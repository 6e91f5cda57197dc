// The plan of scoring: a reward model and a reference, each reading the completions that there are.

import { asJudge, asWriter, whole } from '#core/plans/model-shape.ts';
import type { ModelShape } from '#core/plans/model-shape.ts';
import { packedRows, reading } from '#core/plans/plan.ts';
import type { Plan, Reading } from '#core/plans/plan.ts';
import { roundedLength } from '#core/models/rows.ts';
import type { Planning } from '#core/recipes/recipe.ts';

/** Prompts whose completions are read before the next are looked at. */
export const PROMPTS_A_BATCH = 64;

export function planScore(config: { reward: string; reference: string }, here: Planning): Plan {
  const reward = config.reward ? whole(asJudge(here.model(config.reward))) : null;
  const reference = config.reference ? whole(asWriter(here.model(config.reference))) : null;
  return {
    models: [],
    wholes: [reward, reference].filter((model) => model !== null),
    made: 0,
    phases: [...read(reward, null, here), ...read(reference, 1, here)],
    turns: 'never',
    rounds: false,
  };
}

/** All completions of a prompt in few rows, of which its own tokens are read once. */
function read(model: ModelShape | null, temperature: number | null, { facts, lengths }: Planning): Reading[] {
  if (!model) return [];
  const all = Math.max(1, Math.round(lengths.ranked));
  const most = Math.max(lengths.longestRanked, lengths.longestPrompt + all * lengths.completion);
  const { tokens: longest, completions: K, rows } = packedRows(lengths.longestPrompt, all, most);
  return reading(model, {
    rows: Math.max(1, rows * Math.min(PROMPTS_A_BATCH, facts.completions / all)),
    longest,
    slots: temperature === null ? K : roundedLength(K * lengths.completion),
    shared: K > 1,
    temperature,
    tokens: facts.completions * (lengths.completion + lengths.prompt / all),
  });
}
