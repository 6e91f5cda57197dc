// Settings in a JSON file read by key, each of the type that is wanted: what is there in another form is refused by its
// key.
//
// A key that is there never counts as absent, so no default takes its place; null does where the caller says that it
// may.
// Every key that was asked for is remembered.

import { TastemakerError } from '#core/errors.ts';
import type { ErrorCode } from '#core/errors.ts';
import { brief } from './json-file.ts';

type Json = Record<string, unknown>;

interface May {
  /** null means that nothing is said, as it does to the programs that write such files */
  orNull?: boolean;
}
interface Bounds extends May {
  least?: number;
  /** the number must be larger than this */
  above?: number;
  most?: number;
}

/** Each gives undefined where the key is absent, and throws naming file and key where the value is of another form. */
export interface Settings {
  /** the file, for errors */
  readonly file: string;
  /** every key that was asked for so far */
  readonly asked: ReadonlySet<string>;
  /** whether the key is there and not null */
  has(key: string): boolean;
  /** the value as it is, unchecked */
  raw(key: string): unknown;
  flag(key: string, may?: May): boolean | undefined;
  number(key: string, bounds?: Bounds): number | undefined;
  /** from 0 to 2^31 unless told otherwise */
  whole(key: string, bounds?: Bounds): number | undefined;
  text(key: string, may?: May): string | undefined;
  texts(key: string, may?: May): readonly string[] | undefined;
  /** one whole number from 0, or a list of them: [] where the list is empty */
  ids(key: string, may?: May): readonly number[] | undefined;
  object(key: string, may?: May): Settings | undefined;
  /** one of these values, lists compared by what they hold */
  oneOf<T>(key: string, values: readonly T[], may?: May): T | undefined;
  keys(): string[];
  /** throws about this key */
  refuse(key: string, what: string, hint?: string): never;
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isFlag = (value: unknown): value is boolean => typeof value === 'boolean';
const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const isWhole = (value: unknown): value is number => Number.isInteger(value);
const areTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);
const isId = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 2 ** 31;
const isIdOrIds = (value: unknown): value is number | number[] => [value].flat().every(isId);

/**
 * `hint` is what every refusal says unless it has a hint of its own; `within` names the object that holds these
 * settings, where it is not the file itself.
 */
export function settingsOf(
  json: Json,
  file: string,
  { code = 'bad-model', hint, within = '' }: { code?: ErrorCode; hint: string; within?: string },
): Settings {
  const asked = new Set<string>();
  const refuse = (key: string, what: string, own = hint): never => {
    throw new TastemakerError(code, `${file}: "${key}"${within && ` in "${within}"`} ${what}.`, own);
  };
  const raw = (key: string): unknown => {
    asked.add(key);
    return Object.hasOwn(json, key) ? json[key] : undefined;
  };
  const read = <T>(
    key: string,
    kind: string,
    is: (value: unknown) => value is T,
    { orNull = false }: May = {},
  ): T | undefined => {
    const value = raw(key);
    if (value === undefined || (value === null && orNull)) return undefined;
    return is(value) ? value : refuse(key, `is ${brief(value)}, not ${kind}`);
  };
  const bounded = (
    key: string,
    value: number | undefined,
    kind: string,
    { least = -Infinity, above = -Infinity, most = Infinity }: Bounds,
  ): number | undefined =>
    value === undefined || (value >= least && value > above && value <= most)
      ? value
      : refuse(key, `is ${value}, ${value > most ? `more than ${most}` : `not ${kind}`}`);
  return {
    file,
    asked,
    raw,
    refuse,
    has: (key) => (raw(key) ?? null) !== null,
    keys: () => Object.keys(json),
    flag: (key, may) => read(key, 'true or false', isFlag, may),
    number: (key, bounds = {}) => {
      const kind = `a number ${bounds.above === undefined ? `from ${bounds.least ?? 0}` : `above ${bounds.above}`}`;
      return bounded(key, read(key, 'a number', isNumber, bounds), kind, bounds);
    },
    whole: (key, { least = 0, most = 2 ** 31, orNull = false } = {}) => {
      const kind = least === 1 ? 'a whole number above 0' : `a whole number from ${least}`;
      return bounded(key, read(key, kind, isWhole, { orNull }), kind, { least, most });
    },
    text: (key, may) => read(key, 'a text', isText, may),
    texts: (key, may) => read(key, 'a list of texts', areTexts, may),
    ids: (key, may) => {
      const value = read(key, 'a token id or a list of them', isIdOrIds, may);
      return value === undefined ? undefined : [value].flat();
    },
    object: (key, may) => {
      const value = read(key, 'an object', isObject, may);
      return value && settingsOf(value, file, { code, hint, within: within ? `${within}.${key}` : key });
    },
    oneOf: <T>(key: string, values: readonly T[], { orNull = false }: May = {}) => {
      const value = raw(key);
      if (value === undefined || (value === null && orNull)) return undefined;
      // what works is never an object, however deep one lies here
      const found = typeof value === 'object' ? undefined : values.find((wanted) => wanted === value);
      return found === undefined
        ? refuse(key, `is ${brief(value)}`, `What works: ${values.map((wanted) => JSON.stringify(wanted)).join(', ')}.`)
        : found;
    },
  };
}
