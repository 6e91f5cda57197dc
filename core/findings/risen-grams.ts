// Which n-grams of 1 to 8 words stand in more texts than at the start: counted level by level, so that only what is
// frequent is ever looked at with one word more (Agrawal and Srikant 1994, "Apriori").

import { logOddsOfTexts } from './log-odds.ts';
import type { Lexicon } from './words.ts';

export const LONGEST = 8;
/** A phrase in fewer of the texts is no finding yet. */
export const LEAST_SHARE = 0.02;
/** Of 10,000 phrases that did not rise, less than one passes this by chance. */
export const LEAST_Z = 4;

/** Where in a text a phrase stands: anywhere, as its first words, as its last. */
export type Place = 'anywhere' | 'opening' | 'ending';

/** Many texts as one row of words. */
export interface Row {
  ids: Int32Array;
  /** the text of each word */
  textOf: Int32Array;
  /** where each text begins, and where the last ends */
  starts: Int32Array;
  /** the first of its words that tells something, and the place after the last: marks there are no part of a phrase */
  opens: Int32Array;
  closes: Int32Array;
  /** how many texts */
  n: number;
}

export function rowOf(texts: readonly string[], lexicon: Lexicon): Row {
  const starts = new Int32Array(texts.length + 1);
  let ids = new Int32Array(64 * texts.length + 64);
  texts.forEach((text, i) => {
    const read = lexicon.read(text).ids;
    const at = starts[i]!;
    if (at + read.length > ids.length) {
      const larger = new Int32Array(2 * (at + read.length));
      larger.set(ids);
      ids = larger;
    }
    ids.set(read, at);
    starts[i + 1] = at + read.length;
  });
  ids = ids.slice(0, starts[texts.length]);
  const textOf = new Int32Array(ids.length);
  const [opens, closes] = [new Int32Array(texts.length), new Int32Array(texts.length)];
  for (let i = 0; i < texts.length; i++) {
    let [from, to] = [starts[i]!, starts[i + 1]!];
    textOf.fill(i, from, to);
    while (from < to && !lexicon.isTelling(ids[from]!)) from++;
    while (to > from && !lexicon.isTelling(ids[to - 1]!)) to--;
    opens[i] = from;
    closes[i] = to;
  }
  return { ids, textOf, starts, opens, closes, n: texts.length };
}

/** In how many texts a gram stands, by place, and how often in all. */
interface Tally {
  texts: Record<Place, Int32Array>;
  occurrences: Int32Array;
}
/** One level: the gram at each position of both rows (−1 for what is not frequent), and their tallies. */
interface Level {
  length: number;
  grams: number;
  now: Int32Array;
  start: Int32Array;
  tallyNow: Tally;
  tallyStart: Tally;
}

/** How often something stands where: positions of its first word, in both rows. */
export interface Risen {
  words: readonly number[];
  place: Place;
  now: Int32Array;
  start: Int32Array;
  /** texts that have it */
  textsNow: number;
  textsStart: number;
  delta: number;
  z: number;
}

/** Numbers the grams of a level that at least `least` texts of now have: the number at each position, −1 for others. */
function numberFrequent(
  row: Row,
  length: number,
  keyAt: (position: number) => number,
  least: number,
): { at: Int32Array; numbers: Map<number, number> } {
  const seen = new Map<number, number>();
  const texts: number[] = [];
  const latest: number[] = [];
  const at = new Int32Array(row.ids.length).fill(-1);
  for (let text = 0; text < row.n; text++)
    for (let i = row.starts[text]!; i + length <= row.starts[text + 1]!; i++) {
      const key = keyAt(i);
      if (key < 0) continue;
      let gram = seen.get(key);
      if (gram === undefined) {
        seen.set(key, (gram = seen.size));
        texts.push(0);
        latest.push(-1);
      }
      if (latest[gram] !== text) {
        latest[gram] = text;
        texts[gram]!++;
      }
      at[i] = gram;
    }
  const dense = new Int32Array(texts.length).fill(-1);
  const numbers = new Map<number, number>();
  for (const [key, gram] of seen) {
    if (texts[gram]! < least) continue;
    dense[gram] = numbers.size;
    numbers.set(key, numbers.size);
  }
  for (let i = 0; i < at.length; i++) if (at[i]! >= 0) at[i] = dense[at[i]!]!;
  return { at, numbers };
}

function tallyOf(row: Row, at: Int32Array, length: number, grams: number): Tally {
  const zeros = () => new Int32Array(grams);
  const tally: Tally = { texts: { anywhere: zeros(), opening: zeros(), ending: zeros() }, occurrences: zeros() };
  const latest = zeros().fill(-1);
  for (let i = 0; i < at.length; i++) {
    const gram = at[i]!;
    if (gram < 0) continue;
    const text = row.textOf[i]!;
    tally.occurrences[gram]!++;
    if (latest[gram] !== text) {
      latest[gram] = text;
      tally.texts.anywhere[gram]!++;
    }
    if (i === row.opens[text]) tally.texts.opening[gram]!++;
    if (i + length === row.closes[text]) tally.texts.ending[gram]!++;
  }
  return tally;
}

/** The grams of the next length, made of two of the last that overlap in all but their ends. */
function nextLevel(now: Row, start: Row, before: Level | null, least: number): Level {
  const length = (before?.length ?? 0) + 1;
  const keyIn = (row: Row, at: Int32Array | undefined) => (i: number) => {
    if (!at) return row.ids[i]!;
    const [a, b] = [at[i]!, at[i + 1]!];
    return a < 0 || b < 0 ? -1 : a * before!.grams + b; // below 2^53: grams that 2 % of texts have are few
  };
  const { at, numbers } = numberFrequent(now, length, keyIn(now, before?.now), least);
  const atStart = new Int32Array(start.ids.length).fill(-1);
  const keyAtStart = keyIn(start, before?.start);
  for (let text = 0; text < start.n; text++)
    for (let i = start.starts[text]!; i + length <= start.starts[text + 1]!; i++)
      atStart[i] = numbers.get(keyAtStart(i)) ?? -1;
  const grams = numbers.size;
  return {
    length,
    grams,
    now: at,
    start: atStart,
    tallyNow: tallyOf(now, at, length, grams),
    tallyStart: tallyOf(start, atStart, length, grams),
  };
}

const isAt = (place: Place, row: Row, i: number, length: number) =>
  place === 'anywhere' ||
  (place === 'opening' ? i === row.opens[row.textOf[i]!] : i + length === row.closes[row.textOf[i]!]);

/** Where each of the wanted grams stands. */
function positionsOf(at: Int32Array, { occurrences }: Tally, wanted: ReadonlySet<number>): Map<number, Int32Array> {
  const found = new Map([...wanted].map((gram) => [gram, new Int32Array(occurrences[gram]!)]));
  const filled = new Map<number, number>();
  for (let i = 0; i < at.length; i++) {
    const positions = found.get(at[i]!);
    if (!positions) continue;
    const k = filled.get(at[i]!) ?? 0;
    positions[k] = i;
    filled.set(at[i]!, k + 1);
  }
  return found;
}

/** The grams of a level that rose, at each place, with where they stand. */
function risenOf(level: Level, now: Row, start: Row, lexicon: Lexicon): Risen[] {
  const { length, grams, tallyNow, tallyStart } = level;
  const rose: { gram: number; place: Place; textsNow: number; textsStart: number; delta: number; z: number }[] = [];
  for (const place of ['anywhere', 'opening', 'ending'] as const)
    for (let gram = 0; gram < grams; gram++) {
      const textsNow = tallyNow.texts[place][gram]!;
      const textsStart = tallyStart.texts[place][gram]!;
      if (textsNow < LEAST_SHARE * now.n) continue;
      const { delta, z } = logOddsOfTexts({ y: textsNow, n: now.n }, { y: textsStart, n: start.n });
      if (z >= LEAST_Z) rose.push({ gram, place, textsNow, textsStart, delta, z });
    }
  const wanted = new Set(rose.map(({ gram }) => gram));
  const placesNow = positionsOf(level.now, tallyNow, wanted);
  const placesStart = positionsOf(level.start, tallyStart, wanted);
  return rose.flatMap(({ gram, ...rest }) => {
    const [first] = placesNow.get(gram)!;
    const words = Array.from(now.ids.subarray(first, first! + length));
    if (!lexicon.isTelling(words[0]!) || !lexicon.isTelling(words.at(-1)!)) return [];
    const placed = (row: Row, positions: Int32Array) => positions.filter((i) => isAt(rest.place, row, i, length));
    return [{ ...rest, words, now: placed(now, placesNow.get(gram)!), start: placed(start, placesStart.get(gram)!) }];
  });
}

/** Every n-gram of at most LONGEST words that rose, without marks at its ends; those with the largest z first. */
export function risenGrams(now: Row, start: Row, lexicon: Lexicon): Risen[] {
  const least = Math.max(1, Math.ceil(LEAST_SHARE * now.n));
  const found: Risen[] = [];
  let level: Level | null = null;
  for (let length = 1; length <= LONGEST; length++) {
    level = nextLevel(now, start, level, least);
    if (level.grams === 0) break;
    for (const risen of risenOf(level, now, start, lexicon)) found.push(risen);
  }
  return found.sort((a, b) => b.z - a.z || b.words.length - a.words.length || a.now[0]! - b.now[0]!);
}
