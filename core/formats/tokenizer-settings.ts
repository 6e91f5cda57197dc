// The settings beside a tokenizer, checked before anything is read of them: a token or a template in an unexpected form
// is refused by its key.

import { settingsOf } from './settings.ts';

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Names of tokens, as tokenizer_config.json and special_tokens_map.json have them. */
const TOKEN_KEY = /^[a-z]+_token$/;
const FLAGS = ['add_bos_token', 'add_eos_token'];

/**
 * The same settings; 'bad-file' naming file and key where a token is neither text nor an object with its text, or the
 * template no text.
 */
export function checkedTokenizerSettings<T extends Json | null>(json: T, file: string): T {
  if (json === null) return json;
  const read = settingsOf(json, file, {
    code: 'bad-file',
    hint: 'Copy tokenizer.json and tokenizer_config.json from the model they belong to.',
  });
  for (const key of read.keys().filter((name) => TOKEN_KEY.test(name))) {
    const token = read.raw(key);
    if (!isObject(token)) read.text(key, { orNull: true });
    else if (read.object(key)!.text('content') === undefined) read.refuse(key, 'is an object without "content"');
  }
  for (const key of FLAGS) read.flag(key, { orNull: true });
  if (!Array.isArray(json['chat_template'])) read.text('chat_template', { orNull: true });
  else if (
    !json['chat_template'].every(
      (entry) => isObject(entry) && typeof entry['name'] === 'string' && typeof entry['template'] === 'string',
    )
  )
    read.refuse('chat_template', 'is a list of something else than templates with their names');
  return json;
}
