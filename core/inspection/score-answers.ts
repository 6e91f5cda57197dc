// What a reward model gives to answers, under its own tokenizer and as it reads its texts.

import { TastemakerError } from '#core/errors.ts';
import { encodeAnswers, encodePrompts, isConversation } from '#core/recipes/parts/prompt-tokens.ts';
import type { AskedPrompt, SampledIds } from '#core/recipes/parts/prompt-tokens.ts';
import { isScoreHead } from '#core/models/heads.ts';
import { readsEnd } from '#core/models/score-reading.ts';
import { rewardScorer } from '#core/recipes/parts/scorers.ts';
import type { HeldModel, HeldModels, ModelPlace } from './held-models.ts';

/** `sampled`: the ids it was written as, which are used where they are the reward model's too. */
export interface AnswerToScore {
  text: string;
  ended: boolean;
  sampled: SampledIds | null;
}

export interface ScoreQuestion {
  model: ModelPlace;
  prompt: AskedPrompt;
  answers: readonly AnswerToScore[];
}

/** A prompt and its answers as a reward model reads them: ids, each answer with its end where it reads ends. */
export async function answersAsRead(
  { tokenizer, reading }: HeldModel,
  prompt: AskedPrompt,
  answers: readonly AnswerToScore[],
): Promise<{ prompt: number[]; completions: number[][] }> {
  const [ids] = (await encodePrompts(tokenizer, [prompt], () => 'The prompt')) as [number[]];
  const end = readsEnd(reading(), isConversation(tokenizer, prompt));
  const completions = await encodeAnswers(
    tokenizer,
    answers.map(({ text, ended, sampled }) => ({
      prompt,
      text,
      ended: end && ended,
      ...(sampled ? { sampled } : {}),
    })),
  );
  return { prompt: ids, completions };
}

/** 'bad-argument' where it is no reward model, 'too-long' where an answer does not fit into what it reads. */
export function requireScorer({ checkpoint: { head, architecture } }: HeldModel, longest = 0): void {
  if (!isScoreHead(head))
    throw new TastemakerError('bad-argument', 'it is no reward model.', 'Choose a reward model to score with.');
  if (longest > architecture.context)
    throw new TastemakerError(
      'too-long',
      `prompt and answer have ${longest} tokens, and it reads ${architecture.context}.`,
      'Shorten the prompt or the answer.',
    );
}

/** Runs `work`; what keeps it from scoring is said of the model. */
export async function scoring<T>({ name }: ModelPlace, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TastemakerError)) throw error;
    throw new TastemakerError(error.code, `“${name}” gives no scores: ${error.message}`, error.hint);
  }
}

/** One score an answer. */
export const scoreAnswers = (
  models: HeldModels,
  { model: place, prompt: asked, answers }: ScoreQuestion,
): Promise<{ scores: number[] }> =>
  scoring(place, async () => {
    const model = await models.of(place);
    requireScorer(model);
    const { prompt, completions } = await answersAsRead(model, asked, answers);
    requireScorer(model, prompt.length + Math.max(0, ...completions.map(({ length }) => length)));
    const rows = completions.map((completion) => ({ prompt, completion }));
    const scores = await rewardScorer(model.evaluator, model.checkpoint, model.reading()).score(rows);
    return { scores: scores.map((one) => one!.value) };
  });
