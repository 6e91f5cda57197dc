// What was found out about a policy: which phrases it came to say, what is paid for them, since when, what became of
// the shape of its answers, and where to stop.

import * as v from 'valibot';
import { call } from './call.ts';
import { id, offset, runId, text } from './schemas.ts';

/** A mean with its 95 % interval, over so many prompts. */
export interface PriceInterval {
  mean: number;
  low: number;
  high: number;
  clusters: number;
}

/**
 * `exploit`: it was rare and spread, the reward model pays for it, and it does not hang on the prompt. `drift`: it rose
 * and is not paid for. `none`: it is paid for, but hangs on the prompt or was usual at the start, as what good answers
 * share; or too few samples say it.
 */
export type FindingClaim = 'exploit' | 'drift' | 'none';

export interface PhraseFinding {
  kind: 'phrase';
  phrase: string;
  /** where most of those who say it do: somewhere, at the beginning, at the end */
  place: 'anywhere' | 'opening' | 'ending';
  /** the phrase is whole sentences */
  sentence: boolean;
  shareStart: number;
  shareNow: number;
  /** standard errors of its log-odds above the start's */
  z: number;
  onset: { update: number; low: number; high: number } | null;
  /** at each update: how many of how many rollouts say it */
  shares: { update: number; hits: number; n: number }[];
  /** what the reward model pays: over all edits, taken out of answers that say it, put into answers that do not */
  price: PriceInterval | null;
  priceOut: PriceInterval | null;
  priceIn: PriceInterval | null;
  /** why it is thought to hang on the prompt, or not to */
  prompts: {
    with: number;
    of: number;
    inPrompt: number;
    inReference: number | null;
    alike: number | null;
    depends: boolean;
  };
  claim: FindingClaim;
  /** answers of now that say it: rows of the run's rollouts */
  samples: FoundSample[];
  /** shorter and longer phrases that rose with it */
  folded: string[];
}

/** A number with its 95 % interval over so many units of so many prompts; no interval of too few prompts. */
export interface MeasuredNumber {
  value: number;
  low: number | null;
  high: number | null;
  n: number;
  prompts: number;
}

/** What stands out, or does not, beside phrases: the shape of answers and their numbers, then and now. */
export interface MeasureFinding {
  kind:
    | 'loops'
    | 'compression'
    | 'distinct'
    | 'ends'
    | 'longer'
    | 'shorter'
    | 'copying'
    | 'near-identical'
    | 'same-scores'
    | 'unlikely'
    | 'outliers';
  title: string;
  /** of a share: what those do that are counted; of a number: what it is */
  what: string;
  unit: 'share' | 'number';
  of: 'answers' | 'groups of answers to one prompt';
  start: MeasuredNumber;
  now: MeasuredNumber;
  /** how now is compared with the start, larger being worse; null where too few prompts say */
  compared: 'more' | 'fewer' | 'times' | 'times less' | 'level';
  change: { value: number; low: number; high: number } | null;
  /** where it stands out: the whole interval of the change is beyond */
  limit: number;
  because: string;
  found: boolean;
  /** numbers that go with it, of which nothing is claimed */
  also: { title: string; now: number; start: number }[];
  samples: FoundSample[];
}
export type Finding = PhraseFinding | MeasureFinding;

export interface FoundSample {
  promptId: number;
  update: number;
  text: string;
  /** null where the reward model has not scored it */
  score: number | null;
  /** what is picked out of the text: its first character and the one after its last, each time */
  places: { start: number; end: number }[];
}

export interface RunFindings {
  /** worst first */
  findings: Finding[];
  /** the checkpoint to stop at, by the run's looks at held-out prompts; null where it never looked */
  stop: { update: number; reason: string } | null;
  /** what was compared: answers of the start, and of the last updates */
  looked: {
    rollouts: number;
    start: number;
    now: number;
    /** the updates that those of now are of: from `since` to `until`, the last that has any */
    since: number;
    until: number;
    reward: string;
  };
  /** those that the samples answer */
  prompts: { id: number; text: string }[];
}

/** A number and its 95 % interval; `high` is null where it has no end. */
export interface Between {
  value: number;
  low: number;
  high: number | null;
}

/** One look at held-out prompts: the mean of a measure there, and its standard error where it is known. */
export interface CurvePoint {
  update: number;
  /** nats from the start */
  kl: number;
  value: number;
  error: number | null;
}

/** A form that was fitted to what a measure gained over the start. */
export interface CurveFit {
  form: 'best-of-n' | 'rl';
  /** its formula */
  sentence: string;
  alpha: Between;
  beta: Between;
  /** nats at which it is highest; null where it never turns, or farther away than can be said */
  peak: Between | null;
  /** share of the variance that it leaves */
  residual: number;
  n: number;
  /** the measure as the form has it, from the start to the farthest look, evenly in √KL */
  line: { kl: number; value: number }[];
}

export interface CurveMeasure {
  /** its name in the glossary */
  metric: string;
  points: CurvePoint[];
  /** none of fewer looks than say something about their own scatter */
  fits: CurveFit[];
}

/** What a run measured on held-out prompts, against how far it went from the start. */
export interface RunCurve {
  run: string;
  /** its price of KL; null where it has none */
  beta: number | null;
  measures: CurveMeasure[];
  stop: { update: number; kl: number; reason: string } | null;
  /** measures that are not drawn beside those of the first run, for they are not on its scale: a sentence each */
  notes: string[];
}

/** The best of n, n samples of one prompt drawn from a pool: the mean of a measure over the prompts. */
export interface PoolPoint {
  n: number;
  /** nats from the policy that wrote the pool: ln n − (n − 1)/n */
  kl: number;
  value: number;
  /** standard error over the prompts; null of one */
  error: number | null;
}

export interface PoolMeasure {
  /** the glossary's name of what runs measure, or whose score it is */
  metric: string;
  points: PoolPoint[];
  /** the form of best of n, its intervals over the prompts; none of fewer than 8 prompts or 5 samples */
  fits: CurveFit[];
}

/** What the best of n of a pool gains, chosen by the score that a run was trained on; the first measure is that. */
export interface PoolCurve {
  run: string;
  /** whose score the best is chosen by */
  reward: string;
  prompts: number;
  /** samples of each prompt */
  size: number;
  measures: PoolMeasure[];
  /** what was left out, and what differs from how the run samples: a sentence each */
  notes: string[];
}

/** What a run's curve can be laid beside: runs that began with the same policy, and pools that it drew. */
export interface CurveChoices {
  runs: { id: string; name: string; beta: number | null }[];
  /** `k`: samples a prompt */
  pools: { id: string; name: string; k: number }[];
}

/** More in one figure are not told apart. */
export const MOST_CURVES = 6;

export const FINDING_CALLS = {
  /**
   * Looks through the rollouts of a run that tuned a policy. Of a run at work an answer of before may come back, for it
   * has new rollouts all the time; not where `anew`.
   */
  'findings.run': call<RunFindings>('again')({ runId, anew: v.boolean() }),
  /**
   * The completions that these of its rollouts are in the project; those that it has not yet become some, so that they
   * can be ranked, flagged and read.
   */
  'findings.take': call<{ completionIds: number[] }>('again')({
    runId,
    answers: v.pipe(v.array(v.strictObject({ promptId: id, update: offset, text })), v.minLength(1), v.maxLength(200)),
  }),
  /** How the measures of runs on held-out prompts rose and fell, with the fitted forms; all beside the first. */
  'findings.curve': call<RunCurve[]>('again')({
    runIds: v.pipe(v.array(runId), v.minLength(1), v.maxLength(MOST_CURVES)),
  }),
  'findings.beside': call<CurveChoices>('again')({ runId }),
  /** What the best of n gains, of what another run drew from the policy that this one began with. */
  'findings.pool': call<PoolCurve>('again')({ runId, poolId: runId }),
} as const;
