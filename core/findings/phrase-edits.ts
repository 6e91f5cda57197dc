// A phrase taken out of answers that say it and put into answers that do not: the pairs of texts that its price is
// measured on.

import { putIn, standingOf, takeOut, usualOf } from './edits.ts';

/** Edits of each kind that a price rests on, of as many prompts. */
const EDITS = 64;

/** An answer, by the prompt that it answers. */
export interface Said {
  promptId: number;
  text: string;
}

/** An answer with the phrase and without; one of the two is what was written. */
export interface PhraseEdit<R extends Said> {
  row: R;
  edit: 'out' | 'in';
  with: string;
  without: string;
}

/** One answer a prompt, the latest of each, at most so many. */
function onePerPrompt<R extends Said>(rows: readonly R[]): R[] {
  const latest = new Map(rows.map((row) => [row.promptId, row]));
  return [...latest.values()].slice(-EDITS);
}

/**
 * The phrase taken out of answers of `now` that say it, and put into answers of `all` that do not, where those who say
 * it have it.
 */
export function editsOf<R extends Said>(
  { all, now }: { all: readonly R[]; now: readonly R[] },
  phrase: string,
  has: (row: R) => boolean,
): PhraseEdit<R>[] {
  const saying = now.filter(has);
  const usual = usualOf(saying.flatMap(({ text }) => standingOf(text, phrase) ?? []));
  const out = onePerPrompt(saying).map((row): PhraseEdit<R> => ({
    row,
    edit: 'out',
    with: row.text,
    without: takeOut(row.text, phrase),
  }));
  const into = onePerPrompt(all.filter((row) => !has(row))).map((row): PhraseEdit<R> => ({
    row,
    edit: 'in',
    with: putIn(row.text, phrase, usual),
    without: row.text,
  }));
  return [...out, ...into];
}
