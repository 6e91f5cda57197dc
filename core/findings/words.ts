// The words and marks of a text as numbers, with where they stand: what phrases are made of.
//
// ROUGE's words (core/evaluation/rouge.ts) are those of its own definition; these are to be cut out of a text and put
// into another, so marks and places count, and every script has some.

/** Scripts that put no space between words. */
export const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
/** Cuts a run of such a script into words, by dictionary. */
export const BY_DICTIONARY = new Intl.Segmenter(undefined, { granularity: 'word' });

/** Letters and digits with the apostrophes and hyphens between them; or one mark, as often as it repeats. */
const WORD = /[\p{L}\p{M}\p{N}_]+(?:['’-][\p{L}\p{M}\p{N}_]+)*|([^\s\p{L}\p{M}\p{N}_])\1*/gu;
/** One of these alone says nothing: a rise of full stops is a matter of lengths and ends. */
const PLAIN_MARK = /^\p{P}$/u;
const SENTENCE_END = /^[.!?…。！？]+$/u;

/** A text in words: number, first character and the one after the last of each. */
export interface Read {
  ids: number[];
  starts: number[];
  ends: number[];
}

/** Numbers for words, the same whatever their case and Unicode form, in the order they are met. */
export interface Lexicon {
  read(text: string): Read;
  word(id: number): string;
  /** whether it says something by itself: anything but a single mark */
  isTelling(id: number): boolean;
  endsSentence(id: number): boolean;
  size(): number;
}

export function createLexicon(): Lexicon {
  const words: string[] = [];
  const idOf = new Map<string, number>();
  const asWritten = new Map<string, number>(); // spares most words their lower case
  const number = (written: string): number => {
    const known = asWritten.get(written);
    if (known !== undefined) return known;
    const word = written.normalize('NFC').toLowerCase();
    const id = idOf.get(word) ?? words.push(word) - 1;
    idOf.set(word, id);
    asWritten.set(written, id);
    return id;
  };
  const telling: boolean[] = [];
  const ending: boolean[] = [];
  return {
    read: (text) => {
      const found: Read = { ids: [], starts: [], ends: [] };
      const add = (written: string, at: number) => {
        found.ids.push(number(written));
        found.starts.push(at);
        found.ends.push(at + written.length);
      };
      for (const { 0: written, index } of text.matchAll(WORD)) {
        if (!UNSPACED.test(written)) add(written, index);
        else for (const { segment, index: at } of BY_DICTIONARY.segment(written)) add(segment, index + at);
      }
      return found;
    },
    word: (id) => words[id]!,
    isTelling: (id) => (telling[id] ??= !PLAIN_MARK.test(words[id]!)),
    endsSentence: (id) => (ending[id] ??= SENTENCE_END.test(words[id]!)),
    size: () => words.length,
  };
}
