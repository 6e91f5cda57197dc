// Token ids back to text: what an answer adds to its prompt, spelled out to the last special token.

import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';

export interface WrittenIds {
  prompt: readonly number[];
  /** what was written after it, its closing stop included where it has one */
  ids: readonly number[];
  /** a part of an answer: what ends it closes nothing */
  part?: boolean;
}

/** The ids of an answer without the stop that closes it. */
export const withoutStop = ({ stops }: Tokenizer, ids: readonly number[]): readonly number[] =>
  stops.includes(ids.at(-1)!) ? ids.slice(0, -1) : ids;

/**
 * The texts of answers, in order: prompt and answer together, less the prompt. Only the closing stop is taken away;
 * every other special token is spelled out.
 */
export async function answerTexts(tokenizer: Tokenizer, written: readonly WrittenIds[]): Promise<string[]> {
  const bodies = written.map(({ ids, part }) => (part ? ids : withoutStop(tokenizer, ids)));
  const texts = await follow(
    tokenizer,
    written.map(({ prompt }) => prompt),
    bodies,
  );
  const left = [...texts.keys()].filter((i) => texts[i] === null);
  if (left.length === 0) return texts as string[];
  // the prompt reads otherwise with this answer, as where the answer goes on with bytes that make no character: read it
  // after another text
  const carrier = await tokenizer.encode('.');
  const again = await follow(
    tokenizer,
    left.map(() => carrier),
    left.map((i) => bodies[i]!),
  );
  const alone = await tokenizer.decodeBatch(
    left.map((i) => bodies[i]!),
    'spelled',
  );
  left.forEach((i, at) => (texts[i] = again[at] ?? alone[at]!));
  return texts as string[];
}

/** What each list of ids adds to the text of the one before it; null where that text changes. */
async function follow(
  tokenizer: Tokenizer,
  before: readonly (readonly number[])[],
  after: readonly (readonly number[])[],
): Promise<(string | null)[]> {
  const different = [...new Set(before)];
  const [starts, wholes] = await Promise.all([
    tokenizer.decodeBatch(different, 'spelled'),
    tokenizer.decodeBatch(
      after.map((ids, i) => [...before[i]!, ...ids]),
      'spelled',
    ),
  ]);
  const startOf = new Map(different.map((ids, i) => [ids, starts[i]!]));
  return wholes.map((whole, i) =>
    whole.startsWith(startOf.get(before[i]!)!) ? whole.slice(startOf.get(before[i]!)!.length) : null,
  );
}
