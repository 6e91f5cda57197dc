// Weights that are kept at looks at held-out prompts, so that one may stop at them afterwards: looks/<update>/.
//
// Kept are where gold peaked, where one may want to stop (the highest held-out value yet, where findings recommend to
// stop, and those before it that are within its standard error), and others evenly over the run.
// What is dropped is never wanted again, so that no more is on the disk than the setting allows.

import fs from 'node:fs';
import type { MetricRow } from '#core/recipes/metrics.ts';
import type { RunContext } from '#core/recipes/recipe.ts';
import { count } from '#core/recipes/settings.ts';
import type { Config } from '#core/recipes/settings.ts';
import { makeFolders, unlinkedPath } from '#core/unlinked.ts';

export const LOOK_SETTINGS = {
  keep_checkpoints: count(
    6,
    [0, 1000],
    'How many of the weights at its looks at held-out prompts are kept, so that one can stop there afterwards: where gold peaked, the best and those about as good before it, and others evenly over the run. best/ and the last ones are kept in any case. 0 = none.',
    { group: 'evaluation' },
  ),
} as const;

/** A look whose weights are kept. */
export interface KeptLook {
  update: number;
  value: number;
  /** standard error of the value */
  error: number;
  gold?: number;
  /** it was the best yet */
  best: boolean;
}

export const lookOf = (update: number, row: MetricRow, best: boolean): KeptLook => ({
  update,
  value: row.held_out_value!,
  error: row.held_out_value_se ?? 0,
  ...(row.gold === undefined ? {} : { gold: row.gold }),
  best,
});

interface Wanted {
  /** how many may be kept */
  most: number;
  updates: number;
  evaluate_every: number;
}

/** Which stay of those that are kept and the newest, ascending. The start and the run's end need none. */
export function staying(
  kept: readonly KeptLook[],
  newest: KeptLook,
  { most, updates, evaluate_every }: Wanted,
): KeptLook[] {
  const all = [...kept, newest].filter(({ update }) => update > 0 && update < updates);
  const golden = all.filter(({ gold }) => gold !== undefined);
  const [peak] = golden.toSorted((a, b) => b.gold! - a.gold! || a.update - b.update);
  const half = Math.ceil(most / 2);
  const others = Math.max(1, most - half - (peak ? 1 : 0));
  const looks = Math.floor(updates / evaluate_every);
  const stride = evaluate_every * Math.ceil(looks / (others + 1));
  const order = [
    ...(peak ? [peak] : []),
    ...thinned(stoppable(all), half),
    ...all.filter(({ update }) => update % stride === 0),
  ];
  return [...new Set(order)].slice(0, most).sort((a, b) => a.update - b.update);
}

/** The best, and those before it that were the best in their time and are within its standard error. */
function stoppable(all: readonly KeptLook[]): KeptLook[] {
  const records = all.filter(({ best }) => best);
  const top = records.at(-1);
  return top ? records.filter(({ value }) => value >= top.value - top.error) : [];
}

/** At most so many at even distances, the first and the last among them. */
function thinned<T>(list: readonly T[], most: number): T[] {
  if (list.length <= most) return [...list];
  if (most <= 1) return list.slice(0, most);
  return Array.from({ length: most }, (_, i) => list[Math.round((i * (list.length - 1)) / (most - 1))]!);
}

const FOLDER = 'looks';

/** Where the weights of a look lie in the run's folder. */
export const lookPlace = (update: number): `looks/${number}` => `${FOLDER}/${update}`;

/**
 * Takes down a look: writes its weights where they are to stay, removes those that are not; gives what is kept now.
 */
export function keepLook(
  { folder }: Pick<RunContext, 'folder'>,
  kept: readonly KeptLook[],
  newest: KeptLook,
  config: Config<typeof LOOK_SETTINGS> & Omit<Wanted, 'most'>,
  write: (place: `looks/${number}`) => void,
): KeptLook[] {
  const stay = config.keep_checkpoints === 0 ? [] : staying(kept, newest, { ...config, most: config.keep_checkpoints });
  if (stay.length === 0 && kept.length === 0) return [];
  unlinkedPath(folder, FOLDER);
  makeFolders(folder, FOLDER);
  if (stay.includes(newest)) write(lookPlace(newest.update));
  for (const { update } of kept)
    if (!stay.some((look) => look.update === update))
      fs.rmSync(unlinkedPath(folder, FOLDER, String(update)), { recursive: true, force: true });
  return stay;
}
