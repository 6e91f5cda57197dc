// Which of many texts say a phrase: they are read once, and asked for one phrase after another.

import { rowOf } from './risen-grams.ts';
import { createLexicon } from './words.ts';

/** Whether each of the texts says a phrase, whatever its case and its spaces: as `says` of edits.ts, of all at once. */
export function createSayings(texts: readonly string[]): (phrase: string) => boolean[] {
  const lexicon = createLexicon();
  const { ids, starts } = rowOf(texts, lexicon);
  return (phrase) => {
    const words = lexicon.read(phrase).ids;
    const [first] = words;
    const found = texts.map(() => false);
    if (first === undefined) return found;
    for (let text = 0; text < texts.length; text++) {
      const last = starts[text + 1]! - words.length;
      for (let i = starts[text]!; i <= last && !found[text]; i++)
        if (ids[i] === first) found[text] = words.every((word, k) => word === ids[i + k]);
    }
    return found;
  };
}
