// A phrase as it is to be forbidden: every way in which answers write it, for there capitals and spaces count.

import type { PhraseFinding } from '#core/contract/findings.ts';

/** Spellings beyond these are seldom. */
const MOST = 8;

/** The ways in which its samples write a phrase, the most frequent first. */
export function spellingsOf({ phrase, samples }: Pick<PhraseFinding, 'phrase' | 'samples'>): string[] {
  const times = new Map<string, number>();
  for (const { text, places } of samples)
    for (const { start, end } of places) {
      const written = text.slice(start, end);
      times.set(written, (times.get(written) ?? 0) + 1);
    }
  if (times.size === 0) return [phrase];
  return [...times]
    .sort((a, b) => b[1] - a[1])
    .slice(0, MOST)
    .map(([written]) => written);
}

/** The setting `forbid`, one text a line and a line end as \n, with the phrase beside what it has. */
export const forbiddenWith = (given: string, finding: Pick<PhraseFinding, 'phrase' | 'samples'>): string =>
  [
    ...new Set([
      ...given.split('\n').filter((line) => line.trim() !== ''),
      ...spellingsOf(finding).map((text) => text.replaceAll('\n', '\\n')),
    ]),
  ].join('\n');
