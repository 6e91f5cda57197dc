// Runs: one row per execution of a job; its manifest, metrics and checkpoints lie in runs/<id>/.

import type { Config } from '#core/contract/recipes.ts';
import type { Run, RunKind, RunStatus } from '#core/contract/runs.ts';
import { TastemakerError } from '#core/errors.ts';
import { isPrintable, printable } from './printable.ts';
import { query, requireThat, transaction, where } from './project.ts';
import type { Project } from './project.ts';
import { LIVING } from '#core/contract/runs.ts';

/**
 * What was asked for, by which a run is prepared when its turn comes. Runs take their turns in the order of `queuedAt`.
 */
export interface RunRequest {
  recipe: RunKind;
  config: Config;
  /** of the model that comes out, where one was given */ name: string | null;
  queuedAt: number;
}
export type NewRun = Pick<Run, 'id' | 'kind' | 'name'> &
  Partial<Pick<Run, 'status' | 'createdAt' | 'endedAt' | 'error'>> & { request?: RunRequest };

const STATUSES: readonly string[] = [...LIVING, 'done', 'stopped', 'failed', 'cancelled'] satisfies RunStatus[];
/** Also one of a later version, which is shown and cannot be run. */
const isKind = (kind: unknown): boolean => typeof kind === 'string' && /^[a-z][a-z0-9-]{0,39}$/.test(kind);
const COLUMNS = 'id, kind, name, status, created_at AS createdAt, ended_at AS endedAt, error';

/** Whether a text can be the id of a run: it names a folder in runs/, and can lead to no other. */
export const isRunId = (id: unknown): id is string =>
  typeof id === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(id);

/**
 * What is wrong with a row: a project may come from somebody else, and its rows from another program. Null where
 * nothing is.
 */
function faultOfRow({ id, kind, name, createdAt, endedAt }: Run): string | null {
  if (!isRunId(id)) return 'its id cannot name a folder of the project';
  if (!isKind(kind)) return `"${printable(kind)}" cannot be its kind`;
  if (!isPrintable(name)) return 'its name holds control characters';
  return [createdAt, endedAt ?? 0].every(Number.isFinite) ? null : 'its times are no numbers';
}
const isSound = (run: Run): boolean => faultOfRow(run) === null;

/** The rows of runs that are left out everywhere, a sentence each. */
export const unsoundRuns = (project: Project): string[] =>
  query<Run>(project, `SELECT ${COLUMNS} FROM runs`)
    .all()
    .flatMap((run) => (isSound(run) ? [] : [`the run "${printable(run.id)}" is left out: ${faultOfRow(run)}`]));

const checkStatus = (id: string, status: string) =>
  requireThat(
    STATUSES.includes(status),
    `Run ${id} has the unknown status "${status}".`,
    `Use one of ${STATUSES.join(', ')}.`,
  );

/** Adds a run, by default running since now. 'bad-data' if the id is taken or cannot name a folder. */
export function addRun(project: Project, row: NewRun): Run {
  return transaction(project, () => {
    requireThat(
      isRunId(row.id),
      `"${row.id}" cannot be the id of a run.`,
      'Use letters, digits, dots and dashes: it names a folder.',
    );
    requireThat(
      isPrintable(row.name),
      'The name of a run stands on one line.',
      'Leave out line breaks and other control characters.',
    );
    requireThat(
      !query(project, 'SELECT 1 FROM runs WHERE id = ?').get(row.id),
      `The project already has a run ${row.id}.`,
      'Choose another id.',
    );
    const { status = 'running', createdAt = Date.now(), endedAt = null, error = null, request } = row;
    checkStatus(row.id, status);
    query(
      project,
      'INSERT INTO runs (id, kind, name, status, created_at, ended_at, error, request) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    ).run(row.id, row.kind, row.name, status, createdAt, endedAt, error, request ? JSON.stringify(request) : null);
    return getRun(project, row.id);
  });
}

/** Changes the name, status, end or error of a run and returns it as it is now. */
export function updateRun(
  project: Project,
  id: string,
  changes: Partial<Pick<Run, 'name' | 'status' | 'endedAt' | 'error'>>,
): Run {
  return transaction(project, () => {
    const row = { ...getRun(project, id), ...changes };
    checkStatus(id, row.status);
    query(project, 'UPDATE runs SET name = ?, status = ?, ended_at = ?, error = ? WHERE id = ?').run(
      row.name,
      row.status,
      row.endedAt,
      row.error,
      id,
    );
    return row;
  });
}

/**
 * What was asked for; null where the run was started without a queue, or where nothing that could be asked stands
 * there.
 */
export function getRequest(project: Project, id: string): RunRequest | null {
  const row = query<{ request: string | null }>(project, 'SELECT request FROM runs WHERE id = ?').get(id);
  if (!row?.request) return null;
  const asked = JSON.parse(row.request) as Partial<RunRequest> | null; // the database holds nothing here but JSON
  const isConfig = (given: unknown): given is Config =>
    typeof given === 'object' &&
    given !== null &&
    Object.values(given).every((value) => ['number', 'string', 'boolean'].includes(typeof value));
  if (!asked || !isKind(asked.recipe) || !isConfig(asked.config)) return null;
  return {
    recipe: asked.recipe!,
    config: asked.config,
    name: typeof asked.name === 'string' ? asked.name : null,
    queuedAt: Number(asked.queuedAt) || 0,
  };
}

export function setRequest(project: Project, id: string, request: RunRequest): void {
  query(project, 'UPDATE runs SET request = ? WHERE id = ?').run(JSON.stringify(request), id);
}

/** The run whose turn is next, these left out; null where none waits. */
export function nextQueued(project: Project, except: ReadonlySet<string> = new Set()): Run | null {
  const waiting = query<Run>(
    project,
    `SELECT ${COLUMNS} FROM runs WHERE status = 'queued' AND removed IS NULL ORDER BY coalesce(json_extract(request, '$.queuedAt'), created_at), rowid`,
  ).all();
  return waiting.find((run) => isSound(run) && !except.has(run.id)) ?? null;
}

/** The run of this id. 'bad-argument' naming the latest ones where there is none. */
export function getRun(project: Project, id: string): Run {
  const found = query<Run>(project, `SELECT ${COLUMNS} FROM runs WHERE id = ? AND removed IS NULL`).get(id);
  if (found && isSound(found)) return found;
  const latest = listRuns(project)
    .slice(0, 5)
    .map((run) => run.id);
  throw new TastemakerError(
    'bad-argument',
    `There is no run ${printable(id)} in the project "${project.name}".`,
    latest.length > 0 ? `The latest runs: ${latest.join(', ')}.` : 'The project has no runs yet.',
  );
}

/** Runs, newest first; those that were deleted are in no list. */
export function listRuns(project: Project, filter: { kind?: RunKind; status?: RunStatus } = {}): Run[] {
  const { sql, values } = where({ kind: filter.kind, status: filter.status });
  return query<Run>(
    project,
    `SELECT ${COLUMNS} FROM runs ${sql ? `${sql} AND` : 'WHERE'} removed IS NULL ORDER BY created_at DESC, rowid DESC`,
  )
    .all(...values)
    .filter(isSound);
}
