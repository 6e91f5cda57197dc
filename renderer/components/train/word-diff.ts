// What changed between two texts, word by word, for reading a sample beside its start.

import { diffWordsWithSpace } from 'diff';

export interface Piece { text: string; change: 'same' | 'added' | 'removed' }

/** Pieces of both texts in reading order: the same, then what went and what came. */
export function wordDiff(before: string, after: string): Piece[] {
  return diffWordsWithSpace(before, after).map(({ value, added, removed }) => ({ text: value, change: added ? 'added' : removed ? 'removed' : 'same' }));
}
