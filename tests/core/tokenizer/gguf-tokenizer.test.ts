// The tokenizer in a GGUF file: other programs' ids, llama.cpp's rules for words, and the way back from tokenizer.json.

import fs from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { TastemakerError } from '#core/errors.ts';
import { readGguf } from '#core/formats/gguf.ts';
import type { GgufMetadata, GgufValue } from '#core/formats/gguf.ts';
import { readGgufTokenizer } from '#core/formats/gguf-tokenizer.ts';
import { ggufTokenizerFields } from '#core/formats/gguf-tokenizer-fields.ts';
import { writeGguf } from '#core/formats/gguf-writer.ts';
import { trainBpe } from '#core/tokenizer/bpe-trainer.ts';
import { createTokenizer, loadTokenizer } from '#core/tokenizer/tokenizer.ts';

const SHARED = path.join(process.cwd(), '../shared');
const smol = path.join(SHARED, 'models/SmolLM2-135M-Instruct.Q4_1.gguf');
const absent = !fs.existsSync(smol) || !fs.existsSync(path.join(SHARED, 'reference'));
const folder = mkdtempSync(path.join(tmpdir(), 'gguf-tokenizer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** GPT-2's letters for bytes: printable ones stand for themselves, the others for those from 256 on. */
const letters = (() => {
  const isPlain = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPlain(byte) ? byte : next++));
})();
const spelled = (text: string) => Array.from(Buffer.from(text), (byte) => letters[byte]!);

/** Merges with which each of `words`, and nothing across them, becomes one token: the usual training, to its end. */
function learnt(words: readonly string[]): { tokens: string[]; merges: string[] } {
  let parts = [...new Set(words)].map(spelled);
  const merges: string[] = [];
  const made = new Set<string>();
  for (;;) {
    const counts = new Map<string, number>();
    for (const word of parts)
      for (let i = 1; i < word.length; i++)
        counts.set(`${word[i - 1]} ${word[i]}`, (counts.get(`${word[i - 1]} ${word[i]}`) ?? 0) + 1);
    const [best] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [];
    if (best === undefined) return { tokens: [...letters, ...made], merges };
    merges.push(best);
    const [left, right] = best.split(' ') as [string, string];
    made.add(left + right);
    parts = parts.map((word) => {
      const joined: string[] = [];
      for (const part of word)
        if (joined.at(-1) === left && part === right) joined[joined.length - 1] = left + right;
        else joined.push(part);
      return joined;
    });
  }
}

const metadataOf = (
  { tokens, merges }: { tokens: string[]; merges: string[] },
  changed: Record<string, GgufValue | undefined> = {},
): GgufMetadata => {
  const all: Record<string, GgufValue | undefined> = {
    'general.architecture': 'llama',
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': [...tokens, '<|end|>', '<tool>'],
    'tokenizer.ggml.token_type': Int32Array.from([...tokens.map(() => 1), 3, 4]),
    'tokenizer.ggml.merges': merges,
    'tokenizer.ggml.eos_token_id': tokens.length,
    'tokenizer.ggml.padding_token_id': tokens.length,
    ...changed,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as GgufMetadata;
};
const tokenizerOf = (metadata: GgufMetadata) => {
  const { tokenizer, config, generation, chatTemplate } = readGgufTokenizer(metadata, 'model.gguf');
  return createTokenizer(
    tokenizer,
    { tokenizerConfig: config, generationConfig: generation, modelConfig: null, chatTemplate },
    'model.gguf',
  );
};

describe.skipIf(absent)(`SmolLM2${absent ? ' (skipped: model or reference numbers not present)' : ''}`, () => {
  const expected = () =>
    JSON.parse(fs.readFileSync(path.join(SHARED, 'reference/smollm2/expected.json'), 'utf8')) as {
      texts: { text: string; ids: number[] }[];
      chat: { rendered: string; ids: number[]; template: string };
      passage: { text: string; ids: number[] };
    };
  test('the ids of every awkward text, of the passage and of the rendered chat; the chat template itself', async () => {
    const { texts, chat, passage } = expected();
    const tokenizer = await loadTokenizer(smol);
    expect(texts.length).toBeGreaterThan(10);
    for (const { text, ids } of [...texts, passage, { text: chat.rendered, ids: chat.ids }]) {
      expect(await tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(await tokenizer.decode(ids), JSON.stringify(text)).toBe(text.replaceAll(/<\|im_(start|end)\|>/g, ''));
    }
    expect([tokenizer.chatTemplate, tokenizer.endOfText, tokenizer.pad, tokenizer.vocabularySize]).toEqual([
      chat.template,
      2,
      2,
      49152,
    ]);
  });

  test('written back, the metadata are those of the file', () => {
    const { metadata } = readGguf(smol);
    const { tokenizer, config, chatTemplate } = readGgufTokenizer(metadata, smol);
    const fields = ggufTokenizerFields(
      { tokenizer, config, chatTemplate },
      { vocabulary: 49152, stops: [2], file: smol },
    );
    for (const [key, { value }] of Object.entries(fields))
      expect(Array.isArray(value) ? Array.from(metadata[key] as string[]) : metadata[key], key).toEqual(value);
    expect(Object.keys(metadata).filter((key) => key.startsWith('tokenizer.') && !(key in fields))).toEqual([
      'tokenizer.ggml.add_space_prefix',
    ]);
  });
});

// The patterns as llama.cpp has them (src/llama-vocab.cpp), not as tokenizer.json spells them.
const GPT2 = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;
const LLAMA3 =
  /(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu;
const QWEN2 = new RegExp(LLAMA3.source.replace(String.raw`\p{N}{1,3}`, String.raw`\p{N}`), 'gu');
const cuts: Record<string, (text: string) => string[]> = {
  'gpt-2': (text) => text.match(GPT2) ?? [],
  smollm: (text) =>
    text.split(/(\p{N})/u).flatMap((part) => (/^\p{N}$/u.test(part) ? [part] : (part.match(GPT2) ?? []))),
  'llama-bpe': (text) => text.match(LLAMA3) ?? [],
  qwen2: (text) => text.match(QWEN2) ?? [],
};
const TEXTS = [
  "I'll say we've DON'T you're I'M he'd",
  'tabs\tand\n\nnewlines  and   spaces   ',
  '1234567 3.14159 x12y ½² ٣٤',
  'naïve café — “quotes” … end!!\n',
  '日本語のテキスト 漢字12',
  'a\r\n\r\n  b\n c',
  'def f(x):\n    return x**2\n',
  ' 😀👩‍👩‍👧 ok',
  '   lead',
  "'s 'S ''s",
  'x\u00a0y',
  'a_b-c/d@e.f #1',
];

describe('words are cut as llama.cpp cuts them', () => {
  test.each(Object.entries(cuts))('%s', async (pre, cut) => {
    for (const text of TEXTS) {
      const words = cut(text);
      expect(words.join('')).toBe(text);
      const tokenizer = tokenizerOf(metadataOf(learnt(words), { 'tokenizer.ggml.pre': pre }));
      expect((await tokenizer.encode(text)).map(tokenizer.token), JSON.stringify(text)).toEqual(
        words.map((word) => spelled(word).join('')),
      );
    }
  });

  test('the four rules differ on these texts', () => {
    const all = Object.values(cuts).map((cut) => JSON.stringify(TEXTS.map(cut)));
    expect(new Set(all).size).toBe(4);
  });

  test('other names of a rule, and a Qwen file from before rules had names', async () => {
    const words = cuts['qwen2']!("I'LL 12");
    const vocabulary = learnt(words);
    for (const changed of [
      { 'tokenizer.ggml.pre': 'deepseek-r1-qwen' },
      { 'tokenizer.ggml.pre': undefined, 'general.architecture': 'qwen2' },
    ]) {
      expect(await tokenizerOf(metadataOf(vocabulary, changed)).encode("I'LL 12")).toHaveLength(words.length);
    }
  });
});

describe('special tokens', () => {
  const vocabulary = learnt(['a', 'b']);
  const end = 256;
  const tool = 257;
  test('control and user-defined ones are found in a text; only control ones are left out of it again', async () => {
    const tokenizer = tokenizerOf(metadataOf(vocabulary));
    const ids = await tokenizer.encode('a<tool>b<|end|>');
    expect([ids[1], ids[3], ids.length]).toEqual([tool, end, 4]);
    expect(await tokenizer.decode(ids)).toBe('a<tool>b');
    expect([tokenizer.endOfText, tokenizer.pad, tokenizer.vocabularySize, tokenizer.chatTemplate]).toEqual([
      end,
      end,
      258,
      null,
    ]);
  });

  test('what ends a text is control whatever its kind, and rows without a token stay out of the vocabulary', async () => {
    const unused = { tokens: [...vocabulary.tokens], merges: [] };
    const tokenizer = tokenizerOf(
      metadataOf(unused, {
        'tokenizer.ggml.eos_token_id': tool,
        'tokenizer.ggml.eot_token_id': end,
        'tokenizer.ggml.token_type': Int32Array.from([...unused.tokens.map((_, id) => (id === 65 ? 5 : 1)), 3, 4]),
      }),
    );
    expect(await tokenizer.decode(await tokenizer.encode('a<tool>b<|end|>'))).toBe('ab');
    expect(tokenizer.token(65)).toBe('[65]');
    const { generation, config } = readGgufTokenizer(metadataOf(unused, { 'tokenizer.ggml.eot_token_id': tool }), 'f');
    expect([generation, config['eos_token']]).toEqual([{ eos_token_id: [end, tool], pad_token_id: end }, '<|end|>']);
  });

  test('a beginning of text is never added by us, and asked for in the files that others read', async () => {
    const metadata = metadataOf(vocabulary, {
      'tokenizer.ggml.bos_token_id': end,
      'tokenizer.ggml.add_bos_token': true,
    });
    expect(await tokenizerOf(metadata).encode('a')).toHaveLength(1);
    const { tokenizer, config } = readGgufTokenizer(metadata, 'f');
    expect(tokenizer['post_processor']).toMatchObject({
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<|end|>' } }, { Sequence: { id: 'A' } }],
    });
    expect(
      ggufTokenizerFields({ tokenizer, config, chatTemplate: null }, { vocabulary: 258, stops: [end], file: 'f' }),
    ).toMatchObject({ 'tokenizer.ggml.add_bos_token': { value: true }, 'tokenizer.ggml.bos_token_id': { value: end } });
  });

  test('a beginning that is asked for and not named is refused', () => {
    expect(() => readGgufTokenizer(metadataOf(vocabulary, { 'tokenizer.ggml.add_bos_token': true }), 'f')).toThrow(
      '"tokenizer.ggml.bos_token_id" in f is missing, though "tokenizer.ggml.add_bos_token" is true',
    );
  });
});

describe('tokenizer.json and back', () => {
  const own = trainBpe(['the ship, the ship on the sea; the 漢字 and the 😀 and the sea'], 290);
  const size = Object.keys(own.model.vocab).length;
  const json = own as unknown as Record<string, unknown>;
  const config = { eos_token: { content: '<|endoftext|>' }, pad_token: '<|pad|>' };
  const fieldsOf = (changed: Record<string, unknown> = {}, { vocabulary = size + 6, stops = [0, 7] } = {}) =>
    ggufTokenizerFields(
      { tokenizer: { ...json, ...changed }, config, chatTemplate: '{{ messages }}' },
      { vocabulary, stops, file: 'tokenizer.json' },
    );

  test('a file with it gives the same ids, texts, special tokens and template', async () => {
    const file = path.join(folder, 'own.gguf');
    writeGguf(file, { 'general.architecture': { type: 'text', value: 'llama' }, ...fieldsOf() }, [], 'F16');
    const read = await loadTokenizer(file);
    const first = createTokenizer(
      json,
      { tokenizerConfig: config, generationConfig: null, modelConfig: null, chatTemplate: null },
      'own',
    );
    expect([read.endOfText, read.pad, read.vocabularySize, read.chatTemplate]).toEqual([
      0,
      1,
      first.vocabularySize,
      '{{ messages }}',
    ]);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 40 }),
          fc.constantFrom('the ship', '<|endoftext|>the sea<|pad|>'),
        ),
        async (text) => {
          const ids = await read.encode(text);
          expect(ids).toEqual(await first.encode(text));
          expect(await read.decode(ids)).toBe(await first.decode(ids));
        },
      ),
      { numRuns: 100 },
    );
    const { metadata } = readGguf(file);
    expect((metadata['tokenizer.ggml.tokens'] as string[]).slice(size)).toEqual(
      Array.from({ length: 6 }, (_, i) => `[PAD${size + i}]`),
    );
    expect(Array.from((metadata['tokenizer.ggml.token_type'] as Int32Array).slice(-7))).toEqual([1, 5, 5, 5, 5, 5, 5]);
    expect([
      metadata['tokenizer.ggml.eos_token_id'],
      metadata['tokenizer.ggml.eot_token_id'],
      metadata['tokenizer.ggml.padding_token_id'],
      metadata['tokenizer.ggml.pre'],
    ]).toEqual([0, 7, 1, 'gpt-2']);
  });

  test('every rule is recognised in what it was read as', () => {
    for (const pre of Object.keys(cuts)) {
      const {
        tokenizer,
        config: names,
        chatTemplate,
      } = readGgufTokenizer(metadataOf(learnt(['a']), { 'tokenizer.ggml.pre': pre }), 'f');
      expect(
        ggufTokenizerFields({ tokenizer, config: names, chatTemplate }, { vocabulary: 258, stops: [256], file: 'f' })[
          'tokenizer.ggml.pre'
        ],
      ).toEqual({ type: 'text', value: pre });
    }
  });

  const refused: [what: string, act: () => unknown, says: RegExp][] = [
    ['another kind of model', () => fieldsOf({ model: { type: 'Unigram', vocab: [] } }), /not byte-level BPE/],
    ['an unknown rule', () => fieldsOf({ pre_tokenizer: { type: 'Whitespace' } }), /pre-tokenizer is none/],
    [
      'a prefix space',
      () => fieldsOf({ pre_tokenizer: { ...own.pre_tokenizer, add_prefix_space: true } }),
      /pre-tokenizer is none/,
    ],
    ['a normalizer', () => fieldsOf({ normalizer: { type: 'Lowercase' } }), /normalizer would be lost/],
    ['more tokens than rows', () => fieldsOf({}, { vocabulary: 100 }), new RegExp(`${size} tokens.*100 rows`)],
    ['a token without an id', () => fieldsOf({ added_tokens: [{ content: '<x>', special: true }] }), /"<x>" has no id/],
    ['more ends than there is room for', () => fieldsOf({}, { stops: [0, 1, 2, 3] }), /ends texts at 4 tokens/],
  ];
  test.each(refused)('%s is refused', (_, act, says) => expect(act).toThrow(says));
});

describe('metadata that do not hold together are refused by their key', () => {
  const vocabulary = learnt(['ab', 'ac']);
  const cases: [what: string, changed: Record<string, GgufValue | undefined>, says: RegExp][] = [
    ['no vocabulary', { 'tokenizer.ggml.model': undefined }, /"tokenizer\.ggml\.model".*missing/],
    ['SentencePiece', { 'tokenizer.ggml.model': 'llama' }, /"tokenizer\.ggml\.model".*"llama"/],
    ['no rule', { 'tokenizer.ggml.pre': undefined }, /"tokenizer\.ggml\.pre".*missing/],
    ['an unknown rule', { 'tokenizer.ggml.pre': 'tekken' }, /"tokenizer\.ggml\.pre".*"tekken"/],
    ['no tokens', { 'tokenizer.ggml.tokens': undefined }, /"tokenizer\.ggml\.tokens".*missing/],
    [
      'tokens that are numbers',
      { 'tokenizer.ggml.tokens': Int32Array.of(1) },
      /"tokenizer\.ggml\.tokens".*list of texts/,
    ],
    [
      'a token twice',
      {
        'tokenizer.ggml.tokens': ['a', 'b', 'a'],
        'tokenizer.ggml.token_type': undefined,
        'tokenizer.ggml.eos_token_id': 0,
      },
      /holds "a" twice, at 0 and 2/,
    ],
    [
      'too few kinds',
      { 'tokenizer.ggml.token_type': Int32Array.of(1, 1) },
      /"tokenizer\.ggml\.token_type".*2 entries.*260/,
    ],
    ['no merges', { 'tokenizer.ggml.merges': undefined }, /"tokenizer\.ggml\.merges".*missing/],
    ['half a merge', { 'tokenizer.ggml.merges': ['ab'] }, /"ab" at 0, which is not two tokens/],
    ['three parts', { 'tokenizer.ggml.merges': ['a b c'] }, /"a b c" at 0/],
    ['a merge of nothing', { 'tokenizer.ggml.merges': ['a b', 'b c'] }, /"b c" at 1, which the vocabulary/],
    ['an end outside', { 'tokenizer.ggml.eos_token_id': 260 }, /"tokenizer\.ggml\.eos_token_id".*260.*260 tokens/],
    ['a pad outside', { 'tokenizer.ggml.padding_token_id': 1e6 }, /"tokenizer\.ggml\.padding_token_id".*1000000/],
    [
      'an end that is a text',
      { 'tokenizer.ggml.eos_token_id': '<|end|>' },
      /"tokenizer\.ggml\.eos_token_id".*not a number/,
    ],
    ['a template that is a number', { 'tokenizer.chat_template': 3 }, /"tokenizer\.chat_template".*not a text/],
    ['no end', { 'tokenizer.ggml.eos_token_id': undefined }, /names no end-of-text token/],
  ];
  test.each(cases)('%s', (_, changed, says) => {
    const act = () => tokenizerOf(metadataOf(vocabulary, changed));
    expect(act).toThrow(TastemakerError);
    expect(act).toThrow(says);
  });
});
