// Texts as a window is shown them: whole where they are as long as texts are, cut where one would fill it.

import type { Prompt } from '#core/contract/prompts.ts';

/** Characters of one text that a window is shown in full; no import takes longer ones. */
const LONGEST_SHOWN = 1_000_000;
/** Characters of all texts of a page of a list together, and of each at least and at most. */
const PAGE = 4_000_000;
const LEAST = 500;
const MOST = 20_000;

/** How many characters of a text a list shows, where it shows so many texts. */
export const excerptLength = (texts: number): number =>
  Math.min(MOST, Math.max(LEAST, Math.floor(PAGE / Math.max(1, texts))));

/** A text of `column`, cut to so many characters (the parameter, given three times) and marked as cut. */
export const EXCERPT = (column: string): string =>
  `CASE WHEN octet_length(${column}) > ? AND length(${column}) > ? THEN substr(${column}, 1, ?) || '…' ELSE ${column} END`;
export const excerptValues = (length: number): [number, number, number] => [length, length, length];

const cut = (text: string, most = LONGEST_SHOWN): string =>
  text.length <= most
    ? text
    : `${text.slice(0, most).toWellFormed()}… (${text.length.toLocaleString('en')} characters; the rest is not shown)`;

/** A prompt whose texts are no longer than a window can show. */
export const shownPrompt = (prompt: Prompt): Prompt => ({
  ...prompt,
  text: cut(prompt.text),
  reference: prompt.reference === null ? null : cut(prompt.reference),
  messages:
    prompt.messages?.map((message, _, { length }) => ({
      ...message,
      content: cut(message.content, Math.floor((2 * LONGEST_SHOWN) / Math.max(2, length))),
    })) ?? null,
});
