// Text to token ids and back, behind one small interface; the only file that knows the native package `tokenizers`.

import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Tokenizer as Native } from 'tokenizers';
import { TastemakerError, sentenceOf } from '#core/errors.ts';
import { readRegularText } from '#core/regular-file.ts';
import { tokenizerHome } from '#core/formats/adapter-base.ts';
import { isGguf, readGguf } from '#core/formats/gguf.ts';
import { readGgufTokenizer } from '#core/formats/gguf-tokenizer.ts';
import { beginOf } from '#core/formats/post-processor.ts';
import { refusePointer } from '#core/formats/other-checkpoints.ts';
import { templateOf } from '#core/formats/tokenizer-files.ts';
import { checkedTokenizerSettings } from '#core/formats/tokenizer-settings.ts';
import { answerShape } from './chat-template.ts';
import type { AnswerShape } from './chat-template.ts';
import { tokenizerHash } from './tokenizer-hash.ts';
import { normalizedTokens, safeTokenizer } from './tokenizer-json.ts';

/** A half-open range of UTF-16 offsets into the text that was encoded. */
export interface Span {
  start: number;
  end: number;
}

export interface Tokenizer {
  /** the largest token id plus one; a model's embedding may have more rows (padding), never fewer */
  readonly vocabularySize: number;
  /** the same for two tokenizers exactly when they make the same ids of every text */
  readonly hash: string;
  /** what the post-processor puts before every plain text; [] for nothing */
  readonly begin: readonly number[];
  readonly endOfText: number;
  /**
   * every token that ends what the model writes, `endOfText` first: those its configuration names, and the chat
   * template's end of turn
   */
  readonly stops: readonly number[];
  /** -1 where the tokenizer has no pad token of its own: the caller masks instead */
  readonly pad: number;
  /** the Jinja source of the chat template, or null */
  readonly chatTemplate: string | null;
  /**
   * how the chat template ends an answer, with that token's id; null where there is no template or it uses no token of
   * its own
   */
  readonly answerShape: (AnswerShape & { endId: number }) | null;
  /** special tokens spelled out, by the names that chat templates know them by (bos_token, eos_token) */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** where it was read from, for errors */
  readonly file: string;
  /** ids of `text`, with no special token added (one written out in the text is still recognised) */
  encode(text: string): Promise<number[]>;
  encodeBatch(texts: readonly string[]): Promise<number[][]>;
  /** ids, and for each the whole characters it covers: tokens that are parts of one character share its span */
  encodeWithOffsets(text: string): Promise<{ ids: number[]; spans: Span[] }>;
  /**
   * text of `ids`, without ids that are not in the vocabulary; special tokens are left out, or spelled out with the
   * others
   */
  decode(ids: readonly number[], special?: 'left-out' | 'spelled'): Promise<string>;
  decodeBatch(idLists: readonly (readonly number[])[], special?: 'left-out' | 'spelled'): Promise<string[]>;
  /** whether there is a token of this id: a vocabulary may have holes, and a model rows beyond its end */
  isToken(id: number): boolean;
  /** whether a text that spells this token has it there (as added tokens are recognised) */
  isWritten(id: number): boolean;
  /** the vocabulary's own spelling of one id (`Ġship`), or `[id]` where there is none */
  token(id: number): string;
}

type Json = Record<string, unknown>;
/** What lies beside tokenizer.json, already parsed; absent files are null. */
export interface TokenizerSettings {
  tokenizerConfig: Json | null;
  generationConfig: Json | null;
  modelConfig: Json | null;
  chatTemplate: string | null;
  /** special_tokens_map.json, where older folders name their tokens */
  specialTokensMap?: Json | null;
  /** added_tokens.json: ids by token */
  addedTokens?: Json | null;
}

const HINT = 'Copy tokenizer.json and tokenizer_config.json from the model they belong to.';
const messageOf = (error: unknown) => sentenceOf(error).split('\n')[0]!.slice(0, 300);
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The tokenizer of a model folder (or of a tokenizer.json named directly, with what lies beside it), or the one in a
 * GGUF file.
 * Throws 'bad-file' where it is missing, malformed, or names no end-of-text token.
 */
export async function loadTokenizer(given: string): Promise<Tokenizer> {
  const folderOrTokenizerJson = tokenizerHome(given);
  if (isGguf(folderOrTokenizerJson)) return ggufTokenizer(folderOrTokenizerJson);
  const isFolder = (await stat(folderOrTokenizerJson).catch(() => null))?.isDirectory() ?? false;
  const folder = isFolder ? folderOrTokenizerJson : dirname(folderOrTokenizerJson);
  const file = isFolder ? join(folder, 'tokenizer.json') : folderOrTokenizerJson;
  const json = await readJson(file);
  if (json === null) throw new TastemakerError('bad-file', `${file} does not exist.`, HINT);
  const [tokenizerConfig, generationConfig, modelConfig, specialTokensMap, addedTokens, chatTemplate] =
    await Promise.all([
      readSettings(join(folder, 'tokenizer_config.json')),
      readJson(join(folder, 'generation_config.json')),
      readJson(join(folder, 'config.json')),
      readSettings(join(folder, 'special_tokens_map.json')),
      readJson(join(folder, 'added_tokens.json')),
      readText(join(folder, 'chat_template.jinja')),
    ]);
  return createTokenizer(
    json,
    { tokenizerConfig, generationConfig, modelConfig, chatTemplate, specialTokensMap, addedTokens },
    file,
  );
}

function ggufTokenizer(file: string): Tokenizer {
  const { tokenizer, config, generation, chatTemplate } = readGgufTokenizer(readGguf(file).metadata, file);
  return createTokenizer(
    tokenizer,
    { tokenizerConfig: config, generationConfig: generation, modelConfig: null, chatTemplate },
    file,
  );
}

/** A tokenizer from the parsed tokenizer.json; `file` only names it in errors. */
export function createTokenizer(json: Json, settings: TokenizerSettings, file: string): Tokenizer {
  const native = parse(json, file);
  const { tokenizerConfig } = settings;
  refuseOtherTokens(native, settings, file);
  const endOfText = endOfTextIn(native, settings, file);
  const chatTemplate = settings.chatTemplate ?? templateOf(tokenizerConfig?.['chat_template']);
  const specialTokens = { eos_token: native.idToToken(endOfText)!, ...namesOf(tokenizerConfig) };
  const begin = beginIn(native, json, file);
  // once, when it is first asked for: it takes the template a conversation
  const shape = once((): Tokenizer['answerShape'] => {
    const added = addedTokens(json);
    const found =
      chatTemplate === null ? null : answerShape(chatTemplate, { specialTokens, name: file }, [...added.keys()]);
    return found && { ...found, endId: added.get(found.end)! };
  });
  const added = once(() => new Set(addedTokens(json).values()));
  const hash = once(() => tokenizerHash(json, begin));
  const stops = once(() => {
    const named = configsOf(settings).flatMap((config): unknown => config?.['eos_token_id'] ?? []);
    return [...new Set([endOfText, ...named, ...(shape() ? [shape()!.endId] : [])])].filter((id) =>
      isToken(native, id),
    );
  });
  return {
    vocabularySize: vocabularySizeOf(native),
    get hash() {
      return hash();
    },
    begin,
    endOfText,
    get stops() {
      return stops();
    },
    pad: findToken(native, [tokenizerConfig], 'pad_token', [], '<|pad|>'),
    chatTemplate,
    get answerShape() {
      return shape();
    },
    specialTokens,
    file,
    ...codecOf(native, file),
    isToken: (id) => isToken(native, id),
    isWritten: (id) => added().has(id),
    token: (id) => (Number.isInteger(id) && id >= 0 ? native.idToToken(id) : null) ?? `[${id}]`,
  };
}

/** Texts to ids and back. */
function codecOf(
  native: Native,
  file: string,
): Pick<Tokenizer, 'encode' | 'encodeBatch' | 'encodeWithOffsets' | 'decode' | 'decodeBatch'> {
  const options = { addSpecialTokens: false };
  const cannot =
    (what: string) =>
    (error: unknown): never => {
      throw new TastemakerError('bad-file', `${file} could not ${what} a text: ${messageOf(error)}.`, HINT);
    };
  return {
    encode: async (text) => (await native.encode(text.toWellFormed(), null, options).catch(cannot('cut'))).getIds(),
    encodeBatch: async (texts) => {
      const wellFormed = texts.map((text) => text.toWellFormed());
      const encodings = await native.encodeBatch(wellFormed, options).catch(cannot('cut'));
      return encodings.map((encoding) => encoding.getIds());
    },
    encodeWithOffsets: async (text) => {
      const encoding = await native.encode(text.toWellFormed(), null, options).catch(cannot('cut'));
      return { ids: encoding.getIds(), spans: spansOf(text, encoding.getOffsets()) };
    },
    decode: (ids, special = 'left-out') =>
      native.decode([...ids], special === 'left-out').catch(cannot('put together')),
    decodeBatch: (idLists, special = 'left-out') => {
      const lists = idLists.map((ids) => [...ids]);
      return native.decodeBatch(lists, special === 'left-out').catch(cannot('put together'));
    },
  };
}

/** The configurations of a model that name tokens by their ids. */
const configsOf = ({ generationConfig, modelConfig }: TokenizerSettings) => [generationConfig, modelConfig];

function endOfTextIn(native: Native, settings: TokenizerSettings, file: string): number {
  const { tokenizerConfig, specialTokensMap = null, modelConfig } = settings;
  const usual = modelConfig === null ? '<|endoftext|>' : undefined; // of a model the files say it
  const endOfText = findToken(native, [tokenizerConfig, specialTokensMap], 'eos_token', configsOf(settings), usual);
  if (endOfText < 0)
    throw new TastemakerError(
      'bad-file',
      `${file} names no end-of-text token.`,
      'Add "eos_token" to tokenizer_config.json beside it.',
    );
  return endOfText;
}

/** What stands before every plain text. */
function beginIn(native: Native, json: Json, file: string): number[] {
  const begins = beginOf(json['post_processor'], file);
  const lost = begins.find(({ id }) => !isToken(native, id));
  if (lost)
    throw new TastemakerError(
      'bad-file',
      `${file}: "post_processor" puts ${JSON.stringify(lost.token.slice(0, 50))} before every text, as id ${lost.id}, which is no token of it.`,
      HINT,
    );
  return begins.map(({ id }) => id);
}

function vocabularySizeOf(native: Native): number {
  let size = 0;
  for (const id of Object.values(native.getVocab(true))) size = Math.max(size, id + 1);
  return size;
}

function parse(json: Json, file: string): Native {
  const plain = safeTokenizer(json, file);
  let native: Native;
  try {
    native = Native.fromString(JSON.stringify(plain));
  } catch (error) {
    throw new TastemakerError(
      'bad-file',
      `${file} is not a tokenizer this program can read: ${messageOf(error)}.`,
      HINT,
    );
  }
  // found everywhere, within characters too, a token of nothing would end the process
  const normalizer = native.getNormalizer();
  const empty = normalizer && normalizedTokens(plain).find((token) => normalizer.normalizeString(token) === '');
  if (typeof empty === 'string')
    throw new TastemakerError(
      'bad-file',
      `${file} has the added token ${JSON.stringify(empty.slice(0, 50))}, of which its normalizer leaves nothing.`,
      HINT,
    );
  return native;
}

/**
 * The id of a special token: as named beside the tokenizer, else by id in a model's configuration, else under its usual
 * name where it has one; -1 if none.
 */
function findToken(
  native: Native,
  configs: (Json | null)[],
  key: 'eos_token' | 'pad_token',
  sources: (Json | null)[],
  usual?: string,
): number {
  for (const config of configs) {
    const named = config?.[key];
    const name = isObject(named) ? named['content'] : named; // an added token is written out as an object
    const byName = typeof name === 'string' ? native.tokenToId(name) : null;
    if (byName !== null) return byName;
  }
  for (const source of sources) {
    const value = source?.[`${key}_id`];
    const id: unknown = Array.isArray(value) ? value[0] : value; // several ends are allowed; the first is the main one
    if (isToken(native, id)) return id;
  }
  return (usual === undefined ? null : native.tokenToId(usual)) ?? -1;
}

const isToken = (native: Native, id: unknown): id is number =>
  typeof id === 'number' && Number.isInteger(id) && id >= 0 && native.idToToken(id) !== null;

function once<T>(make: () => T): () => T {
  let made: { value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}

/** Every "…_token" of tokenizer_config.json. */
function namesOf(config: Json | null): Record<string, string> {
  const named = Object.entries(config ?? {}).flatMap(([key, value]): [string, unknown][] =>
    /^[a-z]+_token$/.test(key) ? [[key, isObject(value) ? value['content'] : value]] : [],
  );
  return Object.fromEntries(named.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/**
 * 'bad-file' where a token that was added beside tokenizer.json is not in it, or under another id: transformers would
 * add it there, and texts that spell it would have other ids.
 */
function refuseOtherTokens(
  native: Native,
  { tokenizerConfig, addedTokens: beside }: TokenizerSettings,
  file: string,
): void {
  const decoder = tokenizerConfig?.['added_tokens_decoder'] ?? {};
  const refuse = (where: string, what: string): never => {
    throw new TastemakerError(
      'bad-file',
      `${file}: ${where} beside it ${what}.`,
      'Save the tokenizer again with save_pretrained, so that tokenizer.json holds all of its tokens.',
    );
  };
  if (!isObject(decoder)) return refuse('"added_tokens_decoder" in tokenizer_config.json', 'is not an object');
  const named = [
    ...Object.entries(decoder).map(
      ([id, token]) =>
        [
          '"added_tokens_decoder" in tokenizer_config.json',
          isObject(token) ? token['content'] : null,
          Number(id),
        ] as const,
    ),
    ...Object.entries(beside ?? {}).map(([token, id]) => ['added_tokens.json', token, id] as const),
  ];
  for (const [where, token, id] of named) {
    if (typeof token !== 'string' || !Number.isInteger(id))
      return refuse(where, 'has an entry that is no token with its id');
    const own = native.tokenToId(token);
    if (own !== id)
      refuse(
        where,
        `names ${JSON.stringify(token.slice(0, 50))} as token ${String(id)}, which is ${own === null ? 'not in it' : `token ${own} there`}`,
      );
  }
}

/** Tokens that are recognised wherever they are written out, and their ids. */
function addedTokens(json: Json): Map<string, number> {
  const list = Array.isArray(json['added_tokens']) ? json['added_tokens'].filter(isObject) : [];
  return new Map(
    list.flatMap(({ content, id }): [string, number][] =>
      typeof content === 'string' && typeof id === 'number' ? [[content, id]] : [],
    ),
  );
}

/** Code-point offsets, which already lie on whole characters, -> UTF-16 offsets. */
function spansOf(text: string, offsets: number[][]): Span[] {
  const at: number[] = []; // at[i] = UTF-16 offset of code point i
  for (let i = 0; i < text.length; i += text.codePointAt(i)! > 0xffff ? 2 : 1) at.push(i);
  at.push(text.length);
  return offsets.map(([start, end]) => ({ start: at[start!]!, end: at[end!]! }));
}

const readSettings = async (file: string): Promise<Json | null> => checkedTokenizerSettings(await readJson(file), file);

const LARGEST = 256e6; // bytes; the largest tokenizers take some thirty million

function readText(file: string): string | null {
  try {
    const text = readRegularText(file, LARGEST);
    refusePointer(text, file);
    return text;
  } catch (error) {
    if (error instanceof TastemakerError) throw error;
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw new TastemakerError(
      'bad-file',
      `${file} can not be read: ${messageOf(error)}.`,
      'Check that it is a file and that you may read it.',
    );
  }
}

async function readJson(file: string): Promise<Json | null> {
  const text = readText(file);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TastemakerError('bad-file', `${file} is not valid JSON: ${messageOf(error)}.`, HINT);
  }
  if (!isObject(value)) throw new TastemakerError('bad-file', `${file} does not hold a JSON object.`, HINT);
  return value;
}
