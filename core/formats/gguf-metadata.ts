// Metadata of a GGUF file by key, each value of the type that is wanted; what is of another type is refused by its key.
import { TastemakerError } from '#core/errors.ts';
import type { GgufMetadata, GgufValue } from './gguf.ts';

/**
 * Each gives undefined where the key is absent, and throws 'bad-file' naming key and file where the value is of another
 * kind.
 */
export interface MetadataReader {
  text(key: string): string | undefined;
  texts(key: string): string[] | undefined;
  flag(key: string): boolean | undefined;
  number(key: string): number | undefined;
  /** a whole number from `least` to 2^31 */
  whole(key: string, least: number): number | undefined;
  wholes(key: string): readonly number[] | undefined;
  /** throws 'bad-file' about this key */
  refuse(key: string, what: string, hint?: string): never;
}

export function metadataReader(metadata: GgufMetadata, file: string): MetadataReader {
  const refuse = (
    key: string,
    what: string,
    hint = 'Convert the model to GGUF again, or copy the file again.',
  ): never => {
    throw new TastemakerError('bad-file', `"${key}" in ${file} ${what}.`, hint);
  };
  const read = <T extends GgufValue>(
    key: string,
    kind: string,
    is: (value: GgufValue) => value is T,
  ): T | undefined => {
    const value = metadata[key];
    return value === undefined || is(value) ? value : refuse(key, `is not ${kind}`);
  };
  const number = (key: string) => {
    const value = read(key, 'a number', (found): found is number => typeof found === 'number');
    return value === undefined || Number.isFinite(value) ? value : refuse(key, `is ${value}`);
  };
  return {
    text: (key) => read(key, 'a text', (value) => typeof value === 'string'),
    texts: (key) => read(key, 'a list of texts', (value) => Array.isArray(value)),
    flag: (key) => read(key, 'true or false', (value) => typeof value === 'boolean'),
    number,
    whole: (key, least) => {
      const value = number(key);
      return value === undefined || (Number.isInteger(value) && value >= least && value <= 2 ** 31)
        ? value
        : refuse(key, `is ${value}, not a whole number from ${least}`);
    },
    wholes: (key) => {
      const value = read(key, 'a list of numbers', (found) => ArrayBuffer.isView(found));
      return value === undefined
        ? undefined
        : Array.from(value as ArrayLike<number>).every(Number.isInteger)
          ? (value as unknown as readonly number[])
          : refuse(key, 'is not a list of whole numbers');
    },
    refuse,
  };
}
