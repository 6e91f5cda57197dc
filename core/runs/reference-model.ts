// Which model the KL of a policy is measured from: the one that its run names, else where the chain of tuned policies
// began.

import type { Policy } from '#core/contract/models.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { chainOf, modelOfRun } from './model-chain.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listRuns } from '#core/store/runs.ts';

/** Who learns to write as texts do has no reference but itself; whatever else makes a policy is held to one. */
const imitates = (kind: string): boolean => recipeOf(kind)?.model?.from === 'texts';

/**
 * The model that the KL in a run's own numbers is measured from; null where that model is gone. Without the setting
 * `reference` it is the policy that the run began with.
 */
export const measuredFrom = (project: Project, runId: string): Policy | null =>
  modelOfRun(project, runId, 'reference') ?? modelOfRun(project, runId, 'policy');

/**
 * The reference of a policy, which survives rounds: what the newest tuning run of its line names as its reference, else
 * the model that its first tuning run began with (an SFT model or a base). A model that was never tuned is its own
 * reference.
 */
export function referenceOf(project: Project, policy: Policy): Policy {
  const kinds = new Map(listRuns(project).map(({ id, kind }) => [id, kind]));
  const chain = chainOf(listPolicies(project), policy);
  const isTuned = ({ runId }: Policy): boolean => runId !== null && kinds.has(runId) && !imitates(kinds.get(runId)!);
  for (const one of chain.toReversed()) {
    const named = isTuned(one) ? modelOfRun(project, one.runId!, 'reference') : null;
    if (named) return named;
  }
  const first = chain.findIndex(isTuned);
  return first > 0 ? chain[first - 1]! : policy;
}
