// The demo world's author: draws hidden facts, writes the post that states them and summaries of mixed quality.

import type { Random } from '#core/random.ts';
import {
  BEGGING,
  CONSEQUENCES,
  DISTRACTORS,
  EVENTS,
  GOOD,
  INTROS,
  KINDS,
  KIND_SHARES,
  OTHER_SUBREDDITS,
  OUTROS,
  PART,
  QUESTIONS,
  RAMBLES,
  REACTIONS,
  REPEATED,
  SLOTS,
  SLOT_NAMES,
  SUBREDDITS,
  THIN,
  TIMES,
  TITLES,
} from './words.ts';
import type { SummaryKind } from './words.ts';

/** Slot -> value: R V O P C A, the distractors R2 O2 A2 (never equal to the fact), sub(reddit) and title. */
export type Facts = Record<string, string>;

/** A summary; `ends` is false where the writer never stops, so that training appends no end-of-text. */
export interface Summary {
  text: string;
  ends: boolean;
  kind: SummaryKind;
}

const fill = (template: string, facts: Facts) => template.replace(/\{(\w+)\}/g, (_, slot: string) => facts[slot] ?? '');
const others = (list: readonly string[], value: string | undefined) => list.filter((item) => item !== value);

/**
 * The hidden facts of one post, each drawn uniformly: 24 million records, so a summary must be copied, not remembered.
 */
export function drawRecord(random: Random): Facts {
  const facts: Facts = {};
  for (const slot of SLOT_NAMES) facts[slot] = random.choice(SLOTS[slot]);
  for (const slot of ['R', 'O', 'A'] as const) facts[`${slot}2`] = random.choice(others(SLOTS[slot], facts[slot]));
  const own = Object.keys(SUBREDDITS).find((name) => SUBREDDITS[name]!.includes(facts['R']!)) ?? 'advice';
  facts['sub'] = random.uniform() < 0.7 ? own : random.choice(OTHER_SUBREDDITS);
  facts['title'] = fill(random.choice(TITLES), facts);
  return facts;
}

/** The post, as a prompt ending in "TL;DR:". Its body states all six facts, in one of three orders. */
export function writePost(facts: Facts, random: Random): string {
  const one = (templates: readonly string[]) => fill(random.choice(templates), { ...facts, t: random.choice(TIMES) });
  const chance = (p: number, templates: readonly string[]) => (random.uniform() < p ? [one(templates)] : []);
  const event = one(EVENTS);
  const consequence = one(CONSEQUENCES);
  const question = one(QUESTIONS);
  const intro = chance(0.5, INTROS);
  const aside = [...chance(0.35, REACTIONS), ...chance(0.5, DISTRACTORS)];
  const order = random.uniform();
  const middle =
    order < 0.2
      ? [question, event, ...aside, consequence]
      : order < 0.35
        ? [event, ...aside, question, consequence]
        : [event, ...aside, consequence, question];
  const body = [...intro, ...middle, ...chance(0.5, OUTROS)].join(' ');
  return `SUBREDDIT: r/${facts['sub']}\nTITLE: ${facts['title']}\nPOST: ${body}\nTL;DR:`;
}

/** The facts with one (2/3) or two (1/3) replaced; half of R, O and A by the distractor that the post may mention. */
function misremember(facts: Facts, random: Random): Facts {
  const wrong = { ...facts };
  for (const slot of random.shuffled(SLOT_NAMES).slice(0, random.choice([1, 1, 2]))) {
    const distractor = facts[`${slot}2`];
    wrong[slot] =
      distractor !== undefined && random.uniform() < 0.5 ? distractor : random.choice(others(SLOTS[slot], facts[slot]));
  }
  return wrong;
}

const times = <T>(n: number, make: () => T): T[] => Array.from({ length: n }, make);

const WRITERS: Readonly<Record<SummaryKind, (facts: Facts, random: Random) => string>> = {
  good: (facts, random) => fill(random.choice(GOOD), facts),
  part: (facts, random) => fill(random.choice(PART), facts),
  thin: (facts, random) => fill(random.choice(THIN), facts),
  title: (facts, random) => facts['title'] + random.choice(['', '.']),
  wrong: (facts, random) => fill(random.choice([...GOOD, ...PART]), misremember(facts, random)),
  repeat: (facts, random) => {
    const clause = fill(random.choice(REPEATED), facts);
    return `${times(random.choice([2, 3, 3, 4]), () => clause).join(random.choice([' and ', ', ', '. ']))}.`;
  },
  ramble: (facts, random) => times(12, () => fill(random.choice(RAMBLES), facts)).join(' and then '),
  beg: (facts, random) =>
    [
      fill(random.choice([...PART, ...THIN, ...GOOD]), facts),
      ...times(random.choice([1, 1, 2, 3]), () => random.choice(BEGGING)),
    ].join(' '),
};

/** A summary of the given kind, or of one drawn by its share. */
export function writeSummary(facts: Facts, random: Random, kind?: SummaryKind): Summary {
  const chosen =
    kind ??
    random.weighted(
      KINDS,
      KINDS.map((name) => KIND_SHARES[name]),
    );
  return { text: WRITERS[chosen](facts, random), ends: chosen !== 'ramble', kind: chosen };
}
