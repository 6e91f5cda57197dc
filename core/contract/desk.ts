// The ranking desk: one item at a time, drafts, progress, history, guidelines; the calls that label.

import * as v from 'valibot';
import type { Prompt } from './prompts.ts';
import type { Ranking, Rank, Mark } from './rankings.ts';
import { call } from './call.ts';
import { id, text, short, limit, queue, rank, span, onDesk } from './schemas.ts';

export type QueueName =
  | 'sequential'
  | 'shuffled'
  | 'newest'
  | 'uncertain'
  | 'disagrees'
  | 'flagged'
  | 'requested'
  | 'drafts'
  | 'skipped'
  | 'submitted';
/** A token's characters in a completion's text, UTF-16, end excluded; tokens that share a character share its span. */
export interface TokenSpan {
  start: number;
  end: number;
}

/** What has been entered for an item and not been submitted; it survives everything. */
export interface Draft {
  ranks: Rank[];
  confidence: number | null;
  note: string | null;
  naive: string | null;
  durationMs: number;
}

/** One item on the desk. Who wrote an answer is not in it: labelling is blind. */
export interface DeskItem {
  itemId: number;
  prompt: Prompt;
  /** each different text once; `times`: how many completions say it, of which `completionId` stands for all */
  answers: {
    completionId: number;
    text: string;
    times: number;
    /** it ran into the length limit: after how many tokens, 0 where that is not known */
    cutOff: number | null;
    spans: TokenSpan[];
    marks: Mark[];
    ratings: Record<string, number>;
    flagged: boolean;
  }[];
  draft: Draft;
  /** the ranking that stands, where the item was submitted before */
  ranking: Ranking | null;
  flagged: boolean;
  /** why this item comes now, in a sentence */
  reason: string;
  guidelines: number;
}

export interface DeskProgress {
  done: number;
  total: number;
  skipped: number;
  session: number;
  sessionGoal: number;
  sessionStartedAt: number | null;
  ratePerHour: number | null;
  repeats: number;
  selfAgreement: number | null;
}

export interface Saved {
  at: number;
  eventId: number | null;
}

export interface Undone {
  itemId: number | null;
  promptId: number | null;
  sentence: string;
}

/** One ranking in the history of a labeler. `order` names the answers as the desk does, best first, ties together. */
export interface Judged {
  rankingId: number;
  itemId: number;
  at: number;
  prompt: string;
  status: Ranking['status'];
  order: string[][];
  confidence: number | null;
  note: string | null;
}

export interface Guidelines {
  version: number;
  text: string;
  createdAt: number;
}

export const DESK_CALLS = {
  /**
   * The item to label now: `itemId` itself where given, else the next of the queue (after or before `from`). Null when
   * the queue is empty.
   */
  'desk.item': call<DeskItem | null>('again')({
    labelerId: id,
    queue,
    itemId: v.optional(id),
    from: v.optional(id),
    step: v.optional(v.picklist([1, -1])),
  }),
  'desk.draft': call<Saved>('once')({
    ...onDesk,
    changes: v.partial(
      v.strictObject({
        ranks: v.pipe(v.array(rank), v.maxLength(9)),
        confidence: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(9))),
        note: v.nullable(text),
        naive: v.nullable(text),
      }),
    ),
    durationMs: v.pipe(v.number(), v.minValue(0)),
  }),
  'desk.submit': call<Saved & { rankingId: number }>('once')({
    ...onDesk,
    status: v.picklist(['ranked', 'none-acceptable', 'skipped']),
    durationMs: v.pipe(v.number(), v.minValue(0)),
  }),
  'desk.flag': call<Saved>('once')({ ...onDesk, flagged: v.boolean() }),
  'desk.progress': call<DeskProgress>('again')({ labelerId: id, queue }),
  /** What this labeler submitted, newest first; `before` a ranking of an earlier page. */
  'desk.history': call<{ rows: Judged[] }>('again')({ labelerId: id, before: v.optional(id), limit }),
  'desk.undo': call<Undone | null>('once')({ labelerId: id }),
  'desk.redo': call<Undone | null>('once')({ labelerId: id }),
  'marks.add': call<Saved & { markId: number }>('once')(span),
  'marks.change': call<Saved>('once')({ markId: id, ...span }),
  'marks.remove': call<Saved>('once')({ markId: id }),
  'ratings.set': call<Saved>('once')({
    completionId: id,
    labelerId: id,
    axis: short,
    value: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(7))),
  }),
  'guidelines.get': call<{ current: Guidelines; versions: Guidelines[] }>('again')({}),
  'guidelines.save': call<Guidelines>('once')({ text }),
} as const;
