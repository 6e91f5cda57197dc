// The append-only log of label changes: who, when, what, and the inverse that undo applies.
//
// Every change of a ranking, rating or mark writes its event in the same transaction, so the log and the labels cannot
// part. An inverse is a list of steps "these rows were here before": undoing deletes what the step's key finds now and
// puts the old rows back. Undoing is itself an event, so nothing is ever taken out of the log.

import { query, requireThat, transaction, where } from './project.ts';
import type { Project, Value } from './project.ts';

/** What an inverse may touch; column names come from here and never from the file, which somebody else may have made. */
const LABEL_COLUMNS = {
  rankings: ['id', 'prompt_id', 'labeler_id', 'status', 'confidence', 'duration_ms', 'shown_order', 'note', 'created_at'],
  ranking_items: ['ranking_id', 'completion_id', 'rank'],
  ratings: ['id', 'completion_id', 'labeler_id', 'axis', 'value'],
  marks: ['id', 'completion_id', 'labeler_id', 'start', 'end', 'label', 'note'],
} as const;
type LabelTable = keyof typeof LABEL_COLUMNS;

/** The rows of `table` whose key (ranking_id for ranking_items, else id) is `key`, as they were. */
export interface Step {
  table: LabelTable;
  key: number;
  rows: Record<string, Value>[];
}

export type EventKind =
  | 'ranking.add' | 'ranking.replace' | 'ranking.delete'
  | 'rating.set' | 'rating.delete'
  | 'mark.add' | 'mark.replace' | 'mark.delete'
  | 'undo';

export interface Event {
  id: number;
  at: number;
  labelerId: number | null;
  kind: EventKind;
  /** what changed: ids and new values */
  detail: Record<string, unknown>;
  /** the event that this one takes back */
  undoes: number | null;
}

interface Row extends Omit<Event, 'detail'> {
  detail: string;
  inverse: string;
}

const COLUMNS = 'id, at, labeler_id AS labelerId, kind, detail, inverse, undoes';
const keyOf = (table: LabelTable) => (table === 'ranking_items' ? 'ranking_id' : 'id');
const quoted = (table: LabelTable) => LABEL_COLUMNS[table].map((column) => `"${column}"`).join(', ');

/** The present rows under a key, as a step that would bring them back; none where the row is yet to be made. */
export function capture(project: Project, table: LabelTable, key: number): Step {
  return { table, key, rows: query<Record<string, Value>>(project, `SELECT ${quoted(table)} FROM ${table} WHERE ${keyOf(table)} = ?`).all(key) };
}

/** Appends one event; call it inside the transaction that makes the change. */
export function recordEvent(project: Project, labelerId: number | null, kind: EventKind, detail: Record<string, unknown>, inverse: readonly Step[], undoes: number | null = null): number {
  const insert = query(project, 'INSERT INTO events (at, labeler_id, kind, detail, inverse, undoes) VALUES (?, ?, ?, ?, ?, ?)');
  return Number(insert.run(Date.now(), labelerId, kind, JSON.stringify(detail), JSON.stringify(inverse), undoes).lastInsertRowid);
}

/** The steps of an inverse read from the file; one that names another table is refused. */
function stepsOf(inverse: string): Step[] {
  const steps = JSON.parse(inverse) as Step[];
  for (const { table } of steps)
    requireThat(Object.hasOwn(LABEL_COLUMNS, table), `The event log names the unknown table "${table}".`, 'Run the complete check of the project.');
  return steps;
}

/** Puts rows back as they were: children go first, parents return first. */
function restore(project: Project, steps: readonly Step[]): void {
  for (const { table, key } of steps.toReversed()) query(project, `DELETE FROM ${table} WHERE ${keyOf(table)} = ?`).run(key);
  for (const { table, rows } of steps) {
    const columns = LABEL_COLUMNS[table];
    const insert = query(project, `INSERT INTO ${table} (${quoted(table)}) VALUES (${columns.map(() => '?').join(', ')})`);
    for (const row of rows) insert.run(...columns.map((column) => row[column] ?? null));
  }
}

/**
 * Takes back the last change that was not taken back yet (of one labeler, where given) and returns its event;
 * null when nothing is left. The rows are exactly as before, ids included.
 */
export function undoLast(project: Project, labelerId?: number): Event | null {
  return transaction(project, () => {
    const { sql, values } = where({ labeler_id: labelerId });
    const row = query<Row>(project, `SELECT ${COLUMNS} FROM events e ${sql || 'WHERE 1'} AND undoes IS NULL
      AND NOT EXISTS (SELECT 1 FROM events u WHERE u.undoes = e.id) ORDER BY id DESC LIMIT 1`).get(...values);
    if (!row) return null;
    const steps = stepsOf(row.inverse);
    const redo = steps.map(({ table, key }) => capture(project, table, key));
    restore(project, steps);
    recordEvent(project, row.labelerId, 'undo', { event: row.id }, redo, row.id);
    return toEvent(row);
  });
}

function toEvent({ inverse: _, ...row }: Row): Event {
  return { ...row, detail: JSON.parse(row.detail) as Record<string, unknown> };
}

/** Events in the order they happened. */
export function listEvents(project: Project, filter: { labelerId?: number } = {}): Event[] {
  const { sql, values } = where({ labeler_id: filter.labelerId });
  return query<Row>(project, `SELECT ${COLUMNS} FROM events ${sql} ORDER BY id`).all(...values).map(toEvent);
}
