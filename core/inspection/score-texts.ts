// What a reward model gives to answers of many prompts, as it reads its texts.

import { isConversation, encodeAnswers, encodePrompts } from '#core/recipes/parts/prompt-tokens.ts';
import type { AskedPrompt, SampledIds } from '#core/recipes/parts/prompt-tokens.ts';
import { rewardScorer } from '#core/recipes/parts/scorers.ts';
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

/** One score a text, in order. 'bad-argument' where it is no reward model, 'too-long' where one does not fit. */
export async function scoreTexts(model: HeldModel, asked: readonly AskedText[]): Promise<number[]> {
  requireScorer(model);
  const { tokenizer } = model;
  const reading = model.reading();
  const { score } = rewardScorer(model.evaluator, model.checkpoint, reading);
  const scores: number[] = [];
  for (let at = 0; at < asked.length; at += PORTION) {
    const some = asked.slice(at, at + PORTION);
    const prompts = await encodePrompts(
      tokenizer,
      some.map(({ prompt }) => prompt),
    );
    const answers = await encodeAnswers(
      tokenizer,
      some.map(({ prompt, text, ended, sampled }) => ({
        prompt,
        text,
        ...(sampled ? { sampled } : {}),
        ended: ended && readsEnd(reading, isConversation(tokenizer, prompt)),
      })),
    );
    requireScorer(model, Math.max(...answers.map((ids, i) => prompts[i]!.length + ids.length)));
    const rows = answers.map((completion, i) => ({ prompt: prompts[i]!, completion }));
    scores.push(...(await score(rows)).map((one) => one!.value));
  }
  return scores;
}
