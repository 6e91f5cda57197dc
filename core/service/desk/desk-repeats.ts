// Hidden repeats: now and then an item that the labeler ranked a while ago comes again, in another order and without a
// sign.

import type { DeskItem } from '#core/contract/desk.ts';
import type { Ranking } from '#core/contract/rankings.ts';
import { createRandom } from '#core/random.ts';
import { startRepeat } from '#core/store/drafts.ts';
import type { Repeat } from '#core/store/drafts.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { reasonOfRepeat } from './desk-queues.ts';
import type { Queue } from './desk-queues.ts';
import { changing, labelerState } from './desk-state.ts';
import type { LabelerState } from './desk-state.ts';

/** An item comes again after this many others at least. */
const DISTANCE = 10;

/** The repeat that an item is shown as: by its draft, or as it was shown last. */
export function repeatOf(project: Project, state: LabelerState, itemId: number, labelerId: number): Repeat | null {
  const draft = query<{ repeatOf: number | null; sinceEvent: number | null }>(
    project,
    'SELECT repeat_of AS repeatOf, since_event AS sinceEvent FROM drafts WHERE item_id = ? AND labeler_id = ?',
  ).get(itemId, labelerId);
  if (draft) return draft.repeatOf === null ? null : { repeatOf: draft.repeatOf, sinceEvent: draft.sinceEvent ?? 0 };
  const shown = state.repeats.get(itemId);
  return shown && query(project, 'SELECT 1 FROM rankings WHERE id = ?').get(shown.repeatOf) ? shown : null;
}

/** A repeat that was begun and not submitted, unless the labeler has just passed over it; null where there is none. */
function begun(queue: Queue, state: LabelerState, from: number | null): { itemId: number; passed: boolean } | null {
  const found = query<{ itemId: number }>(
    queue.project,
    `SELECT d.item_id AS itemId FROM drafts d WHERE d.labeler_id = ? AND d.repeat_of IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM rankings r WHERE r.repeat_of = d.repeat_of) ORDER BY d.id LIMIT 1`,
  ).get(queue.labelerId);
  return found
    ? { itemId: found.itemId, passed: from !== null && state.visited.slice(-DISTANCE / 2).includes(found.itemId) }
    : null;
}

/** A ranking to be repeated: one of long enough ago, at the desk, that was not repeated and is not being changed. */
function choose(
  { project, labelerId, name, model }: Queue,
  candidate: number,
): (Pick<Ranking, 'id'> & { itemId: number }) | null {
  const idOf = (sql: string) =>
    query<{ id: number }>(
      project,
      `SELECT id FROM rankings INDEXED BY rankings_by_labeler WHERE labeler_id = ? AND repeat_of IS NULL ORDER BY id ${sql}`,
    ).get(labelerId)?.id;
  const [first, last] = [idOf('LIMIT 1'), idOf(`DESC LIMIT 1 OFFSET ${DISTANCE}`)];
  if (first === undefined || last === undefined) return null;
  const start = first + createRandom(0, `desk/repeated/${labelerId}/${candidate}`).integer(last - first + 1);
  const find = query<{ id: number; itemId: number }>(
    project,
    `SELECT r.id, r.item_id AS itemId FROM rankings r INDEXED BY rankings_by_labeler WHERE r.labeler_id = ? AND r.id BETWEEN ? AND ?
    AND r.repeat_of IS NULL AND r.status = 'ranked' AND r.item_id IS NOT NULL AND r.shown_order <> '[]'
    AND (SELECT answers FROM items WHERE id = r.item_id) > 1
    AND NOT EXISTS (SELECT 1 FROM rankings o WHERE o.repeat_of = r.id) AND NOT EXISTS (SELECT 1 FROM drafts d WHERE d.item_id = r.item_id AND d.labeler_id = r.labeler_id)
    ${name === 'uncertain' ? `AND EXISTS (SELECT 1 FROM item_scores s WHERE s.item_id = r.item_id AND s.model_id = ${Number(model!.id)})` : ''} ORDER BY r.id LIMIT 1`,
  );
  return find.get(labelerId, start, last) ?? find.get(labelerId, first, start) ?? null;
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
  const last = query<{ repeatOf: number | null }>(
    project,
    'SELECT repeat_of AS repeatOf FROM rankings WHERE labeler_id = ? ORDER BY id DESC LIMIT 1',
  ).get(labelerId);
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
  const since = query<{ detail: string }>(
    project,
    `SELECT detail FROM events e WHERE labeler_id = ? AND id > ? AND kind <> 'undo'
    AND coalesce(detail ->> 'of', kind) IN ('mark.add', 'mark.replace', 'rating.set', 'flag.set') AND NOT EXISTS (SELECT 1 FROM events u WHERE u.undoes = e.id)`,
  )
    .all(labelerId, sinceEvent)
    .map(
      ({ detail }) =>
        JSON.parse(detail) as {
          markId?: number;
          completionId?: number;
          axis?: string;
          itemId?: number;
          flagged?: boolean;
        },
    );
  const said = (test: (detail: (typeof since)[number]) => boolean) => since.some(test);
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
