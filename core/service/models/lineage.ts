// How a model came to be, from the base to itself, in sentences: what each step was made of and what came out.

import type { LineageStep, Policy, PolicyKind } from '#core/contract/models.ts';
import { openCheckpoint, parameterCount } from '#core/models/checkpoint.ts';
import { listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { madeWeights } from './made-weights.ts';
import type { MadeWeights } from './made-weights.ts';
import { chainOf, modelOfRun } from '#core/runs/model-chain.ts';
import { referenceOf } from '#core/runs/reference-model.ts';
import { manifestOf } from '#core/recipes/manifest.ts';
import type { Made } from '#core/recipes/recipe.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { rankingsOf } from './run-folder.ts';

const whole = (n: number) => n.toLocaleString('en');
/** What a model is that no recipe made, or one that nobody knows. */
const WORDS: Record<PolicyKind, string> = { base: 'base model', policy: 'policy', reward: 'reward model' };

function baseSentence(project: Project, policy: Policy): string {
  try {
    const opened = openCheckpoint(policyPath(project, policy));
    return `${policy.kind === 'reward' ? 'A reward model' : 'A base model'} that was added: ${opened.architecture.family}, ${whole(parameterCount(opened))} parameters.`;
  } catch {
    return 'A model that was added; its files are not where they were.';
  }
}

/** What the recipe of the run tells of the very weights; the run's folder may be gone, then it says less. */
function madeBy(project: Project, runId: string, weights: MadeWeights): Made {
  return {
    ...weights,
    manifest: manifestOf(project, runId),
    reference: weights.reference ?? referenceOf(project, null, { runId })?.name ?? null,
    modelIn: (role) => modelOfRun(project, runId, role)?.name ?? null,
    rankings: () => rankingsOf(project, runId),
  };
}

async function stepOf(project: Project, policy: Policy): Promise<LineageStep> {
  const { runId } = policy;
  const fault = madeWeights(project, policy)?.fault ?? null;
  const kind = runId === null ? null : (manifestOf(project, runId)?.kind ?? null);
  const sentence =
    runId === null
      ? baseSentence(project, policy)
      : kind === null
        ? `Made by run ${runId}, whose folder is gone.`
        : fault !== null
          ? `Made by run ${runId}, but what is written of it cannot be read: ${fault}`
          : ((await recipeOf(kind)?.lineage(madeBy(project, runId, madeWeights(project, policy)!))) ??
            `Made by run ${runId}.`);
  const what = (kind === null ? null : recipeOf(kind)?.model?.word) ?? WORDS[policy.kind];
  return { name: policy.name, what, sentence, modelId: policy.id, runId };
}

/** From the base to the model; before a policy that was tuned by reward stands the reward model it was tuned with. */
export async function lineageOf(project: Project, policy: Policy): Promise<LineageStep[]> {
  const models = new Set<Policy>();
  for (const one of chainOf(listPolicies(project), policy)) {
    const reward = one.runId === null ? null : modelOfRun(project, one.runId, 'reward');
    if (reward) models.add(reward);
    models.add(one);
  }
  return Promise.all([...models].map((one) => stepOf(project, one)));
}
