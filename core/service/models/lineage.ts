// How a model came to be, from the base to itself, in sentences: what each step was made of and what came out.

import type { LineageStep, Policy } from '#core/contract/models.ts';
import { SURE } from '#core/evaluation/interval.ts';
import { openCheckpoint, parameterCount } from '#core/models/checkpoint.ts';
import { listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { madeWeights } from './made-weights.ts';
import type { MadeWeights } from './made-weights.ts';
import { chainOf, modelOfRun } from '#core/recipes/parts/model-chain.ts';
import { measuredFrom } from '#core/recipes/parts/reference-model.ts';
import { manifestOf } from '#core/recipes/manifest.ts';
import { rankingsOf } from './run-folder.ts';

const whole = (n: number) => n.toLocaleString('en');
const counted = (n: number, one: string, many = `${one}s`) => `${whole(n)} ${n === 1 ? one : many}`;
const number = (value: number | undefined, digits = 2) => (value === undefined ? null : value.toFixed(digits));
const listed = (parts: readonly (string | null)[]) => parts.filter((part) => part !== null).join(', ');

function baseSentence(project: Project, policy: Policy): string {
  try {
    const opened = openCheckpoint(policyPath(project, policy));
    return `${policy.kind === 'reward' ? 'A reward model' : 'A base model'} that was added: ${opened.architecture.family}, ${whole(parameterCount(opened))} parameters.`;
  } catch {
    return 'A model that was added; its files are not where they were.';
  }
}

interface Made {
  project: Project;
  runId: string;
  weights: MadeWeights;
}

async function rewardSentence({ project, runId, weights }: Made): Promise<string> {
  const { rankings, comparisons } = await rankingsOf(project, runId);
  const { validation_accuracy: accuracy, validation_accuracy_se: error, validation_rankings: on } = weights.metrics;
  const measured =
    accuracy === undefined
      ? ''
      : `; validation accuracy ${number(accuracy)}${error === undefined ? '' : ` ± ${number(SURE * error)}`}${on === undefined ? '' : ` on ${counted(on, 'ranking')}`}`;
  return `Reward model from ${counted(rankings, 'ranking')} (${counted(comparisons, 'comparison')})${measured}.`;
}

/** "40 updates", or of weights that are not the run's last "its best weights, after 20 of 40 updates". */
function trained({ step, steps, best }: MadeWeights, unit: string): string | null {
  if (step === null) return best ? 'its best weights, at a step that is not recorded' : null;
  const part = steps !== null && steps !== step;
  const far = part ? `${whole(step)} of ${counted(steps, unit)}` : counted(step, unit);
  return best ? `its best weights, after ${far}` : far;
}

/** One sentence a kind of run, of the very weights; the run's folder may be gone, then it says less. */
const SENTENCES: Record<string, (made: Made) => string | Promise<string>> = {
  pretrain: (made) =>
    `Pretrained from scratch on ${counted(manifestOf(made.project, made.runId)?.data.rows ?? 0, 'text')}${trainedFor(made)}.`,
  sft: (made) =>
    `Fine-tuned on ${counted(manifestOf(made.project, made.runId)?.data.rows ?? 0, 'example')}${trainedFor(made)}.`,
  reward: rewardSentence,
  ppo: ({ project, runId, weights }) => {
    const {
      kl,
      score,
      beta = manifestOf(project, runId)?.config['beta'],
    } = weights.metrics as Record<string, number | undefined>;
    const reward = modelOfRun(project, runId, 'reward');
    const reference = weights.reference ?? measuredFrom(project, runId)?.name;
    const outcome = listed([
      score === undefined ? null : `score ${number(score)}`,
      kl === undefined ? null : `KL ${number(kl)} nats${reference ? ` from "${reference}"` : ''}`,
    ]);
    const price = typeof beta === 'number' ? `β ${Number(beta.toPrecision(3))}` : null;
    return `PPO${reward ? ` against "${reward.name}"` : ''}: ${listed([trained(weights, 'update'), price])}${outcome ? `; ${weights.heldOut ? 'on held-out prompts ' : ''}${outcome}` : ''}.`;
  },
};

function trainedFor({ weights }: Made): string {
  const { validation_loss: loss } = weights.metrics;
  const far = trained(weights, 'step');
  return far === null
    ? ''
    : `${weights.best ? ', ' : ' for '}${far}${loss === undefined ? '' : `; validation loss ${number(loss, 3)}`}`;
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
          : await (SENTENCES[kind]?.({ project, runId, weights: madeWeights(project, policy)! }) ??
              `Made by run ${runId}.`);
  return { name: policy.name, kind: kind ?? policy.kind, sentence, modelId: policy.id, runId };
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
