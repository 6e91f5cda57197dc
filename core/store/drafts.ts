// Drafts: what a labeler has entered for an item and not submitted, every key press of it saved; and submitting.

import type { Draft } from '#core/contract/desk.ts';
import type { Item, Rank, Ranking } from '#core/contract/rankings.ts';
import { alike, spread } from './answers.ts';
import { lastEventId, recordEvent } from './events.ts';
import { currentGuidelines } from './guidelines.ts';
import { capture } from './inverse.ts';
import { getItem } from './items.ts';
import { query, requireRow, requireThat, transaction } from './project.ts';
import type { Project } from './project.ts';
import { checkRanking, rankingOf, rankingSteps, writeRanking } from './rankings.ts';

interface Row extends Omit<Draft, 'ranks'> {
  id: number;
  ranks: string;
  repeatOf: number | null;
  sinceEvent: number | null;
}

/** A hidden repeat: of which ranking, and since which event it is shown (what the labeler did before stays hidden). */
export interface Repeat {
  repeatOf: number;
  sinceEvent: number;
}
/** A draft with how it is entered. */
export interface OpenDraft {
  draft: Draft;
  /** null where nothing was entered since it was opened */ id: number | null;
  repeat: Repeat | null;
  /** what was submitted before and would be replaced */ ranking: Ranking | null;
}

/** In one order, so that equal ranks look equal. */
const sorted = (ranks: readonly Rank[]): Rank[] => ranks.toSorted((a, b) => a.completionId - b.completionId);
const EMPTY: Draft = { ranks: [], confidence: null, note: null, naive: null, durationMs: 0 };
/** The fields that are typed letter by letter. */
const TEXTS = ['note', 'naive'] as const;

function stored(project: Project, itemId: number, labelerId: number): (Omit<Row, 'ranks'> & { ranks: Rank[] }) | null {
  const row = query<Row>(
    project,
    `SELECT id, ranks, confidence, note, naive, duration_ms AS durationMs, repeat_of AS repeatOf, since_event AS sinceEvent
    FROM drafts WHERE item_id = ? AND labeler_id = ?`,
  ).get(itemId, labelerId);
  return row ? { ...row, ranks: JSON.parse(row.ranks) as Rank[] } : null;
}

/** What a labeler has entered for an item; null where nothing. */
export function getDraft(project: Project, itemId: number, labelerId: number): Draft | null {
  const row = stored(project, itemId, labelerId);
  return (
    row && {
      ranks: row.ranks,
      confidence: row.confidence,
      note: row.note,
      naive: row.naive,
      durationMs: row.durationMs,
    }
  );
}

/**
 * Every completion of an answer has the answer's rank; a rank beyond the number of answers (entered when equal texts
 * were several) closes up.
 */
function ofAnswers(ranks: readonly Rank[], answers: readonly (readonly number[])[]): Rank[] {
  const whole = spread(ranks, answers);
  const given = [...new Set(whole.map(({ rank }) => rank))].sort((a, b) => a - b);
  return sorted(
    given.every((rank) => rank <= answers.length)
      ? whole
      : whole.map(({ completionId, rank }) => ({ completionId, rank: given.indexOf(rank) + 1 })),
  );
}

/** The draft to go on with: what was entered, else what was submitted (as itself, or as this repeat), else nothing. */
export function openDraft(
  project: Project,
  itemId: number,
  labelerId: number,
  repeat: Repeat | null = null,
): OpenDraft {
  const row = stored(project, itemId, labelerId);
  const ranking = rankingOf(project, itemId, labelerId, row ? row.repeatOf : (repeat?.repeatOf ?? null));
  const answers = alike(project, getItem(project, itemId).completionIds);
  if (row) {
    const { id, repeatOf: of, sinceEvent, ...draft } = row;
    return {
      draft: { ...draft, ranks: ofAnswers(draft.ranks, answers) },
      id,
      repeat: of === null ? null : { repeatOf: of, sinceEvent: sinceEvent ?? 0 },
      ranking,
    };
  }
  const draft = ranking
    ? {
        ranks: ofAnswers(ranking.ranks, answers),
        confidence: ranking.confidence,
        note: ranking.note,
        naive: ranking.naive,
        durationMs: ranking.durationMs ?? 0,
      }
    : { ...EMPTY };
  return { draft, id: null, repeat, ranking };
}

/**
 * Opens an empty draft that will become a hidden repeat of a ranking. It changes nothing a labeler made, so it is no
 * event.
 */
export function startRepeat(project: Project, ranking: Pick<Ranking, 'id' | 'labelerId'> & { itemId: number }): void {
  query(
    project,
    'INSERT INTO drafts (item_id, labeler_id, ranks, duration_ms, repeat_of, since_event) VALUES (?, ?, ?, 0, ?, ?)',
  ).run(ranking.itemId, ranking.labelerId, '[]', ranking.id, lastEventId(project));
}

function checkRanks(item: Item, ranks: readonly Rank[], answers: number): void {
  const seen = new Set<number>();
  for (const { completionId, rank } of ranks) {
    requireThat(
      item.completionIds.includes(completionId),
      `Item ${item.id} does not show completion ${completionId}.`,
      'Rank the answers that are shown.',
    );
    requireThat(!seen.has(completionId), `Completion ${completionId} has two ranks.`, 'Rank each answer once.');
    requireThat(
      Number.isInteger(rank) && rank >= 1 && rank <= answers,
      `Completion ${completionId} has the rank ${rank}.`,
      `Ranks go from 1 (best) to the number of different answers, which is ${answers}; equal numbers are ties.`,
    );
    seen.add(completionId);
  }
}

/**
 * Saves changes of a draft with their event; null (and no event) where nothing but the time changes. `repeat` as for
 * `openDraft`.
 */
export function saveDraft(
  project: Project,
  itemId: number,
  labelerId: number,
  changes: Partial<Draft>,
  repeat: Repeat | null = null,
): number | null {
  return transaction(project, () => {
    const item = getItem(project, itemId);
    requireRow(project, 'labelers', labelerId);
    const before = openDraft(project, itemId, labelerId, repeat);
    const after: Draft = { ...before.draft, ...changes };
    const answers = alike(project, item.completionIds);
    checkRanks(item, after.ranks, answers.length);
    after.ranks = sorted(spread(after.ranks, answers));
    requireThat(
      after.confidence === null ||
        (Number.isInteger(after.confidence) && after.confidence >= 1 && after.confidence <= 9),
      `The confidence is ${after.confidence}.`,
      'Confidence goes from 1 to 9.',
    );
    requireThat(
      Number.isFinite(after.durationMs) && after.durationMs >= 0,
      `The duration is ${after.durationMs}.`,
      'Durations are milliseconds from 0.',
    );
    const changed = (['ranks', 'confidence', 'note', 'naive'] as const).filter(
      (name) => JSON.stringify(after[name]) !== JSON.stringify(before.draft[name]),
    );
    if (changed.length === 0) {
      if (before.id !== null)
        query(project, 'UPDATE drafts SET duration_ms = ? WHERE id = ?').run(after.durationMs, before.id);
      return null;
    }
    const values = [JSON.stringify(after.ranks), after.confidence, after.note, after.naive, after.durationMs];
    let inverse;
    if (before.id !== null) {
      inverse = capture(project, 'drafts', before.id);
      query(
        project,
        'UPDATE drafts SET ranks = ?, confidence = ?, note = ?, naive = ?, duration_ms = ? WHERE id = ?',
      ).run(...values, before.id);
    } else {
      const id = Number(
        query(
          project,
          'INSERT INTO drafts (ranks, confidence, note, naive, duration_ms, item_id, labeler_id, repeat_of, since_event) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
        ).run(...values, itemId, labelerId, before.repeat?.repeatOf ?? null, before.repeat?.sinceEvent ?? null)
          .lastInsertRowid,
      );
      inverse = { table: 'drafts' as const, key: id, rows: [] };
    }
    const text = changed.length === 1 ? TEXTS.find((name) => name === changed[0]) : undefined;
    return recordEvent(
      project,
      labelerId,
      'draft.change',
      {
        itemId,
        promptId: item.promptId,
        changed,
        ...(text ? { text } : {}),
        ...(changed.includes('ranks') ? { ranks: after.ranks, was: before.draft.ranks } : {}),
        ...(changed.includes('confidence') ? { confidence: after.confidence } : {}),
      },
      [inverse],
    );
  });
}

export interface Submission {
  itemId: number;
  labelerId: number;
  status: Ranking['status'];
  /** completion ids as they were shown */ shownOrder: number[];
  durationMs: number;
  repeat?: Repeat | null;
  /** known to be contradicted by the reward model, and meant */ reviewed?: boolean;
}

/**
 * Turns a draft into a ranking (a new one, or in the place of what was submitted before) in one event, which undoes to
 * exactly the draft before. 'bad-data' where it is to be ranked and an answer has no rank.
 */
export function submitItem(
  project: Project,
  { itemId, labelerId, status, shownOrder, durationMs, repeat = null, reviewed = false }: Submission,
): { rankingId: number; eventId: number } {
  return transaction(project, () => {
    const item = getItem(project, itemId);
    const open = openDraft(project, itemId, labelerId, repeat);
    const { draft, ranking } = open;
    const missing = shownOrder.flatMap((id, i) =>
      draft.ranks.some(({ completionId }) => completionId === id) ? [] : [String.fromCharCode(65 + i)],
    );
    requireThat(
      status !== 'ranked' || missing.length === 0,
      missing.length === 1
        ? `Answer ${missing[0]} has no rank yet.`
        : `Answers ${missing.slice(0, -1).join(', ')} and ${missing.at(-1)} have no rank yet.`,
      'Give every answer a rank (the same digit is a tie), or use X (none acceptable) or S (skip).',
    );
    const now = Date.now();
    const row = {
      promptId: item.promptId,
      labelerId,
      itemId,
      status,
      ranks: status === 'skipped' ? [] : draft.ranks,
      confidence: draft.confidence,
      durationMs,
      shownOrder,
      note: draft.note,
      naive: draft.naive,
      repeatOf: open.repeat?.repeatOf ?? null,
      guidelines: currentGuidelines(project).version || null,
      createdAt: ranking?.createdAt ?? now,
    };
    checkRanking(project, row);
    const before = ranking ? rankingSteps(project, ranking.id) : [];
    const drafts = open.id === null ? [] : [capture(project, 'drafts', open.id)];
    const rankingId = writeRanking(project, row, ranking?.id ?? null, ranking || reviewed ? now : null);
    if (open.id !== null) query(project, 'DELETE FROM drafts WHERE id = ?').run(open.id);
    const made = [
      { table: 'rankings' as const, key: rankingId, rows: [] },
      { table: 'ranking_items' as const, key: rankingId, rows: [] },
    ];
    const eventId = recordEvent(
      project,
      labelerId,
      'ranking.submit',
      {
        itemId,
        promptId: item.promptId,
        rankingId,
        status,
        ranks: row.ranks,
        first: ranking === null && row.repeatOf === null,
      },
      [...(ranking ? before : made), ...drafts],
    );
    return { rankingId, eventId };
  });
}
