// Deleting runs: one mark makes a run gone; what it leaves is cleared away in pieces, and again at the next opening if
// need be.
//
// What a person judged stays, as do models unless they are asked for: samples that are ranked, rated, marked, flagged
// or
// begun keep their run in their row, so the row of a deleted run stays as long as anything refers to it, and no list
// shows it.

import type { Policy } from '#core/contract/models.ts';
import { listPolicies } from './policies.ts';
import { query, requireThat, transaction } from './project.ts';
import type { Project } from './project.ts';
import { removeFromItems } from './items.ts';
import { getRun, isRunId } from './runs.ts';
import { LIVING } from '#core/contract/runs.ts';

/** Of a completion `c`: whether a person's work hangs on it. */
const JUDGED = `(EXISTS (SELECT 1 FROM ranking_items WHERE completion_id = c.id) OR EXISTS (SELECT 1 FROM ratings WHERE completion_id = c.id)
  OR EXISTS (SELECT 1 FROM marks WHERE completion_id = c.id) OR EXISTS (SELECT 1 FROM flags WHERE completion_id = c.id)
  OR EXISTS (SELECT 1 FROM item_completions i WHERE i.completion_id = c.id AND (EXISTS (SELECT 1 FROM rankings WHERE item_id = i.item_id)
    OR EXISTS (SELECT 1 FROM drafts WHERE item_id = i.item_id) OR EXISTS (SELECT 1 FROM flags WHERE item_id = i.item_id))))`;

/** How many samples of a run nobody has judged, and how many somebody has. */
export function countJudged(project: Project, id: string): { samples: number; judged: number } {
  return query<{ samples: number; judged: number }>(
    project,
    `SELECT coalesce(sum(NOT ${JUDGED}), 0) AS samples, coalesce(sum(${JUDGED}), 0) AS judged FROM completions c WHERE run_id = ?`,
  ).get(id)!;
}

/** The models whose files lie in a run's folder. */
export const modelsInside = (project: Project, id: string): Policy[] =>
  listPolicies(project).filter(({ path }) => path.startsWith(`runs/${id}/`));

/** What keeps a model from going with the run that made it, in words; empty where nothing does. */
export function keepersOf(project: Project, { id: modelId }: Policy, runId: string): string[] {
  const { n } = query<{ n: number }>(
    project,
    `SELECT count(*) AS n FROM completions c WHERE policy_id = ? AND (run_id IS NOT ? OR ${JUDGED})`,
  ).get(modelId, runId)!;
  const children = listPolicies(project)
    .filter(({ parentId }) => parentId === modelId)
    .map(({ name }) => `the model “${name}” was made from it`);
  return [
    ...(n ? [n === 1 ? 'it wrote a sample that stays' : `it wrote ${n.toLocaleString('en')} samples that stay`] : []),
    ...children,
  ];
}

/** Marks runs as deleted, all or none. 'bad-data' for one that is not over. */
export function markRemoved(project: Project, ids: readonly string[], models: boolean): void {
  transaction(project, () => {
    for (const id of ids) {
      const run = getRun(project, id);
      requireThat(
        !LIVING.includes(run.status),
        `Run ${id} is ${run.status}, so it cannot be deleted.`,
        'Cancel it first.',
      );
      query(project, 'UPDATE runs SET removed = ? WHERE id = ?').run(models ? 'with-models' : 'going', id);
    }
  });
}

export interface Going {
  id: string;
  models: boolean;
}
/** Deleted runs that have not been cleared away. */
export const runsGoing = (project: Project): Going[] =>
  query<{ id: string; removed: string }>(
    project,
    "SELECT id, removed FROM runs WHERE removed IN ('going', 'with-models')",
  )
    .all()
    .filter(({ id }) => isRunId(id))
    .map(({ id, removed }) => ({ id, models: removed === 'with-models' }));

/** Removes up to `most` samples of a deleted run that nobody has judged; returns how many. */
export function clearSamples(project: Project, id: string, most: number): number {
  return transaction(project, () => {
    const found = query<{ id: number }>(
      project,
      `SELECT c.id FROM completions c WHERE run_id = ? AND NOT ${JUDGED} LIMIT ?`,
    ).all(id, most);
    for (const { id: completionId } of found) {
      removeFromItems(project, completionId);
      query(project, 'DELETE FROM completions WHERE id = ?').run(completionId);
    }
    return found.length;
  });
}

/** Ends the clearing: the row goes, or stays hidden where something is still from this run. */
export function finishRemoval(project: Project, id: string): void {
  transaction(project, () => {
    const referred =
      query(project, 'SELECT 1 FROM completions WHERE run_id = ?').get(id) ??
      query(project, 'SELECT 1 FROM policies WHERE run_id = ?').get(id);
    if (referred) query(project, "UPDATE runs SET removed = 'gone' WHERE id = ?").run(id);
    else query(project, 'DELETE FROM runs WHERE id = ?').run(id);
  });
}
