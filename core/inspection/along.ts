// Numbers along a text: what the model thought of each token as it was read, or how the score went.

import { TastemakerError } from '#core/errors.ts';
import { encodeAnswers, encodePrompts } from '#core/recipes/parts/prompt-tokens.ts';
import type { AskedPrompt } from '#core/recipes/parts/prompt-tokens.ts';
import type { Group } from '#core/models/rows.ts';
import { requireWriter } from './held-models.ts';
import type { HeldModel, HeldModels, ModelPlace } from './held-models.ts';
import { answersAsRead, requireScorer, scoring } from './score-answers.ts';

export interface AlongQuestion {
  model: ModelPlace;
  prompt: AskedPrompt;
  answer: string;
  /** whether the token that ends an answer follows */
  ended: boolean;
}

/** Of T tokens, the first `prompt` of them the prompt's. */
export interface AlongText {
  ids: number[];
  /** as the vocabulary spells them */
  tokens: string[];
  prompt: number;
  /** one a token; null where there is none, as for the log-probability of the first */
  numbers: (number | null)[];
}

/**
 * A text as one row that begins with its first token: numbers are wanted at all others, the prompt's too, and its
 * compiled shape hangs on the length of the whole alone.
 */
const rowOf = ([first, ...rest]: readonly number[]): Group => ({ prompt: [first!], completions: [rest] });

const along = ({ tokenizer }: HeldModel, prompt: number, ids: number[], numbers: (number | null)[]): AlongText => ({
  ids,
  tokens: ids.map((id) => tokenizer.token(id)),
  prompt,
  numbers,
});

/** ln p of each token after those before it. 'bad-argument' of a model that cannot write or a text without tokens. */
export async function logprobsAlong(
  models: HeldModels,
  { model: place, prompt, answer, ended }: AlongQuestion,
): Promise<AlongText> {
  const model = await models.of(place);
  requireWriter(model);
  const { tokenizer, evaluator, checkpoint } = model;
  const [ids] = (await encodePrompts(tokenizer, [prompt], () => 'The prompt')) as [number[]];
  const [written] = (await encodeAnswers(tokenizer, [{ prompt, text: answer, ended }])) as [number[]];
  const text = [...ids, ...written];
  refuseEmpty(text);
  const [numbers] = text.length > 1 ? (await evaluator.logprobs(checkpoint.weights, [rowOf(text)]))[0]! : [[]];
  return along(model, ids.length, text, [null, ...numbers!]);
}

/** The score that a text would have if it ended with this token, at each. 'bad-argument' of what is no reward model. */
export const scoresAlong = (
  models: HeldModels,
  { model: place, prompt: asked, answer, ended }: AlongQuestion,
): Promise<AlongText> =>
  scoring(place, async () => {
    const model = await models.of(place);
    requireScorer(model);
    const { prompt, completions } = await answersAsRead(model, asked, [{ text: answer, ended, sampled: null }]);
    const text = [...prompt, ...completions[0]!];
    refuseEmpty(text);
    requireScorer(model, text.length);
    const [[numbers]] = (await model.evaluator.values(model.checkpoint.weights, [rowOf(text)])) as [[number[]]];
    return along(model, prompt.length, text, numbers);
  });

function refuseEmpty(text: readonly number[]): void {
  if (text.length === 0)
    throw new TastemakerError('bad-argument', 'The text is empty.', 'Type something for the model to read.');
}
