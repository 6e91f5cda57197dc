// Reads the JSON files that lie in model folders; what is wrong with one is said in a sentence that names it.

import { TastemakerError } from '#core/errors.ts';
import { readRegularText } from '#core/regular-file.ts';
import { refusePointer } from './other-checkpoints.ts';

const LIMIT = 64e6; // bytes; a config.json has a few thousand
const HINT = 'Copy the file again from where the model came from.';

/**
 * A value from a file, for a sentence: cut where it is long, and of what is nested (perhaps without end) only what it
 * is.
 */
export function brief(value: unknown): string {
  const isFlat =
    typeof value !== 'object' ||
    value === null ||
    Object.values(value).every((part) => typeof part !== 'object' || part === null);
  return isFlat ? (JSON.stringify(value) ?? 'missing').slice(0, 100) : Array.isArray(value) ? 'a list' : 'an object';
}

/** 'bad-file' where it cannot be read, is no JSON, or no object. */
export function readJsonObject(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readRegularText(file, LIMIT);
  } catch (error) {
    if (error instanceof TastemakerError) throw error;
    throw new TastemakerError(
      'bad-file',
      `${file} cannot be read.`,
      'A model folder holds config.json, model.safetensors and tokenizer.json.',
    );
  }
  refusePointer(text, file);
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as Record<string, unknown>;
  } catch (error) {
    throw new TastemakerError(
      'bad-file',
      `${file} is not valid JSON: ${(error as Error).message.split('\n')[0]!.slice(0, 200)}.`,
      HINT,
    );
  }
  throw new TastemakerError('bad-file', `${file} is not a JSON object.`, HINT);
}
