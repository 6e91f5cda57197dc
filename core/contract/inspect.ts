// The inside of a model at one stored sample: what each layer would write, which tokens make a number, what PPO sees of
// each token; the calls that ask for it.

import * as v from 'valibot';
import { call } from './call.ts';
import { id, offset } from './schemas.ts';

/** T tokens, the first `prompt` of them the prompt's. */
export interface ReadText {
  ids: number[];
  /** as the vocabulary spells them */
  tokens: string[];
  prompt: number;
}

/** One layer at each position, by a model. Natural logarithms (docs/algorithms/lens.md). */
export interface LensLayer {
  /** 0 is the embedding */
  layer: number;
  /** [position]: the likeliest first */
  best: { id: number; token: string; logprob: number }[][];
  /** of the distribution */
  entropies: number[];
  /** KL(last layer ‖ this one): what the last layer's distribution loses where it is taken for this one */
  divergences: number[];
  /** of the token that follows: ln p, and how many are likelier, and itself; null where none follows */
  nextLogprobs: (number | null)[];
  nextRanks: (number | null)[];
  /** √Σ x² of the residual stream, before any norm */
  norms: number[];
}

/** At each position what the other checkpoint has more of; null where a number is. */
export type LensDifference = Omit<LensLayer, 'best'>;

/** Layers in the order that was asked for; `beside` and `difference` null where one model was asked. */
export interface Lens extends ReadText {
  /** the first that was looked at, and the first after them */
  positions: [number, number];
  layers: LensLayer[];
  beside: LensLayer[] | null;
  difference: LensDifference[] | null;
}

/** Numbers a token of the text; null where there is none (docs/algorithms/attribution.md). */
export interface Attribution extends ReadText {
  of: 'score' | 'logprob';
  /** the score, or Σ ln p of the answer's tokens */
  value: number;
  /** the score if the text ended with this token, or ln p of this token */
  along: (number | null)[];
  /** what the value of the other tokens is more with this token than without it; of the answer's tokens */
  leftOut: (number | null)[];
  /** this token's embedding · d value / d embedding */
  gradientTimesInput: number[];
}

/** One number a token of the answer, or null without the model it takes. */
export interface Strips extends ReadText {
  /** ln π */
  logprob: number[];
  /** ln π_ref */
  reference: number[] | null;
  /** ln π − ln π_ref: its sum is the sample's KL */
  kl: number[] | null;
  /** before the token */
  value: number[] | null;
  /** where there are reference and reward */
  advantage: number[] | null;
}

/** What decides how a score is shared out over tokens. */
export interface Credit {
  beta: number;
  gamma: number;
  lambda: number;
  /** the slot after the end of the text where there is room, or the last token */
  placement: 'after-end' | 'at-end';
}

/** `from`: the run whose settings they are; null where the sample was not written by one that has them. */
export interface SampleStrips extends Strips {
  credit: Credit & { from: string | null };
}

/** The models that a sample is looked at with where none is chosen; null where there is none. */
export interface InsideModels {
  /** who wrote it, else the current policy */
  policyId: number | null;
  /** what its KL is measured from */
  referenceId: number | null;
  /** the current reward model */
  rewardId: number | null;
}

/** Which pane of which window asks: a newer question from there overtakes the one before it. */
const place = v.pipe(v.string(), v.regex(/^[A-Za-z0-9-]{1,80}$/));
const sample = { completionId: id, place };

export const INSPECT_CALLS = {
  'inspect.models': call<InsideModels>('again')({ completionId: id }),
  /**
   * All layers at up to `size` positions; `from` null: those of the page of that size in which the answer begins. A
   * second model beside it where one is named.
   */
  'inspect.lens': call<Lens>('again')({
    ...sample,
    modelId: id,
    besideId: v.nullable(id),
    from: v.nullable(offset),
    size: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(512)),
    count: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(20)),
  }),
  'inspect.attribution': call<Attribution>('again')({ ...sample, modelId: id }),
  'inspect.strips': call<SampleStrips>('again')({
    ...sample,
    modelId: id,
    referenceId: v.nullable(id),
    rewardId: v.nullable(id),
  }),
} as const;
