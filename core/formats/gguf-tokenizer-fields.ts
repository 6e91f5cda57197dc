// The tokenizer of a model folder as metadata of a GGUF file, or why GGUF has no place for it.
import { TastemakerError } from '#core/errors.ts';
import type { TokenizerFiles } from './gguf-tokenizer.ts';
import { END_KEYS, TOKEN_KINDS } from './gguf-vocabulary.ts';
import { ruleOfSteps, RULES_THAT_WORK } from './gguf-word-rules.ts';
import type { GgufFields } from './gguf-writer.ts';
import { beginOf } from './post-processor.ts';

type Json = Record<string, unknown>;
type Refuse = (what: string, hint: string) => never;

const AS_A_FOLDER = 'Export the model as a folder instead.';
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/**
 * The metadata of a tokenizer.json, for a model with `vocabulary` rows that ends texts at `stops`. Throws 'bad-model'
 * where GGUF has no name for what the tokenizer does; `file` is named in errors.
 */
export function ggufTokenizerFields(
  { tokenizer, config, chatTemplate }: Pick<TokenizerFiles, 'tokenizer' | 'config' | 'chatTemplate'>,
  { vocabulary, stops, file }: { vocabulary: number; stops: readonly number[]; file: string },
): GgufFields {
  const refuse: Refuse = (what, hint) => {
    throw new TastemakerError('bad-model', `${file} cannot be put into a GGUF file: ${what}.`, hint);
  };
  const model = isObject(tokenizer['model']) ? tokenizer['model'] : {};
  const vocab = model['vocab'];
  if (model['type'] !== 'BPE' || model['byte_fallback'] === true || !isObject(vocab))
    return refuse('it is not byte-level BPE', AS_A_FOLDER);
  const rule = ruleNameOf(tokenizer, refuse);
  const entries = entriesOf(vocab, tokenizer['added_tokens'], refuse);
  const { tokens, kinds } = tokensOf(entries, vocabulary, refuse);
  const idOf = new Map(entries.map(({ token, id }) => [token, id]));
  const special = (key: string): number | undefined => {
    const value = config[key];
    return idOf.get(String(isObject(value) ? value['content'] : value));
  };
  const ends = endsOf(special('eos_token'), stops, refuse);
  const begins = beginOf(tokenizer['post_processor'], file);
  if (begins.length > 1)
    refuse(`it puts ${begins.length} tokens before every text; GGUF has room for one`, AS_A_FOLDER);
  // llama.cpp puts its bos token there, whatever the tokenizer calls its own
  const begin = begins[0]?.id ?? special('bos_token');
  return {
    'tokenizer.ggml.model': { type: 'text', value: 'gpt2' },
    'tokenizer.ggml.pre': { type: 'text', value: rule },
    'tokenizer.ggml.tokens': { type: 'texts', value: tokens },
    'tokenizer.ggml.token_type': { type: 'int32s', value: kinds },
    'tokenizer.ggml.merges': {
      type: 'texts',
      value: list(model['merges']).map((merge) => (Array.isArray(merge) ? merge.join(' ') : String(merge))),
    },
    ...idField('tokenizer.ggml.bos_token_id', begin),
    ...(Object.assign({}, ...END_KEYS.map((key, i) => idField(key, ends[i]))) as GgufFields),
    ...idField('tokenizer.ggml.padding_token_id', special('pad_token')),
    ...idField('tokenizer.ggml.unknown_token_id', special('unk_token')),
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: begins.length === 1 },
    ...(chatTemplate === null ? {} : { 'tokenizer.chat_template': { type: 'text', value: chatTemplate } }),
  };
}

const idField = (key: string, id: number | undefined): GgufFields =>
  id === undefined ? {} : { [key]: { type: 'uint32', value: id } };

/** What llama.cpp calls the way in which text is cut into words. */
function ruleNameOf(tokenizer: Json, refuse: Refuse): string {
  const [name, rule] =
    ruleOfSteps(tokenizer['pre_tokenizer']) ??
    refuse('its pre-tokenizer is none that llama.cpp has a name for', `${RULES_THAT_WORK} ${AS_A_FOLDER}`);
  const normalizer = tokenizer['normalizer'] ?? null;
  if (normalizer !== null && JSON.stringify(normalizer) !== JSON.stringify(rule.normalizer))
    refuse('its normalizer would be lost', AS_A_FOLDER);
  return name;
}

interface Entry {
  token: string;
  id: number;
  kind: number;
}

/** Every token with its id and kind: those that texts are merged into, then those that were added. */
function entriesOf(vocab: Json, added: unknown, refuse: Refuse): Entry[] {
  const entries: Entry[] = [
    ...Object.entries(vocab).map(([token, id]) => ({ token, id: id as number, kind: TOKEN_KINDS.normal })),
    ...list(added)
      .filter(isObject)
      .map(({ content, id, special }) => ({
        token: String(content),
        id: id as number,
        kind: special === true ? TOKEN_KINDS.control : TOKEN_KINDS.userDefined,
      })),
  ];
  const odd = entries.find(({ id }) => !Number.isInteger(id) || id < 0);
  if (odd)
    refuse(
      `the token ${JSON.stringify(odd.token.slice(0, 50))} has no id`,
      'Copy tokenizer.json from the model it belongs to.',
    );
  return entries;
}

/** One token and kind for each row of the model's embedding. */
function tokensOf(
  entries: readonly Entry[],
  vocabulary: number,
  refuse: Refuse,
): { tokens: string[]; kinds: number[] } {
  const size = entries.reduce((most, { id }) => Math.max(most, id + 1), vocabulary);
  if (size !== vocabulary)
    refuse(
      `it has ${size} tokens, the model's embedding ${vocabulary} rows`,
      'Take the tokenizer of the model that these weights belong to.',
    );
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const kinds = new Array<number>(size).fill(TOKEN_KINDS.unused);
  for (const { token, id, kind } of entries) [tokens[id], kinds[id]] = [token, kind];
  return { tokens, kinds };
}

/** Where a text ends, first the token that is written to end one. */
function endsOf(own: number | undefined, stops: readonly number[], refuse: Refuse): number[] {
  const end = own ?? stops[0];
  const ends = [...new Set([...(end === undefined ? [] : [end]), ...stops])];
  if (ends.length > END_KEYS.length)
    refuse(`the model ends texts at ${ends.length} tokens; GGUF has room for ${END_KEYS.length}`, AS_A_FOLDER);
  return ends;
}
