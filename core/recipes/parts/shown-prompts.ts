// Fixed prompts that a model writes for while it learns from texts, to be read and measured: KL from where it began,
// length, ends.

import type { Message } from '#core/contract/prompts.ts';
import type { SamplingParameters } from '#core/contract/samples.ts';
import type { Checkpoint, WeightArrays } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { createSampler } from '#core/models/sampler.ts';
import type { Sampled } from '#core/models/sampler.ts';
import { releaseAfter } from '#core/plans/large-models.ts';
import type { RunContext } from '#core/recipes/recipe.ts';
import { count, real } from '#core/recipes/settings.ts';
import type { Config } from '#core/recipes/settings.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { answerTexts } from './answer-text.ts';
import { describeHeldOut } from './held-out.ts';
import { encodePrompts, withStops } from './prompt-tokens.ts';

export const SHOWN_SETTINGS = {
  show_prompts: count(
    8,
    [0, 4096],
    'Fixed prompts of the validation split that the model writes for at every validation, to be read and measured (KL, length, ends); 0 = none.',
    { group: 'evaluation', memory: { times: 0.5, what: 'prompts shown' }, time: 'prompts shown on the way' },
  ),
  show_temperature: real(0.7, [0, 100], 'The temperature of those.', { group: 'evaluation' }),
  show_max_new: count(48, [1, 100000], 'Their longest length in tokens.', {
    group: 'evaluation',
    memory: { times: 0.5, what: 'new tokens shown' },
  }),
} as const;
type ShownSettings = Config<typeof SHOWN_SETTINGS> & { seed: number };

export interface ShownPrompt {
  promptId: number;
  prompt: string;
  messages: Message[] | null;
}

export interface ShownPrompts {
  /** Writes with these weights, reports what was written and hands it over. */
  show(step: number, steps: number, weights: WeightArrays): Promise<void>;
  release(): Promise<void>;
}

/** An answer, and what the model that it started from says of it. */
interface Shown extends Sampled {
  promptId: number;
  text: string;
  /** ln π_ref of each token at temperature 1 */
  before: number[];
  kl: number;
}

/** Null where none of the prompts fits. `start` is the model as the run begins. */
export async function createShownPrompts(
  context: RunContext,
  config: ShownSettings,
  start: Checkpoint,
  tokenizer: Tokenizer,
  rows: readonly ShownPrompt[],
): Promise<ShownPrompts | null> {
  const ids = await encodePrompts(
    tokenizer,
    rows.map(({ prompt, messages }) => ({ text: prompt, messages })),
  );
  const prompts = rows
    .map(({ promptId }, i) => ({ promptId, ids: ids[i]! }))
    .filter((row) => row.ids.length + config.show_max_new <= start.architecture.context)
    .slice(0, config.show_prompts);
  if (prompts.length === 0) return null;
  const sampler = createSampler(withStops(start.architecture, tokenizer), { adapter: start.adapter?.settings });
  const reader = createEvaluator(start, { constants: start.weights, progress: context.count });
  const finished = releaseAfter(start.architecture);
  const sampling: SamplingParameters = {
    temperature: config.show_temperature,
    topK: 0,
    topP: 1,
    maxNew: config.show_max_new,
    seed: config.seed,
  };
  const write = async (weights: WeightArrays): Promise<Shown[]> => {
    const requests = prompts.map((row) => ({ prompt: row.ids, streams: [`show/${row.promptId}`] }));
    const sampled = await sampler.sample(weights, requests, { ...sampling, progress: context.count });
    const written = sampled.map(([only], i) => ({ ...only!, promptId: prompts[i]!.promptId, prompt: prompts[i]!.ids }));
    const groups = written.map(({ prompt, tokenIds }) => ({ prompt, completions: [tokenIds] }));
    const under = await reader.logprobs(start.weights, groups);
    await finished(sampler, reader);
    const texts = await answerTexts(
      tokenizer,
      written.map(({ prompt, tokenIds }) => ({ prompt, ids: tokenIds })),
    );
    return written.map(({ prompt: _, ...one }, i) => {
      const before = under[i]![0]!;
      const kl = one.logprobs.reduce((sum, lp, t) => sum + lp - before[t]!, 0);
      return { ...one, text: texts[i]!, before, kl };
    });
  };
  return {
    show: async (step, steps, weights) => {
      context.phase('sampling held-out prompts');
      handOver(context, await write(weights), { step, steps, sampling, tokenizer });
    },
    release: async () => {
      await sampler.release();
      await reader.release();
    },
  };
}

function handOver(
  context: RunContext,
  shown: readonly Shown[],
  {
    step,
    steps,
    sampling,
    tokenizer,
  }: { step: number; steps: number; sampling: SamplingParameters; tokenizer: Tokenizer },
): void {
  context.report(step, steps, describeHeldOut(shown, { beta: 0, price: 0 }));
  context.completions(
    step,
    shown.map(({ promptId, text, before, kl: _, ...sampled }) => ({
      group: 1,
      writer: step === 0 ? 'policy' : 'run',
      promptId,
      text,
      ...sampled,
      tokenizer: tokenizer.hash,
      sampling,
      said: [{ role: 'policy', tokenLogprobs: before }],
    })),
  );
  // after what the database knows them by: who hears of them can show them
  context.samples(
    step,
    shown.map(({ promptId, text, kl, finish, tokenIds }) => ({ promptId, text, kl, finish, tokens: tokenIds.length })),
  );
}
