// What a command is: its words and options as a table, from which parsing, ranges and help are derived.

import { parseArgs } from 'node:util';
import type { WantedDevice } from '#core/contract/hardware.ts';
import { TastemakerError } from '#core/errors.ts';

/**
 * One option. `read` gets every text that was given for it, in order, and throws 'bad-argument' for a value out of
 * range.
 */
export interface Option<T> {
  /** what stands for its value in the help; null for a flag */
  value: string | null;
  sentence: string;
  default: T;
  required?: true;
  /** in words, for the help */
  allowed?: string;
  read(texts: readonly string[], name: string): T;
}
export type Options = Readonly<Record<string, Option<unknown>>>;
export type Values<O extends Options> = { [K in keyof O]: O[K] extends Option<infer T> ? T : never };

/**
 * What a command hands back: `data` is what --json prints (undefined where it printed already), `lines` what a person
 * reads.
 */
export interface Report {
  data: unknown;
  lines: readonly string[];
  exitCode?: number;
}

export interface Call<O extends Options = Options> {
  words: readonly string[];
  options: Values<O>;
  json: boolean;
  /** A line while the command runs: to stdout, or to stderr under --json so that stdout stays one JSON value. */
  tell(line: string): void;
}

export interface Command<O extends Options = Options> {
  /** one or two words: "sample", "run show" */
  name: string;
  /** it computes with models, so one may say on what (--device) */
  computes?: true;
  /** what follows the name: "FILE", or "[RECIPE]" where it may be left out */
  words: readonly string[];
  sentence: string;
  options: O;
  run(call: Call<O>): Promise<Report>;
}

/** Keeps the types of the options for `run`. */
export const defineCommand = <const O extends Options>(command: Command<O>): Command<O> => command;

const bad = (message: string, hint: string) => new TastemakerError('bad-argument', message, hint);

export const flag = (sentence: string): Option<boolean> => ({
  value: null,
  sentence,
  default: false,
  read: () => true,
});

/** A text with a default (null = may be left out). */
export const text = <T extends string | null>(value: string, fallback: T, sentence: string): Option<string | T> => ({
  value,
  sentence,
  default: fallback,
  read: (texts) => texts.at(-1)!,
});

export const requiredText = (value: string, sentence: string): Option<string> => ({
  ...text(value, '', sentence),
  required: true,
});

/** An option that may be given several times. */
export const list = (value: string, sentence: string): Option<readonly string[]> => ({
  value,
  sentence,
  default: [],
  read: (texts) => texts,
});

/** A number from `low` to `high`, both allowed. */
export function number<T extends number | null>(
  fallback: T,
  [low, high]: readonly [number, number],
  sentence: string,
  { whole = false } = {},
): Option<number | T> {
  const allowed = `${whole ? 'a whole' : 'a'} number from ${low} to ${high}`;
  return {
    value: 'N',
    sentence,
    default: fallback,
    allowed,
    read: (texts, name) => {
      const given = texts.at(-1)!;
      const parsed = given.trim() === '' ? Number.NaN : Number(given);
      if (!(parsed >= low && parsed <= high) || (whole && !Number.isInteger(parsed)))
        throw bad(`--${name} is ${JSON.stringify(given)}, which is not ${allowed}.`, sentence);
      return parsed;
    },
  };
}
export const wholeNumber = <T extends number | null>(
  fallback: T,
  range: readonly [number, number],
  sentence: string,
): Option<number | T> => number(fallback, range, sentence, { whole: true });

export function oneOf<const T extends string, F extends T | null>(
  fallback: F,
  choices: readonly T[],
  sentence: string,
): Option<T | F> {
  const allowed = choices.join(', ');
  return {
    value: 'NAME',
    sentence,
    default: fallback,
    allowed,
    read: (texts, name) => {
      const found = choices.find((choice) => choice === texts.at(-1));
      if (found === undefined)
        throw bad(`--${name} is ${JSON.stringify(texts.at(-1))}, which is none of ${allowed}.`, sentence);
      return found;
    },
  };
}

/** ["key=value", ...] as a record. 'bad-argument' where there is no "=" or a key comes twice. */
export function readPairs(pairs: readonly string[], name: string): Record<string, string> {
  const found = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw bad(`--${name} ${JSON.stringify(pair)} has no name and value.`, `Write --${name} name=value.`);
    const key = pair.slice(0, at);
    if (found.has(key)) throw bad(`--${name} names "${key}" twice.`, 'Give each name once.');
    found.set(key, pair.slice(at + 1));
  }
  return Object.fromEntries(found);
}

/** What every command takes besides its own. */
export const COMMON_OPTIONS = {
  json: flag('Print one JSON value for machines.'),
  help: flag('Say what this command does and takes.'),
} as const satisfies Options;

export const DEVICES = ['auto', 'cpu', 'cuda', 'cuda:bf16', 'webgpu'] as const satisfies readonly WantedDevice[];
/** What every command takes besides that computes. */
const COMPUTING_OPTIONS = {
  device: oneOf(
    null,
    DEVICES,
    'What to compute on; auto: the best that passes its self-test. Without it what TASTEMAKER_DEVICE says, else the processor.',
  ),
} as const satisfies Options;
const optionsOf = ({ options, computes }: Command): Options => ({
  ...options,
  ...(computes ? COMPUTING_OPTIONS : {}),
  ...COMMON_OPTIONS,
});

export const usageOf = ({ name, words, options }: Command): string =>
  [
    'tastemaker',
    name,
    ...words,
    ...Object.entries(options)
      .filter(([, option]) => option.required)
      .map(([option, { value }]) => `--${option} ${value}`),
    '[options]',
  ].join(' ');

/**
 * Reads what follows the command's name. Unknown options, missing values and words too many or too few are
 * 'bad-argument'.
 */
export function parseCall(
  command: Command,
  args: readonly string[],
): { words: string[]; options: Values<Options>; json: boolean; help: boolean; device: WantedDevice | null } {
  const known = optionsOf(command);
  const config = Object.fromEntries(
    Object.entries(known).map(([name, { value }]) => [
      name,
      { type: value === null ? ('boolean' as const) : ('string' as const), multiple: true },
    ]),
  );
  const { tokens, positionals: words } = parseArgs({
    args: [...args],
    options: config,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const given = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(known, token.name) ? known[token.name]! : null;
    if (!option)
      throw bad(
        `"${command.name}" has no option ${token.rawName}.`,
        `The options are: ${Object.keys(known)
          .map((name) => `--${name}`)
          .join(', ')}.`,
      );
    // "--policy --k 4" forgot a value; "--seed -1" did not
    const forgot =
      option.value !== null && (token.value === undefined || (!token.inlineValue && /^--?[a-z]/i.test(token.value)));
    if (forgot)
      throw bad(`--${token.name} needs a value.`, `Write --${token.name} ${option.value}: ${option.sentence}`);
    if (option.value === null && token.value !== undefined)
      throw bad(`--${token.name} takes no value.`, `Write --${token.name} alone.`);
    given.set(token.name, [...(given.get(token.name) ?? []), token.value ?? 'true']);
  }
  const help = given.has('help');
  if (!help) {
    const least = command.words.filter((word) => !word.startsWith('[')).length;
    if (words.length < least)
      throw bad(`"${command.name}" needs ${command.words[words.length]}.`, `Usage: ${usageOf(command)}`);
    if (words.length > command.words.length)
      throw bad(
        `"${command.name}" does not know what to do with ${JSON.stringify(words[command.words.length])}.`,
        `Usage: ${usageOf(command)}`,
      );
    const missing = Object.entries(command.options).find(([name, option]) => option.required && !given.has(name));
    if (missing)
      throw bad(
        `"${command.name}" needs --${missing[0]}.`,
        `Write --${missing[0]} ${missing[1].value}: ${missing[1].sentence}`,
      );
  }
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, option]) => [
      name,
      given.has(name) ? option.read(given.get(name)!, name) : option.default,
    ]),
  );
  const device =
    command.computes && given.has('device') ? COMPUTING_OPTIONS.device.read(given.get('device')!, 'device') : null;
  return { words, options, json: given.has('json'), help, device };
}

/** The help of one command. */
export function helpOf(command: Command): string[] {
  const rows = Object.entries(optionsOf(command)).map(([name, { value, sentence, default: fallback, allowed }]) => {
    const notes = [
      allowed,
      fallback === null || fallback === false || fallback === '' || Array.isArray(fallback)
        ? ''
        : `default ${fallback}`,
    ].filter(Boolean);
    return {
      left: `--${name}${value === null ? '' : ` ${value}`}`,
      right: `${sentence}${notes.length ? ` (${notes.join('; ')})` : ''}`,
    };
  });
  const width = Math.max(...rows.map(({ left }) => left.length));
  return [
    command.sentence,
    '',
    `Usage: ${usageOf(command)}`,
    '',
    ...rows.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}`),
  ];
}
