// What was found out about a policy: which phrases it came to say, what is paid for them, since when, where to stop.

import { call } from './call.ts';
import { runId } from './schemas.ts';

/** A mean with its 95 % interval, over so many prompts. */
export interface PriceInterval {
  mean: number;
  low: number;
  high: number;
  clusters: number;
}

/**
 * `exploit`: it rose, the reward model pays for it, and it does not hang on the prompt. `drift`: it rose and is not
 * paid for. `none`: it is paid for and hangs on the prompt, as what good answers share; or too few samples say.
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
  /** what the reward model pays: over all edits, taken out of answers that say it, put into answers that do not */
  price: PriceInterval | null;
  priceOut: PriceInterval | null;
  priceIn: PriceInterval | null;
  /** why it is thought to hang on the prompt, or not to */
  prompts: { with: number; of: number; inPrompt: number; inReference: number | null; alike: number; depends: boolean };
  claim: FindingClaim;
  /** answers of now that say it: rows of the run's rollouts */
  samples: FoundSample[];
  /** shorter and longer phrases that rose with it */
  folded: string[];
}
export type Finding = PhraseFinding;

export interface FoundSample {
  promptId: number;
  update: number;
  text: string;
  score: number;
}

export interface RunFindings {
  /** worst first */
  findings: Finding[];
  /** the checkpoint to stop at, by the run's looks at held-out prompts; null where it never looked */
  stop: { update: number; reason: string } | null;
  /** what was compared: answers of the start, and of the last updates */
  looked: { rollouts: number; start: number; now: number; since: number; reward: string };
}

export const FINDING_CALLS = {
  /** Looks through the rollouts of a run that tuned a policy. */
  'findings.run': call<RunFindings>('again')({ runId }),
} as const;
