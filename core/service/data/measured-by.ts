// Who measured what a list of samples shows, and why scores are missing where they are.

import type { Run } from '#core/contract/runs.ts';
import type { SampleFilter, SampleMeasures } from '#core/contract/samples.ts';
import { currentModels } from '#core/service/current-models.ts';
import { manifestOf } from '#core/recipes/manifest.ts';
import { hasGold } from '#core/store/golds.ts';
import { listPolicies, policyById } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { getRequest, listRuns } from '#core/store/runs.ts';
import { countOnce } from '#core/store/samples.ts';
import { sampleModels } from './sample-models.ts';
import { LIVING } from '#core/contract/runs.ts';

export function measuresOf(project: Project, filter: SampleFilter): SampleMeasures {
  const { rewardModelId, referenceId } = sampleModels(project, filter);
  const { reward: current } = currentModels(project);
  const named = (id: number | null) => (id === null ? null : { modelId: id, name: policyById(project, id).name });
  const total = countOnce(project, 'SELECT count(*) AS n FROM completions', []);
  const scored = (id: number) =>
    countOnce(project, 'SELECT count(*) AS n FROM measures WHERE model_id = ? AND score IS NOT NULL', [id]);
  const missing = rewardModelId === null ? total : total - scored(rewardModelId);
  const reward = named(rewardModelId);
  const rewards = listPolicies(project, { kind: 'reward' })
    .toReversed()
    .map(({ id, name }) => ({ modelId: id, name, scored: scored(id), current: id === current.modelId }));
  return {
    rewards,
    hasGold: hasGold(project),
    reward: reward && {
      ...reward,
      reason: reward.modelId === current.modelId ? current.reason : 'you chose it for this list',
    },
    reference: named(referenceId),
    missing,
    ...whyBlank(project, reward?.name ?? null, { missing, total }),
  };
}

function whyBlank(
  project: Project,
  reward: string | null,
  { missing, total }: { missing: number; total: number },
): Pick<SampleMeasures, 'why' | 'canScore'> {
  if (missing === 0) return { why: null, canScore: false };
  if (reward === null) return { why: 'There is no reward model yet, so nothing is scored.', canScore: false };
  const runs = listRuns(project, { kind: 'score' }).filter(
    ({ id }) => (getRequest(project, id)?.config ?? manifestOf(project, id)?.config)?.['reward'] === reward,
  );
  const living = runs.find(({ status }) => LIVING.includes(status));
  const some = `${missing.toLocaleString('en')} of ${total.toLocaleString('en')} samples`;
  const many = missing === total ? 'No sample has' : `${some} lack`;
  if (living)
    return {
      why: `${some} wait for their score by “${reward}”: run ${living.id} is ${living.status === 'queued' ? 'waiting its turn' : living.status}.`,
      canScore: false,
    };
  return { why: `${many} a score by “${reward}”: ${reasonOf(runs[0])}.`, canScore: true };
}

function reasonOf(last: Run | undefined): string {
  if (!last) return 'it was never asked';
  if (last.status === 'done')
    return `they came after its last scoring, run ${last.id}, or did not fit what it can read`;
  return `its last scoring, run ${last.id}, was ${last.status === 'failed' ? 'ended by a fault' : last.status}`;
}
