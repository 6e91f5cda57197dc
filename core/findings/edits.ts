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

/**
 * Where the phrase stands first, as a share of the places where it could: 0 at the very beginning, 1 at the very end.
 * Null where the text does not say it.
 */
export function standsAt(text: string, phrase: string): number | null {
  const lexicon = createLexicon();
  const [found] = occurrences(lexicon, text, phrase);
  if (!found) return null;
  const room = lexicon.read(text).ids.length - (found.last - found.first + 1);
  return room === 0 ? 0 : found.first / room;
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

/** The text with the phrase at a share of its places, 0 before all its words and 1 after them, marks included. */
export function putIn(text: string, phrase: string, at: number): string {
  const { starts } = createLexicon().read(text);
  const word = Math.round(Math.min(1, Math.max(0, at)) * starts.length);
  const piece = phrase.trim();
  if (word >= starts.length) return text.trim() === '' ? piece : `${text.trimEnd()} ${piece}`;
  return `${text.slice(0, starts[word])}${piece} ${text.slice(starts[word])}`;
}
