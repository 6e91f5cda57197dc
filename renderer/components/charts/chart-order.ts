// Which charts a run opens with: those that tell how it goes; the machine room comes after.

import type { RunKind } from '#core/contract/runs.ts';
import type { MetricMeaning } from '#core/contract/recipes.ts';

const TELLING: Partial<Record<RunKind, readonly string[]>> = {
  ppo: ['gold', 'held_out_value', 'held_out_score', 'held_out_kl', 'reward', 'score', 'kl'],
  reward: ['validation_accuracy', 'validation_loss', 'loss', 'accuracy'],
  sft: ['validation_loss', 'perplexity', 'loss'],
  pretrain: ['validation_loss', 'perplexity', 'loss'],
  sample: ['ended', 'length', 'tokens_per_second'],
  score: ['score', 'tokens_per_second'],
};
const LAST = ['learning_rate', 'grad_norm', 'tokens_per_second'];

/** Standard errors and sample sizes belong to other numbers; no chart of their own. */
export function isAboutAnother(metric: string, meanings: Readonly<Record<string, MetricMeaning>>): boolean {
  return metric.endsWith('_se') || Object.values(meanings).some(({ count }) => count === metric);
}

/** The metrics there are, in two groups; within each in the order of the tables, then of the glossary. */
export function orderMetrics(
  all: readonly string[],
  kind: RunKind,
  meanings: Readonly<Record<string, MetricMeaning>>,
): { first: string[]; rest: string[] } {
  const names = all.filter((name) => !isAboutAnother(name, meanings));
  const glossary = Object.keys(meanings);
  const telling = TELLING[kind] ?? ['loss'];
  const first = telling.filter((name) => names.includes(name));
  const place = (name: string) => {
    if (LAST.includes(name)) return 10_000 + LAST.indexOf(name);
    return glossary.includes(name) ? glossary.indexOf(name) : 5000;
  };
  return {
    first,
    rest: names.filter((name) => !first.includes(name)).toSorted((a, b) => place(a) - place(b) || (a < b ? -1 : 1)),
  };
}
