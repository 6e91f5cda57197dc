// Which tokens of a text make a number: a reward model's score, or ln p of the answer by a model that writes.
//
// Three ways to ask (docs/algorithms/attribution.md): the number along the text, what it loses where one token of the
// answer is left out, and gradient × input.

import type { Attribution, ReadText } from '#core/contract/inspect.ts';
import { TastemakerError } from '#core/errors.ts';
import { isScoreHead } from '#core/models/heads.ts';
import type { Group } from '#core/models/rows.ts';
import { rowsToScore } from '#core/models/score-reading.ts';
import { logprobsAlong, scoresAlong } from './along.ts';
import { gradientTimesInput } from './gradient-times-input.ts';
import type { HeldModel, HeldModels, ModelPlace } from './held-models.ts';
import { logprobsWithout, scoresWithout } from './leave-one-out.ts';
import { readWriting, requireFits } from './read-text.ts';
import type { WrittenText } from './read-text.ts';

export interface AttributionQuestion extends WrittenText {
  model: ModelPlace;
}

const MOST_LEFT_OUT = 256; // tokens of an answer: as many texts are read, each a token shorter

/**
 * 'bad-argument' where prompt or answer have no tokens, 'too-long' where the text does not fit, or its answer is longer
 * than can be read so often; 'not-finite' as the evaluator does.
 */
export async function attribution(models: HeldModels, question: AttributionQuestion): Promise<Attribution> {
  const model = await models.of(question.model);
  return isScoreHead(model.checkpoint.head) ? ofScore(models, model, question) : ofLogprob(models, model, question);
}

async function ofScore(models: HeldModels, model: HeldModel, question: AttributionQuestion): Promise<Attribution> {
  const { numbers: along, ...text } = await scoresAlong(models, question);
  const { prompt, answer } = partsOf(text);
  const reading = model.reading();
  const [read] = rowsToScore([{ prompt, completion: answer }], reading) as [Group];
  const { value, shares } = await gradientTimesInput(model, read.prompt, read.completions[0]!);
  const without = await scoresWithout(model, text.ids, text.prompt, reading.passedOver);
  return {
    ...text,
    of: 'score',
    value,
    along,
    leftOut: [...prompt.map(() => null), ...without.map((score) => value - score)],
    gradientTimesInput: text.ids.map((_, t) => shares[t] ?? 0), // what is passed over at the end has no part in it
  };
}

async function ofLogprob(models: HeldModels, model: HeldModel, question: AttributionQuestion): Promise<Attribution> {
  const text = await readWriting(model, question);
  requireFits(model, text.ids.length);
  const { prompt, answer } = partsOf(text);
  const { numbers: along } = await logprobsAlong(models, question);
  const { value, shares } = await gradientTimesInput(model, prompt, answer);
  const without = await logprobsWithout(model, text.ids, text.prompt);
  const after = (t: number) => along.slice(t + 1).reduce((sum: number, x) => sum + x!, 0);
  return {
    ...text,
    of: 'logprob',
    value,
    along,
    leftOut: [...prompt.map(() => null), ...without.map((sum, i) => after(prompt.length + i) - sum)],
    gradientTimesInput: shares,
  };
}

/** Prompt and answer of a text that has both. */
function partsOf({ ids, prompt }: ReadText): { prompt: number[]; answer: number[] } {
  const answer = ids.slice(prompt);
  if (prompt === 0)
    throw new TastemakerError('bad-argument', 'The prompt is empty.', 'Type something that the answer follows.');
  if (answer.length === 0)
    throw new TastemakerError(
      'bad-argument',
      'The answer is empty, so that none of its tokens can be left out.',
      'Choose an answer with some text.',
    );
  if (answer.length > MOST_LEFT_OUT)
    throw new TastemakerError(
      'too-long',
      `The answer has ${answer.length} tokens; at most ${MOST_LEFT_OUT} are left out one by one.`,
      'Shorten the answer.',
    );
  return { prompt: ids.slice(0, prompt), answer };
}
