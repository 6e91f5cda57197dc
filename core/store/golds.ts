// The demo world's gold scores, which are computed and not stored: a table of this opening alone, so that lists can be
// ordered by them.

import type { Prompt } from '#core/contract/prompts.ts';
import { TastemakerError } from '#core/errors.ts';
import { insertMany, query } from './project.ts';
import type { Project } from './project.ts';

/**
 * The demo project is known by its first prompts; others have no facts, and reading all to see that would take long.
 */
const LOOKED_AT = 100;
const COMPUTED_AT_ONCE = 200;

/** Whether there is a true score to compare with. */
export const hasGold = (project: Project): boolean =>
  query(
    project,
    `SELECT 1 FROM (SELECT facts FROM prompts ORDER BY id LIMIT ${LOOKED_AT}) WHERE facts IS NOT NULL LIMIT 1`,
  ).get() !== undefined;

/**
 * Computes what is missing, a few hundred at a time; between them others have their turn. Ids are never used twice and
 * texts never change, so what is there stays true; what was removed goes.
 */
export async function fillGolds(
  project: Project,
  gold: (text: string, facts: NonNullable<Prompt['facts']>) => number,
  breath: () => Promise<void>,
): Promise<void> {
  project.db.exec(
    'CREATE TEMP TABLE IF NOT EXISTS golds (completion_id INTEGER PRIMARY KEY, gold REAL); CREATE INDEX IF NOT EXISTS temp.golds_by_gold ON golds (gold, completion_id)',
  );
  query(project, 'DELETE FROM golds WHERE completion_id NOT IN (SELECT id FROM completions)').run();
  if (!hasGold(project)) return;
  const missing = query<{ id: number; text: string; facts: string }>(
    project,
    `SELECT c.id, c.text, p.facts FROM completions c JOIN prompts p ON p.id = c.prompt_id
    WHERE p.facts IS NOT NULL AND c.id NOT IN (SELECT completion_id FROM golds) LIMIT ${COMPUTED_AT_ONCE}`,
  );
  for (let rows = missing.all(); rows.length > 0; rows = missing.all()) {
    const values = rows.map(({ id, text, facts }) => [id, gold(text, JSON.parse(facts) as Record<string, string>)]);
    insertMany(project, 'golds', ['completion_id', 'gold'], values, 'ON CONFLICT DO NOTHING');
    await breath();
    if (!project.db.open)
      throw new TastemakerError('bad-argument', 'The project was closed meanwhile.', 'Open it and try again.');
  }
}
