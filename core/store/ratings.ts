// Ratings: axis scores on a scale, 1 to 7 at the desk, one per completion, labeler and axis.

import type { Rating } from '#core/contract/rankings.ts';
import { recordEvent } from './events.ts';
import { capture } from './inverse.ts';
import type { AtItem } from './marks.ts';
import { insertMany, query, requireRow, requireThat, transaction, where } from './project.ts';
import type { Project } from './project.ts';

/** The scale is that of the desk, whole numbers from 1 to 7, where none is given. */
export type NewRating = Omit<Rating, 'id' | 'low' | 'high'> & { low?: number; high?: number };

function check(project: Project, row: NewRating): { low: number; high: number } {
  const { low = 1, high = 7, value } = row;
  requireRow(project, 'completions', row.completionId);
  requireRow(project, 'labelers', row.labelerId);
  const of = `The rating of completion ${row.completionId} on "${row.axis}"`;
  requireThat(
    row.axis.trim() !== '',
    `The rating of completion ${row.completionId} has no axis.`,
    'Name the axis, such as overall.',
  );
  requireThat(
    Number.isFinite(low) && Number.isFinite(high) && low !== high,
    `${of} has a scale from ${low} to ${high}.`,
    'A scale has two ends that differ.',
  );
  const isOwn = row.low === undefined && row.high === undefined;
  requireThat(
    value >= Math.min(low, high) && value <= Math.max(low, high) && (!isOwn || Number.isInteger(value)),
    `${of} is ${value}.`,
    isOwn
      ? 'Ratings are whole numbers from 1 to 7.'
      : `Give a number from ${Math.min(low, high)} to ${Math.max(low, high)}.`,
  );
  return { low, high };
}

/**
 * Adds many ratings, all or none, without events: the caller records one for all. 'bad-data' for one outside its scale,
 * or of an axis that is rated already.
 */
export function addRatings(project: Project, rows: readonly NewRating[]): void {
  transaction(project, () => {
    const known = query(project, 'SELECT 1 FROM ratings WHERE completion_id = ? AND labeler_id = ? AND axis = ?');
    const seen = new Set<string>();
    const values = rows.map((row) => {
      const { completionId, labelerId, axis, value } = row;
      const { low, high } = check(project, row);
      const key = JSON.stringify([completionId, labelerId, axis]);
      requireThat(
        !seen.has(key) && !known.get(completionId, labelerId, axis),
        `Completion ${completionId} is rated on "${axis}" by this labeler already.`,
        'Rate it once.',
      );
      seen.add(key);
      return [completionId, labelerId, axis, value, low, high];
    });
    insertMany(project, 'ratings', ['completion_id', 'labeler_id', 'axis', 'value', 'low', 'high'], values);
  });
}

/**
 * Sets one score, in place of an earlier one on the same axis; returns its id. 'bad-data' for one outside its scale.
 */
export function setRating(project: Project, row: NewRating, at: AtItem = {}): number {
  return transaction(project, () => {
    const { low, high } = check(project, row);
    const known = query<{ id: number }>(
      project,
      'SELECT id FROM ratings WHERE completion_id = ? AND labeler_id = ? AND axis = ?',
    ).get(row.completionId, row.labelerId, row.axis);
    let id: number;
    let inverse;
    if (known) {
      id = known.id;
      inverse = capture(project, 'ratings', id);
      query(project, 'UPDATE ratings SET value = ?, low = ?, high = ? WHERE id = ?').run(row.value, low, high, id);
    } else {
      id = Number(
        query(
          project,
          'INSERT INTO ratings (completion_id, labeler_id, axis, value, low, high) VALUES (?, ?, ?, ?, ?, ?)',
        ).run(row.completionId, row.labelerId, row.axis, row.value, low, high).lastInsertRowid,
      );
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
    recordEvent(
      project,
      inverse.rows[0]!['labeler_id'] as number,
      'rating.delete',
      { ratingId: id, completionId: inverse.rows[0]!['completion_id'], axis: inverse.rows[0]!['axis'], ...at },
      [inverse],
    );
  });
}

/** Ratings in id order. */
export function listRatings(
  project: Project,
  filter: { completionIds?: readonly number[]; labelerId?: number; axis?: string } = {},
): Rating[] {
  const { sql, values } = where({
    completion_id: filter.completionIds,
    labeler_id: filter.labelerId,
    axis: filter.axis,
  });
  return query<Rating>(
    project,
    `SELECT id, completion_id AS completionId, labeler_id AS labelerId, axis, value, low, high FROM ratings ${sql} ORDER BY id`,
  ).all(...values);
}
