// Tokens that lie beside tokenizer.json are held against it: one that it lacks, or has under another id, is refused.

import { expect, test } from 'vitest';
import { createTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { TokenizerSettings } from '#core/tokenizer/tokenizer.ts';
import { bytesJson, END } from './small-tokenizers.ts';

const json = bytesJson();
const end = (json['model'] as { vocab: Record<string, number> }).vocab[END]!;
const of = (decoder: unknown, addedTokens: TokenizerSettings['addedTokens'] = null) =>
  createTokenizer(
    json,
    {
      tokenizerConfig: { eos_token: END, ...(decoder === undefined ? {} : { added_tokens_decoder: decoder }) },
      generationConfig: null,
      modelConfig: null,
      chatTemplate: null,
      addedTokens,
    },
    'tokenizer.json',
  );

test('those that agree change nothing', () => {
  const plain = of(undefined);
  for (const one of [of({}), of({ [end]: { content: END } }), of(null), of(undefined, { [END]: end })])
    expect(one.hash).toBe(plain.hash);
});

test.each([
  [{ 9999: { content: '<new>' } }, null, 'names "<new>" as token 9999, which is not in it'],
  [{ 9999: { content: END } }, null, `as token 9999, which is token ${end} there`],
  [{ [end]: END }, null, 'has an entry that is no token with its id'],
  [{ x: { content: END } }, null, 'has an entry that is no token with its id'],
  [[], null, 'is not an object'],
  [{}, { '<new>': 7 }, 'added_tokens.json beside it names "<new>" as token 7, which is not in it'],
  [{}, { [END]: String(end) }, 'has an entry that is no token with its id'],
] as const)('%j and %j are refused', (decoder, beside, says) => {
  expect(() => of(decoder, beside)).toThrow(says);
});
