// Flags: items and completions that a labeler wants to be looked at again.

import { recordEvent } from './events.ts';
import { capture } from './inverse.ts';
import type { AtItem } from './marks.ts';
import { query, requireRow, requireThat, transaction, where } from './project.ts';
import type { Project } from './project.ts';

export interface Flag {
  id: number;
  labelerId: number;
  itemId: number | null;
  completionId: number | null;
  createdAt: number;
}
/** What is flagged: an item or a completion, one of them. */
export type FlagTarget = { labelerId: number; itemId?: number; completionId?: number };

/** Sets a labeler's flag or takes it away; returns the event, which undo takes back. */
export function setFlag(
  project: Project,
  { labelerId, itemId, completionId }: FlagTarget,
  flagged: boolean,
  at: AtItem = {},
): number {
  return transaction(project, () => {
    requireRow(project, 'labelers', labelerId);
    requireThat(
      (itemId === undefined) !== (completionId === undefined),
      'A flag is of an item or of a completion.',
      'Name one of them.',
    );
    requireRow(project, 'items', itemId);
    requireRow(project, 'completions', completionId);
    const known = query<{ id: number }>(
      project,
      'SELECT id FROM flags WHERE labeler_id = ? AND item_id IS ? AND completion_id IS ?',
    ).get(labelerId, itemId ?? null, completionId ?? null);
    const detail = { ...at, ...(itemId === undefined ? { completionId } : { itemId }), flagged };
    let inverse = known ? [capture(project, 'flags', known.id)] : [];
    if (flagged && !known) {
      const id = Number(
        query(project, 'INSERT INTO flags (labeler_id, item_id, completion_id, created_at) VALUES (?, ?, ?, ?)').run(
          labelerId,
          itemId ?? null,
          completionId ?? null,
          Date.now(),
        ).lastInsertRowid,
      );
      inverse = [{ table: 'flags', key: id, rows: [] }];
    } else if (!flagged && known) query(project, 'DELETE FROM flags WHERE id = ?').run(known.id);
    return recordEvent(project, labelerId, 'flag.set', detail, inverse);
  });
}

/** Flags in id order. */
export function listFlags(
  project: Project,
  filter: { labelerId?: number; itemId?: number; completionIds?: readonly number[] } = {},
): Flag[] {
  const { sql, values } = where({
    labeler_id: filter.labelerId,
    item_id: filter.itemId,
    completion_id: filter.completionIds,
  });
  return query<Flag>(
    project,
    `SELECT id, labeler_id AS labelerId, item_id AS itemId, completion_id AS completionId, created_at AS createdAt FROM flags ${sql} ORDER BY id`,
  ).all(...values);
}

/** Which of these completions somebody has flagged, or one of the same prompt that says the same. */
export function flaggedAmong(project: Project, ids: readonly number[]): Set<number> {
  return new Set(
    query<{ id: number }>(
      project,
      `SELECT c.id FROM completions c WHERE c.id IN (SELECT value FROM json_each(?)) AND (c.id IN (SELECT completion_id FROM flags)
    OR EXISTS (SELECT 1 FROM flags f JOIN completions o ON o.id = f.completion_id WHERE o.prompt_id = c.prompt_id AND o.answer = c.answer))`,
    )
      .all(JSON.stringify(ids))
      .map(({ id }) => id),
  );
}
