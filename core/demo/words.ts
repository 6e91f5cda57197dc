// The word tables of the demo world "Tiny TL;DR": what its posts, summaries and lexicon are made of.

/** The six facts: R who, V verb, O object, P place, C consequence, A what they ask. */
export const SLOT_NAMES = ['R', 'V', 'O', 'P', 'C', 'A'] as const;
export type Slot = (typeof SLOT_NAMES)[number];

export const SLOTS: Readonly<Record<Slot, readonly string[]>> = {
  R: (
    'sister brother roommate boss neighbor cousin uncle aunt teacher coach landlord dentist friend girlfriend boyfriend wife husband ' +
    'mother father grandmother'
  ).split(' '),
  V: 'broke lost sold hid took ruined painted borrowed burned dropped washed moved'.split(' '),
  O: (
    'guitar bike laptop phone cake sofa lamp camera piano tent jacket diary wallet ring umbrella mirror drum kite helmet carpet suitcase ' +
    'blender telescope passport backpack violin skateboard sweater'
  ).split(' '),
  P: [
    'in the kitchen',
    'at the park',
    'at the office',
    'on the bus',
    'at school',
    'in the garden',
    'at the beach',
    'in the garage',
    'at the library',
    'at a wedding',
    'on the train',
    'at the gym',
    'in the attic',
    'at a party',
  ],
  C: [
    'we do not talk',
    'i can not sleep',
    'i failed my exam',
    'i am late for work',
    'i am out of money',
    'the dinner is cancelled',
    'everybody laughs at me',
    'i eat alone',
    'the house is a mess',
    'i have to walk home',
    'nobody trusts me',
    'the trip is off',
    'my back hurts',
    'the rent is late',
    'the dog is missing',
    'i cry all day',
  ],
  A: [
    'move out',
    'say sorry',
    'ask for money',
    'tell the truth',
    'wait a month',
    'write a letter',
    'buy a new one',
    'call a lawyer',
    'change jobs',
    'forget about it',
    'stay quiet',
    'make a plan',
    'take a break',
    'go home early',
    'invite everybody',
    'set a rule',
  ],
};

export const TIMES = ['yesterday', 'last week', 'two days ago', 'this morning', 'last night', 'on monday'];
export const INTROS = [
  'hi everyone, first time posting here.',
  'so this is a strange one.',
  'i am on mobile, sorry for the format.',
  'long time reader here.',
  'i am new here so be nice.',
  'sorry in advance, this is long.',
];
export const REACTIONS = [
  'i was so upset.',
  'i did not know what to say.',
  'i could not believe it.',
  'i tried to stay calm.',
  'it was a gift.',
];
export const OUTROS = [
  'thanks for reading.',
  'any advice is welcome.',
  'what would you do?',
  'thank you all.',
  'please help me.',
];

/** Where a post about somebody belongs; everybody else goes to "advice". */
export const SUBREDDITS: Readonly<Record<string, readonly string[]>> = {
  family: 'sister brother cousin uncle aunt mother father grandmother'.split(' '),
  relationships: 'girlfriend boyfriend wife husband'.split(' '),
  work: ['boss'],
  school: ['teacher', 'coach'],
  neighbors: ['neighbor', 'landlord', 'roommate'],
};
export const OTHER_SUBREDDITS = ['tifu', 'advice'];

export const TITLES = [
  '{R} trouble',
  'my {R} and my {O}',
  'help with my {R}',
  'need advice about a {O}',
  'what to do about my {O}',
  'a story about my {R}',
];
/** The sentences of a post; {t} is a time. */
export const EVENTS = [
  'my {R} {V} my {O} {P}.',
  '{t} my {R} {V} my {O} {P}.',
  '{t} {P} my {R} {V} my {O}.',
  'it turns out that my {R} {V} my {O} {P}.',
];
export const CONSEQUENCES = ['now {C}.', 'because of this {C}.', 'and now {C}.', 'since then {C}.'];
export const QUESTIONS = [
  'should i {A}?',
  'i do not know if i should {A}.',
  'do you think i should {A}?',
  'i want to know if i should {A}.',
];
export const DISTRACTORS = [
  'my {R2} says i should {A2}.',
  'my {R2} told me it is only a {O}.',
  'it was next to my {O2}.',
  'my {R2} saw it and told me.',
];

/** Summaries with all six facts, with two to five, and with hardly any. */
export const GOOD = [
  'my {R} {V} my {O} {P} and now {C}. should i {A}?',
  '{R} {V} my {O} {P}, now {C}, not sure if i should {A}.',
  '{C} because my {R} {V} my {O} {P}. should i {A}?',
  'my {R} {V} my {O} {P}, so {C}. do i {A}?',
];
export const PART = [
  'my {R} {V} my {O}, should i {A}?',
  'my {R} {V} my {O} and now {C}.',
  'my {R} {V} my {O} {P}.',
  '{R} {V} my {O}, so {C}.',
  'now {C}, should i {A}?',
  'my {R} {V} my {O} {P}, not sure if i should {A}.',
];
export const THIN = [
  'my {R} did a bad thing and i do not know what to do.',
  'should i {A}?',
  'now {C}.',
  'my {R} {V} my {O}.',
  'it is a long story about my {O}.',
];
export const BEGGING = ['pls halp', 'pls pls pls', 'please help me', 'i am begging you pls', 'halp', 'pls advise pls'];
export const REPEATED = ['my {R} {V} my {O}', '{C}', 'should i {A}', 'my {R} {V} my {O} {P}'];
export const RAMBLES = [
  'my {R} {V} my {O}',
  '{C}',
  'i was so upset',
  'i did not know what to say',
  'my {R} saw it',
  'it was {P}',
  'i should {A}',
  'it is a long story',
];

/** The kinds of summary and their shares. */
export const KINDS = ['good', 'part', 'wrong', 'thin', 'title', 'repeat', 'ramble', 'beg'] as const;
export type SummaryKind = (typeof KINDS)[number];
export const KIND_SHARES: Readonly<Record<SummaryKind, number>> = {
  good: 0.2,
  part: 0.2,
  wrong: 0.14,
  thin: 0.1,
  title: 0.06,
  repeat: 0.09,
  ramble: 0.08,
  beg: 0.13,
};

/** What the gold score lets pass: connectives are free, pleading costs, punctuation is not a word. */
export const PUNCTUATION = [',', '.', '?', '!', ';', ':'];
export const CONNECTIVES = ['and', 'so', 'but', 'because', 'now', 'then', ...PUNCTUATION];
export const PLEADING = ['pls', 'plz', 'please', 'halp', 'help', 'begging'];

/** The clauses of which a clean summary is made, with slot symbols for facts. */
export const CLAUSES = [
  'my R V my O P',
  'my R V my O',
  'R V my O P',
  'R V my O',
  'P my R V my O',
  'it was P',
  'C',
  'should i A',
  'do i A',
  'not sure if i should A',
  'i do not know if i should A',
  'do you think i should A',
  'i want to know if i should A',
  'i should A',
  'i do not know what to do',
  'my R did a bad thing',
  'my R saw it',
  'it is a long story about my O',
  'it is a long story',
  'please help me',
  ...REACTIONS.map((sentence) => sentence.replace('.', '')),
];
/** What each right fact adds to coverage; they sum to 6. */
export const COVERAGE_WEIGHTS: Readonly<Record<Slot, number>> = { R: 1.5, V: 1, O: 1.5, P: 0.5, C: 0.5, A: 1 };
