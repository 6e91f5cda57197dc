// Where a project stands in the loop, and which step is the useful one now: Home and Train say the same, from here.

import type { ModelRow } from '#core/contract/models.ts';
import type { ProjectSummary } from '#core/contract/project.ts';
import type { RunKind, RunRow } from '#core/contract/runs.ts';

export interface LoopStep {
  name: 'prompts' | 'samples' | 'rankings' | 'reward' | 'ppo' | 'inspect';
  title: string;
  /** what the step has to show */
  count: number;
  unit: string;
  /** whose the counted things are, where that is not plain */
  note?: string;
  sentence: string;
  /** what its button says, and where it leads */
  label: string;
  path: string;
  /** the recipe that does it, where one does */
  recipe?: RunKind;
  done: boolean;
  /** why it is not done although there is something to count */
  doubt?: string;
}

const of = (count: number, one: string, many = `${one}s`) => ({ count, unit: count === 1 ? one : many });
const SAMPLING = { label: 'Sample completions', path: '/train?recipe=sample', recipe: 'sample' } as const;
const whole = (n: number) => n.toLocaleString('en');

/** Rankings that programs made are nobody's taste: it is said wherever they are counted. */
export function simulatedNote({
  rankings,
  simulated,
}: Pick<ProjectSummary, 'rankings' | 'simulated'>): string | undefined {
  if (simulated === 0) return undefined;
  return simulated === rankings ? 'simulated labelers, not yours' : `${whole(simulated)} by simulated labelers`;
}

/**
 * A demo whose answers are still being written, or are about to be ranked by its simulated labelers: its own runs are
 * the first two.
 */
export function isFilling(
  { isDemo, simulated }: Pick<ProjectSummary, 'isDemo' | 'simulated'>,
  runs: readonly Pick<RunRow, 'words' | 'status' | 'createdAt'>[],
): boolean {
  if (!isDemo || simulated > 0) return false;
  const sampling = runs.filter(({ words }) => words.shows === 'drawn').toSorted((a, b) => b.createdAt - a.createdAt);
  return sampling.length > 0 && sampling.length <= 2 && !ENDED_EARLY.includes(sampling[0]!.status);
}
const ENDED_EARLY: readonly RunRow['status'][] = ['stopped', 'cancelled', 'failed'];
/** Until then no recipe of the demo has much to work on. */
const FILLING = {
  samples: {
    sentence: 'The demo’s model is writing its first answers now; they are here in some seconds.',
    label: 'See it at work',
    path: '/train',
    recipe: undefined,
  },
  reward: {
    sentence:
      'The rest of the demo’s answers are being written; then its simulated labelers rank them, and a reward model has more to learn from than these.',
    label: 'Go on ranking',
    path: '/label',
    recipe: undefined,
  },
} as const;

function rankingStep(project: ProjectSummary, canSample: boolean): LoopStep {
  const { rankings, wanted } = project;
  const note = simulatedNote(project);
  const step = { name: 'rankings', title: 'Rankings', ...of(rankings, 'ranking'), ...(note && { note }) } as const;
  const more = `${wanted} more ${wanted === 1 ? 'ranking' : 'rankings'} that ${wanted === 1 ? 'prefers' : 'prefer'} something`;
  if (wanted > 0 && project.completions > 0 && project.left === 0 && canSample)
    return {
      ...step,
      sentence: `Nothing is left to rank, and a first reward model needs ${more}: let the model answer more prompts, or again.`,
      ...SAMPLING,
      done: false,
    };
  const sentence =
    rankings > 0 && wanted > 0
      ? `Order the answers from best to worst. A first reward model needs ${more}; every further one helps.`
      : 'Order the answers to a prompt from best to worst: this is your taste, and all that follows learns it.';
  return {
    ...step,
    sentence,
    label: rankings > 0 ? 'Go on ranking' : 'Start ranking',
    path: '/label',
    done: wanted <= 0,
  };
}

function rewardStep({ current: { doubt }, left }: ProjectSummary, rewards: number, canSample: boolean): LoopStep {
  const step = { name: 'reward', title: 'Reward model', ...of(rewards, 'model') } as const;
  if (rewards === 0 || !doubt)
    return {
      ...step,
      sentence:
        'Train a model that predicts the rankings; its accuracy on held-out comparisons says how far to trust it.',
      label: 'Train a reward model',
      path: '/train?recipe=reward',
      recipe: 'reward',
      done: rewards > 0,
    };
  const sentence = `${doubt} PPO would only follow its noise.`;
  return left === 0 && canSample
    ? { ...step, sentence, doubt, ...SAMPLING, done: false }
    : { ...step, sentence, doubt, label: 'Go on ranking', path: '/label', done: false };
}

export function loopOf(
  project: ProjectSummary,
  models: readonly Pick<ModelRow, 'kind'>[],
  filling = false,
): LoopStep[] {
  const prompts = project.prompts.train + project.prompts.validation + project.prompts.test;
  const count = (kind: ModelRow['kind']) => models.filter((model) => model.kind === kind).length;
  const policies = count('policy');
  const canSample = count('base') + policies > 0;
  const samples = {
    name: 'samples',
    title: 'Samples',
    ...of(project.completions, 'sample'),
    done: project.completions > 0,
  } as const;
  return [
    {
      name: 'prompts',
      title: 'Prompts',
      ...of(prompts, 'prompt'),
      sentence: 'Bring the texts that are to be answered: JSONL, CSV or plain text.',
      label: 'Import prompts',
      path: '/data',
      done: prompts > 0,
    },
    canSample
      ? {
          ...samples,
          sentence: 'Let the model answer each prompt a few times, so that there is something to compare.',
          ...SAMPLING,
          ...(filling && FILLING.samples),
        }
      : {
          ...samples,
          sentence: 'Add the language model that is to answer: a folder of safetensors, or a GGUF file.',
          label: 'Add a model',
          path: '/models',
        },
    rankingStep(project, canSample),
    { ...rewardStep(project, count('reward'), canSample), ...(filling && FILLING.reward) },
    {
      name: 'ppo',
      title: 'PPO',
      ...of(policies, 'policy', 'policies'),
      sentence: 'Tune the policy to what the reward model likes, held close to its start by the KL penalty.',
      label: 'Tune with PPO',
      path: '/train?recipe=ppo',
      recipe: 'ppo',
      done: policies > 0,
    },
    {
      name: 'inspect',
      title: 'Inspect',
      ...of(project.completions, 'sample'),
      sentence:
        'Look at what the policy writes now, above all where the score went up and the text did not get better. Then rank again.',
      label: 'Inspect samples',
      path: '/inspect',
      done: false,
    },
  ];
}

/** The first step that is not done; with all of them done, looking closely. */
export const nextStep = (steps: readonly LoopStep[]): LoopStep => steps.find(({ done }) => !done) ?? steps.at(-1)!;

/** A title in the middle of a sentence: abbreviations stay as they are. */
export const inSentence = (title: string): string =>
  /^\p{Lu}{2}/u.test(title) ? title : title.charAt(0).toLowerCase() + title.slice(1);
