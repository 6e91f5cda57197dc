// Hidden repeats: now and then an item that the labeler ranked a while ago comes again, in another order and without a
// sign.

import type { DeskItem } from '#core/contract/desk.ts';
import type { Ranking } from '#core/contract/rankings.ts';
import { createRandom } from '#core/random.ts';
import { startRepeat } from '#core/store/drafts.ts';
import type { Repeat } from '#core/store/drafts.ts';
import {
  draftRepeats,
  itemOfBegunRepeat,
  lastRepeats,
  rankingIsThere,
  rankingsBefore,
  repeatableBetween,
  saidSince,
} from '#core/store/desk-reading.ts';
import type { SaidOf } from '#core/store/desk-reading.ts';
import type { Project } from '#core/store/project.ts';
import { reasonOfRepeat } from '#core/store/desk-queues.ts';
import type { Queue } from '#core/store/desk-queues.ts';
import { changing, labelerState } from './desk-state.ts';
import type { LabelerState } from './desk-state.ts';

/** An item comes again after this many others at least. */
const DISTANCE = 10;

/** The repeat that an item is shown as: by its draft, or as it was shown last. */
export function repeatOf(project: Project, state: LabelerState, itemId: number, labelerId: number): Repeat | null {
  const draft = draftRepeats(project, itemId, labelerId);
  if (draft) return draft.repeatOf === null ? null : { repeatOf: draft.repeatOf, sinceEvent: draft.sinceEvent ?? 0 };
  const shown = state.repeats.get(itemId);
  return shown && rankingIsThere(project, shown.repeatOf) ? shown : null;
}

/** A repeat that was begun and not submitted, unless the labeler has just passed over it; null where there is none. */
function begun(queue: Queue, state: LabelerState, from: number | null): { itemId: number; passed: boolean } | null {
  const itemId = itemOfBegunRepeat(queue.project, queue.labelerId);
  if (itemId === null) return null;
  return { itemId, passed: from !== null && state.visited.slice(-DISTANCE / 2).includes(itemId) };
}

/** A ranking to be repeated: one of long enough ago, at the desk, that was not repeated and is not being changed. */
function choose(
  { project, labelerId, name, model }: Queue,
  candidate: number,
): (Pick<Ranking, 'id'> & { itemId: number }) | null {
  const between = rankingsBefore(project, labelerId, DISTANCE);
  if (!between) return null;
  const { first, last } = between;
  const start = first + createRandom(0, `desk/repeated/${labelerId}/${candidate}`).integer(last - first + 1);
  const find = (from: number, to: number) =>
    repeatableBetween(project, labelerId, [from, to], name === 'uncertain' ? model!.id : null);
  return find(start, last) ?? find(first, start);
}

/**
 * The item to show in place of `candidate`, the next of the queue: a repeat that was begun, or with probability `share`
 * (decided by the candidate, so that asking again gives the same) one that begins now; else null.
 */
export function repeatInstead(
  queue: Queue,
  candidate: number | null,
  from: number | null,
  share: number,
): number | null {
  const { project, labelerId } = queue;
  if (reasonOfRepeat(queue.name) === null) return null; // its reason would give the repeat away
  const state = labelerState(project, labelerId);
  const open = begun(queue, state, from);
  if (open) return open.passed ? null : open.itemId;
  if (candidate === null || share <= 0 || (from !== null && repeatOf(project, state, from, labelerId))) return null;
  const last = lastRepeats(project, labelerId);
  if (!last || last.repeatOf !== null || createRandom(0, `desk/repeat/${labelerId}/${candidate}`).uniform() >= share)
    return null;
  const ranking = choose(queue, candidate);
  if (!ranking) return null;
  changing(project, ranking.itemId, () => startRepeat(project, { ...ranking, labelerId }));
  return ranking.itemId;
}

/** The item from whose place the queue goes on: of a repeat, the one that was visited before it. */
export function anchorOf(queue: Queue, from: number): number {
  const state = labelerState(queue.project, queue.labelerId);
  for (let i = state.at; i >= 0; i--)
    if (!repeatOf(queue.project, state, state.visited[i]!, queue.labelerId)) return state.visited[i]!;
  return from;
}

/** Hides on an item shown as a repeat what the labeler had said of it before. */
export function withoutTraces(project: Project, item: DeskItem, labelerId: number, { sinceEvent }: Repeat): DeskItem {
  const since = saidSince(project, labelerId, sinceEvent);
  const said = (test: (detail: SaidOf) => boolean) => since.some(test);
  return {
    ...item,
    flagged:
      item.flagged &&
      said(
        (detail) => detail.flagged !== undefined && detail.completionId === undefined && detail.itemId === item.itemId,
      ),
    answers: item.answers.map((answer) => ({
      ...answer,
      marks: answer.marks.filter((mark) => said(({ markId }) => markId === mark.id)),
      ratings: Object.fromEntries(
        Object.entries(answer.ratings).filter(([axis]) =>
          said((detail) => detail.axis === axis && detail.completionId === answer.completionId),
        ),
      ),
      flagged:
        answer.flagged && said((detail) => detail.flagged !== undefined && detail.completionId === answer.completionId),
    })),
  };
}
