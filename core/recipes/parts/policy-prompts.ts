// The prompts of a run that tunes a policy by what it writes: as rows of data.jsonl, as token ids, and in the order in
// which updates take them.

import type { Message, Prompt } from '#core/contract/prompts.ts';
import { createRandom } from '#core/random.ts';
import type { RunContext } from '#core/recipes/recipe.ts';
import type { PolicyModels } from './policy-models.ts';
import { encodePrompts } from './prompt-tokens.ts';

/** A row of data.jsonl. */
export interface PromptRow {
  promptId: number;
  text: string;
  messages: Message[] | null;
  split: string;
  /** what the demo world knows of it */
  facts: Record<string, string> | null;
}

export const promptRow = ({ id, text, messages, split, facts }: Prompt): PromptRow => ({
  promptId: id,
  text,
  messages,
  split,
  facts,
});

export interface EncodedPrompt extends PromptRow {
  ids: number[];
}

/** The run's prompts that leave room for `maxNew` tokens; the log says how many do not. */
export async function fittingPrompts(
  context: RunContext,
  { tokenizer, room }: Pick<PolicyModels, 'tokenizer' | 'room'>,
  maxNew: number,
): Promise<EncodedPrompt[]> {
  const rows = context.data<PromptRow>();
  const encoded = await encodePrompts(tokenizer, rows);
  const fitting = rows.map((row, i) => ({ ...row, ids: encoded[i]! })).filter(({ ids }) => ids.length + maxNew <= room);
  if (fitting.length < rows.length)
    context.log(
      `${rows.length - fitting.length} of ${rows.length} prompts do not fit the context of ${room} tokens with ${maxNew} new ones and are left out.`,
    );
  return fitting;
}

/** What each update takes of the prompts, `count` of them: all in a fresh order each time they are used up. */
export function promptOrder<T>(prompts: readonly T[], count: number, seed: number): (update: number) => T[] {
  let round = -1;
  let order: readonly T[] = [];
  const inRound = (wanted: number): readonly T[] => {
    if (wanted !== round) order = createRandom(seed, `prompts/${wanted}`).shuffled(prompts);
    round = wanted;
    return order;
  };
  return (update) =>
    Array.from({ length: count }, (_, i) => {
      const at = update * count + i;
      return inRound(Math.floor(at / prompts.length))[at % prompts.length]!;
    });
}
