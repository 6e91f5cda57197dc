// Which charts a run opens with: those that tell how it goes; the machine room comes after.

import type { MetricMeaning } from '#core/contract/recipes.ts';

const LAST = ['learning_rate', 'grad_norm', 'tokens_per_second'];

/** Standard errors and sample sizes belong to other numbers; no chart of their own. */
export function isAboutAnother(metric: string, meanings: Readonly<Record<string, MetricMeaning>>): boolean {
  return metric.endsWith('_se') || Object.values(meanings).some(({ count }) => count === metric);
}

/** The metrics there are, in two groups: those that are `telling`, then the rest in the order of the glossary. */
export function orderMetrics(
  all: readonly string[],
  telling: readonly string[],
  meanings: Readonly<Record<string, MetricMeaning>>,
): { first: string[]; rest: string[] } {
  const names = all.filter((name) => !isAboutAnother(name, meanings));
  const glossary = Object.keys(meanings);
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
