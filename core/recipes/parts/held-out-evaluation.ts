// A look at a policy at work: what it writes for fixed prompts of the validation split, kept to be read and measured.

import type { Finish } from '#core/contract/samples.ts';
import type { WeightArrays } from '#core/models/checkpoint.ts';
import type { Group } from '#core/models/rows.ts';
import { endOf } from '#core/models/sampler.ts';
import type { Sampled } from '#core/models/sampler.ts';
import type { MetricRow } from '#core/recipes/metrics.ts';
import type { RunContext } from '#core/recipes/recipe.ts';
import { count, real } from '#core/recipes/settings.ts';
import type { Config } from '#core/recipes/settings.ts';
import { upToEnd, withMissingEnd } from './answer-scores.ts';
import type { MissingEnd } from './answer-scores.ts';
import { answerTexts } from './answer-text.ts';
import { describeHeldOut, heldOutStreams, samplesAPrompt } from './held-out.ts';
import type { HeldOutSample } from './held-out.ts';
import type { PolicyModels } from './policy-models.ts';
import type { EncodedPrompt } from './policy-prompts.ts';
import type { Rollouts } from './policy-rollouts.ts';
import { goldScorer } from './scorers.ts';

export const EVALUATION_SETTINGS = {
  evaluate_every: count(5, [0, 1e6], 'Updates between samples on the fixed prompts; 0 = never.', {
    group: 'evaluation',
  }),
  evaluate_prompts: count(
    64,
    [1, 4096],
    'How many fixed prompts of the validation split; with fewer than 64 each is answered several times, so that there are 64 samples.',
    { group: 'evaluation', time: 'held-out prompts' },
  ),
  best_kl_price: real(
    0.05,
    [0, 1000],
    'best/ holds the weights with the highest held-out score − max(β, this)·KL. Choosing has its price of KL even where training pays none, or the most over-optimised weights would win (Stiennon et al. 2020: 0.05).',
    { group: 'evaluation' },
  ),
} as const;

/** A row of samples.jsonl. */
export interface EvaluatedSample {
  promptId: number;
  text: string;
  score: number;
  kl: number;
  finish: Finish;
  tokens: number;
  gold?: number;
}

/** What a run looks with, each time. */
export interface HeldOut {
  context: RunContext;
  models: PolicyModels;
  rollouts: Rollouts;
  prompts: readonly EncodedPrompt[];
  config: Config<typeof EVALUATION_SETTINGS> & MissingEnd & { beta: number; updates: number };
  /** the critic's V before each token of these answers and after the last, [prompt][completion][tokens + 1] */
  values(groups: readonly Group[]): Promise<number[][][]>;
}

/** An answer with all that is known of it. */
interface Measured extends HeldOutSample {
  text: string;
  /** as the reward model has it, and with the missing-end rule applied */
  raw: number;
  score: number;
}

/** What was written for the held-out prompts, [prompt][completion], and what the models say of it. */
interface Look {
  sampled: Sampled[][];
  groups: Group[];
  scores: number[][];
  /** at the temperature that was sampled with */
  referenceLogprobs: number[][][];
  /** of each prompt's first answer, at temperature 1; and its values */
  plain: number[][][];
  values: number[][][];
}

/**
 * Writes for the held-out prompts, reports the numbers and hands over one answer a prompt to be read; gives the
 * numbers. `beta` is the price of KL as it is now.
 */
export async function evaluateHeldOut(
  held: HeldOut,
  { update, beta, weights }: { update: number; beta: number; weights: WeightArrays },
): Promise<MetricRow> {
  const { context, config } = held;
  const look = await lookAt(held, weights);
  const measured = await measure(held, look);
  show(held, look, measured, update);
  const row = describeHeldOut(measured.flat(), { beta, price: Math.max(config.beta, config.best_kl_price) });
  context.report(update, config.updates, row);
  return row;
}

async function lookAt({ context, rollouts, prompts, values }: HeldOut, weights: WeightArrays): Promise<Look> {
  const each = samplesAPrompt(prompts.length);
  context.phase('sampling held-out prompts');
  const sampled = await rollouts.write(weights, prompts, ({ promptId }) => heldOutStreams('evaluate', promptId, each));
  context.phase('scoring held-out prompts');
  const groups = prompts.map(({ ids }, i) => ({
    prompt: ids,
    completions: sampled[i]!.map(({ tokenIds }) => upToEnd(tokenIds, rollouts.stops)),
  }));
  const firsts = groups.map(({ prompt, completions }) => ({ prompt, completions: completions.slice(0, 1) }));
  const scores = await rollouts.scores(prompts, groups);
  const referenceLogprobs = await rollouts.referenceLogprobs(groups);
  const isPlain = rollouts.sampling.temperature === 1 && !rollouts.sampling.forbid;
  const plain = isPlain ? referenceLogprobs : await rollouts.plainReferenceLogprobs(firsts);
  await rollouts.hasRead();
  return { sampled, groups, scores, referenceLogprobs, plain, values: await values(firsts) };
}

/** [prompt][completion] */
async function measure(
  { models: { tokenizer }, rollouts, prompts, config }: HeldOut,
  { sampled, groups, scores, referenceLogprobs }: Look,
): Promise<Measured[][]> {
  const texts = await answerTexts(
    tokenizer,
    groups.flatMap(({ prompt, completions }) => completions.map((ids) => ({ prompt, ids }))),
  );
  const of = groups.flatMap(({ completions }, i) => completions.map(() => prompts[i]!));
  const golds = await goldScorer.score(texts.map((text, n) => ({ text, facts: of[n]!.facts })));
  let n = 0;
  return groups.map(({ completions }, i) =>
    completions.map((tokenIds, j) => {
      const raw = scores[i]![j]!;
      const ended = endOf(tokenIds, rollouts.stops) >= 0;
      const gold = golds[n];
      return {
        promptId: prompts[i]!.promptId,
        tokenIds,
        text: texts[n++]!,
        raw,
        score: withMissingEnd(raw, ended, config),
        finish: ended ? 'stop' : 'length',
        kl: referenceLogprobs[i]![j]!.reduce((sum, lp, t) => sum + sampled[i]![j]!.samplingLogprobs[t]! - lp, 0),
        ...(gold ? { gold: gold.value } : {}),
      };
    }),
  );
}

/** Hands over the first answer to each prompt, the same one at every look. */
function show(
  { context, models: { tokenizer, referenceRole }, rollouts: { sampling } }: HeldOut,
  { sampled, plain, values }: Look,
  measured: readonly (readonly Measured[])[],
  update: number,
): void {
  const shown = measured.map(([first]) => first!);
  context.completions(
    update,
    shown.map(({ promptId, text, finish, tokenIds, raw }, i) => {
      const n = tokenIds.length;
      const { logprobs, samplingLogprobs } = sampled[i]![0]!;
      return {
        group: 1,
        writer: update === 0 ? 'policy' : 'run',
        promptId,
        text,
        finish,
        tokenIds: [...tokenIds],
        tokenizer: tokenizer.hash,
        logprobs: logprobs.slice(0, n),
        samplingLogprobs: samplingLogprobs.slice(0, n),
        sampling,
        said: [
          { role: 'reward', score: raw },
          { role: referenceRole, tokenLogprobs: plain[i]![0]! },
          { role: 'policy', tokenValues: values[i]![0]!.slice(0, n) },
        ],
      };
    }),
  );
  // after what the database knows them by: who hears of them can show them
  context.samples(
    update,
    shown.map(({ tokenIds, raw, score: _, ...sample }): EvaluatedSample => ({
      ...sample,
      score: raw,
      tokens: tokenIds.length,
    })),
  );
}
