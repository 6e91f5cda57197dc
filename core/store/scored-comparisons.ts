// What two reward models say of the pairs that labelers have ordered.

import { query } from './project.ts';
import type { Project } from './project.ts';

/** Prompts that have a comparison and are not kept for tests. */
export function comparedPrompts(project: Project): number[] {
  return query<{ id: number }>(
    project,
    "SELECT DISTINCT c.prompt_id AS id FROM comparisons c JOIN prompts p ON p.id = c.prompt_id WHERE p.split <> 'test' ORDER BY id",
  )
    .all()
    .map(({ id }) => id);
}

export interface ScoredComparison {
  promptId: number;
  chosenId: number;
  rejectedId: number;
}

/** The comparisons of these prompts; ties, hidden repeats and equal texts make none. */
export function comparisonsOf(project: Project, promptIds: readonly number[]): ScoredComparison[] {
  return query<ScoredComparison>(
    project,
    'SELECT prompt_id AS promptId, chosen_id AS chosenId, rejected_id AS rejectedId FROM comparisons WHERE prompt_id IN (SELECT value FROM json_each(?))',
  ).all(JSON.stringify(promptIds));
}

/** The scores that a model gave the completions of these prompts. */
export function scoresBy(project: Project, modelId: number, promptIds: readonly number[]): Map<number, number> {
  const rows = query<{ id: number; score: number }>(
    project,
    `SELECT c.id, m.score FROM completions c JOIN measures m ON m.completion_id = c.id AND m.model_id = ?
    WHERE c.prompt_id IN (SELECT value FROM json_each(?)) AND m.score IS NOT NULL`,
  ).all(modelId, JSON.stringify(promptIds));
  return new Map(rows.map(({ id, score }) => [id, score]));
}
