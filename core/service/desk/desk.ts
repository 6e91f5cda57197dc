// The ranking desk: the item to label now, every key press saved, submitting, undo and redo.
//
// Labelling is blind: an item says nothing of who wrote its answers, their order is shuffled for each item and labeler, and
// a hidden repeat looks like any other item.

import type { DeskItem, Item, QueueName, Saved, Undone } from '#core/contract.ts';
import { createRandom } from '#core/random.ts';
import { listCompletions } from '#core/store/completions.ts';
import { openDraft, saveDraft, submitItem } from '#core/store/drafts.ts';
import type { Repeat } from '#core/store/drafts.ts';
import { nextChange, redoLast, undoEvent, undoLast } from '#core/store/events.ts';
import type { Event } from '#core/store/events.ts';
import { listFlags, setFlag } from '#core/store/flags.ts';
import { currentGuidelines } from '#core/store/guidelines.ts';
import { getItem, itemOf } from '#core/store/items.ts';
import { listMarks } from '#core/store/marks.ts';
import { query, requireRow } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { listRankings } from '#core/store/rankings.ts';
import { listRatings } from '#core/store/ratings.ts';
import { deskProgress } from './desk-progress.ts';
import { nextOpen, reasonOf } from './desk-queues.ts';
import { anchorOf, repeatInstead, repeatOf, withoutTraces } from './desk-repeats.ts';
import { changing, forgetQueues, labelerState, neighbour, queueOf, settle, visit } from './desk-state.ts';
import type { Context, Handlers } from '#core/service/handlers.ts';
import { projectSettings } from '#core/service/project.ts';
import { tokenSpans } from './token-spans.ts';
import { undoSentence } from './undo-sentence.ts';

/** The answers as they are shown to a labeler: the same order every time, another one in a hidden repeat. */
function shownOrder(project: Project, { id, completionIds }: Item, labelerId: number, repeat: Repeat | null): number[] {
  const order = createRandom(0, `desk/${id}/${labelerId}/${repeat ? 1 : 0}`).shuffled(completionIds);
  const first = repeat && listRankings(project, { id: repeat.repeatOf })[0]?.shownOrder;
  return first && order.every((completionId, i) => completionId === first[i]) ? [...order.slice(1), order[0]!] : order;
}

async function deskItem(project: Project, labelerId: number, queue: QueueName, itemId: number): Promise<DeskItem> {
  const state = labelerState(project, labelerId);
  const item = getItem(project, itemId);
  const repeat = repeatOf(project, state, itemId, labelerId);
  if (repeat) state.repeats.set(itemId, repeat);
  else state.repeats.delete(itemId);
  const { draft, ranking } = openDraft(project, itemId, labelerId, repeat);
  const order = shownOrder(project, item, labelerId, repeat);
  const completions = new Map(listCompletions(project, { ids: order }).map((completion) => [completion.id, completion]));
  const marks = listMarks(project, { completionIds: order, labelerId });
  const ratings = listRatings(project, { completionIds: order, labelerId }).filter(({ low, high, value }) => low === 1 && high === 7 && Number.isInteger(value)); // what a file brought on another scale is not shown as if it were on this one
  const flagged = new Set(listFlags(project, { completionIds: order, labelerId }).map(({ completionId }) => completionId));
  const shown: Omit<DeskItem, 'answers'> & { answers: Omit<DeskItem['answers'][number], 'spans'>[] } = {
    itemId, prompt: listPrompts(project, { ids: [item.promptId] })[0]!,
    answers: order.map((completionId) => ({
      completionId, text: completions.get(completionId)!.text, marks: marks.filter((mark) => mark.completionId === completionId), flagged: flagged.has(completionId),
      ratings: Object.fromEntries(ratings.filter((rating) => rating.completionId === completionId).map(({ axis, value }) => [axis, value])),
    })),
    draft, ranking: ranking && { ...ranking, repeatOf: null }, flagged: listFlags(project, { itemId, labelerId }).length > 0,
    reason: reasonOf(queueOf(project, queue, labelerId), itemId) ?? (ranking ? 'You submitted it before; submitting again replaces that.' : 'You came to it from elsewhere.'),
    guidelines: currentGuidelines(project).version,
  };
  const spans = await tokenSpans(project, order.map((completionId) => completions.get(completionId)!));
  const whole = { ...shown, answers: shown.answers.map((answer, i) => ({ ...answer, spans: spans[i]!.filter(({ start, end }) => end > start) })) };
  return repeat ? withoutTraces(project, whole, labelerId, repeat) : whole;
}

/** The next item of a queue behind `from`, or the first one; a hidden repeat may come in its place. */
async function nextItem(project: Project, labelerId: number, name: QueueName, from: number | null): Promise<number | null> {
  const queue = queueOf(project, name, labelerId);
  const candidate = await nextOpen(queue, from === null ? null : anchorOf(queue, from));
  const instead = repeatInstead(queue, candidate, from, projectSettings(project).repeats);
  if (instead === null && candidate !== null) labelerState(project, labelerId).repeats.delete(candidate); // it comes as itself
  return instead ?? candidate;
}

/** Where on the desk a completion is: at the item the labeler is at, else at the smallest that shows it. */
export function atItem(project: Project, labelerId: number, completionId: number): { itemId?: number } {
  const { visited, at } = labelerState(project, labelerId);
  const here = visited[at];
  const shows = here !== undefined && query(project, 'SELECT 1 FROM item_completions WHERE item_id = ? AND completion_id = ?').get(here, completionId);
  const itemId = shows ? here : itemOf(project, [completionId]);
  return itemId === null ? {} : { itemId };
}

const saved = (eventId: number | null): Saved => ({ at: Date.now(), eventId });

/** A change of labels at the desk that is not one of the item's order: saved, told to the windows. */
export function changeLabels(context: Context, labelerId: number, itemId: number | null, work: () => number | null): Saved {
  const eventId = work();
  context.emit('labels.changed', { labelerId, itemId });
  return saved(eventId);
}

function toUndone(project: Project, event: Event, which: 'undo' | 'redo'): Undone {
  const { itemId, completionId, promptId } = event.detail;
  const { labelerId } = event;
  const at = typeof itemId === 'number' ? itemId : labelerId !== null && typeof completionId === 'number' ? (atItem(project, labelerId, completionId).itemId ?? null) : null;
  const item = at !== null && query(project, 'SELECT 1 FROM items WHERE id = ?').get(at) ? getItem(project, at) : null;
  const order = item && labelerId !== null ? shownOrder(project, item, labelerId, repeatOf(project, labelerState(project, labelerId), item.id, labelerId)) : [];
  const nameOf = (id: number) => (order.includes(id) ? String.fromCharCode(65 + order.indexOf(id)) : null);
  return { itemId: item?.id ?? null, promptId: item?.promptId ?? (typeof promptId === 'number' ? promptId : null), sentence: undoSentence(event, which, nameOf) };
}

function step(context: Context, labelerId: number, which: 'undo' | 'redo'): Undone | null {
  const { project } = context;
  requireRow(project, 'labelers', labelerId);
  const next = nextChange(project, labelerId, which);
  if (!next) return null;
  const { itemId } = next.detail;
  const event = changing(project, typeof itemId === 'number' ? itemId : null, () => (which === 'undo' ? undoLast : redoLast)(project, labelerId))!;
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
      visit(state, itemId);
      return deskItem(project, labelerId, queue, itemId);
    }
    const here = from !== undefined && query(project, 'SELECT 1 FROM items WHERE id = ?').get(from) ? from : null;
    if (here !== null) visit(state, here);
    const next = towards === -1 ? neighbour(project, state, -1)
      : (here !== null && towards === 1 ? neighbour(project, state, 1) : null) ?? (await nextItem(project, labelerId, queue, here));
    if (next === null) return null;
    state.queues.set(next, queue);
    return deskItem(project, labelerId, queue, next);
  },

  'desk.draft': (context, { labelerId, itemId, changes, durationMs }) => {
    const { project } = context;
    const repeat = repeatOf(project, labelerState(project, labelerId), itemId, labelerId);
    return changeLabels(context, labelerId, itemId, () => saveDraft(project, itemId, labelerId, { ...changes, durationMs }, repeat));
  },

  'desk.submit': (context, { labelerId, itemId, status, durationMs }) => {
    const { project } = context;
    const state = labelerState(project, labelerId);
    const repeat = repeatOf(project, state, itemId, labelerId);
    const order = shownOrder(project, getItem(project, itemId), labelerId, repeat);
    const { rankingId, eventId } = changing(project, itemId, () => submitItem(project, { itemId, labelerId, status, shownOrder: order, durationMs, repeat, reviewed: state.queues.get(itemId) === 'disagrees' }));
    context.emit('labels.changed', { labelerId, itemId });
    return { ...saved(eventId), rankingId };
  },

  'desk.flag': (context, { labelerId, itemId, flagged }) =>
    changeLabels(context, labelerId, itemId, () => changing(context.project, itemId, () => setFlag(context.project, { labelerId, itemId }, flagged))),

  'desk.progress': ({ project }, { labelerId, queue }) => {
    requireRow(project, 'labelers', labelerId);
    return deskProgress(project, labelerId, queue);
  },

  'desk.undo': (context, { labelerId }) => step(context, labelerId, 'undo'),
  'desk.redo': (context, { labelerId }) => step(context, labelerId, 'redo'),

  'events.undo': (context, { eventId }) => {
    const { project } = context;
    const event = undoEvent(project, eventId);
    if (!event) return null;
    forgetQueues(project);
    settle(project);
    const undone = toUndone(project, event, 'undo');
    if (event.labelerId === null) context.emit('data.changed', {});
    else context.emit('labels.changed', { labelerId: event.labelerId, itemId: undone.itemId });
    return undone;
  },
} satisfies Partial<Handlers>;
