// ROUGE-L: how much of a reference's words a text has, in the reference's order (Lin 2004).
//
// L = length of the longest common subsequence of words; recall = L / words of the reference, precision = L / words of
// the text
//   F = 2 · precision · recall / (precision + recall)

/** Words as the usual implementation takes them: runs of letters a-z and digits, lower case. */
export const wordsOf = (text: string): string[] => text.toLowerCase().match(/[a-z0-9]+/g) ?? [];

/** The length of the longest common subsequence: what both have in the same order, not necessarily side by side. */
export function commonSubsequence<T extends string | number>(first: readonly T[], second: readonly T[]): number {
  const [inFirst, inSecond] = [new Set(first), new Set(second)];
  const a = first.filter((word) => inSecond.has(word)); // what only one has is in no common one
  const b = second.filter((word) => inFirst.has(word));
  let before = new Uint32Array(b.length + 1);
  let now = new Uint32Array(b.length + 1);
  for (const word of a) {
    for (let j = 0; j < b.length; j++) now[j + 1] = word === b[j] ? before[j]! + 1 : Math.max(before[j + 1]!, now[j]!);
    [before, now] = [now, before];
  }
  return before[b.length]!;
}

/** The F measure, from 0 to 1; 0 where either text has no words. */
export function rougeL(text: string, reference: string): number {
  const a = wordsOf(text);
  const b = wordsOf(reference);
  const common = commonSubsequence(a, b);
  return common === 0 ? 0 : (2 * common) / (a.length + b.length); // F = 2L / (words of both)
}
