// How much may cross between a window and the service at once: the longest message each way, and how deep a value may
// be nested.

/** Characters of the arguments of a call; the host takes messages of as many bytes. */
export const LONGEST_REQUEST = 4 * 2 ** 20;
/** Characters of an answer. Lists are cut into pages, and long texts to excerpts, far below it. */
export const LONGEST_REPLY = 32 * 2 ** 20;
/** Deeper values end the programs that write them as JSON; ours have a dozen levels. */
const DEEPEST = 200;

/** Why a value cannot be sent, or null: judged without writing it out, and no further than needed. */
export function tooMuchToSend(value: unknown, longest: number): 'long' | 'deep' | null {
  let length = 0;
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    const next: unknown[] = [];
    for (const one of level) {
      length += typeof one === 'string' ? one.length + 2 : 8;
      if (typeof one !== 'object' || one === null || ArrayBuffer.isView(one)) continue;
      if (Array.isArray(one)) for (const part of one) next.push(part);
      else
        for (const [name, part] of Object.entries(one)) {
          length += name.length;
          next.push(part);
        }
      if (length + next.length > longest) return 'long';
    }
    if (length > longest) return 'long';
    if (depth >= DEEPEST && next.length > 0) return 'deep';
    level = next;
  }
  return null;
}
