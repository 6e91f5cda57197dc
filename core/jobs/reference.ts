// What KL of a policy is measured from where nobody names a model: the one that its own run measured from, round after round, else itself.

import path from 'node:path';
import type { Policy, RunKind } from '#core/contract.ts';
import { listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { getRun } from '#core/store/runs.ts';
import { runFolderOf } from './execute.ts';
import { readManifest } from './job.ts';

/** Recipes whose models keep the reference that they were tuned against; every other recipe makes a model to be measured from. */
const KEEPS_REFERENCE: ReadonlySet<RunKind> = new Set(['ppo']);

/** The model of the project that plays one of these roles in a run, the first that does; null where none is in the project any more. */
function inRole(project: Project, runId: string, roles: readonly string[], policies: readonly Policy[]): Policy | null {
  try {
    const { models } = readManifest(runFolderOf(project.folder, runId));
    const at = roles.flatMap((role) => (models[role] ? [path.resolve(project.folder, models[role].path)] : []))[0];
    return policies.find((policy) => policyPath(project, policy) === at) ?? null;
  } catch {
    return null; // its folder is gone
  }
}

/** Tuned against a reward model, a policy keeps the reference of its run (of version 0.1.0: what that run started from); a base or a fine-tuned model is its own. */
export function referenceOf(project: Project, policy: Policy): Policy {
  const policies = listPolicies(project), seen = new Set<number>();
  let at = policy;
  while (at.runId !== null && KEEPS_REFERENCE.has(getRun(project, at.runId).kind) && !seen.has(at.id)) {
    seen.add(at.id);
    const parent = policies.find(({ id }) => id === at.parentId);
    at = inRole(project, at.runId, ['reference', 'policy'], policies) ?? parent ?? policy;
  }
  return at;
}
