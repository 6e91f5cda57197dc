// What the service remembers of each labeler at the desk while a project is open; all of it can be worked out anew.

import type { QueueName } from '#core/contract/desk.ts';
import { currentReward } from '#core/service/current-models.ts';
import type { Repeat } from '#core/store/drafts.ts';
import { settleItems, settleOne } from '#core/store/item-scores.ts';
import { itemIsThere, itemsVisited, tokenOfItems, wasRepeated } from '#core/store/desk-reading.ts';
import { transaction } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { countAll, countOpen, isOpen, openQueue, reopen } from '#core/store/desk-queues.ts';
import type { Queue, QueueMemory } from '#core/store/desk-queues.ts';

/** Queues that may be long; the others are counted every time. */
const COUNTED: ReadonlySet<QueueName> = new Set<QueueName>([
  'sequential',
  'shuffled',
  'newest',
  'uncertain',
  'disagrees',
]);

export interface Counts {
  token: string;
  all: number;
  open: number;
}
export interface LabelerState {
  memories: Map<QueueName, QueueMemory>;
  /** items in the order the window was at them, and which of them it is at */
  visited: number[];
  at: number;
  /** items that were shown as hidden repeats */
  repeats: Map<number, Repeat>;
  /** the queue that gave an item last */
  queues: Map<number, QueueName>;
  counts: Map<QueueName, Counts>;
  session: Session | null;
  /** how well repeats of before a time agree */
  agreement: { share: number | null; before: number } | null;
}
/** Work without a break of half an hour, up to event `lastId`. */
export interface Session {
  firstId: number;
  lastId: number;
  startedAt: number;
  lastAt: number;
  /** how often each ranking was submitted, less what was taken back */ submitted: Map<number, number>;
}
interface DeskState {
  labelers: Map<number, LabelerState>;
  /** how often the order by gap has changed */ scores: number;
  /** how often the desk changed something */ changes: number;
  settling: boolean;
}

const states = new WeakMap<Project, DeskState>();
const HISTORY = 200;

function deskState(project: Project): DeskState {
  let state = states.get(project);
  if (!state) states.set(project, (state = { labelers: new Map(), scores: 0, changes: 0, settling: false }));
  return state;
}

/** What is remembered of a labeler, begun from the log of changes. */
export function labelerState(project: Project, labelerId: number): LabelerState {
  const { labelers } = deskState(project);
  let state = labelers.get(labelerId);
  if (!state) {
    const visited = itemsVisited(project, labelerId, 2 * HISTORY)
      .reverse()
      .filter((id, i, all) => id !== all[i - 1])
      .slice(-HISTORY);
    labelers.set(
      labelerId,
      (state = {
        memories: new Map(),
        visited,
        at: visited.length - 1,
        repeats: new Map(),
        queues: new Map(),
        counts: new Map(),
        session: null,
        agreement: null,
      }),
    );
  }
  return state;
}

/** Forgets what data that came back or went may have made wrong. */
export function forgetQueues(project: Project): void {
  for (const state of deskState(project).labelers.values()) {
    state.memories.clear();
    state.counts.clear();
    state.agreement = null;
  }
}

/** A queue as a labeler has it now. */
export function queueOf(project: Project, name: QueueName, labelerId: number): Queue {
  return openQueue(project, name, labelerId, {
    memories: labelerState(project, labelerId).memories,
    scores: deskState(project).scores,
    reward: () => currentReward(project),
  });
}

/**
 * The window is at this item now. It `leapt` there by an item's number, which may be a step back; else it stayed or
 * went
 * on, and an item that a queue gives a second time stands there a second time: it is no step back, from which one would
 * come forward to the same place again.
 */
export function visit(state: LabelerState, itemId: number, leapt = false): void {
  const { visited, at } = state;
  const near = (leapt ? [at, at + 1, at - 1] : [at, at + 1]).find((i) => visited[i] === itemId);
  if (near !== undefined) state.at = near;
  else {
    visited.push(itemId);
    if (visited.length > 2 * HISTORY) visited.splice(0, HISTORY);
    state.at = visited.length - 1;
  }
}

/**
 * The place of the item visited before (-1) or after (1) the present one, if it is still there. One that has come back
 * as a hidden
 * repeat is only where it came back: what was there before would look as if it had not been ranked.
 */
export function neighbour(
  project: Project,
  { visited, at }: LabelerState,
  step: 1 | -1,
  isRepeat: (itemId: number) => boolean,
): number | null {
  for (let i = at + step; i >= 0 && i < visited.length; i += step) {
    const itemId = visited[i]!;
    if (itemId === visited[at] || (visited.lastIndexOf(itemId) !== i && isRepeat(itemId))) continue;
    if (itemIsThere(project, itemId)) return i;
  }
  return null;
}

const tokenOf = (project: Project, queue: Queue) =>
  `${queue.model?.id} ${queue.model && deskState(project).scores} ${tokenOfItems(project)}`;

/** The queue's counts, remembered until something else than the desk changes items, rankings or scores. */
export async function countsOf(project: Project, queue: Queue): Promise<Omit<Counts, 'token'>> {
  if (!COUNTED.has(queue.name)) return countAnew(queue);
  const { counts } = labelerState(project, queue.labelerId);
  let known = counts.get(queue.name);
  for (let tries = 0; tries < 3 && known?.token !== tokenOf(project, queue); tries++) {
    const [token, { changes }] = [tokenOf(project, queue), deskState(project)];
    known = { token, ...(await countAnew(queue)) };
    // else the desk went on while it was counted
    if (changes === deskState(project).changes) counts.set(queue.name, known);
  }
  return known!;
}

async function countAnew(queue: Queue): Promise<Omit<Counts, 'token'>> {
  const open = await countOpen(queue);
  return { open, all: countAll(queue, open) };
}

/** Does something that may open or close an item for anybody; what is remembered follows. */
export function changing<T>(project: Project, itemId: number | null, work: () => T): T {
  const state = deskState(project);
  const { labelers } = state;
  const known =
    itemId === null
      ? []
      : [...labelers].flatMap(([labelerId, state]) =>
          [...state.counts].flatMap(([name, counts]) => {
            const queue = queueOf(project, name, labelerId);
            return counts.token === tokenOf(project, queue) ? [{ queue, counts, open: isOpen(queue, itemId) }] : [];
          }),
        );
  const repeated = () => itemId !== null && wasRepeated(project, itemId);
  const before = repeated();
  const done = transaction(project, () => {
    const result = work();
    if (itemId !== null && itemIsThere(project, itemId)) settleOne(project, itemId);
    return result;
  });
  state.changes++;
  if (before || repeated()) for (const labeler of labelers.values()) labeler.agreement = null;
  for (const { queue, counts, open } of known) {
    const now = isOpen(queue, itemId!);
    counts.open += Number(now) - Number(open);
    if (queue.name === 'disagrees') counts.all = countAll(queue, counts.open);
    counts.token = tokenOf(project, queue);
  }
  if (itemId !== null)
    for (const [labelerId, state] of labelers)
      for (const name of state.memories.keys()) reopen(queueOf(project, name, labelerId), itemId);
  return done;
}

const SLICE_MS = 8;

/** Works out what reward models say of changed items: some now, the rest between calls. */
export function settle(project: Project): void {
  const state = deskState(project);
  if (state.settling) return;
  const { settled, moved } = settleItems(project, SLICE_MS);
  if (moved) state.scores++;
  if (settled) return;
  state.settling = true;
  setImmediate(() => {
    state.settling = false;
    if (project.db.open && project.write) settle(project);
  });
}
