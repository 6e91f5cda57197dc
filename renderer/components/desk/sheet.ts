// Everything entered for one item, as it stands on the screen.

import type { DeskItem } from '#core/contract/desk.ts';
import type { Mark } from '#core/contract/rankings.ts';
import { type Ranks, ranksOf } from './ranking.ts';

/** Marks and ratings by completion id; never changed in place. */
export interface Sheet {
  item: DeskItem;
  ranks: Ranks;
  confidence: number | null;
  note: string;
  naive: string;
  flagged: boolean;
  flaggedAnswers: ReadonlySet<number>;
  marks: ReadonlyMap<number, Mark[]>;
  ratings: ReadonlyMap<number, Record<string, number>>;
}

export function sheetOf(item: DeskItem): Sheet {
  const { draft, answers } = item;
  return {
    item,
    ranks: ranksOf(draft.ranks),
    confidence: draft.confidence,
    note: draft.note ?? '',
    naive: draft.naive ?? '',
    flagged: item.flagged,
    flaggedAnswers: new Set(answers.filter(({ flagged }) => flagged).map(({ completionId }) => completionId)),
    marks: new Map(answers.map(({ completionId, marks }) => [completionId, marks])),
    ratings: new Map(answers.map(({ completionId, ratings }) => [completionId, ratings])),
  };
}
