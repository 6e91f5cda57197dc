// What follows from a run by itself: a new reward model, or new completions, are scored, so that queues and lists can use it.

import type { Config, Policy, Run, RunKind } from '#core/contract.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { anyUnmeasured } from '#core/store/run-completions.ts';
import { getRun, listRuns } from '#core/store/runs.ts';
import { currentPolicy, currentReward } from '#core/service/project.ts';

/** Where the current policy stood before it was tuned with PPO: what KL is measured from, and what reward models begin as. */
export function currentReference(project: Project): Policy | null {
  const models = new Map(listPolicies(project).map((policy) => [policy.id, policy]));
  let at = currentPolicy(project);
  while (at?.runId && at.parentId !== null && getRun(project, at.runId).kind === 'ppo') at = models.get(at.parentId) ?? null;
  return at;
}

export async function followUp(project: Project, { id, kind, status }: Run, start: (recipe: RunKind, config: Config, name: string | null) => Promise<unknown>): Promise<void> {
  if (status !== 'done' || (kind !== 'reward' && kind !== 'sample')) return;
  const reward = kind === 'reward' ? (listPolicies(project, { runId: id })[0] ?? null) : currentReward(project), reference = currentReference(project);
  if (!reward || !anyUnmeasured(project, reward.id, reference?.id ?? null)) return;
  const waits = listRuns(project, { kind: 'score', status: 'queued' }).some((run) => run.name.startsWith(`measures by ${reward.name}`));
  if (!waits) await start('score', { reward: reward.name, reference: reference?.name ?? '' }, null);
}
