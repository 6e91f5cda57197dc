// Which model KL is measured from: one rule, for a policy, for the numbers of a run, and for numbers that are shown.
//
// It is the first of these that there is:
//   1 for a run's own numbers, what the run was given as its reference, else the policy that it began with
//   2 what the newest tuning run of the policy's line was given as its reference
//   3 the model that the first tuning run of that line began with: an SFT model or a base
//   4 the policy itself, which was never tuned
// So it survives rounds, and no result is measured from itself. To show numbers that are there it has to have some:
// where no completion has any from it, it is the model that most completions do.

import type { Policy } from '#core/contract/models.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { chainOf, modelOfRun } from './model-chain.ts';
import { measuredReference } from '#core/store/measures.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listRuns } from '#core/store/runs.ts';

/** Which numbers it is wanted for, where they are not just any of the policy's. */
export interface ReferenceUse {
  /** a run's own */
  runId?: string | undefined;
  /** those that are there, to be shown */
  shown?: boolean;
}

/** The reference of a policy by the rule above; null only without a policy, where no run or number has one either. */
export function referenceOf<P extends Policy | null>(
  project: Project,
  policy: P,
  { runId, shown = false }: ReferenceUse = {},
): Policy | P {
  const wanted = (runId === undefined ? null : ofRun(project, runId)) ?? (policy && ofLine(project, policy));
  if (!shown) return wanted;
  const id = measuredReference(project, wanted?.id ?? null);
  return listPolicies(project).find((one) => one.id === id) ?? wanted;
}

const ofRun = (project: Project, runId: string): Policy | null =>
  modelOfRun(project, runId, 'reference') ?? modelOfRun(project, runId, 'policy');

/** Who learns to write as texts do has no reference but itself; whatever else makes a policy is held to one. */
const imitates = (kind: string): boolean => recipeOf(kind)?.model?.from === 'texts';

function ofLine(project: Project, policy: Policy): Policy {
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
