// Whose scores and log-probabilities a list of samples shows: those of the reward model that was chosen or is current,
// and of the reference that the policy started from.

import type { Policy } from '#core/contract/models.ts';
import type { SampleFilter, SampleRow } from '#core/contract/samples.ts';
import { goldOf } from '#core/recipes/parts/scorers.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listRuns } from '#core/store/runs.ts';
import type { MeasuredSample, SampleModels } from '#core/store/samples.ts';
import { currentPolicy, currentReward } from '#core/service/current-models.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { referenceOf } from '#core/runs/reference-model.ts';
import { modelOfRun } from '#core/runs/model-chain.ts';

/** The models that samples passing this filter are measured by. */
export function sampleModels(project: Project, filter: SampleFilter = {}): SampleModels {
  const chosen = listPolicies(project, { kind: 'reward' }).find(({ id }) => id === filter.scoredBy);
  return {
    rewardModelId: (chosen ?? currentReward(project))?.id ?? null,
    referenceId: shownReference(project, filter)?.id ?? null,
  };
}

/** Of a run that measures what it writes, its own; of others, that of who wrote them, else of the current policy. */
function shownReference(project: Project, { runId, comingOf, policyId }: SampleFilter): Policy | null {
  const id = comingOf ?? runId;
  const run = id === undefined ? undefined : listRuns(project).find((one) => one.id === id);
  const writer =
    (run && modelOfRun(project, run.id, 'policy')) ??
    listPolicies(project).find((policy) => policy.id === policyId) ??
    currentPolicy(project);
  const measures = run && recipeOf(run.kind)?.shows !== 'drawn';
  return referenceOf(project, writer, { runId: measures ? run.id : undefined, shown: true });
}

/** Rows as the window shows them, with the demo world's gold score where the prompt has facts. */
export const withGold = (rows: readonly MeasuredSample[]): SampleRow[] =>
  rows.map(({ facts, ...row }) => ({ ...row, gold: facts ? goldOf(row.text, facts) : null }));
