// Ids of a text that stands in the middle of another: without the space that some tokenizers put before every text.

import type { Tokenizer } from './tokenizer.ts';

/** Texts that a tokenizer rarely joins with what follows them. */
const CARRIERS = ['\n', '.', ':', '0', 'a', ')'];

const prefixing = new WeakMap<Tokenizer, Promise<boolean>>();
/** Whether the tokenizer puts a space of its own before every text it is given. */
export function putsSpaceFirst(tokenizer: Tokenizer): Promise<boolean> {
  const known =
    prefixing.get(tokenizer) ??
    tokenizer.encode('a').then((ids) => /^[▁Ġ]/.test(ids.length ? tokenizer.token(ids[0]!) : ''));
  prefixing.set(tokenizer, known);
  return known;
}

/** The ids of `text` as they would stand after another text that shares no token with it. */
export async function idsInTheMiddle(tokenizer: Tokenizer, text: string): Promise<number[]> {
  if (!(await putsSpaceFirst(tokenizer))) return tokenizer.encode(text);
  for (const carrier of CARRIERS) {
    const [before, both] = (await tokenizer.encodeBatch([carrier, carrier + text])) as [number[], number[]];
    if (before.every((id, i) => id === both[i])) return both.slice(before.length);
  }
  const ids = await tokenizer.encode(text);
  return tokenizer.token(ids[0] ?? -1) === '▁' ? ids.slice(1) : ids;
}
