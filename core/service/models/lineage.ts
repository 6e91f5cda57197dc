// How a model came to be, from the base to itself, in sentences: what each step was made of and what came out.

import type { LineageStep, Policy } from '#core/contract.ts';
import { openCheckpoint, parameterCount } from '#core/models/checkpoint.ts';
import { listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { lastMetrics, manifestOf, rankingsOf } from './run-folder.ts';
import { chainOf, modelOfRun } from '#core/service/data/sample-models.ts';

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

async function rewardSentence(project: Project, runId: string): Promise<string> {
  const { rankings, comparisons } = await rankingsOf(project, runId);
  const { validation_accuracy: accuracy } = lastMetrics(project, runId);
  return `Reward model from ${counted(rankings, 'ranking')} (${counted(comparisons, 'comparison')})${accuracy === undefined ? '' : `; validation accuracy ${number(accuracy)}`}.`;
}

/** One sentence a kind of run; the run's folder may be gone, then it says less. */
const SENTENCES: Record<string, (project: Project, runId: string) => string | Promise<string>> = {
  pretrain: (project, runId) => `Pretrained from scratch on ${counted(manifestOf(project, runId)?.data.rows ?? 0, 'text')}${trainedFor(project, runId)}.`,
  sft: (project, runId) => `Fine-tuned on ${counted(manifestOf(project, runId)?.data.rows ?? 0, 'example')}${trainedFor(project, runId)}.`,
  reward: rewardSentence,
  ppo: (project, runId) => {
    const { step, kl, score, beta } = lastMetrics(project, runId);
    const reward = modelOfRun(project, runId, 'reward');
    const outcome = listed([score === undefined ? null : `score ${number(score)}`, kl === undefined ? null : `KL ${number(kl)} nats`]);
    const price = beta ?? manifestOf(project, runId)?.config['beta'];
    return `PPO${reward ? ` against "${reward.name}"` : ''}: ${listed([step === undefined ? null : counted(step, 'update'), typeof price === 'number' ? `β ${Number(price.toPrecision(3))}` : null])}${outcome ? `; ${outcome}` : ''}.`;
  },
};

function trainedFor(project: Project, runId: string): string {
  const { step, validation_loss: loss } = lastMetrics(project, runId);
  return step === undefined ? '' : ` for ${counted(step, 'step')}${loss === undefined ? '' : `; validation loss ${number(loss, 3)}`}`;
}

async function stepOf(project: Project, policy: Policy): Promise<LineageStep> {
  const kind = policy.runId === null ? null : manifestOf(project, policy.runId)?.kind ?? null;
  const sentence = policy.runId === null ? baseSentence(project, policy)
    : kind === null ? `Made by run ${policy.runId}, whose folder is gone.`
    : await (SENTENCES[kind]?.(project, policy.runId) ?? `Made by run ${policy.runId}.`);
  return { name: policy.name, kind: kind ?? policy.kind, sentence, modelId: policy.id, runId: policy.runId };
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
