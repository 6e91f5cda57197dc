// Whose scores and log-probabilities a list of samples shows: those of the reward model that was chosen or is current,
// and of the reference that the policy started from.

import type { Policy } from '#core/contract/models.ts';
import type { SampleFilter, SampleRow } from '#core/contract/samples.ts';
import { goldOf } from '#core/recipes/parts/scorers.ts';
import { hasKl, mostUsedReference } from '#core/store/measures.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listRuns } from '#core/store/runs.ts';
import type { MeasuredSample, SampleModels } from '#core/store/samples.ts';
import { currentPolicy, currentReward } from '#core/service/current-models.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { measuredFrom, referenceOf } from '#core/runs/reference-model.ts';
import { modelOfRun } from '#core/runs/model-chain.ts';

/** The models that samples passing this filter are measured by. */
export function sampleModels(project: Project, filter: SampleFilter = {}): SampleModels {
  const wanted = referenceFor(project, filter)?.id ?? null;
  const chosen = listPolicies(project, { kind: 'reward' }).find(({ id }) => id === filter.scoredBy);
  return {
    rewardModelId: (chosen ?? currentReward(project))?.id ?? null,
    referenceId: wanted !== null && hasKl(project, wanted) ? wanted : (mostUsedReference(project) ?? wanted),
  };
}

/**
 * What the KL of these samples is measured from: of a run that tunes, its own reference; of others, the reference of
 * who wrote them, else of the current policy.
 */
function referenceFor(project: Project, { runId, comingOf, policyId }: SampleFilter): Policy | null {
  const id = comingOf ?? runId;
  const run = id === undefined ? undefined : listRuns(project).find((one) => one.id === id);
  if (run && recipeOf(run.kind)?.shows !== 'drawn') {
    const named = measuredFrom(project, run.id);
    if (named) return named;
  }
  const writer =
    (run && modelOfRun(project, run.id, 'policy')) ??
    listPolicies(project).find((policy) => policy.id === policyId) ??
    currentPolicy(project);
  return writer && referenceOf(project, writer);
}

/** Rows as the window shows them, with the demo world's gold score where the prompt has facts. */
export const withGold = (rows: readonly MeasuredSample[]): SampleRow[] =>
  rows.map(({ facts, ...row }) => ({ ...row, gold: facts ? goldOf(row.text, facts) : null }));
