// The tokenizer files that travel with a model: copied beside it, or read for a format that holds the tokenizer itself.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { tokenizerHome } from './adapter-base.ts';
import { readBytes, readUtf8 } from './file-access.ts';
import { isGguf, readGguf } from './gguf.ts';
import { readGgufTokenizer, writeTokenizerOf } from './gguf-tokenizer.ts';
import type { TokenizerFiles } from './gguf-tokenizer.ts';
import { readJsonObject } from './json-file.ts';
import { refuseOutside } from './model-links.ts';
import { checkedTokenizerSettings } from './tokenizer-settings.ts';

/** Tokenizer and generation files, as Hugging Face calls them. */
export const COMPANIONS = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'generation_config.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
];
const LARGEST = 256e6; // bytes; the largest tokenizers take some thirty million

/**
 * Puts the tokenizer of a model (a folder, an adapter or a GGUF file) into a folder, as files; what the model lacks is
 * left out.
 */
export function copyTokenizer(model: string, folder: string): void {
  const home = tokenizerHome(model);
  if (isGguf(home)) writeTokenizerOf(home, folder);
  else
    for (const name of COMPANIONS) {
      const from = path.join(home, name);
      if (!fs.existsSync(from)) continue;
      refuseOutside(from);
      // not copied: the copy of a read-only file could not be changed
      fs.writeFileSync(path.join(folder, name), readBytes(from, LARGEST));
    }
}

/**
 * The same, parsed, for a format that holds the tokenizer itself. 'bad-file' where there is no tokenizer.json, a file
 * is not JSON, or one is a link to somewhere else.
 */
export function readTokenizerFiles(model: string): TokenizerFiles {
  const home = tokenizerHome(model);
  if (isGguf(home)) return readGgufTokenizer(readGguf(home).metadata, home);
  const file = (name: string) => path.join(home, name);
  const optional = (name: string) => (fs.existsSync(file(name)) ? readJsonObject(file(name)) : {});
  const checked = (name: string) => checkedTokenizerSettings(optional(name), file(name));
  if (!fs.existsSync(file('tokenizer.json')))
    throw new TastemakerError(
      'bad-file',
      `${file('tokenizer.json')} does not exist.`,
      'Copy tokenizer.json and tokenizer_config.json from the model they belong to.',
    );
  COMPANIONS.map(file)
    .filter((one) => fs.existsSync(one))
    .forEach(refuseOutside);
  const config = checked('tokenizer_config.json');
  const apart = file('chat_template.jinja');
  return {
    tokenizer: readJsonObject(file('tokenizer.json')),
    config,
    generation: optional('generation_config.json'),
    specialTokensMap: checked('special_tokens_map.json'),
    chatTemplate: fs.existsSync(apart) ? readUtf8(apart) : templateOf(config.chat_template),
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** "chat_template" of tokenizer_config.json: one template, or several by name, of which the default is taken. */
export function templateOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return null;
  const entries = value.filter(isObject);
  const chosen = (entries.find((entry) => entry.name === 'default') ?? entries[0])?.template;
  return typeof chosen === 'string' ? chosen : null;
}

export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
}

/** The tokens that stand for no text that could be cut up, in the order of the file. */
export const addedTokens = ({ tokenizer }: Pick<TokenizerFiles, 'tokenizer'>): AddedToken[] =>
  (Array.isArray(tokenizer.added_tokens) ? tokenizer.added_tokens : [])
    .filter(isObject)
    .flatMap(({ id, content, special }) =>
      typeof id === 'number' && typeof content === 'string' ? [{ id, content, special: special === true }] : [],
    );

/**
 * A token as tokenizer_config.json names it, or in older folders special_tokens_map.json: spelled out, or as an object.
 */
export function namedToken(
  { config, specialTokensMap }: Pick<TokenizerFiles, 'config' | 'specialTokensMap'>,
  key: string,
): string | null {
  const [found] = [config, specialTokensMap ?? {}]
    .map((source) => (isObject(source[key]) ? source[key].content : source[key]))
    .filter((value) => typeof value === 'string');
  return found ?? null;
}

/**
 * The id of the token that the tokenizer itself calls its end of text, by name; null where it names none that it has.
 */
export function namedEnd(files: TokenizerFiles): number | null {
  const name = namedToken(files, 'eos_token');
  const model = isObject(files.tokenizer.model) ? files.tokenizer.model : {};
  const vocab = isObject(model.vocab) ? model.vocab : {};
  if (name === null) return null;
  const id =
    addedTokens(files).find(({ content }) => content === name)?.id ?? (Object.hasOwn(vocab, name) ? vocab[name] : null);
  return typeof id === 'number' ? id : null;
}
