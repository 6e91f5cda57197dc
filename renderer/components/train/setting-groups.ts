// The groups that a recipe's settings stand in under the ones looked at first, in the order in which a run uses them.

import type { Field } from '#core/contract/recipes.ts';
import { isTuning } from './recipe-order.ts';

export interface SettingGroup {
  name: string;
  title: string;
  fields: Field[];
}

const GROUPS: readonly { name: string; title: string; fields: readonly string[] }[] = [
  {
    name: 'data',
    title: 'Data',
    fields: [
      'texts',
      'split',
      'prompts',
      'labelers',
      'policies',
      'rounds',
      'min_confidence',
      'flagged',
      'without_marks',
      'validation',
      'loss_on',
    ],
  },
  {
    name: 'shape',
    title: 'Shape of the model',
    fields: ['family', 'vocabulary', 'layers', 'channels', 'heads', 'context', 'head', 'head_bias', 'zero'],
  },
  {
    name: 'sampling',
    title: 'Sampling',
    fields: [
      'k',
      'samples_per_prompt',
      'temperature',
      'top_k',
      'top_p',
      'max_new',
      'missing_end',
      'missing_end_penalty',
      'fixed_length',
    ],
  },
  {
    name: 'kl',
    title: 'KL and advantages',
    fields: [
      'reference',
      'beta',
      'adaptive_kl_target',
      'adaptive_kl_horizon',
      'score_placement',
      'whiten_rewards',
      'whiten_advantages',
      'unbiased_variance',
      'gamma',
      'lambda',
    ],
  },
  { name: 'tuning', title: 'What learns', fields: [] },
  {
    name: 'optimisation',
    title: 'Optimisation',
    fields: [
      'updates',
      'episodes',
      'epochs',
      'steps',
      'batch',
      'minibatches',
      'learning_rate',
      'schedule',
      'warmup',
      'clip',
      'value_clip',
      'value_coefficient',
      'gradient_clip',
      'weight_decay',
      'beta2',
      'epsilon',
      'epsilon_style',
    ],
  },
  {
    name: 'evaluation',
    title: 'Evaluation',
    fields: [
      'evaluate_every',
      'evaluate_prompts',
      'validate_every',
      'best_kl_price',
      'show_prompts',
      'show_temperature',
      'show_max_new',
    ],
  },
  { name: 'stop', title: 'Stop rules', fields: ['stop_kl', 'stop_ended', 'stop_distinct', 'stop_drop'] },
  {
    name: 'seeds',
    title: 'Seeds and saving',
    fields: ['seed', 'head_seed', 'order_seed', 'sampling_seed', 'checkpoint_every', 'steps_a_run'],
  },
];
/** What stands in no group: settings of other recipes than those above. */
const REST = { name: 'more', title: 'More' };

/** These fields by group, each in the order of the table; a group without fields is left out. */
export function groupsOf(fields: readonly Field[]): SettingGroup[] {
  const groupOf = ({ name }: Field): string =>
    isTuning(name) ? 'tuning' : (GROUPS.find((group) => group.fields.includes(name))?.name ?? REST.name);
  const byGroup = Map.groupBy(fields, groupOf);
  return [...GROUPS, { ...REST, fields: [] }].flatMap(({ name, title, fields: order }) => {
    const own = byGroup.get(name) ?? [];
    return own.length
      ? [{ name, title, fields: own.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name)) }]
      : [];
  });
}
