// What the cells of the lens can be coloured by: a table of measures, each with its reading, its tint and its words.

import type { Lens, LensDifference, LensLayer } from '#core/contract/inspect.ts';
import { signed } from '#renderer/components/inspect/token-colours.ts';
import type { Tint } from '#renderer/components/inspect/token-colours.ts';
import type { Table } from './figure-export.ts';
import { NO_TINT, numberText, visible } from './figure.ts';
import type { Cell } from './figure.ts';

/** The first model, the second, or what the second has more of. */
export type Side = 'model' | 'beside' | 'difference';

export interface Measure {
  title: string;
  sentence: string;
  read(layer: LensLayer, p: number): number | null;
  /** null: two models' numbers of it are not of one thing */
  less: ((layer: LensDifference, p: number) => number | null) | null;
  /** of a number among those whose largest is `most` */
  tint(value: number, most: number): Tint;
  digits: number;
}

const share = (hue: Tint['hue'], value: number): Tint => ({ hue, strength: Math.max(0, Math.min(1, value)) });

export const MEASURES = {
  probability: {
    title: 'Probability',
    sentence: 'How sure each layer is of its likeliest token: the stronger the tint, the surer.',
    read: ({ best }, p) => (best[p]?.[0] ? Math.exp(best[p][0].logprob) : null),
    less: null,
    tint: (value) => share('accent', value),
    digits: 2,
  },
  entropy: {
    title: 'Entropy',
    sentence: 'How undecided each layer is, in nats: the stronger the tint, the more undecided.',
    read: ({ entropies }, p) => entropies[p] ?? null,
    less: ({ entropies }, p) => entropies[p] ?? null,
    tint: (value, most) => share('warn', value / most),
    digits: 2,
  },
  divergence: {
    title: 'KL to the last layer',
    sentence: 'How far each layer is from what the model says in the end, in nats: the stronger the tint, the further.',
    read: ({ divergences }, p) => divergences[p] ?? null,
    less: ({ divergences }, p) => divergences[p] ?? null,
    tint: (value, most) => share('bad', value / most),
    digits: 2,
  },
  next: {
    title: 'ln p of what follows',
    sentence: 'How surprising the token that follows in the text is to each layer: the stronger the tint, the more.',
    read: ({ nextLogprobs }, p) => nextLogprobs[p] ?? null,
    less: ({ nextLogprobs }, p) => nextLogprobs[p] ?? null,
    tint: (value, most) => share('warn', -value / most),
    digits: 2,
  },
  norm: {
    title: 'Norm',
    sentence: 'How long the residual stream is after each layer: the stronger the tint, the longer.',
    read: ({ norms }, p) => norms[p] ?? null,
    less: ({ norms }, p) => norms[p] ?? null,
    tint: (value, most) => share('accent', value / most),
    digits: 1,
  },
} as const satisfies Record<string, Measure>;
export type MeasureName = keyof typeof MEASURES;

/** The number of one layer (by its place in the list) at one position of a page. */
export function numberAt(page: Lens, side: Side, measure: Measure, layer: number, p: number): number | null {
  if (side !== 'difference') return readAt(page, side, measure, layer, p);
  const found = page.difference?.[layer];
  return found && measure.less ? measure.less(found, p) : null;
}
function readAt(page: Lens, side: 'model' | 'beside', measure: Measure, layer: number, p: number): number | null {
  const found = (side === 'model' ? page.layers : page.beside)?.[layer];
  return found ? measure.read(found, p) : null;
}

/** The largest size of the measure on these pages; 1 where there is none. */
export function mostOf(pages: Iterable<Lens>, side: Side, measure: Measure): number {
  let most = 0;
  for (const page of pages)
    for (let layer = 0; layer < page.layers.length; layer++)
      for (let p = 0; p < page.positions[1] - page.positions[0]; p++)
        most = Math.max(most, Math.abs(numberAt(page, side, measure, layer, p) ?? 0));
  return most || 1;
}

/** One cell: the likeliest token, or by how much the second model's number is more; its ground says the number. */
export function cellAt(page: Lens, side: Side, measure: Measure, layer: number, p: number, most: number): Cell {
  const value = numberAt(page, side, measure, layer, p);
  const number = numberText(value, measure.digits);
  if (side === 'difference')
    return {
      text: number,
      tint: value === null ? NO_TINT : signed(value, most),
      title: `${measure.title} ${value !== null && value > 0 ? '+' : ''}${number} by the second model`,
    };
  const found = (side === 'model' ? page.layers : page.beside)![layer]!;
  const rank = found.nextRanks[p];
  const best = found.best[p]!.map(({ token, logprob }) => `${visible(token)} ${numberText(Math.exp(logprob))}`);
  return {
    text: found.best[p]![0] ? visible(found.best[p]![0]!.token) : '',
    tint: value === null ? NO_TINT : measure.tint(value, most),
    title: [
      best.join(', '),
      `entropy ${numberText(found.entropies[p])}`,
      `KL to the last layer ${numberText(found.divergences[p])}`,
      ...(rank === null || rank === undefined ? [] : [`rank of what follows ${rank}`]),
      `norm ${numberText(found.norms[p], 1)}`,
    ].join('; '),
  };
}

export const layerName = (layer: number): string => (layer === 0 ? 'embedding' : `layer ${layer}`);

/** Everything that was read, a line each model, position and layer. */
export function tableOf(pages: readonly Lens[], names: readonly string[]): Table {
  const head =
    'model,position,token,next_token,layer,best_token,best_logprob,entropy,kl_to_last,next_logprob,next_rank,norm';
  return [
    head.split(','),
    ...pages.flatMap(({ positions: [from, to], tokens, layers, beside }) =>
      [layers, ...(beside ? [beside] : [])].flatMap((list, m) =>
        Array.from({ length: to - from }, (_, p) => p).flatMap((p) =>
          list.map((one) => [
            names[m]!,
            from + p,
            tokens[from + p]!,
            tokens[from + p + 1] ?? null,
            one.layer,
            one.best[p]![0]?.token ?? null,
            one.best[p]![0]?.logprob ?? null,
            one.entropies[p]!,
            one.divergences[p]!,
            one.nextLogprobs[p]!,
            one.nextRanks[p]!,
            one.norms[p]!,
          ]),
        ),
      ),
    ),
  ];
}
