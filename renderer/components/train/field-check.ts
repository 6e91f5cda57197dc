// What may be typed into a recipe's form: the rules of the job's own settings, each refusal one sentence that names the
// range.

import type { Config, Field } from '#core/contract/recipes.ts';

export type Typed = Record<string, string | boolean>;

export const asTyped = (value: number | string | boolean): string | boolean =>
  typeof value === 'boolean' ? value : String(value);
const plain = (x: number): string => (Math.abs(x) >= 1e5 ? compact(x) : String(x));
/** 65,536 and 1 million as they are, what is larger as about how much it is: nobody reads sixteen digits. */
const compact = (x: number): string =>
  Math.abs(x) < 1e7
    ? x.toLocaleString('en')
    : x.toLocaleString('en', { notation: 'compact', compactDisplay: 'long', maximumSignificantDigits: 3 });

/** The range in words, for an empty field. */
export function rangeWords({ kind, range }: Field): string {
  if (!range || (kind !== 'number' && kind !== 'whole')) return '';
  const [low, high] = range;
  return `${plain(low)} to ${plain(high)}`;
}

/** The value of one field, or why it is not one. `models`: names that may be chosen where the field is a model. */
export function readField(
  field: Field,
  typed: string | boolean,
  models: readonly string[] = [],
): { value: number | string | boolean } | { problem: string } {
  if (field.kind === 'flag') return { value: typed === true || typed === 'true' };
  const text = String(typed).trim();
  if (field.kind === 'number' || field.kind === 'whole') {
    const x = text === '' ? Number.NaN : Number(text);
    const [low, high] = field.range ?? [-Infinity, Infinity];
    if (!Number.isFinite(x))
      return {
        problem:
          text === ''
            ? `Give a number; the default is ${plain(field.default as number)}.`
            : `"${text}" is not a number${text.includes(',') ? ': decimals take a point, thousands no sign' : ''}.`,
      };
    if (field.kind === 'whole' && !Number.isInteger(x)) return { problem: `${plain(x)} is not a whole number.` };
    if (x < low || x > high)
      return { problem: `${plain(x)} is out of range: it goes from ${plain(low)} to ${plain(high)}.` };
    return { value: x };
  }
  if (field.kind === 'choice' && !field.choices?.includes(text))
    return { problem: `Choose one of ${field.choices?.join(', ') ?? 'the list'}.` };
  if (field.kind === 'model') {
    if (text === '') return field.default === '' ? { value: text } : { problem: 'Choose a model.' };
    if (!models.includes(text)) return { problem: `There is no fitting model "${text}" in this project.` };
  }
  return { value: text };
}

/** The whole form: its values where every field holds, and the sentence for each that does not. */
export function readForm(
  fields: readonly Field[],
  typed: Typed,
  models: (field: Field) => readonly string[],
): { config: Config; problems: Record<string, string> } {
  const config: Config = {};
  const problems: Record<string, string> = {};
  for (const field of fields) {
    const read = readField(field, typed[field.name] ?? asTyped(field.default), models(field));
    if ('problem' in read) problems[field.name] = read.problem;
    else config[field.name] = read.value;
  }
  return { config, problems };
}
