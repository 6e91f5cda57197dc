// The tokenizer inside a GGUF file as the files of a model folder: tokenizer.json and what lies beside it.
//
// Byte-level BPE only. GGUF names the rule that cuts text into words before merging ("tokenizer.ggml.pre") instead of
// writing it out (gguf-word-rules.ts).
import fs from 'node:fs';
import path from 'node:path';
import { readGguf } from './gguf.ts';
import type { GgufMetadata } from './gguf.ts';
import { metadataReader } from './gguf-metadata.ts';
import type { MetadataReader } from './gguf-metadata.ts';
import { END_KEYS, ggufStops, TOKEN_KINDS } from './gguf-vocabulary.ts';
import { ruleNamed, RULES_THAT_WORK } from './gguf-word-rules.ts';
import type { WordRule } from './gguf-word-rules.ts';

type Json = Record<string, unknown>;

/** What a model folder holds of a tokenizer, parsed. */
export interface TokenizerFiles {
  tokenizer: Json; // tokenizer.json
  config: Json; // tokenizer_config.json
  generation: Json; // generation_config.json
  chatTemplate: string | null; // chat_template.jinja
  specialTokensMap?: Json; // special_tokens_map.json
}

/** A token that the metadata name by its id. */
interface NamedToken {
  id: number;
  token: string;
}

/**
 * Throws 'bad-file' naming the key for a kind of vocabulary or a rule that is not known, and for parts that do not fit
 * together.
 */
export function readGgufTokenizer(metadata: GgufMetadata, file: string): TokenizerFiles {
  const read = metadataReader(metadata, file);
  refuseOtherKinds(read);
  const rule = ruleOf(read);
  const tokens = read.texts('tokenizer.ggml.tokens') ?? read.refuse('tokenizer.ggml.tokens', 'is missing');
  const kinds = kindsOf(read, tokens, ggufStops(metadata, file));
  const vocab = vocabOf(read, tokens, kinds);
  const named = (key: string): NamedToken | null => {
    const id = read.whole(key, 0);
    return id === undefined
      ? null
      : { id, token: tokens[id] ?? read.refuse(key, `is ${id}, but there are only ${tokens.length} tokens`) };
  };
  const begin = named('tokenizer.ggml.bos_token_id');
  const unknown = named('tokenizer.ggml.unknown_token_id');
  const pad = named('tokenizer.ggml.padding_token_id');
  const ends = END_KEYS.map(named).filter((end) => end !== null);
  const first = firstOfTexts(read, rule, begin);
  const chatTemplate = read.text('tokenizer.chat_template') ?? null;
  return {
    tokenizer: tokenizerJson(rule, { first, added: addedTokens(tokens, kinds), vocab, merges: mergesOf(read, vocab) }),
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      clean_up_tokenization_spaces: false,
      ...(begin && { bos_token: begin.token }),
      ...(ends[0] && { eos_token: ends[0].token }),
      ...(pad && { pad_token: pad.token }),
      ...(unknown && { unk_token: unknown.token }),
    },
    generation: {
      ...(begin && { bos_token_id: begin.id }),
      ...(ends.length && { eos_token_id: [...new Set(ends.map(({ id }) => id))] }),
      ...(pad && { pad_token_id: pad.id }),
    },
    chatTemplate,
  };
}

/** Writes the tokenizer of a GGUF file into a model folder, as the files that other programs look for there. */
export function writeTokenizerOf(gguf: string, folder: string): void {
  const { tokenizer, config, generation, chatTemplate } = readGgufTokenizer(readGguf(gguf).metadata, gguf);
  for (const [name, json] of [
    ['tokenizer.json', tokenizer],
    ['tokenizer_config.json', config],
    ['generation_config.json', generation],
  ] as const) {
    fs.writeFileSync(path.join(folder, name), `${JSON.stringify(json, null, 1)}\n`);
  }
  if (chatTemplate !== null) fs.writeFileSync(path.join(folder, 'chat_template.jinja'), chatTemplate);
}

function refuseOtherKinds(read: MetadataReader): void {
  const key = 'tokenizer.ggml.model';
  const kind =
    read.text(key) ??
    read.refuse(
      key,
      'is missing: the file has no tokenizer',
      'Take a GGUF file that holds its vocabulary, or the model folder it was made from.',
    );
  if (kind !== 'gpt2')
    read.refuse(
      key,
      `is ${JSON.stringify(kind.slice(0, 50))}, a kind of vocabulary that is not read`,
      'What works is byte-level BPE ("gpt2"). For other models take the folder that the file was made from.',
    );
}

/** The rule that cuts text into words; older files of Qwen do not name it. */
function ruleOf(read: MetadataReader): WordRule {
  const key = 'tokenizer.ggml.pre';
  const family = read.text('general.architecture') ?? '';
  const name =
    read.text(key) ??
    (family.startsWith('qwen')
      ? 'qwen2'
      : read.refuse(
          key,
          'is missing: how text is cut into words is not known',
          'Convert the model again with a current llama.cpp.',
        ));
  return (
    ruleNamed(name) ??
    read.refuse(key, `is ${JSON.stringify(name.slice(0, 50))}, a rule for words that is not known`, RULES_THAT_WORK)
  );
}

/** The kind of each token; one that ends a text is control whatever the file says. */
function kindsOf(read: MetadataReader, tokens: readonly string[], stops: readonly number[]): number[] {
  const key = 'tokenizer.ggml.token_type';
  const kinds = Array.from(read.wholes(key) ?? new Uint8Array(tokens.length).fill(TOKEN_KINDS.normal));
  if (kinds.length !== tokens.length)
    read.refuse(key, `has ${kinds.length} entries, but there are ${tokens.length} tokens`);
  for (const id of stops) if (id < kinds.length) kinds[id] = TOKEN_KINDS.control;
  return kinds;
}

/** Ids by token, without rows of the embedding that no text reaches. */
function vocabOf(read: MetadataReader, tokens: readonly string[], kinds: readonly number[]): Map<string, number> {
  const vocab = new Map<string, number>();
  tokens.forEach((token, id) => {
    if (kinds[id] === TOKEN_KINDS.unused) return;
    if (vocab.has(token))
      read.refuse(
        'tokenizer.ggml.tokens',
        `holds ${JSON.stringify(token.slice(0, 50))} twice, at ${vocab.get(token)} and ${id}`,
      );
    vocab.set(token, id);
  });
  return vocab;
}

/** "left right", each part and what they make being tokens. */
function mergesOf(read: MetadataReader, vocab: ReadonlyMap<string, number>): string[] {
  const key = 'tokenizer.ggml.merges';
  const merges = read.texts(key) ?? read.refuse(key, 'is missing');
  for (const [i, merge] of merges.entries()) {
    const space = merge.indexOf(' ');
    const left = merge.slice(0, space);
    const right = merge.slice(space + 1);
    if (space < 1 || right === '' || right.includes(' '))
      read.refuse(key, `holds ${JSON.stringify(merge.slice(0, 50))} at ${i}, which is not two tokens`);
    if (!vocab.has(left) || !vocab.has(right) || !vocab.has(left + right))
      read.refuse(key, `holds ${JSON.stringify(merge.slice(0, 50))} at ${i}, which the vocabulary does not have`);
  }
  return merges;
}

/** The token that stands before every text: what the file says of it, else what its rule does. */
function firstOfTexts(read: MetadataReader, rule: WordRule, begin: NamedToken | null): NamedToken | null {
  const asked = read.flag('tokenizer.ggml.add_bos_token');
  if (asked === true && !begin)
    read.refuse(
      'tokenizer.ggml.bos_token_id',
      'is missing, though "tokenizer.ggml.add_bos_token" is true: which token begins a text is not known',
    );
  return (asked ?? rule.beginsText) ? begin : null;
}

const addedTokens = (tokens: readonly string[], kinds: readonly number[]): Json[] =>
  tokens.flatMap((content, id) =>
    kinds[id] === TOKEN_KINDS.control || kinds[id] === TOKEN_KINDS.userDefined
      ? [
          {
            id,
            content,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: kinds[id] === TOKEN_KINDS.control,
          },
        ]
      : [],
  );

/** What a file says of its tokens, as tokenizer.json has it. */
interface Parts {
  first: NamedToken | null;
  added: readonly Json[];
  vocab: ReadonlyMap<string, number>;
  merges: readonly string[];
}

const tokenizerJson = (rule: WordRule, { first, added, vocab, merges }: Parts): Json => ({
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: added,
  normalizer: rule.normalizer,
  pre_tokenizer: rule.steps.length === 1 ? rule.steps[0] : { type: 'Sequence', pretokenizers: rule.steps },
  post_processor: first
    ? beginningWith(first)
    : { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true },
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: rule.wholeWordsFirst,
    vocab: Object.fromEntries(vocab),
    merges,
  },
});

/** What puts the token before every text for programs that want it there (this one asks for no such thing). */
const beginningWith = ({ id, token }: NamedToken): Json => {
  const first = { SpecialToken: { id: token, type_id: 0 } };
  const text = { Sequence: { id: 'A', type_id: 0 } };
  return {
    type: 'TemplateProcessing',
    single: [first, text],
    pair: [first, text, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
};
