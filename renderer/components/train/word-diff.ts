// What changed between two texts, word by word, for reading a sample beside its start.

import { diffWordsWithSpace } from 'diff';

export interface Piece {
  text: string;
  change: 'same' | 'added' | 'removed';
}

/** Of two texts that share less than this, the changed words are confetti: each is read as it is. */
const LEAST_SHARED = 0.4;

/** Pieces of both texts in reading order, or null where they share too little for their difference to be read. */
export function readableDiff(before: string, after: string): Piece[] | null {
  const pieces = wordDiff(before, after);
  const lettersOf = (text: string) => text.replace(/\s+/gu, '').length;
  const shared = pieces.filter(({ change }) => change === 'same').reduce((sum, { text }) => sum + lettersOf(text), 0);
  return shared >= LEAST_SHARED * Math.max(lettersOf(before), lettersOf(after)) ? pieces : null;
}

/** Pieces of both texts in reading order: the same, then what went and what came. */
export function wordDiff(before: string, after: string): Piece[] {
  return diffWordsWithSpace(before, after).map(({ value, added, removed }) => ({
    text: value,
    change: added ? 'added' : removed ? 'removed' : 'same',
  }));
}
