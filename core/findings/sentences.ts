// The sentences of a text, by their places: also where they begin in lower case, which dictionaries of breaks take for
// abbreviations.

export interface Sentence {
  /** first character that is no space, and the one after the last, marks included */
  start: number;
  end: number;
}

/** Marks that may end a sentence with the quotes they close; a break of a line. */
const END = /[.!?…。！？]+["'”’)\]」）]*|\n/gu;
/** These end one whatever follows; the others before a space, or at the end of the text. */
const ALWAYS = /[。！？\n]/u;
/** A piece of marks alone says nothing. */
const SAYS = /[\p{L}\p{N}]/u;

/** In order; what is not ended by a mark is one too, and marks that follow a sentence are part of it. */
export function sentencesOf(text: string): Sentence[] {
  const ends = [...text.matchAll(END)].flatMap(({ 0: mark, index }) => {
    const end = index + mark.length;
    return ALWAYS.test(mark) || /^\s?$/u.test(text.charAt(end)) ? [end] : [];
  });
  const found: Sentence[] = [];
  let from = 0;
  for (const end of [...ends, text.length]) {
    const piece = text.slice(from, end);
    const said = { start: from + piece.length - piece.trimStart().length, end: from + piece.trimEnd().length };
    const before = found.at(-1);
    if (SAYS.test(piece)) found.push(said);
    else if (before && piece.trim() !== '') before.end = said.end;
    from = end;
  }
  return found;
}
