// A prompt and its answer as the tokens that a model reads, and what has to hold of them.

import type { ReadText } from '#core/contract/inspect.ts';
import { TastemakerError } from '#core/errors.ts';
import { encodeAnswers, encodePrompts } from '#core/recipes/parts/prompt-tokens.ts';
import type { AskedPrompt, SampledIds } from '#core/recipes/parts/prompt-tokens.ts';
import type { HeldModel } from './held-models.ts';

export interface WrittenText {
  prompt: AskedPrompt;
  answer: string;
  /** whether the token that ends an answer follows */
  ended: boolean;
  /** the ids it was written as, which are used where they are the model's too */
  sampled?: SampledIds;
}

/** Prompt and answer as one text of token ids. */
export const asRead = (
  { tokenizer }: Pick<HeldModel, 'tokenizer'>,
  prompt: readonly number[],
  answer: readonly number[],
): ReadText => {
  const ids = [...prompt, ...answer];
  return { ids, tokens: ids.map((id) => tokenizer.token(id)), prompt: prompt.length };
};

/** The text as a model that writes reads it. 'bad-argument' where it has no tokens. */
export async function readWriting(
  model: Pick<HeldModel, 'tokenizer'>,
  { prompt, answer: text, ...how }: WrittenText,
): Promise<ReadText> {
  const { tokenizer } = model;
  const [ids] = (await encodePrompts(tokenizer, [prompt], () => 'The prompt')) as [number[]];
  const [written] = (await encodeAnswers(tokenizer, [{ prompt, text, ...how }])) as [number[]];
  const read = asRead(model, ids, written);
  refuseEmpty(read.ids);
  return read;
}

export function refuseEmpty(ids: readonly number[]): void {
  if (ids.length === 0)
    throw new TastemakerError('bad-argument', 'The text is empty.', 'Type something for the model to read.');
}

/** 'too-long' where a text has more tokens than the model sees. */
export function requireFits({ checkpoint, name }: HeldModel, tokens: number): void {
  const { context } = checkpoint.architecture;
  if (tokens > context)
    throw new TastemakerError(
      'too-long',
      `The text has ${tokens} tokens; “${name}” sees ${context}.`,
      `Shorten it by at least ${tokens - context} tokens.`,
    );
}

/** 'bad-argument' where the two cut texts into other tokens, so that their numbers stand at other places. */
export function requireSameTokens(one: HeldModel, other: HeldModel): void {
  if (one.tokenizer.hash === other.tokenizer.hash) return;
  throw new TastemakerError(
    'bad-argument',
    `“${one.name}” and “${other.name}” have different tokenizers, so that their numbers cannot stand at the same tokens.`,
    'Choose two models with one tokenizer.',
  );
}
