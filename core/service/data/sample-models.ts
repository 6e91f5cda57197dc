// Whose scores and log-probabilities a list of samples shows: the current reward model's, and the reference's that the policy started from.

import path from 'node:path';
import type { Policy, SampleFilter, SampleRow } from '#core/contract.ts';
import { gold } from '#core/demo/gold.ts';
import { hasKl, mostUsedReference } from '#core/store/measures.ts';
import { listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import type { MeasuredSample, SampleModels } from '#core/store/samples.ts';
import { currentPolicy, currentReward } from '#core/service/project.ts';
import { manifestOf } from '#core/service/models/run-folder.ts';

/** The project's model in the folder that a run calls by this role; null where the run or the model is gone. */
export function modelOfRun(project: Project, runId: string, role: string): Policy | null {
  const used = manifestOf(project, runId)?.models[role];
  return (used && listPolicies(project).find((policy) => policyPath(project, policy) === path.resolve(project.folder, used.path))) ?? null;
}

/** From the base to this model. */
export function chainOf(policies: readonly Policy[], last: Policy): Policy[] {
  const byId = new Map(policies.map((policy) => [policy.id, policy]));
  const chain = [last];
  for (let parent = last.parentId; parent !== null && chain.length <= policies.length; parent = chain[0]!.parentId) chain.unshift(byId.get(parent)!);
  return chain;
}

/** The frozen start that a policy's KL is measured from: the one that its run names, else the base of its lineage. */
function referenceOf(project: Project, policy: Policy): number {
  const named = policy.runId === null ? null : modelOfRun(project, policy.runId, 'policy');
  return (named ?? chainOf(listPolicies(project), policy)[0]!).id;
}

/** The models that samples passing this filter are measured by. */
export function sampleModels(project: Project, filter: SampleFilter = {}): SampleModels {
  const policies = listPolicies(project);
  const ofRun = filter.runId === undefined ? null : (modelOfRun(project, filter.runId, 'policy')?.id ?? null);
  const policy = policies.find(({ id }) => id === filter.policyId) ?? currentPolicy(project);
  const reference = ofRun ?? (policy && referenceOf(project, policy));
  return { rewardModelId: currentReward(project)?.id ?? null, referenceId: reference !== null && hasKl(project, reference) ? reference : (mostUsedReference(project) ?? reference) };
}

/** Rows as the window shows them, with the demo world's gold score where the prompt has facts. */
export const withGold = (rows: readonly MeasuredSample[]): SampleRow[] => rows.map(({ facts, ...row }) => ({ ...row, gold: facts ? gold(row.text.trim(), facts).overall : null }));
