// How far a labeler is: of the queue, of the present session, and how well he agrees with himself.

import type { DeskProgress, QueueName } from '#core/contract/desk.ts';
import { countRepeats, countSkipped, doneBefore, doneSince, pairsRepeated } from '#core/store/desk-reading.ts';
import type { Happened } from '#core/store/desk-reading.ts';
import type { Project } from '#core/store/project.ts';
import { reasonOfRepeat } from '#core/store/desk-queues.ts';
import { countsOf, labelerState, queueOf, settle } from './desk-state.ts';
import type { Session } from './desk-state.ts';
import { projectSettings } from '#core/service/project.ts';

/** A session ends when nothing was done for half an hour. */
const BREAK_MS = 30 * 60_000;
/** Before a session is a minute old it has no rate. */
const RATE_AFTER_MS = 60_000;
const CHUNK = 500;
const MOST = 10_000;
/**
 * Adds how often rankings were submitted less how often that was taken back, as far as they were submitted in the
 * session.
 */
function countIn(submitted: Map<number, number>, events: readonly Happened[], firstId: number): Map<number, number> {
  for (const { kind, of, event, rankingId } of events) {
    if (rankingId === null || (kind !== 'ranking.submit' && (of !== 'ranking.submit' || (event ?? 0) < firstId)))
      continue;
    submitted.set(rankingId, (submitted.get(rankingId) ?? 0) + (kind === 'undo' ? -1 : 1));
  }
  return submitted;
}
/** What was submitted twice is one item. */
const itemsOf = ({ submitted }: Session): number => [...submitted.values()].filter((times) => times > 0).length;

/** Goes back in the log until half an hour without an event (or, without any such break, for a good day's work). */
function findSession(project: Project, labelerId: number): Session | null {
  const events: Happened[] = [];
  const before = (id: number) => doneBefore(project, labelerId, id, CHUNK);
  for (
    let chunk = before(Number.MAX_SAFE_INTEGER);
    chunk.length > 0 && events.length < MOST;
    chunk = before(chunk.at(-1)!.id)
  ) {
    const end = chunk.findIndex(
      (event, i) => (i > 0 ? chunk[i - 1]! : (events.at(-1) ?? event)).at - event.at > BREAK_MS,
    );
    events.push(...(end < 0 ? chunk : chunk.slice(0, end)));
    if (end >= 0) break;
  }
  const [last, first] = [events[0], events.at(-1)];
  return last && first
    ? {
        firstId: first.id,
        lastId: last.id,
        startedAt: first.at,
        lastAt: last.at,
        submitted: countIn(new Map(), events, first.id),
      }
    : null;
}

/** The session as of the newest event; read anew only from where it was read to. */
function sessionOf(project: Project, labelerId: number): Session | null {
  const state = labelerState(project, labelerId);
  if (!state.session) return (state.session = findSession(project, labelerId));
  const { session } = state;
  const since = doneSince(project, labelerId, session.lastId);
  let from = since.findLastIndex((event, i) => event.at - (since[i - 1]?.at ?? session.lastAt) > BREAK_MS);
  if (from >= 0) Object.assign(session, { firstId: since[from]!.id, startedAt: since[from]!.at, submitted: new Map() });
  else from = 0;
  const own = since.slice(from);
  if (own.length > 0)
    Object.assign(session, {
      lastId: own.at(-1)!.id,
      lastAt: own.at(-1)!.at,
      submitted: countIn(session.submitted, own, session.firstId),
    });
  return session;
}

/**
 * Of all pairs that a labeler ordered and ordered again in a hidden repeat before a time, the share that came out the
 * same;
 * pairs that are tied either time are left out. Null where there are none.
 */
export function selfAgreement(project: Project, labelerId: number, before = Infinity): number | null {
  const { pairs, same } = pairsRepeated(project, labelerId, before);
  return pairs === 0 ? null : (same ?? 0) / pairs;
}

/** Remembered until a hidden repeat, or what it repeats, changes. */
function agreementOf(project: Project, labelerId: number, before: number): number | null {
  const state = labelerState(project, labelerId);
  if (state.agreement?.before !== before)
    state.agreement = { share: selfAgreement(project, labelerId, before), before };
  return state.agreement.share;
}

/** A ranking that was submitted first of all in a session is a little older than the event that begins the session. */
const MARGIN_MS = 60_000;

/**
 * Nothing that moves here when an item is submitted says whether it was a hidden repeat: what was done in this session
 * counts
 * the repeats too (but never as the last of the queue), and how well they agree is told when the session or the queue
 * is over.
 */
export async function deskProgress(
  project: Project,
  labelerId: number,
  name: QueueName,
  now = Date.now(),
): Promise<DeskProgress> {
  settle(project);
  const queue = queueOf(project, name, labelerId);
  const { all, open } = await countsOf(project, queue);
  const found = sessionOf(project, labelerId);
  const session = found && now - found.lastAt <= BREAK_MS ? found : null;
  const elapsed = session ? session.lastAt - session.startedAt : 0;
  const items = session ? itemsOf(session) : 0;
  const before = session && open > 0 ? session.startedAt - MARGIN_MS : Infinity;
  const recent =
    reasonOfRepeat(name) === null || before === Infinity ? 0 : countRepeats(project, labelerId, 'since', before);
  return {
    done: Math.max(all - open, Math.min(all - open + recent, all - (open > 0 ? 1 : 0))),
    total: all,
    skipped: countSkipped(project, labelerId),
    session: items,
    sessionGoal: projectSettings(project).sessionGoal,
    sessionStartedAt: session?.startedAt ?? null,
    ratePerHour: session && elapsed >= RATE_AFTER_MS ? (items * 3_600_000) / elapsed : null,
    repeats: countRepeats(project, labelerId, 'before', before),
    selfAgreement: agreementOf(project, labelerId, before),
  };
}
