// The shape of texts in numbers: how much they repeat themselves, one another, and their source.
//
// Texts are sequences of whole numbers, one a word or token, whoever made them.

import { deflateRawSync } from 'node:zlib';
import { commonSubsequence } from '#core/evaluation/rouge.ts';

type Sequence = ArrayLike<number>;

/** Numbers for pairs of whole numbers below 2^26: an n-gram is one, of its beginning and its last word. */
function createPairs(): { of(a: number, b: number): number; size(): number } {
  const ids = new Map<number, number>();
  return {
    of: (a, b) => {
      const key = a * 0x4000000 + b;
      const known = ids.get(key);
      if (known !== undefined) return known;
      ids.set(key, ids.size);
      return ids.size - 1;
    },
    size: () => ids.size,
  };
}

/** The share of distinct ones among all n-grams of some texts (Li et al. 2016, "distinct-n"); 1 of none. */
export function distinctN(texts: readonly Sequence[], n: number): number {
  const levels = Array.from({ length: n }, createPairs); // of words, of pairs, …
  let all = 0;
  for (const text of texts)
    for (let i = 0; i + n <= text.length; i++, all++) {
      let gram = 0;
      for (let k = 0; k < n; k++) gram = levels[k]!.of(gram, text[i + k]!);
    }
  return all === 0 ? 1 : levels.at(-1)!.size() / all;
}

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
 * Coverage Σ|f| / n and density Σ|f|² / n of the extractive fragments f of Grusky, Naaman and Artzi 2018 ("Newsroom",
 * figure 3): from the left, each time the longest piece that stands in the source. All 0 for a text without words, and
 * the copy rate for one of a single word.
 */
export function copying(text: Sequence, source: Sequence): Copying {
  const places = new Map<number, number[]>();
  for (let j = 0; j < source.length; j++) {
    const known = places.get(source[j]!);
    if (known) known.push(j);
    else places.set(source[j]!, [j]);
  }
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < text.length;) {
    let longest = 0;
    for (const j of places.get(text[i]!) ?? []) {
      let k = 1;
      while (i + k < text.length && j + k < source.length && text[i + k] === source[j + k]) k++;
      if (k > longest) longest = k;
    }
    sum += longest;
    squares += longest * longest;
    i += Math.max(1, longest);
  }
  const pairs = createPairs();
  const pairsOf = (words: Sequence) =>
    Array.from({ length: Math.max(0, words.length - 1) }, (_, i) => pairs.of(words[i]!, words[i + 1]!));
  const own = pairsOf(text);
  return {
    coverage: text.length === 0 ? 0 : sum / text.length,
    density: text.length === 0 ? 0 : squares / text.length,
    copyRate: own.length === 0 ? 0 : commonSubsequence(own, pairsOf(source)) / own.length,
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
