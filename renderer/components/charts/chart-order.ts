// Which charts a run opens with: those that tell how it goes; the machine room comes after.

import type { RunKind } from '#core/contract.ts';

const TELLING: Partial<Record<RunKind, readonly string[]>> = {
  ppo: ['reward', 'score', 'kl', 'gold', 'held_out_value'],
  reward: ['loss', 'validation_accuracy', 'accuracy', 'validation_loss'],
  sft: ['loss', 'validation_loss', 'perplexity'],
  pretrain: ['loss', 'validation_loss', 'perplexity'],
  sample: ['tokens_per_second', 'length', 'ended', 'distinct'],
};
/** Standard errors and sample sizes belong to other numbers; no chart of their own. */
const ABOUT = /_(se|n)$/;
const LAST = ['learning_rate', 'grad_norm', 'tokens_per_second'];

/** The metrics there are, in two groups; within each in the order of the tables, then of `glossary`. */
export function orderMetrics(all: readonly string[], kind: RunKind, glossary: readonly string[]): { first: string[]; rest: string[] } {
  const names = all.filter((name) => !ABOUT.test(name));
  const telling = TELLING[kind] ?? ['loss'], first = telling.filter((name) => names.includes(name));
  const place = (name: string) => {
    if (LAST.includes(name)) return 10_000 + LAST.indexOf(name);
    return glossary.includes(name) ? glossary.indexOf(name) : 5000;
  };
  return { first, rest: names.filter((name) => !first.includes(name)).toSorted((a, b) => place(a) - place(b) || (a < b ? -1 : 1)) };
}
