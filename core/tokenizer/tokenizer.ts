// Text to token ids and back, behind one small interface; the only file that knows the native package `tokenizers`.

import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Tokenizer as Native } from 'tokenizers';
import { TastemakerError } from '#core/errors.ts';

/** A half-open range of UTF-16 offsets into the text that was encoded. */
export interface Span {
  start: number;
  end: number;
}

export interface Tokenizer {
  /** the largest token id plus one; a model's embedding may have more rows (padding), never fewer */
  readonly vocabularySize: number;
  readonly endOfText: number;
  /** -1 where the tokenizer has no pad token of its own: the caller masks instead */
  readonly pad: number;
  /** the Jinja source of the chat template, or null */
  readonly chatTemplate: string | null;
  /** ids of `text`, with no special token added (one written out in the text is still recognised) */
  encode(text: string): Promise<number[]>;
  encodeBatch(texts: readonly string[]): Promise<number[][]>;
  /** ids, and for each the whole characters it covers: tokens that are parts of one character share its span */
  encodeWithOffsets(text: string): Promise<{ ids: number[]; spans: Span[] }>;
  /** text of `ids`, without special tokens and without ids that are not in the vocabulary */
  decode(ids: readonly number[]): Promise<string>;
  decodeBatch(idLists: readonly (readonly number[])[]): Promise<string[]>;
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
}

const HINT = 'Copy tokenizer.json and tokenizer_config.json from the model they belong to.';
const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The tokenizer of a model folder (or of a tokenizer.json named directly, with what lies beside it).
 * Throws 'bad-file' where tokenizer.json is missing, malformed, or names no end-of-text token.
 */
export async function loadTokenizer(folderOrTokenizerJson: string): Promise<Tokenizer> {
  const isFolder = (await stat(folderOrTokenizerJson).catch(() => null))?.isDirectory() ?? false;
  const folder = isFolder ? folderOrTokenizerJson : dirname(folderOrTokenizerJson);
  const file = isFolder ? join(folder, 'tokenizer.json') : folderOrTokenizerJson;
  const json = await readJson(file);
  if (json === null) throw new TastemakerError('bad-file', `${file} does not exist.`, HINT);
  const [tokenizerConfig, generationConfig, modelConfig, chatTemplate] = await Promise.all([
    readJson(join(folder, 'tokenizer_config.json')),
    readJson(join(folder, 'generation_config.json')),
    readJson(join(folder, 'config.json')),
    readText(join(folder, 'chat_template.jinja')),
  ]);
  return createTokenizer(json, { tokenizerConfig, generationConfig, modelConfig, chatTemplate }, file);
}

/** A tokenizer from the parsed tokenizer.json; `file` only names it in errors. */
export function createTokenizer(json: Json, settings: TokenizerSettings, file: string): Tokenizer {
  const native = parse(json, file);
  const options = { addSpecialTokens: false };
  const { tokenizerConfig, generationConfig, modelConfig } = settings;
  const sources = [generationConfig, modelConfig];
  const endOfText = findToken(native, tokenizerConfig, 'eos_token', sources, '<|endoftext|>');
  if (endOfText < 0) throw new TastemakerError('bad-file', `${file} names no end-of-text token.`, 'Add "eos_token" to tokenizer_config.json beside it.');
  let vocabularySize = 0;
  for (const id of Object.values(native.getVocab(true))) vocabularySize = Math.max(vocabularySize, id + 1);

  return {
    vocabularySize,
    endOfText,
    pad: findToken(native, tokenizerConfig, 'pad_token', [], '<|pad|>'),
    chatTemplate: settings.chatTemplate ?? templateOf(tokenizerConfig?.['chat_template']),
    encode: async (text) => (await native.encode(text.toWellFormed(), null, options)).getIds(),
    encodeBatch: async (texts) => (await native.encodeBatch(texts.map((t) => t.toWellFormed()), options)).map((e) => e.getIds()),
    encodeWithOffsets: async (text) => {
      const encoding = await native.encode(text.toWellFormed(), null, options);
      return { ids: encoding.getIds(), spans: spansOf(text, encoding.getOffsets()) };
    },
    decode: (ids) => native.decode([...ids], true),
    decodeBatch: (idLists) => native.decodeBatch(idLists.map((ids) => [...ids]), true),
    token: (id) => (Number.isInteger(id) && id >= 0 ? native.idToToken(id) : null) ?? `[${id}]`,
  };
}

function parse(json: Json, file: string): Native {
  // A post-processor adds special tokens or trims spaces from offsets, truncation and padding change the length: none is wanted.
  const plain = { ...json, post_processor: null, truncation: null, padding: null };
  try {
    return Native.fromString(JSON.stringify(plain));
  } catch (error) {
    throw new TastemakerError('bad-file', `${file} is not a tokenizer this program can read: ${messageOf(error)}.`, HINT);
  }
}

/** The id of a special token: as named beside the tokenizer, else by id in a model's configuration, else under its usual name; -1 if none. */
function findToken(native: Native, config: Json | null, key: 'eos_token' | 'pad_token', sources: (Json | null)[], usual: string): number {
  const named = config?.[key];
  const name = isObject(named) ? named['content'] : named; // an added token is written out as an object
  const byName = typeof name === 'string' ? native.tokenToId(name) : null;
  if (byName !== null) return byName;
  for (const source of sources) {
    const value = source?.[`${key}_id`];
    const id: unknown = Array.isArray(value) ? value[0] : value; // several ends are allowed; the first is the main one
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && native.idToToken(id) !== null) return id;
  }
  return native.tokenToId(usual) ?? -1;
}

/** A template is a string, or a list of named ones of which "default" counts. */
function templateOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return null;
  const entries = value.filter(isObject);
  const chosen = (entries.find((entry) => entry['name'] === 'default') ?? entries[0])?.['template'];
  return typeof chosen === 'string' ? chosen : null;
}

/** Code-point offsets, which already lie on whole characters, -> UTF-16 offsets. */
function spansOf(text: string, offsets: number[][]): Span[] {
  const at: number[] = []; // at[i] = UTF-16 offset of code point i
  for (let i = 0; i < text.length; i += text.codePointAt(i)! > 0xffff ? 2 : 1) at.push(i);
  at.push(text.length);
  return offsets.map(([start, end]) => ({ start: at[start!]!, end: at[end!]! }));
}

async function readText(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw new TastemakerError('bad-file', `${file} can not be read: ${messageOf(error)}.`, 'Check that it is a file and that you may read it.');
  }
}

async function readJson(file: string): Promise<Json | null> {
  const text = await readText(file);
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
