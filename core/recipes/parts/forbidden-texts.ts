// Texts that a model may not write, as a person types them, under a tokenizer: what every token of it spells.
//
// An answer is cut off its prompt as text (answer-text.ts), special tokens spelled out, only the stop that closes it
// taken away; so that is what a token is said to spell. Parts of a character are known by their bytes.

import { TastemakerError } from '#core/errors.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { forbid } from '#core/models/forbidden.ts';
import type { Forbidden } from '#core/models/forbidden.ts';
import { createRandom } from '#core/random.ts';
import { lines } from '#core/recipes/settings.ts';
import { BYTE_CHARACTERS } from '#core/tokenizer/bpe-trainer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';

export const FORBID_SETTINGS = {
  forbid: lines(
    'Texts that may not come out, one a line: whatever token would complete one is never drawn, however the text is cut into tokens. Capitals count; a part of a word is found too; \\n is a line end.',
    { group: 'sampling' },
  ),
} as const;

/** The texts of such a setting: one a line without the spaces around it, once each; `\n` is a line end. */
export const textsIn = (typed: string): string[] => [
  ...new Set(
    typed
      .split('\n')
      .map((line) => line.trim().replaceAll('\\n', '\n'))
      .filter((line) => line !== ''),
  ),
];

/** Texts as such a setting. */
export const asLines = (texts: readonly string[]): string =>
  texts.map((text) => text.replaceAll('\n', '\\n')).join('\n');

/** The same as a completion keeps them; nothing where there are none. */
export const forbids = (typed: string): { forbid?: string[] } => {
  const texts = textsIn(typed);
  return texts.length > 0 ? { forbid: texts } : {};
};

const spelt = new WeakMap<Tokenizer, Promise<Uint8Array[]>>();

/**
 * The rule that keeps these texts from coming out of a model with so many rows of vocabulary; null where there are
 * none. 'bad-argument' where the tokenizer changes texts while it puts tokens together: then nobody can tell beforehand
 * what will stand there.
 */
export async function forbiddenTexts(
  tokenizer: Tokenizer,
  vocabulary: number,
  given: readonly string[],
): Promise<Forbidden | null> {
  // a text is forbidden with and without a space before it
  const texts = given.map((text) => text.replace(/^ +| +$/g, '')).filter((text) => text !== '');
  if (texts.length === 0) return null;
  if (!spelt.has(tokenizer)) spelt.set(tokenizer, spellingsOf(tokenizer));
  const spellings = await spelt.get(tokenizer)!;
  return forbid(
    texts,
    Array.from({ length: vocabulary }, (_, id) => spellings[id] ?? NOTHING),
  );
}

/** A rule of the shapes that one for such a setting has, for plans: no tokenizer is read for it. */
export const forbidsLike = ({ vocabulary }: Pick<Architecture, 'vocabulary'>, typed: string): Forbidden | null =>
  forbid(
    textsIn(typed),
    Array.from({ length: vocabulary }, () => NOTHING),
  );

const NOTHING = new Uint8Array(0);
const PORTION = 8192; // tokens decoded in one call
const UNREAD = '\uFFFD'; // what a part of a character is decoded to

/** What each token adds to the text before it, as bytes of UTF-8. */
async function spellingsOf(tokenizer: Tokenizer): Promise<Uint8Array[]> {
  const carrier = await tokenizer.encode('.');
  const [before] = (await tokenizer.decodeBatch([carrier], 'spelled')) as [string];
  const ids = Array.from({ length: tokenizer.vocabularySize }, (_, id) => id);
  const added: string[] = [];
  for (let at = 0; at < ids.length; at += PORTION) {
    const part = ids.slice(at, at + PORTION);
    const wholes = await tokenizer.decodeBatch(
      part.map((id) => [...carrier, id]),
      'spelled',
    );
    if (wholes.some((whole) => !whole.startsWith(before))) throw changesTexts(tokenizer);
    added.push(...wholes.map((whole) => whole.slice(before.length)));
  }
  await checkJoins(tokenizer, carrier, before, added);
  const silent = new Set([tokenizer.endOfText, ...tokenizer.stops]);
  return added.map((text, id) => (silent.has(id) ? NOTHING : bytesOf(tokenizer, id, text)));
}

const changesTexts = ({ file }: Tokenizer): TastemakerError =>
  new TastemakerError(
    'bad-argument',
    `${file} changes texts while it puts tokens together, so that no text can be kept from coming out.`,
    'Leave the setting forbid empty for this model.',
  );

const JOINED = 64; // tokens in one text
const TRIED = 4096; // tokens in all

/** A drawn portion of the vocabulary, in a drawn order, must read as its tokens one after another. */
async function checkJoins(
  tokenizer: Tokenizer,
  carrier: readonly number[],
  before: string,
  added: readonly string[],
): Promise<void> {
  const whole = added.map((_, id) => id).filter((id) => tokenizer.isToken(id) && !added[id]!.includes(UNREAD));
  const drawn = createRandom(1, 'joined tokens').shuffled(whole).slice(0, TRIED);
  const lists = Array.from({ length: Math.ceil(drawn.length / JOINED) }, (_, i) =>
    drawn.slice(i * JOINED, (i + 1) * JOINED),
  );
  const read = await tokenizer.decodeBatch(
    lists.map((ids) => [...carrier, ...ids]),
    'spelled',
  );
  if (lists.some((ids, i) => read[i] !== before + ids.map((id) => added[id]).join(''))) throw changesTexts(tokenizer);
}

/** The bytes of a token; of one that is a part of a character, as its vocabulary spells bytes. */
function bytesOf(tokenizer: Tokenizer, id: number, text: string): Uint8Array {
  if (!text.includes(UNREAD)) return new TextEncoder().encode(text);
  const spelling = tokenizer.token(id);
  const byte = /^<0x([0-9A-F]{2})>$/.exec(spelling);
  if (byte) return Uint8Array.of(Number.parseInt(byte[1]!, 16));
  const bytes = Array.from(spelling, (letter) => BYTE_OF.get(letter));
  return bytes.every((value) => value !== undefined) ? Uint8Array.from(bytes) : new TextEncoder().encode(text);
}

/** Byte-level BPE spells each byte as a letter. */
const BYTE_OF: ReadonlyMap<string, number> = new Map(BYTE_CHARACTERS.map((letter, byte) => [letter, byte]));
