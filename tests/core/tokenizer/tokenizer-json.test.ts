// What would end the process inside the native package is refused before it gets there, and what real tokenizers hold
// is not.

import { describe, expect, test } from 'vitest';
import { TastemakerError } from '#core/errors.ts';
import { createTokenizer } from '#core/tokenizer/tokenizer.ts';
import { mayRunAway, safeTokenizer } from '#core/tokenizer/tokenizer-json.ts';

type Json = Record<string, unknown>;
const LETTERS = Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i));
const vocab = Object.fromEntries(
  ['<|endoftext|>', '<unk>', ...LETTERS, '##h', 'th', 'the'].map((token, id) => [token, id]),
);
const added = (more: Json = {}) => ({
  id: 0,
  content: '<|endoftext|>',
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
  ...more,
});
const model = (more: Json = {}) => ({
  type: 'BPE',
  dropout: null,
  unk_token: '<unk>',
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: true,
  byte_fallback: false,
  ignore_merges: false,
  vocab,
  merges: [
    ['t', 'h'],
    ['th', 'e'],
  ],
  ...more,
});
const tokenizer = (more: Json = {}) =>
  createTokenizer(
    {
      version: '1.0',
      added_tokens: [added()],
      normalizer: null,
      pre_tokenizer: null,
      decoder: null,
      model: model(),
      ...more,
    },
    { tokenizerConfig: null, generationConfig: null, modelConfig: null, chatTemplate: null },
    'tokenizer.json',
  );
const split = (regex: string) => ({ type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false });
const nested = Array.from({ length: 100_000 }).reduce<Json>((inner) => ({ a: inner }), {});

describe('refused', () => {
  const cases: [what: string, json: Json, says: RegExp][] = [
    [
      'a merge shorter than its prefix',
      { model: model({ continuing_subword_prefix: '##', merges: ['t h'] }) },
      /merge, number 1,.*"##"/,
    ],
    [
      'a merge that makes no token',
      {
        model: model({
          merges: [
            ['t', 'h'],
            ['t', '<|endoftext|>'],
          ],
        }),
      },
      /merge, number 2,/,
    ],
    ['a merge that is no pair', { model: model({ continuing_subword_prefix: '##', merges: [7] }) }, /merge, number 1,/],
    [
      'pieces of nothing',
      { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'FixedLength', length: 0 }] } },
      /"length" 0/,
    ],
    [
      'a decoder that strips from the end',
      { decoder: { type: 'Sequence', decoders: [{ type: 'Strip', content: 'a', start: 0, stop: 1 }] } },
      /"Strip" whose "stop"/,
    ],
    [
      'a table of SentencePiece',
      { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } },
      /"Precompiled"/,
    ],
    ['a pattern without end', { pre_tokenizer: split('(a|aa)*b') }, /the pattern "\(a\|aa\)\*b"/],
    [
      'a pattern without end in a normalizer',
      {
        normalizer: { type: 'Sequence', normalizers: [{ type: 'Replace', pattern: { Regex: '(x+)+y' }, content: '' }] },
      },
      /the pattern "\(x\+\)\+y"/,
    ],
    [
      'a long text before every text',
      { normalizer: { type: 'Prepend', prepend: 'y'.repeat(101) } },
      /more than 100 characters/,
    ],
    [
      'a long suffix',
      { model: model({ end_of_word_suffix: 'y'.repeat(101) }) },
      /"end_of_word_suffix" of more than 100/,
    ],
    [
      'doubling, ten times',
      {
        normalizer: {
          type: 'Sequence',
          normalizers: Array.from({ length: 10 }, () => ({ type: 'Replace', pattern: { String: 'a' }, content: 'aa' })),
        },
      },
      /1000 times as long/,
    ],
    [
      'steps without end',
      {
        pre_tokenizer: { type: 'Sequence', pretokenizers: Array.from({ length: 65 }, () => ({ type: 'Whitespace' })) },
      },
      /more than 64 steps/,
    ],
    ['a list for a step', { decoder: ['Strip', 'a', 0, 5] }, /a list as "decoder"/],
    [
      'a list within a list of steps',
      { pre_tokenizer: { type: 'Sequence', pretokenizers: [['FixedLength', 0]] } },
      /a list as "pretokenizers"/,
    ],
    ['a list for a model', { model: [] }, /no "model"/],
    [
      'a token of which nothing is left',
      {
        normalizer: { type: 'Strip', strip_left: true, strip_right: true },
        added_tokens: [added(), added({ id: 5, content: ' ', normalized: true, rstrip: true })],
      },
      /added token " "/,
    ],
    ['nesting without end', { normalizer: nested }, /not a tokenizer/],
  ];
  test.each(cases)('%s', (_, json, says) => {
    const act = () => tokenizer(json);
    expect(act).toThrow(TastemakerError);
    expect(act).toThrow(says);
  });

  test('an unknown token that the vocabulary lacks is said when it is needed', async () => {
    const odd = tokenizer({ model: model({ unk_token: 'nowhere' }) });
    expect(await odd.encode('the')).toEqual([vocab['the']]);
    await expect(odd.encode('the Ü')).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('tokenizer.json could not cut a text'),
    });
  });
});

test('what adds, cuts or draws lots is taken out', async () => {
  const json = { model: model({ dropout: 1 }), post_processor: { type: 'X' }, truncation: {}, padding: {} };
  expect(safeTokenizer(json, 'f')).toEqual({ model: model(), post_processor: null, truncation: null, padding: null });
  expect(await tokenizer({ model: model({ dropout: 1 }) }).encode('the')).toEqual([vocab['the']]);
});

test('a prefix that merges have is fine, as are a start that is stripped and pieces of some length', async () => {
  const json = {
    model: model({ continuing_subword_prefix: '##', merges: [['t', '##h']] }),
    decoder: { type: 'Strip', content: ' ', start: 1, stop: 0 },
    pre_tokenizer: { type: 'FixedLength', length: 2 },
  };
  expect(await tokenizer(json).encode('th')).toEqual([vocab['th']]);
});

describe('patterns', () => {
  // GPT-2, GPT-4, GPT-4o, Llama 3, Qwen 2, DeepSeek: what published models cut words with
  const published = [
    String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
    String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`,
    String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    String.raw`\s?[A-Za-zµÀ-ÖØ-öø-ƺ]+`,
    String.raw`[!-/:-~！-／：-～‘-‟　-。]+`,
    '[一-龥ࠀ-一가-퟿]+',
    ' {2,}',
    'Ġ+',
    String.raw`[(*+|)]+(a)*\(+\)*`,
    '(?:ab)+',
    '(a?b{2})*',
  ];
  test.each(published)('%s is fine', (pattern) => expect(mayRunAway(pattern)).toBe(false));
  test.each([
    '(a*)*',
    '(a+)+b',
    '(?:a|b)*',
    '(a|aa)+$',
    '((a*)b)*',
    '(?i:x+){2,}',
    '(a{1,})*',
    String.raw`(\p{L}+)*1`,
    '(a*))*',
    '(((a|b)))+',
  ])('%s is not', (pattern) => expect(mayRunAway(pattern)).toBe(true));
});
