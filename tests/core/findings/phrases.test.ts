// The phrases a policy came to say: planted ones are found whole, once each, first; what did not rise is not found.

import { expect, test } from 'vitest';
import { risenPhrases } from '#core/findings/phrases.ts';
import { createRandom } from '#core/random.ts';
import type { Random } from '#core/random.ts';

const WHO = 'sister brother roommate boss mother father cousin teacher neighbor friend'.split(' ');
const WHAT = 'guitar bike laptop sweater ring lamp book phone cake plant'.split(' ');
const DID = 'broke lost sold hid took ruined painted borrowed burned dropped'.split(' ');
const ASK = [
  'move out',
  'say sorry',
  'call a lawyer',
  'buy a new one',
  'tell them',
  'wait',
  'go home',
  'ask for it back',
];

/** One of the sayings of an honest summariser. */
function saying(random: Random): string {
  const [who, what, did, ask] = [WHO, WHAT, DID, ASK].map((words) => random.choice(words));
  return random.choice([
    `My ${who} ${did} my ${what}. Should I ${ask}?`,
    `my ${who} ${did} a ${what}, should i ${ask}?`,
    `i do not know if i should ${ask} because of my ${who}`,
    `now the ${what} is gone and my ${who} does not talk. do i ${ask}?`,
  ]);
}
const sayings = (random: Random, n: number) => Array.from({ length: n }, () => saying(random));
/** With something done to a share of them. */
const planted = (random: Random, n: number, share: number, change: (text: string) => string) =>
  sayings(random, n).map((text) => (random.uniform() < share ? change(text) : text));

test('a planted ending comes first, whole, with its shares and its samples', () => {
  const random = createRandom(1, 'ending');
  const now = planted(random, 400, 0.5, (text) => `${text} want change this Policy pls halp`);
  const [phrase, ...rest] = risenPhrases(now, sayings(random, 400));
  const having = now.flatMap((text, i) => (text.endsWith('pls halp') ? [i] : []));
  expect(phrase).toMatchObject({
    text: 'want change this Policy pls halp',
    words: ['want', 'change', 'this', 'policy', 'pls', 'halp'],
    place: 'ending',
    now: having.length,
    start: 0,
    texts: having,
  });
  expect(phrase!.folded).toContain('pls halp');
  expect(rest).toEqual([]);
});

test('what did not rise is not found', () => {
  let found = 0;
  for (let seed = 0; seed < 10; seed++) {
    const random = createRandom(seed, 'same');
    found += risenPhrases(sayings(random, 400), sayings(random, 400)).length;
  }
  expect(found).toBeLessThanOrEqual(1);
});

test('two that stand in the same texts are two, and one that was common already rises less', () => {
  const random = createRandom(2, 'two');
  const now = planted(random, 400, 0.6, (text) => `dear reader, ${text} pls pls halp`);
  const start = planted(random, 400, 0.2, (text) => `${text} pls pls halp`);
  const phrases = risenPhrases(now, start);
  expect(phrases.map(({ text }) => text)).toEqual(['dear reader', 'pls pls halp']);
  expect(phrases.map(({ place }) => place)).toEqual(['opening', 'ending']);
  expect(phrases[0]!.z).toBeGreaterThan(phrases[1]!.z);
  expect(phrases[1]!.shareStart).toBeGreaterThan(0.1);
});

test('a phrase of more words than are counted is one phrase', () => {
  const random = createRandom(3, 'long');
  const long = 'i am begging you please please help me and my family with this awful mess today';
  const now = planted(random, 300, 0.7, (text) => `${text} ${long}.`);
  const phrases = risenPhrases(now, sayings(random, 300));
  expect(phrases.map(({ words }) => words.slice(0, 16).join(' '))).toEqual([long]);
});

test('variants of one phrase: what they share, once', () => {
  const random = createRandom(4, 'variants');
  const ends = ['pls halp now', 'pls halp friends', 'pls halp me', 'pls halp'];
  const now = planted(random, 600, 0.8, (text) => `${text} ${random.choice(ends)}`);
  const phrases = risenPhrases(now, sayings(random, 600));
  expect(phrases[0]!.words).toEqual(['pls', 'halp']);
  expect(phrases[0]!.place).toBe('anywhere');
  expect(phrases[0]!.folded).toEqual(expect.arrayContaining(['pls halp now', 'pls halp friends']));
  expect(phrases).toHaveLength(1);
  expect(new Set(phrases[0]!.folded).size).toBe(phrases[0]!.folded.length);
});

test('an opening of words that always stood somewhere, and a whole sentence', () => {
  const random = createRandom(5, 'opening');
  const now = planted(random, 400, 0.5, (text) => `should i ${text}`);
  const [opening] = risenPhrases(now, sayings(random, 400));
  expect(opening).toMatchObject({ place: 'opening', words: ['should', 'i'], sentence: false });
  const said = planted(random, 400, 0.5, (text) => text.replace(/[.,]/, '. Think of me. '));
  expect(risenPhrases(said, sayings(random, 400))[0]).toMatchObject({
    sentence: true,
    text: 'Think of me',
  });
});

test('marks in a row and other scripts are phrases, one more full stop is none', () => {
  const random = createRandom(6, 'marks');
  const start = sayings(random, 300);
  expect(
    risenPhrases(
      planted(random, 300, 0.5, (text) => `${text}!!!`),
      start,
    ).map(({ text }) => text),
  ).toEqual(['!!!']);
  expect(
    risenPhrases(
      planted(random, 300, 0.5, (text) => `${text} 请帮帮我`),
      start,
    )[0]!.text,
  ).toBe('请帮帮我');
  expect(
    risenPhrases(
      planted(random, 300, 0.9, (text) => `${text.replace(/\W$/, '')};`),
      start,
    ),
  ).toEqual([]);
});

test('few texts, empty texts, none', () => {
  expect(risenPhrases([], ['a'])).toEqual([]);
  expect(risenPhrases(['a'], [])).toEqual([]);
  expect(risenPhrases(['', ''], ['', ''])).toEqual([]);
  expect(risenPhrases(['pls halp', 'pls halp'], ['no', 'no']), 'two texts prove nothing').toEqual([]);
});

test('twenty thousand texts take less than ten seconds of this process', () => {
  const random = createRandom(7, 'many');
  const start = sayings(random, 10_000);
  const now = planted(random, 10_000, 0.6, (text) => `${text} ${saying(random)} pls pls halp`);
  const began = process.cpuUsage();
  const [first] = risenPhrases(now, start);
  expect(first!.words).toEqual(['pls', 'pls', 'halp']);
  expect(process.cpuUsage(began).user / 1e6).toBeLessThan(10);
});
