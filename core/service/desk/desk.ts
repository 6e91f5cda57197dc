// The ranking desk: the item to label now, every key press saved, submitting, undo and redo.

import type { QueueName, Saved, Undone } from '#core/contract/desk.ts';
import { saveDraft, submitItem } from '#core/store/drafts.ts';
import { nextChange, redoLast, undoEvent, undoLast } from '#core/store/events.ts';
import type { Event } from '#core/store/events.ts';
import { setFlag } from '#core/store/flags.ts';
import { getItem, itemOf } from '#core/store/items.ts';
import { itemIsThere, itemShows } from '#core/store/desk-reading.ts';
import { requireRow } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { deskItem, shownAnswers } from './desk-item.ts';
import { deskProgress } from './desk-progress.ts';
import { nextOpen } from '#core/store/desk-queues.ts';
import { anchorOf, repeatInstead, repeatOf } from './desk-repeats.ts';
import { changing, forgetQueues, labelerState, neighbour, queueOf, settle, visit } from './desk-state.ts';
import type { Context, Handlers } from '#core/service/handlers.ts';
import { modelCameBack } from '#core/service/models/models.ts';
import { projectSettings } from '#core/service/project.ts';
import { undoSentence } from './undo-sentence.ts';

/** The next item of a queue behind `from`, or the first one; a hidden repeat may come in its place. */
async function nextItem(
  project: Project,
  labelerId: number,
  name: QueueName,
  from: number | null,
): Promise<number | null> {
  const queue = queueOf(project, name, labelerId);
  const candidate = await nextOpen(queue, from === null ? null : anchorOf(queue, from));
  const instead = repeatInstead(queue, candidate, from, projectSettings(project).repeats);
  // it comes as itself
  if (instead === null && candidate !== null) labelerState(project, labelerId).repeats.delete(candidate);
  return instead ?? candidate;
}

/** Where on the desk a completion is: at the item the labeler is at, else at the smallest that shows it. */
export function atItem(project: Project, labelerId: number, completionId: number): { itemId?: number } {
  const { visited, at } = labelerState(project, labelerId);
  const here = visited[at];
  const shows = here !== undefined && itemShows(project, here, completionId);
  const itemId = shows ? here : itemOf(project, [completionId]);
  return itemId === null ? {} : { itemId };
}

const saved = (eventId: number | null): Saved => ({ at: Date.now(), eventId });

/** A change of labels at the desk that is not one of the item's order: saved, told to the windows. */
export function changeLabels(
  context: Context,
  labelerId: number,
  itemId: number | null,
  work: () => number | null,
): Saved {
  const eventId = work();
  context.emit('labels.changed', { labelerId, itemId });
  return saved(eventId);
}

function toUndone(project: Project, event: Event, which: 'undo' | 'redo'): Undone {
  const { itemId, completionId, promptId } = event.detail;
  const { labelerId } = event;
  const at =
    typeof itemId === 'number'
      ? itemId
      : labelerId !== null && typeof completionId === 'number'
        ? (atItem(project, labelerId, completionId).itemId ?? null)
        : null;
  const item = at !== null && itemIsThere(project, at) ? getItem(project, at) : null;
  const shown =
    item && labelerId !== null
      ? shownAnswers(project, item, labelerId, repeatOf(project, labelerState(project, labelerId), item.id, labelerId))
      : [];
  const nameOf = (id: number) => {
    const place = shown.findIndex((ids) => ids.includes(id));
    return place < 0 ? null : String.fromCharCode(65 + place);
  };
  return {
    itemId: item?.id ?? null,
    promptId: item?.promptId ?? (typeof promptId === 'number' ? promptId : null),
    sentence: undoSentence(event, which, nameOf),
  };
}

function step(context: Context, labelerId: number, which: 'undo' | 'redo'): Undone | null {
  const { project } = context;
  requireRow(project, 'labelers', labelerId);
  const next = nextChange(project, labelerId, which);
  if (!next) return null;
  const { itemId } = next.detail;
  const event = changing(project, typeof itemId === 'number' ? itemId : null, () =>
    (which === 'undo' ? undoLast : redoLast)(project, labelerId),
  )!;
  const undone = toUndone(project, event, which);
  context.emit('labels.changed', { labelerId, itemId: undone.itemId });
  return undone;
}

export const deskHandlers = {
  'desk.item': async ({ project }, { labelerId, queue, itemId, from, step: towards }) => {
    requireRow(project, 'labelers', labelerId);
    settle(project);
    const state = labelerState(project, labelerId);
    if (itemId !== undefined) {
      requireRow(project, 'items', itemId);
      visit(state, itemId, true);
      return deskItem(project, labelerId, queue, itemId);
    }
    const here = from !== undefined && itemIsThere(project, from) ? from : null;
    if (here !== null) visit(state, here);
    const isRepeat = (id: number) => repeatOf(project, state, id, labelerId) !== null;
    const place =
      towards === -1 || (here !== null && towards === 1) ? neighbour(project, state, towards, isRepeat) : null;
    // what comes after is asked for ahead, so a step on counts once the window is there
    if (towards === -1 && place !== null) state.at = place;
    const next =
      place !== null ? state.visited[place]! : towards === -1 ? null : await nextItem(project, labelerId, queue, here);
    if (next === null) return null;
    state.queues.set(next, queue);
    return deskItem(project, labelerId, queue, next);
  },

  'desk.draft': (context, { labelerId, itemId, changes, durationMs }) => {
    const { project } = context;
    const repeat = repeatOf(project, labelerState(project, labelerId), itemId, labelerId);
    return changeLabels(context, labelerId, itemId, () =>
      saveDraft(project, itemId, labelerId, { ...changes, durationMs }, repeat),
    );
  },

  'desk.submit': (context, { labelerId, itemId, status, durationMs }) => {
    const { project } = context;
    const state = labelerState(project, labelerId);
    const repeat = repeatOf(project, state, itemId, labelerId);
    const shownOrder = shownAnswers(project, getItem(project, itemId), labelerId, repeat).map(([leader]) => leader!);
    const { rankingId, eventId } = changing(project, itemId, () =>
      submitItem(project, {
        itemId,
        labelerId,
        status,
        shownOrder,
        durationMs,
        repeat,
        reviewed: state.queues.get(itemId) === 'disagrees',
      }),
    );
    context.emit('labels.changed', { labelerId, itemId });
    return { ...saved(eventId), rankingId };
  },

  'desk.flag': (context, { labelerId, itemId, flagged }) =>
    changeLabels(context, labelerId, itemId, () =>
      changing(context.project, itemId, () => setFlag(context.project, { labelerId, itemId }, flagged)),
    ),

  'desk.progress': ({ project }, { labelerId, queue }) => {
    requireRow(project, 'labelers', labelerId);
    return deskProgress(project, labelerId, queue);
  },

  'desk.undo': (context, { labelerId }) => step(context, labelerId, 'undo'),
  'desk.redo': (context, { labelerId }) => step(context, labelerId, 'redo'),

  'events.undo': async (context, { eventId }) => {
    const { project } = context;
    const event = undoEvent(project, eventId);
    if (!event) return null;
    forgetQueues(project);
    settle(project);
    const undone = toUndone(project, event, 'undo');
    if (event.kind === 'model.remove') await modelCameBack(context, event.detail);
    if (event.labelerId === null) context.emit('data.changed', {});
    else context.emit('labels.changed', { labelerId: event.labelerId, itemId: undone.itemId });
    return undone;
  },
} satisfies Partial<Handlers>;
