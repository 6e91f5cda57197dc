// Settings as data: default, range, sentence and place on a form; command line, manifest, form and estimates derive
// from them.

import type { PolicyKind } from '#core/contract/models.ts';
import { TastemakerError } from '#core/errors.ts';

/** The groups that settings stand in on a form, in the order in which a run uses them. */
export const GROUPS = {
  data: 'Data',
  shape: 'Shape of the model',
  sampling: 'Sampling',
  kl: 'KL and advantages',
  tuning: 'What learns',
  optimisation: 'Optimisation',
  evaluation: 'Evaluation',
  stop: 'Stop rules',
  seeds: 'Seeds and saving',
} as const;

/** The model that a setting names: which kinds fit, which one stands there by itself, and what is done with it. */
export interface ModelRole {
  kinds: readonly PolicyKind[];
  stands: 'policy' | 'reward' | 'reference';
  /** "Starts from" */
  words: string;
  /** why it is the reference that stands there, where that says more than which line of models it began */
  because?: string;
  /** what speaks against the model is said on the card: what is learnt hangs on it */
  doubted?: true;
}
export const WRITERS: readonly PolicyKind[] = ['base', 'policy'];
export const STARTS_FROM: ModelRole = { kinds: WRITERS, stands: 'policy', words: 'Starts from' };
export const SCORED_BY: ModelRole = { kinds: ['reward'], stands: 'reward', words: 'Scored by' };
export const KL_FROM: ModelRole = { kinds: WRITERS, stands: 'reference', words: 'KL from' };

/** What a form and an estimate make of a setting. */
interface About {
  group: keyof typeof GROUPS;
  /** a person looks at it before starting; the rest is under Advanced until it differs */
  main?: true;
  /** it has a say only while another setting is so */
  when?: { setting: string; is: string };
  model?: ModelRole;
  /** what makes the run smaller: halve it, or double it where more of them means smaller parts */
  memory?: { times: number; what: string };
  /** what half of it is said to be where half of it makes the run shorter */
  time?: string;
}

export interface Setting<T> extends About {
  default: T;
  sentence: string;
  /** inclusive, for numbers */
  range?: readonly [number, number];
  whole?: boolean;
  choices?: readonly T[];
  /** a text of several lines */
  lines?: true;
}
export type Settings = Readonly<Record<string, Setting<number> | Setting<string> | Setting<boolean>>>;
/** The plain record a recipe receives. */
export type Config<S extends Settings> = { -readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never };

type Range = readonly [number, number];
export const real = (value: number, range: Range, sentence: string, about: About): Setting<number> => ({
  default: value,
  range,
  sentence,
  ...about,
});
export const count = (value: number, range: Range, sentence: string, about: About): Setting<number> => ({
  ...real(value, range, sentence, about),
  whole: true,
});
export const flag = (value: boolean, sentence: string, about: About): Setting<boolean> => ({
  default: value,
  sentence,
  ...about,
});
export const words = (value: string, sentence: string, about: About): Setting<string> => ({
  default: value,
  sentence,
  ...about,
});
/** Texts, one a line; none by itself. */
export const lines = (sentence: string, about: About): Setting<string> => ({
  default: '',
  sentence,
  lines: true,
  ...about,
});
export const choice = <const T extends string>(
  value: NoInfer<T>,
  choices: readonly T[],
  sentence: string,
  about: About,
): Setting<T> => ({ default: value, choices, sentence, ...about });

/** The settings that name a model, in their order, each with its role. */
export const modelsIn = (settings: Settings): [setting: string, role: ModelRole][] =>
  Object.entries(settings).flatMap(([name, { model }]) => (model ? [[name, model]] : []));

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
