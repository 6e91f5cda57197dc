// The shape of texts in numbers: how much they repeat themselves, one another, and their source.
//
// Texts are sequences of whole numbers, one a word or token, whoever made them.

import { deflateRawSync } from 'node:zlib';
import { commonSubsequence } from '#core/evaluation/rouge.ts';

type Sequence = ArrayLike<number>;

/** Numbers for numbers, in the order they are met: small ones for large ones. */
function createNumbering(): (key: number) => number {
  const numbers = new Map<number, number>();
  return (key) => {
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, numbers.size);
    return numbers.size - 1;
  };
}

/** Whole numbers up to the one are exact; a Map or Set holds as many entries as the other. */
const EXACT = 2 ** 53;
const MOST_ENTRIES = 2 ** 24;

/** The share of distinct ones among all n-grams of some texts (Li et al. 2016, "distinct-n"); 1 of none. */
export function distinctN(texts: readonly Sequence[], n: number): number {
  let radix = 1; // an n-gram is a number with a digit a word
  for (const text of texts) for (let i = 0; i < text.length; i++) radix = Math.max(radix, text[i]! + 1);
  let room = 1;
  const shortened = Array.from({ length: n }, () => {
    const fits = room * radix <= EXACT;
    room = (fits ? room : MOST_ENTRIES) * radix;
    return fits ? null : createNumbering(); // of what came before this word
  });
  const distinct = new Set<number>();
  let all = 0;
  for (const text of texts)
    for (let i = 0; i + n <= text.length; i++, all++) {
      let gram = 0;
      for (let k = 0; k < n; k++) gram = (shortened[k]?.(gram) ?? gram) * radix + text[i + k]!;
      distinct.add(gram);
    }
  return all === 0 ? 1 : distinct.size / all;
}

/**
 * Mean over texts of the share of their own n-grams that they have said before (Welleck et al. 2020, "seq-rep-n"); 0 of
 * texts shorter than n.
 */
export const repetitionN = (texts: readonly Sequence[], n: number): number =>
  texts.reduce((sum, text) => sum + 1 - distinctN([text], n), 0) / Math.max(1, texts.length);

/** Said three times in a row it is a loop; twice is emphasis. */
const FEWEST_COPIES = 3;
const LONGEST_PERIOD = 32;

export interface Loop {
  /** words of what is repeated, where it begins, how often it is said, the last time perhaps in part */
  period: number;
  start: number;
  copies: number;
  /** share of the text that it takes */
  share: number;
}

/** The loop that takes most of a text: a piece of at most 32 words said at least three times in a row. Null without. */
export function loopOf(text: Sequence): Loop | null {
  let best: Loop | null = null;
  for (let period = 1; period <= Math.min(LONGEST_PERIOD, text.length / FEWEST_COPIES); period++)
    for (let i = period, same = 0; i < text.length; i++) {
      same = text[i] === text[i - period] ? same + 1 : 0;
      const length = same + period;
      if (same === 0 || length < FEWEST_COPIES * period || length / text.length <= (best?.share ?? 0)) continue;
      best = { period, start: i + 1 - length, copies: length / period, share: length / text.length };
    }
  return best;
}

/** UTF-8 bytes for each byte that deflate makes of the texts, one after another; 0 for no text (D35). */
export function compressionRatio(texts: readonly string[]): number {
  const bytes = Buffer.from(texts.join('\n'));
  return bytes.length === 0 ? 0 : bytes.length / deflateRawSync(bytes, { level: 9 }).length;
}

/** How much of a text is taken from its source. */
export interface Copying {
  /** share of the text's words in pieces that stand in the source */
  coverage: number;
  /** mean, over the text's words, of the length of the piece that each is in */
  density: number;
  /** length of the longest common subsequence of word pairs, for each pair of the text (D34; P20 fn 9) */
  copyRate: number;
}

/**
 * Measures texts against one source. Coverage Σ|f| / n and density Σ|f|² / n of the extractive fragments f of Grusky,
 * Naaman and Artzi 2018 ("Newsroom", figure 3): from the left, each time the longest piece that stands in the source.
 * All 0 for a text without words, and the copy rate for one of a single word.
 */
export function copyingFrom(source: Sequence): (text: Sequence) => Copying {
  const places = new Map<number, number[]>();
  for (let j = 0; j < source.length; j++) {
    const known = places.get(source[j]!);
    if (known) known.push(j);
    else places.set(source[j]!, [j]);
  }
  const longestAt = (text: Sequence, i: number): number => {
    let longest = 0;
    for (const j of places.get(text[i]!) ?? []) {
      let k = 1;
      while (i + k < text.length && j + k < source.length && text[i + k] === source[j + k]) k++;
      if (k > longest) longest = k;
    }
    return longest;
  };
  const numberOf = createNumbering();
  const pairsOf = (words: Sequence) => {
    const numbers = Array.from({ length: words.length }, (_, i) => numberOf(words[i]!));
    return numbers.slice(1).map((number, i) => numbers[i]! * MOST_ENTRIES + number);
  };
  const sourcePairs = pairsOf(source);
  return (text) => {
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < text.length;) {
      const length = longestAt(text, i);
      sum += length;
      squares += length * length;
      i += Math.max(1, length);
    }
    const pairs = pairsOf(text);
    return {
      coverage: text.length === 0 ? 0 : sum / text.length,
      density: text.length === 0 ? 0 : squares / text.length,
      copyRate: pairs.length === 0 ? 0 : commonSubsequence(pairs, sourcePairs) / pairs.length,
    };
  };
}

/**
 * The share of groups whose samples all score the same: nothing is learnt from them where advantages compare a prompt's
 * samples with one another. Of groups of at least two; NaN without any.
 */
export function sameScores(groups: readonly (readonly number[])[]): number {
  const compared = groups.filter(({ length }) => length > 1);
  return compared.filter((scores) => scores.every((score) => score === scores[0])).length / compared.length;
}
