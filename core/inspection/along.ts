// Numbers along a text: what the model thought of each token as it was read, or how the score went.

import type { ReadText } from '#core/contract/inspect.ts';
import type { Group } from '#core/models/rows.ts';
import { requireWriter } from './held-models.ts';
import type { HeldModels, ModelPlace } from './held-models.ts';
import { asRead, readWriting, refuseEmpty } from './read-text.ts';
import type { WrittenText } from './read-text.ts';
import { answersAsRead, requireScorer, scoring } from './score-answers.ts';

export interface AlongQuestion extends WrittenText {
  model: ModelPlace;
}

export interface AlongText extends ReadText {
  /** one a token; null where there is none, as for the log-probability of the first */
  numbers: (number | null)[];
}

/**
 * A text as one row that begins with its first token: numbers are wanted at all others, the prompt's too, and its
 * compiled shape hangs on the length of the whole alone.
 */
const rowOf = ([first, ...rest]: readonly number[]): Group => ({ prompt: [first!], completions: [rest] });

/** ln p of each token after those before it. 'bad-argument' of a model that cannot write or a text without tokens. */
export async function logprobsAlong(
  models: HeldModels,
  { model: place, ...written }: AlongQuestion,
): Promise<AlongText> {
  const model = await models.of(place);
  requireWriter(model);
  const { evaluator, checkpoint } = model;
  const text = await readWriting(model, written);
  const { ids } = text;
  const [numbers] = ids.length > 1 ? (await evaluator.logprobs(checkpoint.weights, [rowOf(ids)]))[0]! : [[]];
  return { ...text, numbers: [null, ...numbers!] };
}

/** The score that a text would have if it ended with this token, at each. 'bad-argument' of what is no reward model. */
export const scoresAlong = (
  models: HeldModels,
  { model: place, prompt: asked, answer, ended, sampled }: AlongQuestion,
): Promise<AlongText> =>
  scoring(place, async () => {
    const model = await models.of(place);
    requireScorer(model);
    const { prompt, completions } = await answersAsRead(model, asked, [
      { text: answer, ended, sampled: sampled ?? null },
    ]);
    const text = asRead(model, prompt, completions[0]!);
    refuseEmpty(text.ids);
    requireScorer(model, text.ids.length);
    const [[numbers]] = (await model.evaluator.values(model.checkpoint.weights, [rowOf(text.ids)])) as [[number[]]];
    return { ...text, numbers };
  });
