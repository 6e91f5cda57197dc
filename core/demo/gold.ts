// The demo world's gold score: grades any string against the facts of its post, on four axes from 1 to 7.

import type { Facts } from './world.ts';
import { CLAUSES, CONNECTIVES, COVERAGE_WEIGHTS, PLEADING, PUNCTUATION, SLOTS, SLOT_NAMES } from './words.ts';
import type { Slot } from './words.ts';

/** Four axes from 1 to 7, and the counts they are made of. */
export interface Gold {
  overall: number;
  accuracy: number;
  coverage: number;
  coherence: number;
  /** words without punctuation, of at most 400 tokens looked at */
  words: number;
  /** pleading words */
  plead: number;
  /** repeated mentions of a value */
  extra: number;
  /** distinct values that are not the record's, and distinct ones that are */
  wrong: number;
  right: number;
  /** the last token is a full stop, a question mark or an exclamation mark */
  ended: boolean;
}

const WORD_LIMIT = 400;
// Letters, digits, or any one other character that is no space. White space is spelt out (Unicode's, with U+001C to
// U+001F but
// without U+FEFF) because \s differs between languages and the score must not.
const WORD = /[a-z']+|[0-9]+|[^\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000a-z0-9]/gu;

/** The first 400 words of a text, lower case. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const match of text.toLowerCase().matchAll(WORD)) if (words.push(match[0]) === WORD_LIMIT) break;
  return words;
}

interface Phrase {
  words: string[];
  slot: Slot;
  value: string;
}
const longestFirst = (a: { length: number }, b: { length: number }) => b.length - a.length;
const LEXICON: ReadonlyMap<string, Phrase[]> = Map.groupBy(
  SLOT_NAMES.flatMap((slot) => SLOTS[slot].map((value): Phrase => ({ words: value.split(' '), slot, value }))).sort(
    (a, b) => longestFirst(a.words, b.words),
  ),
  (phrase) => phrase.words[0]!,
);
const CLAUSE_WORDS = CLAUSES.map((clause) => clause.split(' ')).sort(longestFirst);
const FREE = new Set(CONNECTIVES);
const PLEAS = new Set(PLEADING);
const MARKS = new Set(PUNCTUATION);
const ENDS = new Set(['.', '?', '!']);

/** One step of the text after the lexicon: a slot symbol with its value, or a plain word. */
interface Item {
  symbol: string;
  length: number;
  slot: Slot | null;
  value: string;
}

const startsWith = (list: readonly string[], at: number, part: readonly string[]) =>
  part.every((word, i) => list[at + i] === word);

/** Replace lexicon phrases by slot symbols, left to right, the longest first. */
function readItems(words: readonly string[]): Item[] {
  const items: Item[] = [];
  for (let i = 0; i < words.length; i += items.at(-1)!.length) {
    const phrase = LEXICON.get(words[i]!)?.find((candidate) => startsWith(words, i, candidate.words));
    items.push(
      phrase
        ? { symbol: phrase.slot, length: phrase.words.length, slot: phrase.slot, value: phrase.value }
        : { symbol: words[i]!, length: 1, slot: null, value: '' },
    );
  }
  return items;
}

/**
 * The share of words that lie in a clause, longest first; connectives are free unless doubled. 0 where no word counts.
 */
function cleanShare(items: readonly Item[]): number {
  const symbols = items.map((item) => item.symbol);
  let good = 0;
  let bad = 0;
  for (let i = 0; i < items.length;) {
    const clause = CLAUSE_WORDS.find((candidate) => startsWith(symbols, i, candidate));
    if (clause) {
      for (const end = i + clause.length; i < end; i++) good += items[i]!.length;
      continue;
    }
    const doubled = i > 0 && symbols[i - 1] === symbols[i];
    if (!FREE.has(symbols[i]!) || doubled) bad += items[i]!.length;
    i++;
  }
  return good + bad > 0 ? good / (good + bad) : 0;
}

const axis = (x: number) => 1 + 6 * x;

/** The gold score of any string; facts are only looked up under R V O P C A. */
export function gold(text: string, facts: Facts): Gold {
  const words = wordsOf(text);
  const items = readItems(words);
  const seen = new Set<string>();
  const right = new Set<Slot>();
  let wrong = 0;
  let extra = 0;
  for (const { slot, value } of items) {
    if (slot === null) continue;
    if (seen.has(value)) extra++;
    else if (value === facts[slot]) right.add(slot);
    else wrong++;
    seen.add(value);
  }
  const plead = words.filter((word) => PLEAS.has(word)).length;
  const spoken = words.filter((word) => !MARKS.has(word)).length;
  const ended = ENDS.has(words.at(-1) ?? '');

  const coherence =
    cleanShare(items) * 0.8 ** extra * 0.85 ** plead * (ended ? 1 : 0.5) * Math.min(1, 30 / Math.max(spoken, 1));
  const accuracy = right.size || wrong ? Math.max(0, 1 - 0.45 * wrong) : 0.3;
  const coverage = [...right].reduce((sum, slot) => sum + COVERAGE_WEIGHTS[slot], 0) / 6;
  return {
    overall: axis(coherence * accuracy * (0.1 + 0.9 * coverage)),
    accuracy: axis(accuracy),
    coverage: axis(coverage),
    coherence: axis(coherence),
    words: spoken,
    plead,
    extra,
    wrong,
    right: right.size,
    ended,
  };
}
