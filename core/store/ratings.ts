// Ratings: axis scores from 1 to 7, one per completion, labeler and axis.

import type { Rating } from '#core/contract.ts';
import { recordEvent } from './events.ts';
import { capture } from './inverse.ts';
import type { AtItem } from './marks.ts';
import { query, requireRow, requireThat, transaction, where } from './project.ts';
import type { Project } from './project.ts';

/** Sets one score, in place of an earlier one on the same axis; returns its id. 'bad-data' unless it is a whole number from 1 to 7. */
export function setRating(project: Project, row: Omit<Rating, 'id'>, at: AtItem = {}): number {
  return transaction(project, () => {
    requireRow(project, 'completions', row.completionId);
    requireRow(project, 'labelers', row.labelerId);
    requireThat(row.axis.trim() !== '', `The rating of completion ${row.completionId} has no axis.`, 'Name the axis, such as overall.');
    requireThat(Number.isInteger(row.value) && row.value >= 1 && row.value <= 7, `The rating of completion ${row.completionId} on "${row.axis}" is ${row.value}.`,
      'Ratings are whole numbers from 1 to 7.');
    const known = query<{ id: number }>(project, 'SELECT id FROM ratings WHERE completion_id = ? AND labeler_id = ? AND axis = ?')
      .get(row.completionId, row.labelerId, row.axis);
    let id: number;
    let inverse;
    if (known) {
      id = known.id;
      inverse = capture(project, 'ratings', id);
      query(project, 'UPDATE ratings SET value = ? WHERE id = ?').run(row.value, id);
    } else {
      id = Number(query(project, 'INSERT INTO ratings (completion_id, labeler_id, axis, value) VALUES (?, ?, ?, ?)')
        .run(row.completionId, row.labelerId, row.axis, row.value).lastInsertRowid);
      inverse = { table: 'ratings' as const, key: id, rows: [] };
    }
    recordEvent(project, row.labelerId, 'rating.set', { ratingId: id, ...row, ...at }, [inverse]);
    return id;
  });
}

/** Removes a rating; undo brings it back. */
export function deleteRating(project: Project, id: number, at: AtItem = {}): void {
  transaction(project, () => {
    requireRow(project, 'ratings', id);
    const inverse = capture(project, 'ratings', id);
    query(project, 'DELETE FROM ratings WHERE id = ?').run(id);
    recordEvent(project, inverse.rows[0]!['labeler_id'] as number, 'rating.delete', { ratingId: id, completionId: inverse.rows[0]!['completion_id'], axis: inverse.rows[0]!['axis'], ...at }, [inverse]);
  });
}

/** Ratings in id order. */
export function listRatings(project: Project, filter: { completionIds?: readonly number[]; labelerId?: number; axis?: string } = {}): Rating[] {
  const { sql, values } = where({ completion_id: filter.completionIds, labeler_id: filter.labelerId, axis: filter.axis });
  return query<Rating>(project, `SELECT id, completion_id AS completionId, labeler_id AS labelerId, axis, value FROM ratings ${sql} ORDER BY id`).all(...values);
}
