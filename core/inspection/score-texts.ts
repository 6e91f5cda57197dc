// What a reward model gives to answers of many prompts, as it reads its texts.

import { isConversation, encodeAnswers, encodePrompts } from '#core/recipes/parts/prompt-tokens.ts';
import type { AskedPrompt, SampledIds } from '#core/recipes/parts/prompt-tokens.ts';
import { rewardScorer } from '#core/recipes/parts/scorers.ts';
import type { TokenAnswer } from '#core/recipes/parts/scorers.ts';
import { readsEnd } from '#core/models/score-reading.ts';
import type { HeldModel } from './held-models.ts';
import { requireScorer } from './score-answers.ts';

export interface AskedText {
  prompt: AskedPrompt;
  text: string;
  ended: boolean;
  /** the ids it was written as, which are used where they are the reward model's too */
  sampled?: SampledIds;
}

const PORTION = 256; // texts that are read at once

/** Ids of prompts and answers as the model reads them, in order, whether they fit into it or not. */
export async function readTexts(model: HeldModel, asked: readonly AskedText[]): Promise<TokenAnswer[]> {
  const { tokenizer } = model;
  const prompts = await encodePrompts(
    tokenizer,
    asked.map(({ prompt }) => prompt),
  );
  const answers = await encodeAnswers(
    tokenizer,
    asked.map(({ prompt, text, ended, sampled }) => ({
      prompt,
      text,
      ...(sampled ? { sampled } : {}),
      ended: ended && readsEnd(model.reading(), isConversation(tokenizer, prompt)),
    })),
  );
  return answers.map((completion, i) => ({ prompt: prompts[i]!, completion }));
}

async function scoreRows(model: HeldModel, rows: readonly TokenAnswer[]): Promise<number[]> {
  const scorer = rewardScorer(model.evaluator, model.checkpoint, model.reading());
  return (await scorer.score(rows)).map((one) => one!.value);
}

const lengthOf = ({ prompt, completion }: TokenAnswer): number => prompt.length + completion.length;

/** Whether a text fits into what the model reads. */
export const fitsInto =
  ({ checkpoint }: HeldModel) =>
  (row: TokenAnswer): boolean =>
    lengthOf(row) <= checkpoint.architecture.context;

function* portionsOf(asked: readonly AskedText[]): Generator<readonly AskedText[]> {
  for (let at = 0; at < asked.length; at += PORTION) yield asked.slice(at, at + PORTION);
}

/** One score a text, in order. 'bad-argument' where it is no reward model, 'too-long' where one does not fit. */
export async function scoreTexts(model: HeldModel, asked: readonly AskedText[]): Promise<number[]> {
  requireScorer(model);
  const scores: number[] = [];
  for (const some of portionsOf(asked)) {
    const rows = await readTexts(model, some);
    requireScorer(model, Math.max(...rows.map(lengthOf)));
    scores.push(...(await scoreRows(model, rows)));
  }
  return scores;
}

/** The same with null for each text that is longer than the model reads. 'bad-argument' where it is no reward model. */
export async function scoreFittingTexts(model: HeldModel, asked: readonly AskedText[]): Promise<(number | null)[]> {
  requireScorer(model);
  const scores: (number | null)[] = [];
  const fits = fitsInto(model);
  for (const some of portionsOf(asked)) {
    const rows = await readTexts(model, some);
    const given = (await scoreRows(model, rows.filter(fits))).values();
    for (const row of rows) scores.push(fits(row) ? given.next().value! : null);
  }
  return scores;
}
