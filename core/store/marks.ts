// Marks: labelled character spans of a completion, in UTF-16 offsets, end excluded.

import type { Mark } from '#core/contract/rankings.ts';
import { recordEvent } from './events.ts';
import { capture } from './inverse.ts';
import { insertMany, query, requireRow, requireThat, transaction, where } from './project.ts';
import type { Project } from './project.ts';

/** What spans are labelled as where nobody said otherwise. */
export const DEFAULT_MARK_LABELS: readonly string[] = ['good', 'bad'];

/** Where on the desk a change was made, so that undo can go back there. */
export type AtItem = { itemId?: number };
export type NewMark = Omit<Mark, 'id' | 'note'> & { note?: string | null };

/** Whether an offset falls between the two halves of one character. */
const splitsCharacter = (text: string, at: number) =>
  at > 0 && /[\ud800-\udbff]/.test(text[at - 1]!) && /[\udc00-\udfff]/.test(text[at] ?? '');

function check(project: Project, row: NewMark): void {
  requireRow(project, 'completions', row.completionId);
  requireRow(project, 'labelers', row.labelerId);
  const { text } = query<{ text: string }>(project, 'SELECT text FROM completions WHERE id = ?').get(row.completionId)!;
  const of = `The mark ${row.start} to ${row.end} of completion ${row.completionId}`;
  requireThat(
    Number.isInteger(row.start) &&
      Number.isInteger(row.end) &&
      0 <= row.start &&
      row.start < row.end &&
      row.end <= text.length,
    `${of} does not lie in its text of ${text.length} characters.`,
    'Give UTF-16 offsets with 0 ≤ start < end ≤ length.',
  );
  requireThat(
    !splitsCharacter(text, row.start) && !splitsCharacter(text, row.end),
    `${of} cuts a character in two.`,
    'Move the offset by one.',
  );
  requireThat(row.label.trim() !== '', `${of} has no label.`, 'Give a label, such as good or bad.');
}

/** Adds many marks, all or none, without events: the caller records one for all. */
export function addMarks(project: Project, rows: readonly NewMark[]): void {
  transaction(project, () => {
    for (const row of rows) check(project, row);
    insertMany(
      project,
      'marks',
      ['completion_id', 'labeler_id', 'start', '"end"', 'label', 'note'],
      rows.map((row) => [row.completionId, row.labelerId, row.start, row.end, row.label, row.note ?? null]),
    );
  });
}

/**
 * Adds a mark and its event, which names the item it was made at where that is given; returns its id. 'bad-data' for a
 * span outside the text.
 */
export function addMark(project: Project, row: NewMark, at: AtItem = {}): number {
  return transaction(project, () => {
    check(project, row);
    const id = Number(
      query(
        project,
        'INSERT INTO marks (completion_id, labeler_id, start, "end", label, note) VALUES (?, ?, ?, ?, ?, ?)',
      ).run(row.completionId, row.labelerId, row.start, row.end, row.label, row.note ?? null).lastInsertRowid,
    );
    recordEvent(project, row.labelerId, 'mark.add', { markId: id, ...row, ...at }, [
      { table: 'marks', key: id, rows: [] },
    ]);
    return id;
  });
}

/** Puts another span, label or note in the place of mark `id`. */
export function replaceMark(project: Project, id: number, row: NewMark, at: AtItem = {}): void {
  transaction(project, () => {
    requireRow(project, 'marks', id);
    check(project, row);
    const inverse = capture(project, 'marks', id);
    requireThat(
      inverse.rows[0]!['labeler_id'] === row.labelerId,
      `Mark ${id} belongs to another labeler.`,
      'Replace only a mark of the same labeler.',
    );
    query(
      project,
      'UPDATE marks SET completion_id = ?, labeler_id = ?, start = ?, "end" = ?, label = ?, note = ? WHERE id = ?',
    ).run(row.completionId, row.labelerId, row.start, row.end, row.label, row.note ?? null, id);
    recordEvent(project, row.labelerId, 'mark.replace', { markId: id, ...row, ...at }, [inverse]);
  });
}

/** Removes a mark; undo brings it back. */
export function deleteMark(project: Project, id: number, at: AtItem = {}): void {
  transaction(project, () => {
    requireRow(project, 'marks', id);
    const inverse = capture(project, 'marks', id);
    query(project, 'DELETE FROM marks WHERE id = ?').run(id);
    recordEvent(
      project,
      inverse.rows[0]!['labeler_id'] as number,
      'mark.delete',
      { markId: id, completionId: inverse.rows[0]!['completion_id'], label: inverse.rows[0]!['label'], ...at },
      [inverse],
    );
  });
}

/** Marks by completion, then by where they start. */
export function listMarks(
  project: Project,
  filter: { id?: number; completionIds?: readonly number[]; labelerId?: number; label?: string } = {},
): Mark[] {
  const { sql, values } = where({
    id: filter.id,
    completion_id: filter.completionIds,
    labeler_id: filter.labelerId,
    label: filter.label,
  });
  return query<Mark>(
    project,
    `SELECT id, completion_id AS completionId, labeler_id AS labelerId, start, "end", label, note FROM marks ${sql}
    ORDER BY completion_id, start, "end", id`,
  ).all(...values);
}
