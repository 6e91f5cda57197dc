// The phrases that a policy came to say: what rose most against the start, each as long as it is one phrase.
//
// Of "want", "want change", … "pls halp" many rise together. The one that rose most is taken, lengthened as long as it
// stays the same texts, and whatever touches it no longer counts where it does; what then has not risen any more is
// explained by it, and what holds it whole is a variant of it. So on with what is left.

import { logOddsOfTexts } from './log-odds.ts';
import type { LogOdds } from './log-odds.ts';
import { LEAST_SHARE, LEAST_Z, risenGrams, rowOf } from './risen-grams.ts';
import type { Place, Risen, Row } from './risen-grams.ts';
import { createLexicon } from './words.ts';
import type { Lexicon } from './words.ts';

/** A longer phrase explains a shorter one that it holds if it stands in this share of its texts. */
const EXPLAINS = 0.8;
/** No phrase grows beyond these words: it is a text by then. */
const MOST_WORDS = 40;

export interface Phrase extends LogOdds {
  /** as one of the texts writes it */
  text: string;
  words: string[];
  place: Place;
  /** whether it mostly stands as a whole sentence, between the ends of others or of the text */
  sentence: boolean;
  /** texts that have it there, and their shares */
  now: number;
  start: number;
  shareNow: number;
  shareStart: number;
  /** which of the texts of now have it, in ascending order */
  texts: number[];
  /** phrases that rose because of this one: parts of it, and variants with more around it */
  folded: string[];
}

interface Rows {
  now: Row;
  start: Row;
}
/** What rose, and how much of it no phrase found so far explains. */
interface Candidate extends Risen {
  left: number;
}

/** Different texts of ascending positions. */
function textsAt(row: Row, positions: Int32Array): number[] {
  const texts: number[] = [];
  for (const i of positions) if (texts.at(-1) !== row.textOf[i]) texts.push(row.textOf[i]!);
  return texts;
}

const PLACES = { anywhere: 0, opening: 1, ending: 1 } as const satisfies Record<Place, number>;

/** Whether the words of `short` stand in those of `long`, at their beginning or end where its place says so. */
function isInside(short: Risen, long: Risen): boolean {
  if (short.place !== 'anywhere' && short.place !== long.place) return false;
  const spare = long.words.length - short.words.length;
  const first = short.place === 'ending' ? spare : 0;
  const last = short.place === 'opening' ? 0 : spare;
  for (let at = Math.max(0, first); at <= last; at++)
    if (short.words.every((word, k) => word === long.words[at + k])) return true;
  return false;
}

/** The longest that holds the words of `root` and stands in enough of its texts; at a place rather than anywhere. */
function longestOf(root: Candidate, all: readonly Candidate[]): Candidate {
  const longer = (a: Candidate, b: Candidate) =>
    b.words.length - a.words.length || PLACES[b.place] - PLACES[a.place] || b.left - a.left;
  return all
    .filter((other) => other.left >= EXPLAINS * root.left && isInside(root, other))
    .reduce((best, other) => (longer(best, other) > 0 ? other : best), root);
}

/** The one word that follows, or comes before, in the most texts. */
function commonNeighbour(row: Row, positions: Int32Array, offset: number): { word: number; texts: number } {
  const texts = new Map<number, Set<number>>();
  for (const i of positions) {
    const text = row.textOf[i]!;
    if (row.textOf[i + offset] !== text) continue;
    const word = row.ids[i + offset]!;
    texts.set(word, (texts.get(word) ?? new Set()).add(text));
  }
  let best = { word: -1, texts: 0 };
  for (const [word, { size }] of texts) if (size > best.texts) best = { word, texts: size };
  return best;
}

/**
 * A phrase grows on beyond what was counted, word by word, while it stays in at least `least` texts; as long as it ends
 * with words that tell something.
 */
function grow(head: Risen, least: number, { now, start }: Rows, lexicon: Lexicon): Risen {
  let telling = head;
  let grown = head;
  while (grown.words.length < MOST_WORDS) {
    const length = grown.words.length;
    const after = commonNeighbour(now, grown.now, length);
    const before = commonNeighbour(now, grown.now, -1);
    const [side, offset] = after.texts >= before.texts ? [after, length] : [before, -1];
    if (side.texts < least) return telling;
    const follow = (row: Row, positions: Int32Array) =>
      positions
        .filter((i) => row.textOf[i + offset] === row.textOf[i] && row.ids[i + offset] === side.word)
        .map((i) => i + Math.min(0, offset));
    const words = offset < 0 ? [side.word, ...grown.words] : [...grown.words, side.word];
    grown = { ...grown, words, now: follow(now, grown.now), start: follow(start, grown.start) };
    if (lexicon.isTelling(words[0]!) && lexicon.isTelling(words.at(-1)!)) telling = grown;
  }
  return telling;
}

/** How many texts have the phrase somewhere where no word of it is taken. */
function untouched(row: Row, positions: Int32Array, length: number, taken: Uint8Array): number {
  let texts = 0;
  let latest = -1;
  for (const i of positions) {
    if (row.textOf[i] === latest) continue;
    let k = 0;
    while (k < length && taken[i + k] === 0) k++;
    if (k < length) continue;
    latest = row.textOf[i]!;
    texts++;
  }
  return texts;
}

function describe(head: Risen, folded: readonly Risen[], { now, start }: Rows, lexicon: Lexicon): Omit<Phrase, 'text'> {
  const texts = textsAt(now, head.now);
  const [y, yStart] = [texts.length, textsAt(start, head.start).length];
  const spoken = (words: readonly number[]) => words.map(lexicon.word);
  const endsBefore = (i: number) => i === now.starts[now.textOf[i]!] || lexicon.endsSentence(now.ids[i - 1]!);
  const endsAt = (i: number) => now.textOf[i] !== now.textOf[i - 1] || lexicon.endsSentence(now.ids[i]!);
  const whole = head.now.filter((i) => endsBefore(i) && endsAt(i + head.words.length));
  return {
    words: spoken(head.words),
    place: head.place,
    sentence: whole.length >= EXPLAINS * head.now.length,
    now: y,
    start: yStart,
    shareNow: y / now.n,
    shareStart: yStart / start.n,
    ...logOddsOfTexts({ y, n: now.n }, { y: yStart, n: start.n }),
    texts,
    folded: [...new Set(folded.map(({ words }) => spoken(words).join(' ')))],
  };
}

/**
 * The phrases that stand in more of the texts of `now` than of those of `start`, at most `most`, in the order in which
 * they rose: by z, each less what those before it explain. Neither list may be empty; of few texts few rise surely.
 */
export function risenPhrases(nowTexts: readonly string[], startTexts: readonly string[], most = 50): Phrase[] {
  if (nowTexts.length === 0 || startTexts.length === 0) return [];
  const lexicon = createLexicon();
  const rows: Rows = { now: rowOf(nowTexts, lexicon), start: rowOf(startTexts, lexicon) };
  const { now, start } = rows;
  const [takenNow, takenStart] = [new Uint8Array(now.ids.length), new Uint8Array(start.ids.length)];
  let left: Candidate[] = risenGrams(now, start, lexicon).map((risen) => ({ ...risen, left: risen.textsNow }));
  const heads: Risen[] = [];
  const found: Phrase[] = [];
  while (left.length > 0 && found.length < most) {
    const root = left[0]!;
    const head = grow(longestOf(root, left), EXPLAINS * root.left, rows, lexicon);
    for (const i of head.now) takenNow.fill(1, i, i + head.words.length);
    for (const i of head.start) takenStart.fill(1, i, i + head.words.length);
    const held = new Set(head.words);
    const folded: Risen[] = [];
    left = left.filter((other) => {
      if (!other.words.some((word) => held.has(word))) return true;
      const length = other.words.length;
      const y = untouched(now, other.now, length, takenNow);
      const yStart = untouched(start, other.start, length, takenStart);
      Object.assign(other, { left: y, ...logOddsOfTexts({ y, n: now.n }, { y: yStart, n: start.n }) });
      const stays = other !== root && y >= LEAST_SHARE * now.n && other.z >= LEAST_Z;
      if (!stays) folded.push(other);
      return stays;
    });
    left.sort((a, b) => b.z - a.z || b.words.length - a.words.length || a.now[0]! - b.now[0]!);
    const earlier = heads.findIndex((known) => isInside({ ...known, place: 'anywhere' }, head));
    if (earlier >= 0) {
      // a variant: the phrase with more around it
      const { folded: variants } = found[earlier]!;
      const variant = head.words.map(lexicon.word).join(' ');
      if (!variants.includes(variant)) variants.push(variant);
      continue;
    }
    heads.push(head);
    const phrase = describe(head, folded, rows, lexicon);
    found.push({ ...phrase, text: written(nowTexts, head, now, lexicon) });
  }
  return found;
}

/** The phrase as the first text that has it writes it. */
function written(texts: readonly string[], head: Risen, now: Row, lexicon: Lexicon): string {
  const [first] = head.now;
  const text = now.textOf[first!]!;
  const { starts, ends } = lexicon.read(texts[text]!);
  const at = first! - now.starts[text]!;
  return texts[text]!.slice(starts[at], ends[at + head.words.length - 1]);
}
