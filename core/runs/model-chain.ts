// How models of a project hang together: which one played a role in a run, and what one descends from.

import path from 'node:path';
import type { Policy } from '#core/contract/models.ts';
import { listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { manifestOf } from '#core/recipes/manifest.ts';

/** The project's model in the folder that a run calls by this role; null where the run or the model is gone. */
export function modelOfRun(project: Project, runId: string, role: string): Policy | null {
  const used = manifestOf(project, runId)?.models[role];
  return (
    (used &&
      listPolicies(project).find(
        (policy) => policyPath(project, policy) === path.resolve(project.folder, used.path),
      )) ??
    null
  );
}

/** From the base to this model; from the model after one whose row is left out because it cannot be right. */
export function chainOf(policies: readonly Policy[], last: Policy): Policy[] {
  const byId = new Map(policies.map((policy) => [policy.id, policy]));
  const chain = [last];
  for (
    let parent = byId.get(last.parentId ?? NaN);
    parent && chain.length <= policies.length;
    parent = byId.get(parent.parentId ?? NaN)
  )
    chain.unshift(parent);
  return chain;
}
