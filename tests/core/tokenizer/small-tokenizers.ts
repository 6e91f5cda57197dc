// Small tokenizers of every spelling that is read: byte-level ones, and those that spell spaces as ▁, with and without
// a beginning.

import { createTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer, TokenizerSettings } from '#core/tokenizer/tokenizer.ts';

type Json = Record<string, unknown>;
const SIGNS = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?\'"()-<>|_/'];

const added = (vocab: Readonly<Record<string, number>>, specials: readonly string[]): Json[] =>
  specials.map((content) => ({
    id: vocab[content],
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
const numbered = (tokens: readonly string[]): Record<string, number> =>
  Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id]));
const bpe = (vocab: Json, merges: readonly [string, string][], more: Json = {}): Json => ({
  type: 'BPE',
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
  vocab,
  merges,
  ...more,
});

/** A post-processor that puts these tokens before every text. */
export const beginningWith = (vocab: Readonly<Record<string, number>>, tokens: readonly string[]): Json => ({
  type: 'TemplateProcessing',
  single: [...tokens.map((id) => ({ SpecialToken: { id, type_id: 0 } })), { Sequence: { id: 'A', type_id: 0 } }],
  pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
  special_tokens: Object.fromEntries(
    tokens.map((token) => [token, { id: token, ids: [vocab[token]], tokens: [token] }]),
  ),
});

export const END = '<|endoftext|>';
export const BEGIN = '<|begin|>';
export const USER = '<|user|>';
const MERGES: [string, string][] = [
  ['Ġ', 'a'],
  ['a', 'b'],
  ['Ġ', 't'],
  ['h', 'e'],
  ['Ġt', 'he'],
  ['Ċ', 'Ċ'],
  [':', 'I'],
];

/** A tokenizer.json of bytes; `begin` puts a token first. */
export function bytesJson({ begin = false }: { begin?: boolean } = {}): Json {
  const vocab = numbered([END, BEGIN, USER, ...bytesSpelled(), ...MERGES.map(([a, b]) => a + b)]);
  const level = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: '1.0',
    added_tokens: added(vocab, [END, BEGIN, USER]),
    normalizer: null,
    pre_tokenizer: level,
    post_processor: begin ? beginningWith(vocab, [BEGIN]) : level,
    decoder: level,
    model: bpe(vocab, MERGES),
  };
}
/** The letters that GPT-2 writes bytes as. */
function bytesSpelled(): string[] {
  const plain = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(plain(byte) ? byte : next++));
}

export const SPACED_KINDS = ['llama2', 'first', 'always', 'never'] as const;
const SPACED: [string, string][] = [
  ['▁', 'I'],
  ['▁', 'a'],
  ['h', 'e'],
  ['▁', 't'],
  ['▁t', 'he'],
  ['▁', 'T'],
  ['L', ';'],
  ['▁', '▁'],
  ['a', 'b'],
];

/**
 * A tokenizer.json that spells spaces as ▁: a normalizer puts one first (llama2), or the pre-tokenizer does so first,
 * always or never.
 */
export function spacedJson(kind: (typeof SPACED_KINDS)[number], { begin = false }: { begin?: boolean } = {}): Json {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const vocab = numbered(['<unk>', '<s>', '</s>', ...bytes, '▁', ...SIGNS, ...SPACED.map(([a, b]) => a + b)]);
  return {
    version: '1.0',
    added_tokens: added(vocab, ['<unk>', '<s>', '</s>']),
    normalizer:
      kind === 'llama2'
        ? {
            type: 'Sequence',
            normalizers: [
              { type: 'Prepend', prepend: '▁' },
              { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
            ],
          }
        : null,
    pre_tokenizer:
      kind === 'llama2' ? null : { type: 'Metaspace', replacement: '▁', prepend_scheme: kind, split: false },
    post_processor: begin ? beginningWith(vocab, ['<s>']) : null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(kind === 'never' ? [] : [{ type: 'Strip', content: ' ', start: 1, stop: 0 }]),
      ],
    },
    model: bpe(vocab, SPACED, { unk_token: '<unk>', fuse_unk: true, byte_fallback: true }),
  };
}

/** The same tokens under other ids. */
export function renumberedJson(json: Json): Json {
  const model = json['model'] as { vocab: Record<string, number> };
  const size = Object.keys(model.vocab).length;
  const turn = (id: number) => size - 1 - id;
  return {
    ...json,
    model: { ...model, vocab: Object.fromEntries(Object.entries(model.vocab).map(([token, id]) => [token, turn(id)])) },
    added_tokens: (json['added_tokens'] as Json[]).map((one) => ({ ...one, id: turn(one['id'] as number) })),
  };
}

const NOTHING: TokenizerSettings = {
  tokenizerConfig: null,
  generationConfig: null,
  modelConfig: null,
  chatTemplate: null,
};
export const tokenizerFrom = (json: Json, settings: Json, more: Partial<TokenizerSettings> = {}): Tokenizer =>
  createTokenizer(json, { ...NOTHING, tokenizerConfig: settings, ...more }, 'tokenizer.json');

/** All of them by name. */
export const SMALL_TOKENIZERS: Record<string, Tokenizer> = Object.fromEntries(
  [false, true].flatMap((begin): [string, Tokenizer][] => [
    [`bytes${begin ? ', begun' : ''}`, tokenizerFrom(bytesJson({ begin }), { eos_token: END })],
    ...SPACED_KINDS.map((kind): [string, Tokenizer] => [
      `▁ ${kind}${begin ? ', begun' : ''}`,
      tokenizerFrom(spacedJson(kind, { begin }), { eos_token: '</s>', bos_token: '<s>' }),
    ]),
  ]),
);
