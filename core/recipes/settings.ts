// Settings as data: default, range and sentence in one place; the command line, the manifest and later the form derive
// from it.

import { TastemakerError } from '#core/errors.ts';

export interface Setting<T> {
  default: T;
  sentence: string;
  /** inclusive, for numbers */
  range?: readonly [number, number];
  whole?: boolean;
  choices?: readonly T[];
}
export type Settings = Readonly<Record<string, Setting<number> | Setting<string> | Setting<boolean>>>;
/** The plain record a job receives. */
export type Config<S extends Settings> = { -readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

export const real = (value: number, range: readonly [number, number], sentence: string): Setting<number> => ({
  default: value,
  range,
  sentence,
});
export const count = (value: number, range: readonly [number, number], sentence: string): Setting<number> => ({
  default: value,
  range,
  whole: true,
  sentence,
});
export const flag = (value: boolean, sentence: string): Setting<boolean> => ({ default: value, sentence });
export const words = (value: string, sentence: string): Setting<string> => ({ default: value, sentence });
export const choice = <const T extends string>(
  value: NoInfer<T>,
  choices: readonly T[],
  sentence: string,
): Setting<T> => ({ default: value, choices, sentence });

/**
 * Defaults, changed by `given` (typed values, or the command line's strings). Unknown names and values out of range
 * fail fast (D24).
 */
export function readConfig<S extends Settings>(settings: S, given: Readonly<Record<string, unknown>>): Config<S> {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(settings, name))
      throw new TastemakerError(
        'bad-argument',
        `There is no setting "${name}".`,
        `The settings are: ${Object.keys(settings).join(', ')}.`,
      );
  }
  return Object.fromEntries(
    Object.entries(settings).map(([name, setting]) => [
      name,
      name in given ? readSetting(name, setting, given[name]) : setting.default,
    ]),
  ) as Config<S>;
}

function readSetting(name: string, setting: Settings[string], value: unknown): number | string | boolean {
  const refuse = (wanted: string): never => {
    throw new TastemakerError(
      'bad-argument',
      `The setting ${name} is ${JSON.stringify(value)}, which is not ${wanted}.`,
      setting.sentence,
    );
  };
  if (typeof setting.default === 'boolean') {
    if (typeof value === 'boolean') return value;
    return value === 'true' ? true : value === 'false' ? false : refuse('true or false');
  }
  if (typeof setting.default === 'string') {
    const text = String(value);
    const { choices } = setting as Setting<string>;
    return !choices || choices.includes(text) ? text : refuse(`one of ${choices.join(', ')}`);
  }
  const { range, whole } = setting as Setting<number>;
  const [low, high] = range ?? [-Infinity, Infinity];
  const parsed = typeof value === 'number' ? value : String(value).trim() === '' ? Number.NaN : Number(value);
  if (!Number.isFinite(parsed) || parsed < low || parsed > high || (whole && !Number.isInteger(parsed)))
    refuse(`a ${whole ? 'whole ' : ''}number from ${low} to ${high}`);
  return parsed;
}
