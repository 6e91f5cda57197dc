// The judgement itself: ranks and how sure, each change shown at once and written at once.

import type { DeskWrites } from './desk-writes.ts';
import type { OpenSheet } from './open-sheet.ts';
import { clearRank, fromScale, inWords, type Ranks, rowsOf, setRank, withLast } from './ranking.ts';

/** `tell` says why a rank is not taken, `hush` takes back what was told last. */
export function useJudging(
  open: OpenSheet,
  { change }: DeskWrites,
  { tell, hush }: { tell: (sentence: string) => void; hush: () => void },
) {
  const { item, ids, pair, ranks, confidence, said, askingConfidence, refuses } = open;

  /** Shows and writes a new ranking; the same map means that nothing changed. `also` is said of it besides. */
  function setRanks(next: Ranks, also = ''): void {
    if (next === ranks.value || !item.value || refuses()) return;
    hush();
    ranks.value = next;
    change({ ranks: rowsOf(next) });
    said.value = inWords(next, ids.value) + also;
  }
  function setConfidence(value: number | null): void {
    askingConfidence.value = false;
    if (value === confidence.value || !item.value || refuses()) return;
    confidence.value = value;
    change({ confidence: value });
    said.value = value === null ? 'No confidence given' : `Confidence ${value} of 9`;
  }
  /** Ranks and confidence in one transaction. */
  function setBoth(next: Ranks, sure: number | null): void {
    askingConfidence.value = false;
    if (!item.value || refuses()) return;
    [ranks.value, confidence.value] = [next, sure];
    change({ ranks: rowsOf(next), confidence: sure });
    said.value = inWords(next, ids.value);
  }
  /** One of the nine points: between two answers it says which is better too. */
  function givePoint(n: number): void {
    if (!pair.value) return setConfidence(n);
    const { ranks: next, confidence: sure } = fromScale(n, pair.value);
    setBoth(next, sure);
  }
  function giveRank(id: number, rank: number | null, settlesLast = false): void {
    const count = ids.value.length;
    if ((rank ?? 1) > count)
      return tell(
        `There ${count === 1 ? 'is 1 answer' : `are ${count} answers`}, so ranks go from 1 to ${count}; the same digit twice is a tie.`,
      );
    const next = rank === null ? clearRank(ranks.value, id) : setRank(ranks.value, id, rank);
    const whole = settlesLast ? withLast(next, ids.value) : next;
    setRanks(whole, whole === next ? '' : '; the last took the place that was left');
  }
  return { setRanks, setConfidence, setBoth, givePoint, giveRank };
}
