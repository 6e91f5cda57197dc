// The append-only log of changes: who, when, what, and the inverse that undo applies.
//
// Every change of a label (and every removal of data) writes its event in the same transaction, so the log and the rows
// cannot part. An inverse is a list of steps "these rows were here before". Undoing an event is itself an event (kind
// 'undo') whose inverse brings the change back; applying that is a 'redo'. So nothing is ever taken out of the log, and
// a chain change ← undo ← redo ← undo … says by its length whether the change stands.

import { capture, restore, stepsOf, textOf } from './inverse.ts';
import type { Step } from './inverse.ts';
import { query, requireThat, transaction, where } from './project.ts';
import type { Project, Value } from './project.ts';

export type EventKind =
  | 'ranking.add'
  | 'ranking.replace'
  | 'ranking.delete'
  | 'ranking.submit'
  | 'draft.change'
  | 'flag.set'
  | 'rating.set'
  | 'rating.delete'
  | 'mark.add'
  | 'mark.replace'
  | 'mark.delete'
  | 'prompt.remove'
  | 'prompt.split'
  | 'model.remove'
  | 'import'
  | 'undo'
  | 'redo';

export interface Event {
  id: number;
  at: number;
  labelerId: number | null;
  kind: EventKind;
  /** what changed: ids and new values; of an undo or redo what the change said, `event` (its id) and `of` (its kind) */
  detail: Record<string, unknown>;
  /** the event that this one takes back */
  undoes: number | null;
}

interface Row extends Omit<Event, 'detail'> {
  detail: string;
  inverse: string;
}

const COLUMNS = 'id, at, labeler_id AS labelerId, kind, detail, inverse, undoes';
const STANDS = 'NOT EXISTS (SELECT 1 FROM events u WHERE u.undoes = e.id)'; // nothing took it back
/** Changes of one text of a draft that follow each other within this time are one step of undo. */
export const TYPING_MS = 2000;

/** Appends one event; call it inside the transaction that makes the change. Returns its id. */
export function recordEvent(
  project: Project,
  labelerId: number | null,
  kind: EventKind,
  detail: Record<string, unknown>,
  inverse: readonly Step[],
  undoes: number | null = null,
): number {
  const insert = query(
    project,
    'INSERT INTO events (at, labeler_id, kind, detail, inverse, undoes) VALUES (?, ?, ?, ?, ?, ?)',
  );
  return Number(
    insert.run(Date.now(), labelerId, kind, JSON.stringify(detail), textOf(inverse), undoes).lastInsertRowid,
  );
}

/** The id of the newest event; 0 where there is none. */
export function lastEventId(project: Project): number {
  return query<{ id: number | null }>(project, 'SELECT max(id) AS id FROM events').get()!.id ?? 0;
}

function toEvent({ inverse: _, ...row }: Row): Event {
  return { ...row, detail: JSON.parse(row.detail) as Record<string, unknown> };
}

const rowOf = (project: Project, id: number): Row | undefined =>
  query<Row>(project, `SELECT ${COLUMNS} FROM events WHERE id = ?`).get(id);

/** The change at the beginning of a chain of undos and redos. */
function changeOf(project: Project, row: Row): Row {
  let change = row;
  while (change.undoes !== null) change = rowOf(project, change.undoes)!;
  return change;
}

/** Whether what a change speaks of is still in the project (its data may have been removed since). */
function isThere(project: Project, { detail }: Event): boolean {
  const tables = { itemId: 'items', completionId: 'completions', promptId: 'prompts' } as const;
  return (Object.keys(tables) as (keyof typeof tables)[]).every(
    (name) =>
      typeof detail[name] !== 'number' ||
      query(project, `SELECT 1 FROM ${tables[name]} WHERE id = ?`).get(detail[name]) !== undefined,
  );
}

/** Applies the inverse of an event and logs that; returns the change at the beginning of its chain. */
function takeBack(project: Project, row: Row): Event {
  const change = toEvent(changeOf(project, row));
  const steps = stepsOf(row.inverse);
  const back = steps.map(({ table, key }) => capture(project, table, key));
  restore(project, steps);
  recordEvent(
    project,
    row.labelerId,
    row.kind === 'undo' ? 'redo' : 'undo',
    { ...change.detail, event: change.id, of: change.kind },
    back,
    row.id,
  );
  return change;
}

/** Whether two changes are of one piece of typing. */
const isTyping = (a: Event, b: Event) =>
  a.kind === 'draft.change' &&
  b.kind === 'draft.change' &&
  typeof a.detail['text'] === 'string' &&
  a.detail['text'] === b.detail['text'] &&
  a.detail['itemId'] === b.detail['itemId'] &&
  a.labelerId === b.labelerId &&
  Math.abs(a.at - b.at) <= TYPING_MS;

/**
 * Takes back the event that `next` finds, and as long as they belong to one piece of typing those that it finds then.
 */
function walk(project: Project, next: () => Row | undefined): Event | null {
  return transaction(project, () => {
    let last: Event | null = null;
    for (let row = next(); row; row = next()) {
      if (last && !isTyping(last, toEvent(changeOf(project, row)))) break;
      last = takeBack(project, row);
    }
    return last;
  });
}

/** The newest event that a condition holds for and whose data is still there. */
function newest(project: Project, condition: string, values: readonly Value[]): Row | undefined {
  let before = Number.MAX_SAFE_INTEGER;
  for (;;) {
    const row = query<Row>(
      project,
      `SELECT ${COLUMNS} FROM events e WHERE ${condition} AND id < ? AND ${STANDS} ORDER BY id DESC LIMIT 1`,
    ).get(...values, before);
    if (!row || isThere(project, toEvent(changeOf(project, row)))) return row;
    before = row.id;
  }
}

/** The change that `undoLast` or `redoLast` would begin with. */
export function nextChange(project: Project, labelerId: number, which: 'undo' | 'redo'): Event | null {
  const row = which === 'undo' ? undoable(project, labelerId) : redoable(project, labelerId);
  return row ? toEvent(changeOf(project, row)) : null;
}

const ofLabeler = (labelerId: number | undefined) => ({
  own: labelerId === undefined ? '1' : 'labeler_id = ?',
  values: labelerId === undefined ? [] : [labelerId],
});

function undoable(project: Project, labelerId?: number): Row | undefined {
  const { own, values } = ofLabeler(labelerId);
  return newest(project, `${own} AND kind <> 'undo'`, values);
}

function redoable(project: Project, labelerId?: number): Row | undefined {
  const { own, values } = ofLabeler(labelerId);
  return newest(
    project,
    `${own} AND kind = 'undo' AND id > coalesce((SELECT id FROM events WHERE ${own} AND undoes IS NULL ORDER BY id DESC LIMIT 1), 0)`,
    [...values, ...values],
  );
}

/**
 * Takes back the last change that stands (of one labeler, where given) and returns its event; null when nothing is
 * left.
 * The rows are exactly as before, ids included. Changes of one note within two seconds of each other go together.
 */
export const undoLast = (project: Project, labelerId?: number): Event | null =>
  walk(project, () => undoable(project, labelerId));

/**
 * Does the change again that was taken back last, unless something newer was changed since; null when there is none.
 */
export const redoLast = (project: Project, labelerId?: number): Event | null =>
  walk(project, () => redoable(project, labelerId));

/**
 * Takes back one change, whatever came after it; null where it was taken back before. 'bad-data' where newer changes
 * touched the same rows: those must go first.
 */
export function undoEvent(project: Project, eventId: number): Event | null {
  return transaction(project, () => {
    const change = rowOf(project, eventId);
    requireThat(
      change !== undefined && change.undoes === null,
      `There is no change ${eventId} in the log.`,
      'Use the number that the change was confirmed with.',
    );
    let end = change;
    for (
      let next: Row | undefined = change;
      next;
      next = query<Row>(project, `SELECT ${COLUMNS} FROM events WHERE undoes = ?`).get(end.id)
    )
      end = next;
    if (end.kind === 'undo') return null;
    const keys = new Set(stepsOf(end.inverse).map(({ table, key }) => `${table}/${key}`));
    requireThat(
      !touchedSince(project, end.id, keys),
      'This change cannot be taken back alone: the same was changed again later.',
      'Take back the later changes first (Ctrl+Z).',
    );
    return takeBack(project, end);
  });
}

/** Whether an event after `id` that still has an effect touched one of these rows. */
function touchedSince(project: Project, id: number, keys: ReadonlySet<string>): boolean {
  const gone = new Set<number>();
  for (const row of query<Row>(project, `SELECT ${COLUMNS} FROM events WHERE id > ? ORDER BY id DESC`).all(id)) {
    if (gone.has(row.id)) continue;
    if (row.undoes !== null && row.undoes > id) gone.add(row.undoes); // the pair has no effect together
    else if (stepsOf(row.inverse).some(({ table, key }) => keys.has(`${table}/${key}`))) return true;
  }
  return false;
}

/** A change of these kinds, without what undoes it; `undone`: it was taken back and not done again. */
export type Change = Pick<Event, 'id' | 'at' | 'kind' | 'detail'> & { undone: boolean };

/** The newest changes of these kinds. */
export function listChanges(project: Project, kinds: readonly EventKind[], limit: number): Change[] {
  const rows = query<Omit<Change, 'detail' | 'undone'> & { detail: string }>(
    project,
    `SELECT id, at, kind, detail FROM events WHERE undoes IS NULL AND kind IN (SELECT value FROM json_each(?)) ORDER BY id DESC LIMIT ?`,
  ).all(JSON.stringify(kinds), limit);
  const next = query<{ id: number; kind: EventKind }>(project, 'SELECT id, kind FROM events WHERE undoes = ?');
  return rows.map((row) => {
    let end: { id: number; kind: EventKind } = row;
    for (let later = next.get(end.id); later; later = next.get(end.id)) end = later;
    return { ...row, detail: JSON.parse(row.detail) as Record<string, unknown>, undone: end.kind === 'undo' };
  });
}

/** Events in the order they happened. */
export function listEvents(project: Project, filter: { labelerId?: number } = {}): Event[] {
  const { sql, values } = where({ labeler_id: filter.labelerId });
  return query<Row>(project, `SELECT ${COLUMNS} FROM events ${sql} ORDER BY id`)
    .all(...values)
    .map(toEvent);
}
