// Small tokenizer.json files of every kind that the field uses, so that damage reaches all of the native code that
// reads them.
type Json = Record<string, unknown>;

const SPECIAL = ['<|endoftext|>', '<|pad|>', '<unk>'];
const added = SPECIAL.map((content, id) => ({
  id,
  content,
  single_word: false,
  lstrip: id === 1,
  rstrip: id === 2,
  normalized: id === 2,
  special: id < 2,
}));
const LETTERS = Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i));
const vocabOf = (tokens: readonly string[]) => Object.fromEntries(tokens.map((token, id) => [token, id]));
const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const whole = (parts: Json): Json => ({
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: added,
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
  ...parts,
});
const bpe = (tokens: readonly string[], merges: unknown[], more: Json = {}): Json => ({
  type: 'BPE',
  dropout: null,
  unk_token: '<unk>',
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: true,
  byte_fallback: true,
  ignore_merges: false,
  vocab: vocabOf(tokens),
  merges,
  ...more,
});
const split = (pattern: Json, behavior: string, invert = false): Json => ({ type: 'Split', pattern, behavior, invert });
const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
const WORDS = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/**
 * Llama's, Qwen's, BERT's, T5's and older ones' ways of cutting texts, each with a vocabulary of a few hundred tokens.
 */
export function otherTokenizers(): Json[] {
  return [
    whole({
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Prepend', prepend: '▁' },
          { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
        ],
      },
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
          { type: 'Strip', content: ' ', start: 1, stop: 0 },
        ],
      },
      model: bpe([...SPECIAL, ...bytes, '▁', ...LETTERS, '▁t', 'he', '▁the'], ['▁ t', 'h e', '▁t he']),
      post_processor: {
        type: 'TemplateProcessing',
        single: [{ SpecialToken: { id: '<unk>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
        pair: [],
        special_tokens: { '<unk>': { id: '<unk>', ids: [2], tokens: ['<unk>'] } },
      },
    }),
    whole({
      normalizer: { type: 'NFC' },
      pre_tokenizer: { type: 'Sequence', pretokenizers: [split({ Regex: WORDS }, 'Isolated'), byteLevel] },
      decoder: byteLevel,
      model: bpe(
        [...SPECIAL, ...LETTERS, 'Ġ', 'th', 'the'],
        [
          ['t', 'h'],
          ['th', 'e'],
        ],
        { byte_fallback: false, ignore_merges: true, unk_token: null },
      ),
    }),
    whole({
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: {
        type: 'WordPiece',
        unk_token: '<unk>',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: vocabOf([...SPECIAL, ...LETTERS, ...LETTERS.map((letter) => `##${letter}`), 'the', 'ship']),
      },
    }),
    whole({
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'NFKD' },
          { type: 'StripAccents' },
          { type: 'Lowercase' },
          { type: 'Strip', strip_left: true, strip_right: true },
          { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
        ],
      },
      pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
      decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
      model: {
        type: 'Unigram',
        unk_id: 2,
        byte_fallback: false,
        vocab: [...SPECIAL, '▁', ...LETTERS, '▁the', 'ship'].map((token, i) => [token, -i / 10]),
      },
    }),
    whole({
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Digits', individual_digits: true },
          { type: 'Punctuation', behavior: 'Isolated' },
          { type: 'WhitespaceSplit' },
          split({ String: 'i' }, 'MergedWithNext', true),
          { type: 'CharDelimiterSplit', delimiter: '-' },
        ],
      },
      model: { type: 'WordLevel', unk_token: '<unk>', vocab: vocabOf([...SPECIAL, 'The', 'ship', '1', '2', ',']) },
      padding: {
        strategy: { Fixed: 16 },
        direction: 'Right',
        pad_to_multiple_of: 8,
        pad_id: 1,
        pad_type_id: 0,
        pad_token: '<|pad|>',
      },
    }),
    whole({
      pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Whitespace' }, { type: 'UnicodeScripts' }] },
      decoder: { type: 'BPEDecoder', suffix: '</w>' },
      model: bpe(
        [...SPECIAL, ...LETTERS, ...LETTERS.map((letter) => `${letter}</w>`), 'th', 'the</w>'],
        ['t h', 'th e</w>'],
        { end_of_word_suffix: '</w>', byte_fallback: false, dropout: 0.1 },
      ),
      truncation: { direction: 'Right', max_length: 12, strategy: 'LongestFirst', stride: 0 },
    }),
    whole({
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'NFKC' },
          { type: 'Nmt' },
          { type: 'ByteLevel' },
          { type: 'Replace', pattern: { Regex: 'Ġ+' }, content: 'Ġ' },
        ],
      },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [{ type: 'FixedLength', length: 5 }, split({ Regex: '[a-z]+' }, 'Contiguous', true)],
      },
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'CTC', pad_token: '<|pad|>', word_delimiter_token: '|', cleanup: true },
          { type: 'Strip', content: 'a', start: 2, stop: 0 },
        ],
      },
      model: bpe(
        [...SPECIAL, ...LETTERS, ...LETTERS.map((letter) => `##${letter}`), 'th', 'the'],
        [
          ['t', '##h'],
          ['th', '##e'],
        ],
        { continuing_subword_prefix: '##', byte_fallback: false },
      ),
    }),
    whole({
      normalizer: { type: 'Precompiled', precompiled_charsmap: 'BAAAAP////8BAg==' },
      model: bpe([...SPECIAL, ...LETTERS], []),
    }),
  ];
}
