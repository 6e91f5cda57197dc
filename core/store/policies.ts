// Policies: every model the project knows (base, tuned, reward) with its parent and the run that made it.

import { isAbsolute, relative, resolve, sep } from 'node:path';
import type { Policy, PolicyKind } from '#core/contract/models.ts';
import { TastemakerError } from '#core/errors.ts';
import { isPrintable, printable } from './printable.ts';
import { query, requireRow, requireThat, transaction, where } from './project.ts';
import type { Project } from './project.ts';
import { isRunId } from './runs.ts';

export type NewPolicy = Pick<Policy, 'name' | 'kind' | 'path'> &
  Partial<Pick<Policy, 'parentId' | 'runId' | 'createdAt'>>;

const KINDS: readonly string[] = ['base', 'policy', 'reward'] satisfies PolicyKind[];
const COLUMNS = 'id, name, kind, path, parent_id AS parentId, run_id AS runId, created_at AS createdAt';

/**
 * Whether a row can be right: its place is a path on one line, and its run can be one. Rows may come from another
 * program.
 */
const isSound = ({ path, name, runId }: Policy): boolean =>
  isPrintable(path) && isPrintable(name) && (runId === null || isRunId(runId));

/** The rows of models that are left out everywhere, a sentence each. */
export const unsoundPolicies = (project: Project): string[] =>
  query<Policy>(project, `SELECT ${COLUMNS} FROM policies`)
    .all()
    .flatMap((policy) =>
      isSound(policy)
        ? []
        : [`the model "${printable(policy.name)}" is left out: its name, its path or its run cannot be right`],
    );

/** Relative with forward slashes when inside the project folder, so that a copied project still finds it. */
function storedPath(project: Project, path: string): string {
  const within = relative(project.folder, resolve(project.folder, path));
  const isOutside = within === '..' || within.startsWith(`..${sep}`) || isAbsolute(within);
  return isOutside ? resolve(project.folder, path) : within.split(sep).join('/');
}

/** Adds a model; returns its id. A relative `path` counts from the project folder. 'bad-data' if the name is taken. */
export function addPolicy(project: Project, row: NewPolicy): number {
  return transaction(project, () => {
    requireThat(row.name.trim() !== '', 'A policy needs a name.', 'Give a name that is not empty.');
    requireThat(
      isPrintable(row.name) && isPrintable(row.path),
      'The name and the path of a model stand on one line.',
      'Leave out line breaks and other control characters.',
    );
    requireThat(
      KINDS.includes(row.kind),
      `Policy "${row.name}" has the unknown kind "${row.kind}".`,
      `Use one of ${KINDS.join(', ')}.`,
    );
    const taken = query(project, 'SELECT 1 FROM policies WHERE name = ?').get(row.name);
    requireThat(!taken, `The project already has a policy called "${row.name}".`, 'Choose another name.');
    requireRow(project, 'policies', row.parentId);
    requireRow(project, 'runs', row.runId);
    return Number(
      query(
        project,
        'INSERT INTO policies (name, kind, path, parent_id, run_id, created_at) VALUES (?, ?, ?, ?, ?, ?)',
      ).run(
        row.name,
        row.kind,
        storedPath(project, row.path),
        row.parentId ?? null,
        row.runId ?? null,
        row.createdAt ?? Date.now(),
      ).lastInsertRowid,
    );
  });
}

/** The model of this name. 'bad-argument' listing the known names where there is none. */
export function getPolicy(project: Project, name: string): Policy {
  const found = query<Policy>(project, `SELECT ${COLUMNS} FROM policies WHERE name = ?`).get(name);
  if (found && isSound(found)) return found;
  const known = listPolicies(project).map((policy) => policy.name);
  throw new TastemakerError(
    'bad-argument',
    `There is no policy called "${name}" in the project "${project.name}".`,
    known.length > 0 ? `Known names: ${known.join(', ')}.` : 'The project has no models yet; add one first.',
    known.length > 0 ? '' : '`tastemaker model add` does.',
  );
}

/** Models in id order (parents before children). */
export function listPolicies(project: Project, filter: { kind?: PolicyKind; runId?: string } = {}): Policy[] {
  const { sql, values } = where({ kind: filter.kind, run_id: filter.runId });
  return query<Policy>(project, `SELECT ${COLUMNS} FROM policies ${sql} ORDER BY id`)
    .all(...values)
    .filter(isSound);
}

/**
 * The model that a run made at its end; its best weights, kept as a model beside it, are not meant. Null where there is
 * none (yet).
 */
export function modelMadeBy(project: Project, runId: string): Policy | null {
  return listPolicies(project, { runId }).find(({ path }) => path === `runs/${runId}/model`) ?? null;
}

/** Where the model's files lie, as an absolute path. */
export function policyPath(project: Project, policy: Policy): string {
  return resolve(project.folder, policy.path);
}

/** The model of this id. 'bad-data' where there is none. */
export function policyById(project: Project, id: number): Policy {
  requireRow(project, 'policies', id);
  const policy = query<Policy>(project, `SELECT ${COLUMNS} FROM policies WHERE id = ?`).get(id)!;
  requireThat(
    isSound(policy),
    `The model "${printable(policy.name)}" is left out: its name, its path or its run cannot be right.`,
    'Check the project: it lists what is left out.',
  );
  return policy;
}

/** Gives a model another name. 'bad-data' if another model has it. */
export function renamePolicy(project: Project, id: number, name: string): Policy {
  return transaction(project, () => {
    requireRow(project, 'policies', id);
    requireThat(
      name.trim() !== '' && isPrintable(name),
      'A model needs a name, on one line.',
      'Give a name that is not empty, without line breaks.',
    );
    const other = query(project, 'SELECT 1 FROM policies WHERE name = ? AND id <> ?').get(name, id);
    requireThat(!other, `The project already has a model called "${name}".`, 'Choose another name.');
    query(project, 'UPDATE policies SET name = ? WHERE id = ?').run(name, id);
    return policyById(project, id);
  });
}

/** How many completions each model wrote. */
export function completionsByPolicy(project: Project): Map<number, number> {
  const rows = query<{ id: number; n: number }>(
    project,
    'SELECT policy_id AS id, count(*) AS n FROM completions WHERE policy_id IS NOT NULL GROUP BY policy_id',
  ).all();
  return new Map(rows.map(({ id, n }) => [id, n]));
}

/**
 * What in the project needs this model, as plain words ("312 completions", "the model x, which was made from it");
 * empty where nothing does.
 */
export function dependentsOf(project: Project, id: number): string[] {
  const counted = (sql: string, one: string, many: string): string[] => {
    const { n } = query<{ n: number }>(project, sql).get(id)!;
    return n === 0 ? [] : [n === 1 ? `1 ${one}` : `${n} ${many}`];
  };
  const children = listPolicies(project)
    .filter(({ parentId }) => parentId === id)
    .map(({ name }) => `the model "${name}", which was made from it`);
  return [
    ...counted('SELECT count(*) AS n FROM completions WHERE policy_id = ?', 'completion', 'completions'),
    ...children,
  ];
}

/**
 * Takes a model off the project's list, and with it what it said of completions; its files stay. 'bad-data' naming what
 * needs it, `others` besides.
 */
export function removePolicy(project: Project, id: number, others: readonly string[] = []): Policy {
  return transaction(project, () => {
    const policy = policyById(project, id);
    const needs = [...dependentsOf(project, id), ...others];
    requireThat(
      needs.length === 0,
      `The model "${policy.name}" cannot be removed: it is needed by ${needs.join(', ')}.`,
      'Remove those first, or keep the model; an entry takes no space.',
    );
    query(project, 'DELETE FROM policies WHERE id = ?').run(id);
    return policy;
  });
}

/** 'bad-data' where the row of a removed model has no place any more. */
export function refuseHomelessModel(project: Project, row: Readonly<Record<string, unknown>>): void {
  const { id, name, parent_id: parentId, run_id: runId } = row as Record<string, string | number | null>;
  const lacks = (table: 'policies' | 'runs', key: string | number | null | undefined) =>
    key !== null && key !== undefined && !query(project, `SELECT 1 FROM ${table} WHERE id = ?`).get(key);
  const other = query<Pick<Policy, 'id'>>(project, 'SELECT id FROM policies WHERE name = ? AND id <> ?').get(
    name ?? null,
    id ?? null,
  );
  requireThat(
    !other,
    `Another model is called "${name}" now.`,
    'Give that one another name, then take the removal back.',
  );
  requireThat(
    !lacks('policies', parentId),
    `The model that "${name}" was made from has been removed, too.`,
    'Take the removal of that one back first.',
  );
  requireThat(
    !lacks('runs', runId),
    `The run that made "${name}" has been deleted, and its files with it.`,
    'It cannot come back.',
  );
}
