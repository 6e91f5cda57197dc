// Two policies side by side: what both answer to the same prompts with the same random numbers, and how much likelier
// the second finds its own words than the first does.

import * as v from 'valibot';
import { call } from './call.ts';
import { id, offset, runId } from './schemas.ts';

/** A model of the project, or the weights that a run had after an update. */
const side = v.union([v.strictObject({ modelId: id }), v.strictObject({ runId, update: offset })]);
export type PolicySide = v.InferOutput<typeof side>;

/** Weights of a run that are there to be compared: 0 is what it started from. */
export interface Checkpoint {
  update: number;
  /** what it is called, as in “update 12 of ppo” */
  name: string;
}

/** A mean over prompts and its 95 % interval; `low` and `high` null of fewer prompts than an interval takes. */
export interface MeanOver {
  mean: number;
  low: number | null;
  high: number | null;
  prompts: number;
}

export interface ComparedAnswer {
  text: string;
  ended: boolean;
  tokens: number;
  /** by the reward model; null without one */
  score: number | null;
}

/** What both answered to a prompt. */
export interface ComparedPrompt {
  promptId: number;
  prompt: string;
  a: ComparedAnswer;
  b: ComparedAnswer;
  /** the second's answer token by token, what ended it included: as the vocabulary spells it, ln p by each policy */
  tokens: { token: string; a: number; b: number }[];
  /** Σ (ln p by the second − ln p by the first) over them: nats */
  change: number;
  /** Σ |ln p by the second − ln p by the first| */
  moved: number;
}

/** A number of the answers of each, and how much more of it the second has, paired by prompt. */
export interface PairedMeans {
  a: MeanOver;
  b: MeanOver;
  difference: MeanOver;
}

export interface ComparedMeans {
  /** null without scores */
  score: PairedMeans | null;
  /** tokens */
  length: PairedMeans;
  /** `change`: over the prompts an estimate of KL(second ‖ first) */
  change: MeanOver;
  /** prompts that both answer word for word alike */
  same: number;
}

export interface Comparison {
  /** what the two are called */
  a: string;
  b: string;
  reward: string | null;
  /** why there are no scores, where there is a reward model */
  unscored: string | null;
  /** 0: always the likeliest token */
  temperature: number;
  /** the largest change of probability first */
  rows: ComparedPrompt[];
  means: ComparedMeans;
  /** prompts that do not fit with their answer */
  leftOut: number;
}

/** Which comparison of which window is meant: a newer one from there takes its place. */
const place = v.pipe(v.string(), v.regex(/^[A-Za-z0-9-]{1,80}$/));

export const COMPARE_CALLS = {
  /** The weights of a run that can be compared, from its start on. */
  'compare.checkpoints': call<Checkpoint[]>('again')({ runId }),
  /** Both answer so many prompts, drawn by the seed; greedily, or as the run of one of them samples. */
  'compare.policies': call<Comparison>('again')({
    place,
    a: side,
    b: side,
    rewardId: v.nullable(id),
    prompts: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(256)),
    seed: offset,
    greedy: v.boolean(),
  }),
} as const;
