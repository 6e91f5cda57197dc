// Two policies side by side: both answer the same prompts with the same random numbers, and both say how likely they
// find each token of what the second answered.

import type { ComparedAnswer, ComparedMeans, ComparedPrompt, Comparison, MeanOver } from '#core/contract/compare.ts';
import type { SamplingParameters } from '#core/contract/samples.ts';
import { TastemakerError } from '#core/errors.ts';
import { clusteredInterval } from '#core/evaluation/interval.ts';
import { mean } from '#core/evaluation/mean.ts';
import type { Sampled } from '#core/models/sampler.ts';
import { answerTexts } from '#core/recipes/parts/answer-text.ts';
import { forbiddenTexts } from '#core/recipes/parts/forbidden-texts.ts';
import { encodePrompts } from '#core/recipes/parts/prompt-tokens.ts';
import type { AskedPrompt } from '#core/recipes/parts/prompt-tokens.ts';
import { requireWriter } from './held-models.ts';
import type { HeldModel, HeldModels, ModelPlace } from './held-models.ts';
import { requireSameTokens } from './read-text.ts';
import { scoring } from './score-answers.ts';
import { scoreTexts } from './score-texts.ts';

export interface CompareQuestion {
  a: ModelPlace;
  b: ModelPlace;
  /** null for no scores */ reward: ModelPlace | null;
  prompts: readonly PromptToCompare[];
  sampling: SamplingParameters;
}
export interface PromptToCompare extends AskedPrompt {
  id: number;
}

/** A part of a comparison: as many rows as prompts that fit. */
export type ComparedPart = Pick<Comparison, 'rows' | 'leftOut' | 'unscored'>;

/** A prompt with its ids, and what a policy answered to it. */
interface Answered {
  prompt: PromptToCompare;
  ids: number[];
  sampled: Sampled;
  text: string;
}

/**
 * 'bad-argument' of a model that cannot write and of two that read other tokens; what keeps the reward model from
 * scoring is said, and keeps nobody from reading the answers.
 */
export async function comparePolicies(models: HeldModels, question: CompareQuestion): Promise<ComparedPart> {
  const { sampling } = question;
  const a = await models.of(question.a);
  requireWriter(a);
  const b = await models.of(question.b);
  requireWriter(b);
  requireSameTokens(a, b);
  const encoded = await encodePrompts(a.tokenizer, question.prompts, (i) => `Prompt ${question.prompts[i]!.id}`);
  const room = Math.min(...[a, b].map(({ checkpoint }) => checkpoint.architecture.context)) - sampling.maxNew;
  const asked = question.prompts
    .map((prompt, i) => ({ prompt, ids: encoded[i]! }))
    .filter(({ ids }) => ids.length > 0 && ids.length <= room);
  const leftOut = question.prompts.length - asked.length;
  if (asked.length === 0) return { rows: [], leftOut, unscored: null };

  const [byA, byB] = [await answersOf(a, asked, sampling), await answersOf(b, asked, sampling)];
  const [logprobsA, logprobsB] = [await logprobsBy(a, byB, sampling), await logprobsBy(b, byB, sampling)];
  const { scores, unscored } = await scoresOrWhy(models, question.reward, a, [...byA, ...byB]);
  const rows = asked.map(({ prompt }, i): ComparedPrompt => {
    const tokens = byB[i]!.sampled.tokenIds.map((id, t) => ({
      token: b.tokenizer.token(id),
      a: logprobsA[i]![t]!,
      b: logprobsB[i]![t]!,
    }));
    const changes = tokens.map((token) => token.b - token.a);
    return {
      promptId: prompt.id,
      prompt: prompt.messages?.at(-1)?.content ?? prompt.text,
      a: shown(byA[i]!, scores?.[i]),
      b: shown(byB[i]!, scores?.[asked.length + i]),
      tokens,
      change: changes.reduce((sum, x) => sum + x, 0),
      moved: changes.reduce((sum, x) => sum + Math.abs(x), 0),
    };
  });
  return { rows, leftOut, unscored };
}

const shown = ({ text, sampled: { finish, tokenIds } }: Answered, score: number | undefined): ComparedAnswer => ({
  text,
  ended: finish === 'stop',
  tokens: tokenIds.length,
  score: score ?? null,
});

/** One answer a prompt, its random numbers those of the prompt whoever answers. */
async function answersOf(
  { checkpoint, tokenizer, sampler }: HeldModel,
  asked: readonly Pick<Answered, 'prompt' | 'ids'>[],
  sampling: SamplingParameters,
): Promise<Answered[]> {
  const { forbid = [], ...settings } = sampling;
  const forbidden = await forbiddenTexts(tokenizer, checkpoint.architecture.vocabulary, forbid);
  const sampled = await sampler.sample(
    checkpoint.weights,
    asked.map(({ prompt, ids }) => ({ prompt: ids, streams: [`compare/${prompt.id}`] })),
    { ...settings, forbidden },
  );
  const texts = await answerTexts(
    tokenizer,
    asked.map(({ ids }, i) => ({ prompt: ids, ids: sampled[i]![0]!.tokenIds })),
  );
  return asked.map((one, i) => ({ ...one, sampled: sampled[i]![0]!, text: texts[i]! }));
}

/** ln p of each token at the temperature that was sampled with (D3), 1 where nothing was drawn: [answer][tokens] */
async function logprobsBy(
  { checkpoint, tokenizer, evaluator }: HeldModel,
  answers: readonly Answered[],
  { temperature, forbid = [] }: SamplingParameters,
): Promise<number[][]> {
  const forbidden = await forbiddenTexts(tokenizer, checkpoint.architecture.vocabulary, forbid);
  const groups = answers.map(({ ids, sampled }) => ({ prompt: ids, completions: [sampled.tokenIds] }));
  const found = await evaluator.logprobs(checkpoint.weights, groups, temperature || 1, forbidden);
  return found.map(([own]) => own!);
}

async function scoresOrWhy(
  models: HeldModels,
  place: ModelPlace | null,
  { tokenizer }: HeldModel,
  answers: readonly Answered[],
): Promise<{ scores: number[] | null; unscored: string | null }> {
  if (place === null) return { scores: null, unscored: null };
  try {
    const texts = answers.map(({ prompt, text, sampled: { tokenIds: ids, finish } }) => ({
      prompt,
      text,
      ended: finish === 'stop',
      sampled: { ids, tokenizer: tokenizer.hash },
    }));
    const scores = await scoring(place, async () => scoreTexts(await models.of(place), texts));
    return { scores, unscored: null };
  } catch (error) {
    if (!(error instanceof TastemakerError)) throw error;
    return { scores: null, unscored: error.message };
  }
}

/** Prompts that are answered between two words of how far it is. */
const PORTION = 16;

/** A whole comparison, of one part after another; `progress` is told how many prompts are done. */
export async function compareInParts(
  question: CompareQuestion,
  ask: (part: CompareQuestion) => Promise<ComparedPart>,
  progress: (done: number, total: number) => void,
): Promise<Comparison> {
  const { a, b, reward, prompts, sampling } = question;
  const parts: ComparedPart[] = [];
  for (let at = 0; at < prompts.length; at += PORTION) {
    progress(at, prompts.length);
    parts.push(await ask({ ...question, prompts: prompts.slice(at, at + PORTION) }));
  }
  const rows = parts.flatMap((part) => part.rows).sort((one, other) => other.moved - one.moved);
  if (rows.length === 0)
    throw new TastemakerError(
      'too-long',
      prompts.length === 0
        ? 'There is no prompt to answer.'
        : `None of the ${prompts.length} prompts fits with ${sampling.maxNew} new tokens into what the two can read.`,
      prompts.length === 0 ? 'Add prompts of the validation or the train split.' : 'Add shorter prompts.',
    );
  return {
    a: a.name,
    b: b.name,
    reward: reward?.name ?? null,
    unscored: parts.find((part) => part.unscored !== null)?.unscored ?? null,
    temperature: sampling.temperature,
    rows,
    means: meansOf(rows),
    leftOut: parts.reduce((sum, part) => sum + part.leftOut, 0),
  };
}

/** Paired by prompt; a part without scores has none for all. */
export function meansOf(rows: readonly ComparedPrompt[]): ComparedMeans {
  const paired = (of: (answer: ComparedAnswer) => number) => ({
    a: meanOver(rows.map((row) => of(row.a))),
    b: meanOver(rows.map((row) => of(row.b))),
    difference: meanOver(rows.map((row) => of(row.b) - of(row.a))),
  });
  const isScored = rows.every(({ a, b }) => a.score !== null && b.score !== null);
  return {
    score: isScored ? paired(({ score }) => score!) : null,
    length: paired(({ tokens }) => tokens),
    change: meanOver(rows.map(({ change }) => change)),
    same: rows.filter(({ a, b }) => a.text === b.text).length,
  };
}

/** One value a prompt. */
function meanOver(values: readonly number[]): MeanOver {
  const interval = clusteredInterval(values.map((sum) => ({ sum, size: 1 })));
  return { mean: mean(values), low: interval?.low ?? null, high: interval?.high ?? null, prompts: values.length };
}
