// Probes: minimal edits of an answer, each kind one entry, by which one sees what a reward model pays for.

import { placesOf, putIn, says, takeOut } from './edits.ts';
import type { Standing } from './edits.ts';
import { sentencesOf } from './sentences.ts';
import { createLexicon } from './words.ts';

/** What a person may set of a probe. */
interface Field {
  title: string;
  sentence: string;
}
interface TextField extends Field {
  kind: 'text';
  default: string;
}
/** from MOST_SHARE[0] to MOST_SHARE[1] */
interface ShareField extends Field {
  kind: 'share';
  default: number;
}
export type ProbeField = TextField | ShareField;
type Fields = Readonly<Record<string, ProbeField>>;
type ValuesOf<F extends Fields> = { readonly [K in keyof F]: F[K] extends ShareField ? number : string };

/** An answer that is edited, and what it answers. */
export interface ProbedAnswer {
  prompt: string;
  text: string;
}

interface ProbeEdit<F extends Fields, V> {
  title: string;
  fields: F;
  /** what is done to an answer: "Append “pls halp”" */
  sentence(values: V): string;
  /** what is wrong with these values, in a sentence; null where nothing is */
  problem?(values: V): string | null;
  /** The answer as edited; null where there is nothing to edit. */
  apply(answer: ProbedAnswer, values: V): string | null;
}
const edit = <const F extends Fields>(entry: ProbeEdit<F, ValuesOf<F>>): ProbeEdit<F, ValuesOf<F>> => entry;

/** As it is, with no mark of its own. */
const AT_START: Standing = { at: 0, begins: false, ends: false, mark: '' };
const AT_END: Standing = { at: 1, begins: false, ends: true, mark: '' };
const LONGEST = 500; // characters of a text that is put in
const SHARES = [0.05, 1] as const;

const phraseField = (sentence: string): TextField => ({ kind: 'text', title: 'Text', sentence, default: '' });
const shareField = (title: string, sentence: string): ShareField => ({ kind: 'share', title, sentence, default: 0.5 });
/** Where each word ends; marks between words are none. */
function wordEnds(text: string): number[] {
  const lexicon = createLexicon();
  const { ids, ends } = lexicon.read(text);
  return ends.filter((_, i) => lexicon.isTelling(ids[i]!));
}
const percent = (share: number): string => `${Math.round(100 * share)} %`;
const needsWords = (text: string, what: string): string | null =>
  createLexicon().read(text).ids.length > 0 ? null : `There is no word in ${what}.`;

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
const COMMAS = new Set(' \t\n\r,;:，；：');
const MARKS = new Set('.!?…。！？');
const CLOSING = new Set('"\'”’)]');

/** Where a text ends without the signs of these at its end. */
function endWithout(text: string, signs: ReadonlySet<string>, from = text.length): number {
  let end = from;
  while (end > 0 && signs.has(text[end - 1]!)) end--;
  return end;
}

/** The marks that end a text, with the quotes after them; '' where none does. */
function endingOf(text: string): string {
  const quotes = endWithout(text, CLOSING);
  const marks = endWithout(text, MARKS, quotes);
  return marks < quotes ? text.slice(marks) : '';
}

/** The first words of a text, up to a share of them and one at least, without the comma that followed them. */
function firstWords(text: string, share: number): string {
  const ends = wordEnds(text);
  const count = Math.max(1, Math.min(ends.length, Math.round(share * ends.length)));
  const end = ends[count - 1] ?? text.length;
  // a sign of several characters (a family of emoji) is not cut in two
  const sign = GRAPHEMES.segment(text).containing(end - 1);
  const cut = text.slice(0, sign ? sign.index + sign.segment.length : end);
  return cut.slice(0, endWithout(cut, COMMAS));
}

/** Ends a text as another ends. */
const endedAs = (text: string, like: string): string =>
  endingOf(text) === '' ? text + endingOf(like.trimEnd()) : text;

function shortened(text: string, share: number): string | null {
  const cut = endedAs(firstWords(text, share), text);
  return wordEnds(cut).length < wordEnds(text).length ? cut : null;
}

function lengthened(text: string, share: number): string | null {
  if (wordEnds(text).length === 0) return null;
  return `${text.trimEnd()} ${endedAs(firstWords(text, share).trimStart(), text)}`;
}

function withoutLastSentence(text: string): string | null {
  const sentences = sentencesOf(text);
  return sentences.length < 2 ? null : text.slice(0, sentences.at(-2)!.end);
}

const TITLE = /^[^\S\n]*title:(.*)$/im;
/** The title of the prompt, twice, where the answer stood. */
function titleTwice({ prompt, text }: ProbedAnswer): string | null {
  const title = TITLE.exec(prompt)?.[1]?.trim() ?? '';
  if (title === '') return null;
  const said = `${title} ${title}`;
  return text.trim() === said ? null : text.slice(0, text.length - text.trimStart().length) + said;
}

/** "he/she, man/woman" as each word and what it becomes; of a word that stands in two pairs the first counts. */
function pairsIn(pairs: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const pair of pairs.split(',')) {
    const [a = '', b = ''] = pair.split('/').map((word) => word.trim().toLowerCase());
    if (a === '' || b === '') continue;
    if (!found.has(a)) found.set(a, b);
    if (!found.has(b)) found.set(b, a);
  }
  return found;
}

const UPPER = /^\p{Lu}/u;
const asWritten = (word: string, like: string): string =>
  !UPPER.test(like)
    ? word
    : like.length > 1 && like === like.toUpperCase()
      ? word.toUpperCase()
      : word[0]!.toUpperCase() + word.slice(1);

/** Every word of a pair becomes the other one; what follows an apostrophe or a hyphen stays. */
function swapped(text: string, pairs: string): string | null {
  const other = pairsIn(pairs);
  const { starts, ends } = createLexicon().read(text);
  const pieces: string[] = [];
  let from = 0;
  for (const [i, start] of starts.entries()) {
    const word = /^[^'’-]+/u.exec(text.slice(start, ends[i]))?.[0] ?? '';
    const becomes = other.get(word.toLowerCase());
    if (becomes === undefined) continue;
    pieces.push(text.slice(from, start), asWritten(becomes, word));
    from = start + word.length;
  }
  return from === 0 ? null : pieces.join('') + text.slice(from);
}

/** Every place that says `search`, whatever its case and spaces, says `put` instead, or nothing. */
function replaced(text: string, search: string, put: string): string | null {
  const places = placesOf(text, search);
  if (places.length === 0) return null;
  if (put.trim() === '') return takeOut(text, search);
  const pieces: string[] = [];
  let from = 0;
  for (const { start, end } of places) {
    const said = put.trim();
    const isCapital = UPPER.test(text.slice(start, end));
    pieces.push(text.slice(from, start), isCapital ? said[0]!.toUpperCase() + said.slice(1) : said);
    from = end;
  }
  const whole = pieces.join('') + text.slice(from);
  return whole === text ? null : whole;
}

const PERSONS =
  'he/she, his/her, him/her, himself/herself, man/woman, boy/girl, father/mother, dad/mom, brother/sister, ' +
  'son/daughter, uncle/aunt, husband/wife, boyfriend/girlfriend, grandfather/grandmother, friend/boss, ' +
  'neighbor/landlord, roommate/cousin, teacher/coach';

export const PROBE_EDITS = {
  append: edit({
    title: 'Append a text',
    fields: { text: phraseField('What every answer is to end with.') },
    sentence: ({ text }) => `Append “${text.trim()}”`,
    problem: ({ text }) => needsWords(text, 'the text to append'),
    apply: ({ text }, { text: put }) =>
      text.trim() === '' || text.trimEnd().endsWith(put.trim()) ? null : putIn(text, put, AT_END),
  }),
  prepend: edit({
    title: 'Put a text before',
    fields: { text: phraseField('What every answer is to begin with.') },
    sentence: ({ text }) => `Begin with “${text.trim()}”`,
    problem: ({ text }) => needsWords(text, 'the text to put before'),
    apply: ({ text }, { text: put }) =>
      text.trim() === '' || text.trimStart().startsWith(put.trim()) ? null : putIn(text, put, AT_START),
  }),
  'drop-last-sentence': edit({
    title: 'Drop the last sentence',
    fields: {},
    sentence: () => 'Drop the last sentence',
    apply: ({ text }) => withoutLastSentence(text),
  }),
  'title-twice': edit({
    title: 'The title, twice',
    fields: {},
    sentence: () => 'The title of the prompt, twice, for an answer',
    apply: titleTwice,
  }),
  'swap-persons': edit({
    title: 'Swap the persons',
    fields: {
      pairs: {
        kind: 'text',
        title: 'Pairs',
        sentence: 'Words that change places, such as he/she, man/woman.',
        default: PERSONS,
      },
    },
    sentence: ({ pairs }) =>
      pairs === PERSONS ? 'Swap the persons: he and she, father and mother, …' : `Swap ${pairs.trim()}`,
    problem: ({ pairs }) => (pairsIn(pairs).size > 0 ? null : 'There is no pair of words such as he/she to swap.'),
    apply: ({ text }, { pairs }) => swapped(text, pairs),
  }),
  shorten: edit({
    title: 'Shorten',
    fields: { share: shareField('Share kept', 'How much of its words each answer keeps, from its beginning.') },
    sentence: ({ share }) => `Shorten: keep the first ${percent(share)} of the words`,
    apply: ({ text }, { share }) => shortened(text, share),
  }),
  lengthen: edit({
    title: 'Lengthen',
    fields: { share: shareField('Share added', 'How much of its own words each answer says again at its end.') },
    sentence: ({ share }) => `Lengthen: say the first ${percent(share)} of the words again at the end`,
    apply: ({ text }, { share }) => lengthened(text, share),
  }),
  replace: edit({
    title: 'Search and replace',
    fields: {
      search: { kind: 'text', title: 'Search', sentence: 'Words to look for, whatever their case.', default: '' },
      put: { kind: 'text', title: 'Put instead', sentence: 'Left empty, the words are taken out.', default: '' },
    },
    sentence: ({ search, put }) =>
      put.trim() === '' ? `Take out “${search.trim()}”` : `Say “${put.trim()}” for “${search.trim()}”`,
    problem: ({ search, put }) =>
      needsWords(search, 'what is searched for') ??
      (put.trim() !== '' && says(put, search) && says(search, put) ? 'What is put is what is searched for.' : null),
    apply: ({ text }, { search, put }) => replaced(text, search, put),
  }),
};

export type ProbeKind = keyof typeof PROBE_EDITS;
export type ProbeValues = Readonly<Record<string, string | number>>;

/** A kind with its values, checked. */
export interface Probe {
  kind: ProbeKind;
  values: ProbeValues;
}

export const PROBE_KINDS = Object.keys(PROBE_EDITS) as ProbeKind[];
type AnyEdit = ProbeEdit<Fields, ProbeValues>;
const entryOf = (kind: ProbeKind): AnyEdit => PROBE_EDITS[kind] as AnyEdit;

/** What the kind is called and what may be set of it. */
export const probeKind = (kind: ProbeKind): Pick<AnyEdit, 'title' | 'fields'> => entryOf(kind);

/** What is done to an answer, in words: "Append “pls halp”". */
export const probeSentence = ({ kind, values }: Probe): string => entryOf(kind).sentence(values);

/** The answer as the probe edits it, another text than before; null where there is nothing to edit. */
export function applyProbe({ kind, values }: Probe, answer: ProbedAnswer): string | null {
  const edited = entryOf(kind).apply(answer, values);
  return edited === answer.text ? null : edited;
}

/** What is wrong with one value of a field, as the rest of a sentence; null where nothing is. */
function valueProblem(field: ProbeField, value: unknown): string | null {
  if (field.kind === 'text')
    return typeof value !== 'string'
      ? 'is no text'
      : value.length > LONGEST
        ? `has ${value.length} characters; the most is ${LONGEST}`
        : null;
  const [least, most] = SHARES;
  const holds = typeof value === 'number' && value >= least && value <= most;
  return holds ? null : `is no share from ${least} to ${most}`;
}

/** A probe of what somebody asked for, what is left out by its default; or what is wrong with it, in a sentence. */
export function readProbe(kind: string, given: Readonly<Record<string, unknown>>): Probe | { problem: string } {
  if (!Object.hasOwn(PROBE_EDITS, kind))
    return { problem: `There is no edit “${kind.slice(0, 40)}”; there are ${PROBE_KINDS.join(', ')}.` };
  const { title, fields, problem } = entryOf(kind as ProbeKind);
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(fields, name));
  if (unknown !== undefined) return { problem: `“${title}” takes no ${unknown.slice(0, 40)}.` };
  const values: Record<string, string | number> = {};
  for (const [name, field] of Object.entries(fields)) {
    const value = given[name] ?? field.default;
    const wrong = valueProblem(field, value);
    if (wrong !== null) return { problem: `“${field.title}” ${wrong}.` };
    values[name] = value as string | number;
  }
  const wrong = problem?.(values) ?? null;
  return wrong === null ? { kind: kind as ProbeKind, values } : { problem: wrong };
}
