// Which models act where none is named: the policy to start from and the reward model to score with, who chose them,
// and why.
//
// The rule (docs/decisions.md, "What is current"): what a person chose stays. Else the first model that was added, and
// a
// newer one takes its place only where it was measured to be better: a reward model by its accuracy on prompts that
// both
// have scored and neither was trained on, a policy of PPO by score less β·KL on held-out prompts against its start, the
// 95 %
// interval of the difference above 0. Everything else is proposed, and a person takes it with one key.
// The rule acts when something has happened (a run ended, a model came or went), and what it found is kept until the
// next time.

import { createHash } from 'node:crypto';
import type { Current, CurrentModels, Policy } from '#core/contract/models.ts';
import type { Run } from '#core/contract/runs.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listRuns } from '#core/store/runs.ts';
import { getSetting, setSetting } from '#core/store/settings.ts';
import { madeWeights } from '#core/service/models/made-weights.ts';
import { isOwn, standingOf } from '#core/service/models/policy-standing.ts';
import { compareRewards } from '#core/service/models/reward-comparison.ts';
import { projectSettings } from './project.ts';
import { shareInterval } from '#core/contract/share-words.ts';
import { LIVING } from '#core/contract/runs.ts';

/** What the rule found, for the state of the project that `stamp` stands for. */
interface Found {
  modelId: number | null;
  reason: string;
  proposal: { modelId: number; clause: string; sound: boolean } | null;
}
interface Kept {
  stamp: string;
  policy: Found;
  reward: Found;
  /** of which reward model, and why its scores say nothing */ doubt: { modelId: number; sentence: string } | null;
}
const SETTING = 'current';
const NOTHING: Found = { modelId: null, reason: '', proposal: null };

/** Everything that the rule goes by, in short: models and their names, runs that are over, and what a person chose. */
function stampOf(project: Project): string {
  const { currentPolicyId, rewardModelId } = projectSettings(project);
  const models = listPolicies(project).map(({ id, name, path }) => [id, name, path]);
  const runs = listRuns(project)
    .filter(({ status }) => !LIVING.includes(status))
    .map(({ id, status, endedAt }) => [id, status, endedAt]);
  return createHash('sha256')
    .update(JSON.stringify(['with doubts', currentPolicyId, rewardModelId, models, runs]))
    .digest('hex');
}

const runsOf = (project: Project): Map<string, Run> => new Map(listRuns(project).map((run) => [run.id, run]));

/**
 * What may act though nothing was measured, where there is nothing else: what a person added, a base that was
 * pretrained here, a reward model whose run came to its end.
 */
function mayBeFirst({ kind, runId }: Policy, runs: ReadonlyMap<string, Run>): boolean {
  return runId === null ? kind !== 'policy' : runs.get(runId)?.status === 'done' && kind !== 'policy';
}

type Choice = (project: Project, chosen: Policy | null) => Promise<Found>;

/** Models that write: the first base, then what was tuned from what is current and did better. */
const findPolicy: Choice = async (project, chosen) => {
  const runs = runsOf(project);
  const writers = listPolicies(project).filter((policy) => policy.kind !== 'reward' && isOwn(policy));
  let current = chosen;
  let reason = '';
  let proposal: Found['proposal'] = null;
  for (const policy of writers.filter(({ id }) => !chosen || id > chosen.id)) {
    if (!current && mayBeFirst(policy, runs)) {
      [current, reason] = [
        policy,
        writers.length === 1
          ? 'it is the only model that writes'
          : 'it was the first, and none that came later was measured to be better',
      ];
      continue;
    }
    const run = policy.runId === null ? undefined : runs.get(policy.runId);
    const { better, sound, clause } = run
      ? standingOf(project, policy, run)
      : { better: false, sound: true, clause: 'it was added later' };
    const isChild = current !== null && policy.parentId === current.id;
    if (better && isChild && !chosen) [current, reason, proposal] = [policy, clause, null];
    else
      proposal = {
        modelId: policy.id,
        sound,
        clause:
          better && current && !isChild
            ? `it was not tuned from “${current.name}”, so the two were not compared; ${clause}`
            : clause,
      };
  }
  return { modelId: current?.id ?? null, reason, proposal };
};

/** Reward models: the first, then each that orders better than what is current. */
const findReward: Choice = async (project, chosen) => {
  const runs = runsOf(project);
  const rewards = listPolicies(project, { kind: 'reward' }).filter((policy) => isOwn(policy));
  let current = chosen;
  let reason = '';
  let proposal: Found['proposal'] = null;
  for (const reward of rewards.filter(({ id }) => !chosen || id > chosen.id)) {
    if (!mayBeFirst(reward, runs))
      proposal = { modelId: reward.id, sound: false, clause: 'its run was stopped before its end' };
    else if (!current)
      [current, reason] = [
        reward,
        rewards.length === 1
          ? 'it is the only reward model'
          : 'it was the first, and none that came later was measured to be better',
      ];
    else {
      const { verdict, clause } = await compareRewards(project, reward, current);
      if (verdict === 'better' && !chosen) [current, reason, proposal] = [reward, clause, null];
      else proposal = { modelId: reward.id, sound: verdict !== 'worse', clause };
    }
  }
  return { modelId: current?.id ?? null, reason, proposal };
};

const chosenIn = (project: Project): Record<'policy' | 'reward', Policy | null> => {
  const { currentPolicyId, rewardModelId } = projectSettings(project);
  const models = listPolicies(project);
  return {
    policy: models.find(({ id, kind }) => id === currentPolicyId && kind !== 'reward') ?? null,
    reward: models.find(({ id, kind }) => id === rewardModelId && kind === 'reward') ?? null,
  };
};

/** Standard errors that a value lies above one end of its interval 95 % of the time. */
const ONE_SIDED = 1.645;
/**
 * Why a reward model's scores say nothing: on held-out rankings it was not measured to order better than a coin. Null
 * where it was, or was not measured.
 */
function doubtOf(project: Project, reward: Policy): Kept['doubt'] {
  const {
    validation_accuracy: accuracy,
    validation_accuracy_se: error,
    validation_rankings: on,
  } = madeWeights(project, reward)?.metrics ?? {};
  if (accuracy === undefined || on === undefined) return null;
  if (shareInterval(accuracy, { error: error ?? null, count: on }, ONE_SIDED)![0] > 0.5) return null;
  const sentence = `“${reward.name}” orders ${Math.round(100 * accuracy)} % of held-out comparisons (${on.toLocaleString('en')} ${on === 1 ? 'ranking' : 'rankings'}) as their labelers did, and chance does as well: with more rankings it may become worth tuning towards.`;
  return { modelId: reward.id, sentence };
}

/** Lets the rule act, where anything has happened since it last did. Returns whether it did. */
export async function settleCurrent(project: Project): Promise<boolean> {
  const before = getSetting<Kept | null>(project, SETTING, null);
  const stamp = stampOf(project);
  if (before?.stamp === stamp) return false;
  const chosen = chosenIn(project);
  const reward = await findReward(project, chosen.reward);
  const scorer = listPolicies(project).find(({ id }) => id === reward.modelId) ?? null;
  const kept: Kept = {
    stamp,
    policy: await findPolicy(project, chosen.policy),
    reward,
    doubt: scorer && doubtOf(project, scorer),
  };
  // closed, or changed once more: it is asked again then
  if (!project.db.open || stampOf(project) !== stamp) return false;
  setSetting(project, SETTING, kept);
  return true;
}

/**
 * The current models as they are shown. A choice counts at once; where the rule has not acted yet, it is what it found
 * before.
 */
export function currentModels(project: Project): CurrentModels {
  const kept = getSetting<Kept | null>(project, SETTING, null);
  const chosen = chosenIn(project);
  const models = listPolicies(project);
  const runs = runsOf(project);
  const first = models.filter((policy) => mayBeFirst(policy, runs));
  const isReward = ({ kind }: Policy) => kind === 'reward';
  const reward = shown(models, chosen.reward, kept?.reward ?? NOTHING, first.find(isReward));
  return {
    policy: shown(
      models,
      chosen.policy,
      kept?.policy ?? NOTHING,
      first.find((policy) => !isReward(policy)),
    ),
    reward,
    doubt: kept?.doubt && kept.doubt.modelId === reward.modelId ? kept.doubt.sentence : null,
  };
}

function shown(
  models: readonly Policy[],
  chosen: Policy | null,
  { modelId, reason, proposal }: Found,
  first: Policy | undefined,
): Current {
  const found = chosen ?? models.find(({ id }) => id === modelId) ?? first ?? null;
  const proposed = proposal && models.find(({ id }) => id === proposal.modelId);
  return {
    modelId: found?.id ?? null,
    name: found?.name ?? null,
    by: chosen ? 'person' : 'rule',
    reason: chosen
      ? 'you chose it'
      : found === null
        ? 'there is none yet'
        : found.id === modelId && reason
          ? reason
          : 'it is the first there is',
    proposal:
      proposed && proposed.id !== found?.id
        ? {
            modelId: proposed.id,
            name: proposed.name,
            sound: proposal!.sound,
            sentence: `“${proposed.name}” ${found ? 'is newer' : 'is there'}: ${proposal!.clause}.`,
          }
        : null,
  };
}

const modelOf = (project: Project, { modelId }: Current): Policy | null =>
  listPolicies(project).find(({ id }) => id === modelId) ?? null;
/** The policy to sample and tune from. */
export const currentPolicy = (project: Project): Policy | null => modelOf(project, currentModels(project).policy);
/** The reward model to score with. */
export const currentReward = (project: Project): Policy | null => modelOf(project, currentModels(project).reward);
