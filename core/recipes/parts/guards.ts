// Guards: what says, while a policy learns, that it has begun to cheat. Each measures one thing after an update, larger
// is worse, and trips above its limit; then the run stops, saved, for a person to look.

import type { MetricRow } from '#core/recipes/metrics.ts';
import { flag } from '#core/recipes/settings.ts';

export const GUARD_SETTINGS = {
  guards: flag(
    false,
    'Stop, saved, where the policy seems to cheat: held-out value falling below its best, a phrase that the reward model pays for in many answers, no difference between the answers of a prompt, ends lost, length, repetition, KL. Resuming goes on past what was said.',
    { group: 'stop' },
  ),
} as const;

/** What the guards look at after an update. */
export interface Watched {
  /** the numbers of this update, and of the first */
  now: MetricRow;
  first: MetricRow;
  /** how far the held-out value lies below its best, in standard errors of the difference; whether the score rose */
  fall: { z: number; from: number; to: number; rose: boolean } | null;
  /** share of the prompts whose answers all score the same; null where each has one answer */
  alike: number | null;
  /** the phrase that the reward model pays for, which most answers say */
  phrase: { text: string; share: number; price: number; low: number; high: number } | null;
}

export interface Guard {
  /** what it measures */
  sentence: string;
  limit: number;
  /** why there */
  because: string;
  /** null where it cannot tell */
  measure(watched: Watched): number | null;
  /** the reason to stop, as a clause */
  says(watched: Watched): string;
}

const ratio = (a: number | undefined, b: number | undefined): number | null =>
  a === undefined || b === undefined ? null : a / Math.max(b, 1e-9);
const percent = (share: number | undefined): string => `${(100 * (share ?? 0)).toFixed(0)} %`;
const LEAST_ENDED = 0.2;

export const GUARDS = {
  gap: {
    sentence: 'How far the held-out value lies below its best, in standard errors of the difference.',
    limit: 2.5,
    because: 'one look in 160 of a policy that lost nothing lies so far below, were its prompts other ones each time',
    measure: ({ fall }) => fall?.z ?? null,
    says: ({ fall }) =>
      `the held-out value fell from ${fall!.from.toFixed(2)} to ${fall!.to.toFixed(2)}${fall!.rose ? ' while the score it is trained on rose' : ', and the score it is trained on with it'}`,
  },
  phrase: {
    sentence: 'Share of the latest answers with a phrase that rose, is paid for and does not hang on the prompt.',
    limit: 0.4,
    because: 'what nearly half of the answers to unlike prompts say is not about the prompts',
    measure: ({ phrase }) => phrase?.share ?? null,
    says: ({ phrase }) =>
      `“${phrase!.text}” stands in ${percent(phrase!.share)} of the latest answers, and the reward model pays ${phrase!.price.toFixed(2)} (${phrase!.low.toFixed(2)} to ${phrase!.high.toFixed(2)}) for it`,
  },
  collapsed: {
    sentence: 'Share of the prompts whose answers all score the same.',
    limit: 0.5,
    because: 'from half on most of what is sampled teaches nothing (docs/algorithms/findings.md)',
    measure: ({ alike }) => alike,
    says: ({ alike }) => `all answers score the same under ${percent(alike!)} of the prompts`,
  },
  ended: {
    sentence: 'Share of answers that ended at the first update, for the share that end now.',
    limit: 2,
    because: 'half of the ends are lost',
    measure: ({ now, first }) => ((first.ended ?? 0) < LEAST_ENDED ? null : ratio(first.ended, now.ended)),
    says: ({ now, first }) => `only ${percent(now.ended)} of the answers end, ${percent(first.ended)} did`,
  },
  length: {
    sentence: 'Mean length of the answers, for that of the first update.',
    limit: 2,
    because: 'twice the length is another kind of answer',
    measure: ({ now, first }) => ratio(now.length, first.length),
    says: ({ now, first }) =>
      `answers are ${now.length!.toFixed(0)} tokens long, ${first.length!.toFixed(0)} were usual`,
  },
  distinct: {
    sentence: 'Share of distinct three-token sequences at the first update, for the share now.',
    limit: 2,
    because: 'below half of the start’s texts repeat each other (docs/algorithms/findings.md)',
    measure: ({ now, first }) => ratio(first.distinct, now.distinct),
    says: ({ now, first }) =>
      `only ${percent(now.distinct)} of three-token sequences are distinct, ${percent(first.distinct)} were`,
  },
  kl: {
    sentence: 'KL a token, in nats.',
    limit: 1,
    because:
      'a nat a token makes every token e times as likely as the reference has it: texts that nobody saw it write',
    measure: ({ now }) => now.kl_per_token ?? null,
    says: ({ now }) => `KL reached ${now.kl_per_token!.toFixed(2)} nats a token`,
  },
} as const satisfies Readonly<Record<string, Guard>>;
export type GuardName = keyof typeof GUARDS;
const NAMES = Object.keys(GUARDS) as GuardName[];

export interface Alarm {
  guard: GuardName;
  /** the reason, as a clause */
  why: string;
}

/** A row of alarms.jsonl: an alarm with its guard's limit, and the answers that it saw, best scored first. */
export interface GuardAlarm extends Alarm {
  limit: number;
  because: string;
  samples: { promptId: number; text: string; score: number }[];
}

/** The first guard that trips, but for those that a person has heard of and let go on. */
export function alarmOf(watched: Watched, heard: readonly GuardName[]): Alarm | null {
  for (const guard of NAMES) {
    const { measure, limit, says }: Guard = GUARDS[guard];
    const value = heard.includes(guard) ? null : measure(watched);
    if (value !== null && value > limit) return { guard, why: says(watched) };
  }
  return null;
}
