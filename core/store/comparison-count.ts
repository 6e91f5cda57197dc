// How many comparisons a project holds, without counting them anew after every label.
//
// Counting the view takes 0.2 s for 100,000 rankings. So the pairs of each ranking are counted once, and triggers of
// this
// connection (TEMP: they are not in the file) note which rankings have changed since; only those are counted again.

import { query } from './project.ts';
import type { Project } from './project.ts';

const WATCHED = [
  ['rankings', 'id'],
  ['ranking_items', 'ranking_id'],
] as const;
const CHANGES = [
  ['INSERT', 'new'],
  ['DELETE', 'old'],
  ['UPDATE', 'new'],
] as const;

interface Count {
  total: number;
  /** rankings that make a comparison */ teaching: number;
  pairs: Map<number, number>;
}
const counts = new WeakMap<Project, Count>();

/**
 * The rows of the view `comparisons`. The first call counts everything; in a project open for reading every call does.
 */
export const countComparisons = (project: Project): number => countBoth(project).total;

/** How many rankings make a comparison: those that teach. */
export const countTeaching = (project: Project): number => countBoth(project).teaching;

function countBoth(project: Project): Pick<Count, 'total' | 'teaching'> {
  if (!project.write)
    return query<Pick<Count, 'total' | 'teaching'>>(
      project,
      'SELECT count(*) AS total, count(DISTINCT ranking_id) AS teaching FROM comparisons',
    ).get()!;
  let count = counts.get(project);
  if (!count) {
    watch(project);
    counts.set(project, (count = { total: 0, teaching: 0, pairs: new Map() }));
    // three times as fast as counting the view
    const without = new Set(
      query<{ id: number }>(project, "SELECT id FROM rankings WHERE status <> 'ranked' OR repeat_of IS NOT NULL")
        .all()
        .map(({ id }) => id),
    );
    for (const { id, ranks } of query<{ id: number; ranks: string }>(
      project,
      'SELECT ranking_id AS id, group_concat(rank) AS ranks FROM ranking_items GROUP BY ranking_id',
    ).all()) {
      const n = without.has(id) ? 0 : pairsOf(ranks.split(','));
      set(count, id, n);
    }
    return count;
  }
  const changed = query<{ id: number; n: number }>(
    project,
    'SELECT id, (SELECT count(*) FROM comparisons WHERE ranking_id = changed_rankings.id) AS n FROM changed_rankings',
  ).all();
  for (const { id, n } of changed) set(count, id, n);
  // not of the file: it is no change of the project
  if (changed.length > 0) project.db.exec('DELETE FROM changed_rankings');
  return count;
}

function set(count: Count, id: number, n: number): void {
  const before = count.pairs.get(id) ?? 0;
  count.total += n - before;
  count.teaching += Number(n > 0) - Number(before > 0);
  count.pairs.set(id, n);
}

/** How many pairs of these ranks are no tie. */
function pairsOf(ranks: readonly string[]): number {
  let pairs = 0;
  for (let a = 1; a < ranks.length; a++) for (let b = 0; b < a; b++) if (ranks[a] !== ranks[b]) pairs++;
  return pairs;
}

function watch(project: Project): void {
  const triggers = WATCHED.flatMap(([table, column]) =>
    CHANGES.map(
      ([change, row]) =>
        `CREATE TEMP TRIGGER IF NOT EXISTS ${table}_${change.toLowerCase()}_counted AFTER ${change} ON main.${table} BEGIN INSERT INTO changed_rankings (id) SELECT ${row}.${column} WHERE NOT EXISTS (SELECT 1 FROM changed_rankings WHERE id = ${row}.${column}); END;`,
    ),
  );
  project.db.exec(
    ['CREATE TEMP TABLE IF NOT EXISTS changed_rankings (id INTEGER PRIMARY KEY) STRICT;', ...triggers].join('\n'),
  );
}
