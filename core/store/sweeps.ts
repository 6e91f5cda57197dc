// Sweeps: runs of one recipe with some settings varied, and what each of them came to by the metric of the sweep.

import type { Config } from '#core/contract/recipes.ts';
import type { RunResult } from '#core/contract/runs.ts';
import { RESULT_COLUMNS } from './run-facts.ts';
import { insertMany, query, requireThat, transaction } from './project.ts';
import type { Project } from './project.ts';

export interface Sweep {
  id: number;
  name: string;
  recipe: string;
  /** setting -> the values it is given */
  varied: Record<string, Config[string][]>;
  /** what its runs are compared by */
  metric: string;
  createdAt: number;
}

type Row = Omit<Sweep, 'varied'> & { varied: string };
const COLUMNS = 'id, name, recipe, varied, metric, created_at AS createdAt';
const sweepOf = ({ varied, ...row }: Row): Sweep => ({ ...row, varied: JSON.parse(varied) as Sweep['varied'] });

/** Adds a sweep without runs and returns its id. 'bad-data' where the name is taken or nothing is varied. */
export function addSweep(project: Project, { name, recipe, varied, metric }: Omit<Sweep, 'id' | 'createdAt'>): number {
  return transaction(project, () => {
    requireThat(
      !query(project, 'SELECT 1 FROM sweeps WHERE name = ?').get(name),
      `There is a sweep "${name}" already.`,
      'Give this one another name.',
    );
    const values = Object.values(varied);
    requireThat(
      values.length > 0 && values.every(({ length }) => length > 0),
      `The sweep "${name}" varies nothing.`,
      'Name a setting with the values it is to be given.',
    );
    const { lastInsertRowid } = query(
      project,
      'INSERT INTO sweeps (name, recipe, varied, metric, created_at) VALUES (?, ?, ?, ?, ?)',
    ).run(name, recipe, JSON.stringify(varied), metric, Date.now());
    return Number(lastInsertRowid);
  });
}

/** Newest first. */
export const listSweeps = (project: Project): Sweep[] =>
  query<Row>(project, `SELECT ${COLUMNS} FROM sweeps ORDER BY id DESC`).all().map(sweepOf);

/** Runs that are to belong to a sweep. 'bad-data' for one of another recipe or another sweep. */
export function addToSweep(project: Project, id: number, runIds: readonly string[]): void {
  transaction(project, () => {
    const sweep = query<{ recipe: string }>(project, 'SELECT recipe FROM sweeps WHERE id = ?').get(id);
    requireThat(sweep !== undefined, `There is no sweep ${id}.`, 'Name one of this project.');
    for (const runId of runIds) {
      const run = query<{ kind: string }>(project, 'SELECT kind FROM runs WHERE id = ?').get(runId);
      requireThat(run?.kind === sweep!.recipe, `Run ${runId} is none of ${sweep!.recipe}.`, 'Name runs of the recipe.');
      const other = query(project, 'SELECT 1 FROM sweep_runs WHERE run_id = ?').get(runId);
      requireThat(!other, `Run ${runId} belongs to a sweep already.`, 'Name runs that belong to none.');
    }
    insertMany(
      project,
      'sweep_runs',
      ['run_id', 'sweep_id'],
      runIds.map((runId) => [runId, id]),
    );
  });
}

/** The runs of a sweep, oldest first, each with what it came to by the sweep's metric; null where it has none yet. */
export function sweepResults(project: Project, id: number): { runId: string; result: RunResult | null }[] {
  return query<RunResult & { runId: string; metric: string | null }>(
    project,
    `SELECT s.run_id AS runId, ${RESULT_COLUMNS} FROM sweep_runs s
    LEFT JOIN run_results r ON r.run_id = s.run_id AND r.metric = (SELECT metric FROM sweeps WHERE id = s.sweep_id)
    JOIN runs n ON n.id = s.run_id WHERE s.sweep_id = ? AND n.removed IS NULL ORDER BY n.created_at, s.run_id`,
  )
    .all(id)
    .map(({ runId, ...result }) => ({ runId, result: result.metric === null ? null : result }));
}

/** The sweep goes, its runs stay. */
export const removeSweep = (project: Project, id: number): void =>
  void query(project, 'DELETE FROM sweeps WHERE id = ?').run(id);
