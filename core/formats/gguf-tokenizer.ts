// The tokenizer inside a GGUF file as the files of a model folder (tokenizer.json and what lies beside it), and back.
//
// Byte-level BPE only. GGUF names the rule that cuts text into words before merging ("tokenizer.ggml.pre") instead of
// writing it out; the rules stand here as tokenizer.json spells them.
import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { readGguf } from './gguf.ts';
import type { GgufMetadata } from './gguf.ts';
import { beginOf } from './post-processor.ts';
import { metadataReader } from './gguf-metadata.ts';
import type { MetadataReader } from './gguf-metadata.ts';
import type { GgufFields } from './gguf-writer.ts';

type Json = Record<string, unknown>;

/** What a model folder holds of a tokenizer, parsed. */
export interface TokenizerFiles {
  tokenizer: Json; // tokenizer.json
  config: Json; // tokenizer_config.json
  generation: Json; // generation_config.json
  chatTemplate: string | null; // chat_template.jinja
  specialTokensMap?: Json; // special_tokens_map.json
}

const bytesAlone = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
const bytesAndWords = { ...bytesAlone, use_regex: true }; // GPT-2's own pattern is built into this step
const words = (numbers: string): Json => ({
  type: 'Split',
  pattern: {
    Regex: String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|${numbers}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
  },
  behavior: 'Isolated',
  invert: false,
});

/** Rules by the name that llama.cpp gives them; `also` are names of the same rule. */
const WORD_RULES: Readonly<
  Record<
    string,
    {
      also: readonly string[];
      steps: readonly Json[];
      normalizer: Json | null;
      wholeWordsFirst: boolean;
      beginsText: boolean;
    }
  >
> = {
  'gpt-2': { also: ['phi-2'], steps: [bytesAndWords], normalizer: null, wholeWordsFirst: false, beginsText: false },
  smollm: {
    also: ['starcoder', 'refact', 'codeshell'],
    steps: [{ type: 'Digits', individual_digits: true }, bytesAndWords],
    normalizer: null,
    wholeWordsFirst: false,
    beginsText: false,
  },
  'llama-bpe': {
    also: ['llama3', 'llama-v3', 'falcon3', 'pixtral'],
    steps: [words(String.raw`\p{N}{1,3}`), bytesAlone],
    normalizer: null,
    wholeWordsFirst: true,
    beginsText: true,
  },
  qwen2: {
    also: ['deepseek-r1-qwen', 'megrez'],
    steps: [words(String.raw`\p{N}`), bytesAlone],
    normalizer: { type: 'NFC' },
    wholeWordsFirst: false,
    beginsText: false,
  },
};
const RULES_THAT_WORK = `Rules that work: ${Object.keys(WORD_RULES).join(', ')}.`;
const ruleNamed = (name: string) =>
  Object.entries(WORD_RULES).find(([own, { also }]) => own === name || also.includes(name))?.[1];

const NORMAL = 1;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5; // the kinds of tokens that we tell apart, of 1 to 6
const END_KEYS = ['tokenizer.ggml.eos_token_id', 'tokenizer.ggml.eot_token_id', 'tokenizer.ggml.eom_token_id'];

/** The ids at which a text ends, first the one that is written to end one; [] where the file names none. */
export function ggufStops(metadata: GgufMetadata, file: string): number[] {
  const read = metadataReader(metadata, file);
  return [...new Set(END_KEYS.map((key) => read.whole(key, 0)).filter((id) => id !== undefined))];
}

/**
 * Throws 'bad-file' naming the key for a kind of vocabulary or a rule that is not known, and for parts that do not fit
 * together.
 */
export function readGgufTokenizer(metadata: GgufMetadata, file: string): TokenizerFiles {
  const read = metadataReader(metadata, file);
  const kind =
    read.text('tokenizer.ggml.model') ??
    read.refuse(
      'tokenizer.ggml.model',
      'is missing: the file has no tokenizer',
      'Take a GGUF file that holds its vocabulary, or the model folder it was made from.',
    );
  if (kind !== 'gpt2')
    read.refuse(
      'tokenizer.ggml.model',
      `is ${JSON.stringify(kind.slice(0, 50))}, a kind of vocabulary that is not read`,
      'What works is byte-level BPE ("gpt2"). For other models take the folder that the file was made from.',
    );
  const family = read.text('general.architecture') ?? '';
  const name =
    read.text('tokenizer.ggml.pre') ??
    (family.startsWith('qwen')
      ? 'qwen2'
      : read.refuse(
          'tokenizer.ggml.pre',
          'is missing: how text is cut into words is not known',
          'Convert the model again with a current llama.cpp.',
        ));
  const rule =
    ruleNamed(name) ??
    read.refuse(
      'tokenizer.ggml.pre',
      `is ${JSON.stringify(name.slice(0, 50))}, a rule for words that is not known`,
      RULES_THAT_WORK,
    );
  const tokens = read.texts('tokenizer.ggml.tokens') ?? read.refuse('tokenizer.ggml.tokens', 'is missing');
  const kinds = kindsOf(read, tokens, ggufStops(metadata, file));
  const vocab = new Map<string, number>();
  tokens.forEach((token, id) => {
    if (kinds[id] === UNUSED) return; // rows of the embedding that no text reaches
    if (vocab.has(token))
      read.refuse(
        'tokenizer.ggml.tokens',
        `holds ${JSON.stringify(token.slice(0, 50))} twice, at ${vocab.get(token)} and ${id}`,
      );
    vocab.set(token, id);
  });
  const named = (key: string): { id: number; token: string } | null => {
    const id = read.whole(key, 0);
    return id === undefined
      ? null
      : { id, token: tokens[id] ?? read.refuse(key, `is ${id}, but there are only ${tokens.length} tokens`) };
  };
  const begin = named('tokenizer.ggml.bos_token_id');
  const unknown = named('tokenizer.ggml.unknown_token_id');
  const pad = named('tokenizer.ggml.padding_token_id');
  const ends = END_KEYS.map(named).filter((end) => end !== null);
  const asked = read.flag('tokenizer.ggml.add_bos_token');
  const beginsText = asked ?? rule.beginsText;
  if (asked === true && !begin)
    read.refuse(
      'tokenizer.ggml.bos_token_id',
      'is missing, though "tokenizer.ggml.add_bos_token" is true: which token begins a text is not known',
    );
  const chatTemplate = read.text('tokenizer.chat_template') ?? null;
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: tokens.flatMap((content, id) =>
        kinds[id] === CONTROL || kinds[id] === USER_DEFINED
          ? [
              {
                id,
                content,
                single_word: false,
                lstrip: false,
                rstrip: false,
                normalized: false,
                special: kinds[id] === CONTROL,
              },
            ]
          : [],
      ),
      normalizer: rule.normalizer,
      pre_tokenizer: rule.steps.length === 1 ? rule.steps[0] : { type: 'Sequence', pretokenizers: rule.steps },
      post_processor:
        begin && beginsText
          ? beginningWith(begin)
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
        merges: mergesOf(read, vocab),
      },
    },
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

/** The kind of each token; one that ends a text is control whatever the file says. */
function kindsOf(read: MetadataReader, tokens: readonly string[], stops: readonly number[]): number[] {
  const key = 'tokenizer.ggml.token_type';
  const kinds = Array.from(read.wholes(key) ?? new Uint8Array(tokens.length).fill(NORMAL));
  if (kinds.length !== tokens.length)
    read.refuse(key, `has ${kinds.length} entries, but there are ${tokens.length} tokens`);
  for (const id of stops) if (id < kinds.length) kinds[id] = CONTROL;
  return kinds;
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

/** What puts the token before every text for programs that want it there (this one asks for no such thing). */
const beginningWith = ({ id, token }: { id: number; token: string }): Json => {
  const first = { SpecialToken: { id: token, type_id: 0 } };
  const text = { Sequence: { id: 'A', type_id: 0 } };
  return {
    type: 'TemplateProcessing',
    single: [first, text],
    pair: [first, text, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
};

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** A pre-tokenizer as one line, without what changes nothing, so that equal rules are equal texts. */
function signature(step: unknown): string {
  if (!isObject(step)) return '';
  if (step['type'] === 'Sequence') return list(step['pretokenizers']).map(signature).join(' ');
  const { trim_offsets: _, ...rest } = step;
  return JSON.stringify(
    Object.entries({ ...(step['type'] === 'ByteLevel' ? { use_regex: true } : {}), ...rest }).sort(([a], [b]) =>
      a < b ? -1 : 1,
    ),
  );
}

/**
 * The metadata of a tokenizer.json, for a model with `vocabulary` rows that ends texts at `stops`. Throws 'bad-model'
 * where
 * GGUF has no name for what the tokenizer does; `file` is named in errors.
 */
export function ggufTokenizerFields(
  { tokenizer, config, chatTemplate }: Pick<TokenizerFiles, 'tokenizer' | 'config' | 'chatTemplate'>,
  { vocabulary, stops, file }: { vocabulary: number; stops: readonly number[]; file: string },
): GgufFields {
  const refuse = (what: string, hint: string): never => {
    throw new TastemakerError('bad-model', `${file} cannot be put into a GGUF file: ${what}.`, hint);
  };
  const model = isObject(tokenizer['model']) ? tokenizer['model'] : {};
  const vocab = model['vocab'];
  if (model['type'] !== 'BPE' || model['byte_fallback'] === true || !isObject(vocab))
    refuse('it is not byte-level BPE', 'Export the model as a folder instead.');
  const given = signature(tokenizer['pre_tokenizer']);
  const [name, rule] =
    Object.entries(WORD_RULES).find(([, { steps }]) => steps.map(signature).join(' ') === given) ??
    refuse(
      'its pre-tokenizer is none that llama.cpp has a name for',
      `${RULES_THAT_WORK} Export the model as a folder instead.`,
    );
  const normalizer = tokenizer['normalizer'] ?? null;
  if (normalizer !== null && JSON.stringify(normalizer) !== JSON.stringify(rule.normalizer))
    refuse('its normalizer would be lost', 'Export the model as a folder instead.');

  const added = list(tokenizer['added_tokens']).filter(isObject);
  const entries: [token: string, id: number, kind: number][] = [
    ...Object.entries(vocab as Json).map(([token, id]): [string, number, number] => [token, id as number, NORMAL]),
    ...added.map(({ content, id, special }): [string, number, number] => [
      String(content),
      id as number,
      special === true ? CONTROL : USER_DEFINED,
    ]),
  ];
  const odd = entries.find(([, id]) => !Number.isInteger(id) || id < 0);
  if (odd)
    refuse(
      `the token ${JSON.stringify(odd[0].slice(0, 50))} has no id`,
      'Copy tokenizer.json from the model it belongs to.',
    );
  const size = entries.reduce((most, [, id]) => Math.max(most, id + 1), vocabulary);
  if (size !== vocabulary)
    refuse(
      `it has ${size} tokens, the model's embedding ${vocabulary} rows`,
      'Take the tokenizer of the model that these weights belong to.',
    );
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const kinds = new Array<number>(size).fill(UNUSED);
  for (const [token, id, kind] of entries) [tokens[id], kinds[id]] = [token, kind];
  const idOf = new Map(entries.map(([token, id]) => [token, id]));
  const special = (key: string): number | undefined => {
    const value = config[key];
    return idOf.get(String(isObject(value) ? value['content'] : value));
  };
  const ids = (key: string, id: number | null | undefined): GgufFields =>
    id === null || id === undefined ? {} : { [key]: { type: 'uint32', value: id } };
  const end = special('eos_token') ?? stops[0];
  const ends = [...new Set([...(end === undefined ? [] : [end]), ...stops])];
  if (ends.length > END_KEYS.length)
    refuse(
      `the model ends texts at ${ends.length} tokens; GGUF has room for ${END_KEYS.length}`,
      'Export the model as a folder instead.',
    );
  const begins = beginOf(tokenizer['post_processor'], file);
  if (begins.length > 1)
    refuse(
      `it puts ${begins.length} tokens before every text; GGUF has room for one`,
      'Export the model as a folder instead.',
    );
  // llama.cpp puts its bos token there, whatever the tokenizer calls its own
  const begin = begins[0]?.id ?? special('bos_token');
  return {
    'tokenizer.ggml.model': { type: 'text', value: 'gpt2' },
    'tokenizer.ggml.pre': { type: 'text', value: name },
    'tokenizer.ggml.tokens': { type: 'texts', value: tokens },
    'tokenizer.ggml.token_type': { type: 'int32s', value: kinds },
    'tokenizer.ggml.merges': {
      type: 'texts',
      value: list(model['merges']).map((merge) => (Array.isArray(merge) ? merge.join(' ') : String(merge))),
    },
    ...ids('tokenizer.ggml.bos_token_id', begin),
    ...(Object.assign({}, ...END_KEYS.map((key, i) => ids(key, ends[i]))) as GgufFields),
    ...ids('tokenizer.ggml.padding_token_id', special('pad_token')),
    ...ids('tokenizer.ggml.unknown_token_id', special('unk_token')),
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: begins.length === 1 },
    ...(chatTemplate === null ? {} : { 'tokenizer.chat_template': { type: 'text', value: chatTemplate } }),
  };
}
