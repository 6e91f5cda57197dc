// The models that runs make and use: whether a recipe makes one, a name for it, and the one in a role of a run.

import path from 'node:path';
import { LIVING } from '#core/contract/runs.ts';
import type { RunKind } from '#core/contract/runs.ts';
import type { Manifest } from '#core/recipes/manifest.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listRuns } from '#core/store/runs.ts';

export const makesModel = (kind: RunKind): boolean => (recipeOf(kind)?.model ?? null) !== null;

/** `wanted`, or the first of wanted-2, wanted-3, ... that no model has, and no run that is still to make one. */
export function freeName(project: Project, wanted: string, except?: string): string {
  const waiting = listRuns(project).filter(
    ({ id, kind, status }) => id !== except && makesModel(kind) && LIVING.includes(status),
  );
  const taken = new Set([...listPolicies(project), ...waiting].map(({ name }) => name));
  let name = wanted;
  for (let n = 2; taken.has(name); n++) name = `${wanted}-${n}`;
  return name;
}

/** The project's model that plays this role in a run; null where it is not in the project any more. */
export function modelInRole(project: Project, { models }: Manifest, role: string): number | null {
  const at = models[role] && path.resolve(project.folder, models[role].path);
  return listPolicies(project).find((policy) => path.resolve(project.folder, policy.path) === at)?.id ?? null;
}
