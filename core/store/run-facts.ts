// What is known of runs beside how they stand: a person's note and tags, and the results that were taken from their
// metrics.

import type { RunResult } from '#core/contract/runs.ts';
import { insertMany, query, requireThat, transaction } from './project.ts';
import type { Project } from './project.ts';
import { getRun } from './runs.ts';

export interface Noted {
  note: string;
  tags: string[];
}

const LONGEST_TAG = 40;
const MOST_TAGS = 20;

/**
 * As they are kept: trimmed, without doubles (whatever the case), in the order of the alphabet. 'bad-data' for one that
 * is none.
 */
export function cleanTags(given: readonly string[]): string[] {
  const found = new Map<string, string>();
  for (const tag of given.map((one) => one.trim().replace(/\s+/g, ' '))) {
    if (tag === '') continue;
    requireThat(
      !tag.includes(','),
      `The tag "${tag}" has a comma in it.`,
      'Give the tags one by one: a comma parts two of them.',
    );
    requireThat(
      tag.length <= LONGEST_TAG,
      `The tag "${tag.slice(0, 20)}…" has ${tag.length} characters; the most is ${LONGEST_TAG}.`,
      'Put the longer words into the note.',
    );
    const key = tag.toLowerCase();
    if (!found.has(key)) found.set(key, tag);
  }
  requireThat(found.size <= MOST_TAGS, `These are ${found.size} tags; a run takes ${MOST_TAGS}.`, 'Leave some out.');
  return [...found.values()].sort((a, b) => a.localeCompare(b));
}

/** Sets a run's note, its tags or both. 'bad-argument' where there is no such run. */
export function describeRun(project: Project, id: string, { note, tags }: Partial<Noted>): Noted {
  return transaction(project, () => {
    getRun(project, id);
    if (note !== undefined) query(project, 'UPDATE runs SET note = ? WHERE id = ?').run(note.trim(), id);
    if (tags !== undefined) {
      const clean = cleanTags(tags);
      query(project, 'DELETE FROM run_tags WHERE run_id = ?').run(id);
      insertMany(
        project,
        'run_tags',
        ['run_id', 'tag'],
        clean.map((tag) => [id, tag]),
      );
    }
    return notedOf(project, id);
  });
}

export function notedOf(project: Project, id: string): Noted {
  const { note } = query<{ note: string }>(project, 'SELECT note FROM runs WHERE id = ?').get(id) ?? { note: '' };
  return {
    note,
    tags: query<{ tag: string }>(project, 'SELECT tag FROM run_tags WHERE run_id = ? ORDER BY tag COLLATE NOCASE')
      .all(id)
      .map(({ tag }) => tag),
  };
}

/** Of all runs. */
export function allNoted(project: Project): Map<string, Noted> {
  const found = new Map(
    query<{ id: string; note: string }>(project, 'SELECT id, note FROM runs')
      .all()
      .map(({ id, note }): [string, Noted] => [id, { note, tags: [] }]),
  );
  for (const { id, tag } of query<{ id: string; tag: string }>(
    project,
    'SELECT run_id AS id, tag FROM run_tags ORDER BY tag COLLATE NOCASE',
  ).all())
    found.get(id)?.tags.push(tag);
  return found;
}

export const RESULT_COLUMNS =
  'metric, last, best, best_step AS bestStep, last_error AS lastError, best_error AS bestError, count';

/** Puts these results of a run in the place of those it had. */
export function setResults(project: Project, id: string, results: readonly RunResult[]): void {
  transaction(project, () => {
    if (!query(project, 'SELECT 1 FROM runs WHERE id = ?').get(id)) return; // deleted meanwhile
    query(project, 'DELETE FROM run_results WHERE run_id = ?').run(id);
    insertMany(
      project,
      'run_results',
      ['run_id', 'metric', 'last', 'best', 'best_step', 'last_error', 'best_error', 'count'],
      results.map((one) => [id, one.metric, one.last, one.best, one.bestStep, one.lastError, one.bestError, one.count]),
    );
  });
}

export function resultsOf(project: Project, id: string): RunResult[] {
  return query<RunResult>(project, `SELECT ${RESULT_COLUMNS} FROM run_results WHERE run_id = ?`).all(id);
}
