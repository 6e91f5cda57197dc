// Where a project stands in the loop, and which step is the useful one now.

import type { ModelRow, ProjectSummary } from '#core/contract.ts';

export interface LoopStep {
  name: 'prompts' | 'samples' | 'rankings' | 'reward' | 'ppo' | 'inspect';
  title: string;
  /** what the step has to show */
  count: number;
  unit: string;
  sentence: string;
  /** what its button says, and where it leads */
  label: string;
  path: string;
  done: boolean;
}

/** Fewer rankings than this teach a reward model next to nothing. */
export const FIRST_RANKINGS = 20;

export function loopOf(project: ProjectSummary, models: readonly Pick<ModelRow, 'kind'>[]): LoopStep[] {
  const prompts = project.prompts.train + project.prompts.validation + project.prompts.test;
  const of = (kind: ModelRow['kind']) => models.filter((model) => model.kind === kind).length;
  const rewards = of('reward'), policies = of('policy'), toSample = of('base') + policies;
  const few = FIRST_RANKINGS - project.teaching, nothingLeft = few > 0 && project.completions > 0 && project.left === 0;
  return [
    { name: 'prompts', title: 'Prompts', count: prompts, unit: prompts === 1 ? 'prompt' : 'prompts', sentence: 'Bring the texts that are to be answered: JSONL, CSV or plain text.', label: 'Import prompts', path: '/data', done: prompts > 0 },
    toSample === 0
      ? { name: 'samples', title: 'Samples', count: project.completions, unit: 'samples', sentence: 'Add the language model that is to answer: a folder of safetensors, or a GGUF file.', label: 'Add a model', path: '/models', done: project.completions > 0 }
      : { name: 'samples', title: 'Samples', count: project.completions, unit: project.completions === 1 ? 'sample' : 'samples', sentence: 'Let the model answer each prompt a few times, so that there is something to compare.', label: 'Sample completions', path: '/train?recipe=sample', done: project.completions > 0 },
    nothingLeft && toSample > 0
      ? { name: 'rankings', title: 'Rankings', count: project.rankings, unit: project.rankings === 1 ? 'ranking' : 'rankings', sentence: `Nothing is left to rank, and a first reward model needs ${few} more rankings that prefer something: let the model answer more prompts, or again.`, label: 'Sample completions', path: '/train?recipe=sample', done: false }
      : { name: 'rankings', title: 'Rankings', count: project.rankings, unit: project.rankings === 1 ? 'ranking' : 'rankings', sentence: project.rankings > 0 && few > 0 ? `Order the answers from best to worst. ${few} more and a first reward model makes sense; every further one helps.` : 'Order the answers to a prompt from best to worst: this is your taste, and all that follows learns it.', label: project.rankings > 0 ? 'Go on ranking' : 'Start ranking', path: '/label', done: few <= 0 },
    { name: 'reward', title: 'Reward model', count: rewards, unit: rewards === 1 ? 'model' : 'models', sentence: 'Train a model that predicts your rankings; its accuracy on held-out comparisons says how far to trust it.', label: 'Train a reward model', path: '/train?recipe=reward', done: rewards > 0 },
    { name: 'ppo', title: 'PPO', count: policies, unit: policies === 1 ? 'policy' : 'policies', sentence: 'Tune the policy to what the reward model likes, held close to its start by the KL penalty.', label: 'Tune with PPO', path: '/train?recipe=ppo', done: policies > 0 },
    { name: 'inspect', title: 'Inspect', count: project.completions, unit: 'samples', sentence: 'Look at what the policy writes now, above all where the score went up and the text did not get better. Then rank again.', label: 'Inspect samples', path: '/inspect', done: false },
  ];
}

/** The first step that is not done; with all of them done, looking closely. */
export const nextStep = (steps: readonly LoopStep[]): LoopStep => steps.find(({ done }) => !done) ?? steps.at(-1)!;
