// Takes a phrase out of a text and puts it into another, so that what is left reads as if nobody had been there: what
// its price is measured on.

import { createLexicon } from './words.ts';
import type { Lexicon } from './words.ts';

/** Where a phrase stands in a text: from the first to the last of its words, as numbers of words. */
interface Found {
  first: number;
  last: number;
}

const MARKS_AFTER = /^[,.;:!?…，。；：！？)\]]/;
const SENTENCE_ENDS = /[.!?…。！？]$/;
const COMMA_AT_END = /[,;:，；：]$/;
const ENDING_MARK = /^[.!?…。！？]+/;
const LEADING_MARKS = /^[,.;:!?…，。；：！？]+/;

function occurrences(lexicon: Lexicon, text: string, phrase: string): Found[] {
  const words = lexicon.read(phrase).ids;
  const { ids } = lexicon.read(text);
  const found: Found[] = [];
  if (words.length === 0) return found;
  for (let i = 0; i + words.length <= ids.length; i++) {
    if (!words.every((word, k) => word === ids[i + k])) continue;
    found.push({ first: i, last: i + words.length - 1 });
    i += words.length - 1;
  }
  return found;
}

/** Where a text says the phrase: first character and the one after the last, each time. */
export function placesOf(text: string, phrase: string): { start: number; end: number }[] {
  const lexicon = createLexicon();
  const { starts, ends } = lexicon.read(text);
  return occurrences(lexicon, text, phrase).map(({ first, last }) => ({ start: starts[first]!, end: ends[last]! }));
}

/** Whether a text says the phrase, whatever its case and its spaces. */
export const says = (text: string, phrase: string): boolean => occurrences(createLexicon(), text, phrase).length > 0;

/** How a text says a phrase, the first time. */
export interface Standing {
  /** as a share of the places where it could stand: 0 at the very beginning, 1 at the very end */
  at: number;
  /** it begins the text or a sentence */
  begins: boolean;
  /** nothing but marks comes after it */
  ends: boolean;
  /** the mark after it that ends its sentence; '' where the sentence goes on */
  mark: string;
}

/** Null where the text does not say it. */
export function standingOf(text: string, phrase: string): Standing | null {
  const lexicon = createLexicon();
  const [found] = occurrences(lexicon, text, phrase);
  if (!found) return null;
  const { ids, starts, ends } = lexicon.read(text);
  const room = ids.length - (found.last - found.first + 1);
  const before = text.slice(0, starts[found.first]).trimEnd();
  const after = text.slice(ends[found.last]).trim();
  const mark = ENDING_MARK.exec(after)?.[0] ?? '';
  return {
    at: room === 0 ? 0 : found.first / room,
    begins: before === '' || SENTENCE_ENDS.test(before),
    ends: after === mark,
    mark,
  };
}

/** How most of these say it: of each question the answer of the most, and the middle place. */
export function usualOf(standings: readonly Standing[]): Standing {
  const most = (is: (one: Standing) => boolean) => 2 * standings.filter(is).length >= standings.length;
  const marks = [...Map.groupBy(standings, ({ mark }) => mark)].sort(([, a], [, b]) => b.length - a.length);
  const places = standings.map(({ at }) => at).sort((a, b) => a - b);
  return {
    at: places[places.length >> 1] ?? 1,
    begins: most(({ begins }) => begins),
    ends: most(({ ends }) => ends),
    mark: marks[0]?.[0] ?? '',
  };
}

/** Two pieces of a text that come together, with the space and the marks between them that belong there. */
function join(before: string, after: string): string {
  let left = before.trimEnd();
  let right = after.trimStart();
  const gap = before.slice(left.length) + after.slice(0, after.length - right.length);
  if (left === '') return right.replace(LEADING_MARKS, '').trimStart();
  if (SENTENCE_ENDS.test(left)) right = right.replace(ENDING_MARK, '').trimStart();
  if (right === '' || ENDING_MARK.test(right)) left = left.replace(COMMA_AT_END, '').trimEnd();
  if (right === '' || MARKS_AFTER.test(right)) return left + right;
  if (gap === '') return left + right; // scripts without spaces
  return left + (gap.includes('\n') ? '\n' : ' ') + right;
}

/** Gives what now begins a sentence the capital that the phrase had there. */
function withCapital(text: string, at: number, wanted: boolean): string {
  const letter = text.slice(at).search(/\p{L}/u) + at;
  return wanted && letter >= at ? text.slice(0, letter) + text[letter]!.toUpperCase() + text.slice(letter + 1) : text;
}

/** The text without the phrase, wherever it says it; also where it only comes to say it by what was taken out. */
export function takeOut(text: string, phrase: string): string {
  const lexicon = createLexicon();
  for (let rest = text; ;) {
    const [found] = occurrences(lexicon, rest, phrase);
    if (!found) return rest;
    const { starts, ends } = lexicon.read(rest);
    const [from, to] = [starts[found.first]!, ends[found.last]!];
    const before = rest.slice(0, from);
    const capital = /^\p{Lu}/u.test(rest.slice(from));
    const mended = join(before, rest.slice(to));
    const begins = before.trim() === '' || SENTENCE_ENDS.test(before.trimEnd());
    const left = before.trimEnd().length;
    rest = begins && mended.length > left ? withCapital(mended, left, capital) : mended;
  }
}

/**
 * The text with the phrase as it usually stands: at the end with its mark; as a sentence of its own between two others;
 * or at a share of the places between words, 0 before all of them and 1 after all marks.
 */
export function putIn(text: string, phrase: string, { at, begins, ends, mark }: Standing): string {
  const lexicon = createLexicon();
  const { ids, starts } = lexicon.read(text);
  const whole = begins && mark !== '';
  const piece = phrase.trim() + (whole || ends ? mark : '');
  // before the first word, and before each that comes after the end of a sentence
  const places = starts.flatMap((_, i) => (!whole || i === 0 || lexicon.endsSentence(ids[i - 1]!) ? [i] : []));
  const aim = Math.round(Math.min(1, Math.max(0, at)) * starts.length);
  const nearest = [...places, starts.length].reduce((a, b) => (Math.abs(b - aim) < Math.abs(a - aim) ? b : a));
  if (ends || nearest >= starts.length) return text.trim() === '' ? piece : `${text.trimEnd()} ${piece}`;
  return `${text.slice(0, starts[nearest])}${piece} ${text.slice(starts[nearest])}`;
}
