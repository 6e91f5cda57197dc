// The demo world's posts and summaries: every fact stated, every kind at its share, the same seed the same text.

import { describe, expect, test } from 'vitest';
import { createRandom } from '#core/random.ts';
import { COVERAGE_WEIGHTS, GOOD, KINDS, KIND_SHARES, PART, SLOTS, SLOT_NAMES, SUBREDDITS } from '#core/demo/words.ts';
import type { SummaryKind } from '#core/demo/words.ts';
import { gold } from '#core/demo/gold.ts';
import { drawRecord, writePost, writeSummary } from '#core/demo/world.ts';

const N = 4000;
const random = createRandom(1, 'world-test');
const written = Array.from({ length: N }, () => {
  const facts = drawRecord(random);
  return { facts, post: writePost(facts, random), summary: writeSummary(facts, random) };
});

const bodyOf = (post: string) => /\nPOST: (.*)\nTL;DR:$/.exec(post)![1]!;
const mean = (list: number[]) => list.reduce((a, b) => a + b, 0) / list.length;
/** Five standard deviations of a share over n draws. */
const slack = (share: number, n: number) => 5 * Math.sqrt((share * (1 - share)) / n);

describe('word tables', () => {
  test('have the sizes of the specification, and no value under two slots', () => {
    expect(SLOT_NAMES.map((slot) => SLOTS[slot].length)).toEqual([20, 12, 28, 14, 16, 16]);
    const values = SLOT_NAMES.flatMap((slot) => SLOTS[slot]);
    expect(new Set(values).size).toBe(values.length);
    expect(mean(Object.values(COVERAGE_WEIGHTS))).toBe(1);
    expect(mean(Object.values(KIND_SHARES)) * KINDS.length).toBeCloseTo(1, 12);
  });
});

describe('records', () => {
  test('have facts from the tables and distractors that differ', () => {
    for (const { facts } of written) {
      for (const slot of SLOT_NAMES) expect(SLOTS[slot]).toContain(facts[slot]);
      for (const slot of ['R', 'O', 'A'] as const) {
        expect(SLOTS[slot]).toContain(facts[`${slot}2`]);
        expect(facts[`${slot}2`]).not.toBe(facts[slot]);
      }
      expect(Object.keys(facts)).toHaveLength(11);
    }
  });

  test('draw each value about equally often', () => {
    for (const slot of SLOT_NAMES) {
      const share = 1 / SLOTS[slot].length;
      for (const value of SLOTS[slot]) {
        const drawn = written.filter(({ facts }) => facts[slot] === value).length / N;
        expect(Math.abs(drawn - share), value).toBeLessThan(slack(share, N));
      }
    }
  });

  test('belong to a subreddit of the person 7 times in 10', () => {
    const family = written.filter(({ facts }) => SUBREDDITS['family']!.includes(facts['R']!));
    const own = family.filter(({ facts }) => facts['sub'] === 'family').length / family.length;
    expect(Math.abs(own - 0.7)).toBeLessThan(slack(0.7, family.length));
  });
});

describe('posts', () => {
  test('state all six facts and score as a text that names no wrong thing but the distractor', () => {
    for (const { facts, post } of written) {
      const body = bodyOf(post);
      for (const slot of SLOT_NAMES) expect(body).toContain(facts[slot]);
      expect(post.startsWith(`SUBREDDIT: r/${facts['sub']}\nTITLE: ${facts['title']}\nPOST: `)).toBe(true);
      expect(body).not.toMatch(/[{}]|undefined/);
      const score = gold(body, facts);
      expect(score.right).toBe(6);
      expect(score.wrong).toBe(
        ['R2', 'O2', 'A2'].filter((slot) => new RegExp(`\\b${facts[slot]}\\b`).test(body)).length,
      );
    }
  });

  test('ask first in a fifth, and before the consequence in 15 of 100 more', () => {
    const order = written.map(({ facts, post }) => {
      const body = bodyOf(post);
      const [event, ask, consequence] = [`${facts['V']} my ${facts['O']}`, `should i ${facts['A']}`, facts['C']!].map(
        (part) => body.indexOf(part),
      ) as [number, number, number];
      return ask < 0 ? 'said' : ask < event ? 'first' : ask < consequence ? 'before' : 'last';
    });
    for (const [name, share] of [
      ['first', 0.2],
      ['before', 0.15],
      ['last', 0.65],
    ] as const) {
      // one form in four is "if i should", which the pattern above does not see
      const asked = order.filter((where) => where !== 'said');
      expect(Math.abs(asked.filter((where) => where === name).length / asked.length - share), name).toBeLessThan(
        slack(share, asked.length),
      );
    }
  });
});

describe('summaries', () => {
  test('come in their shares', () => {
    for (const kind of KINDS) {
      const share = written.filter(({ summary }) => summary.kind === kind).length / N;
      expect(Math.abs(share - KIND_SHARES[kind]), kind).toBeLessThan(slack(KIND_SHARES[kind], N));
    }
  });

  test('score by kind as the specification measured over 4,000', () => {
    const expected: Record<SummaryKind, number> = {
      good: 7,
      part: 5.4,
      thin: 3.1,
      wrong: 3.1,
      beg: 2,
      repeat: 2,
      ramble: 1.3,
      title: 1,
    };
    for (const kind of KINDS) {
      const scores = written
        .filter(({ summary }) => summary.kind === kind)
        .map(({ facts, summary }) => gold(summary.text, facts).overall);
      expect(Math.abs(mean(scores) - expected[kind]), kind).toBeLessThan(0.3);
    }
  });

  test('end except where the writer rambles; a kind asked for is the kind given', () => {
    for (const { summary } of written) expect(summary.ends).toBe(summary.kind !== 'ramble');
    for (const kind of KINDS) expect(writeSummary(written[0]!.facts, random, kind).kind).toBe(kind);
  });

  test('of each kind are what their name says', () => {
    const some = (kind: SummaryKind) =>
      written.slice(0, 500).map(({ facts }) => ({ facts, text: writeSummary(facts, random, kind).text }));
    for (const { facts, text } of some('good'))
      expect(gold(text, facts)).toMatchObject({ overall: 7, right: 6, wrong: 0 });
    for (const { facts, text } of some('part')) expect(gold(text, facts)).toMatchObject({ wrong: 0, coherence: 7 });
    for (const { facts, text } of some('title')) expect(text.replace('.', '')).toBe(facts['title']);
    for (const { facts, text } of some('beg')) expect(gold(text, facts).plead).toBeGreaterThan(0);
    for (const { text } of some('ramble')) expect(text.split(' and then ')).toHaveLength(12);
    for (const { text } of some('repeat')) {
      const clauses = text.slice(0, -1).split(/ and |, |\. /);
      expect(new Set(clauses).size).toBe(1);
      expect([2, 3, 4]).toContain(clauses.length);
    }
    const wrong = some('wrong').map(({ facts, text }) => gold(text, facts).wrong);
    expect(Math.max(...wrong)).toBe(2);
    // a template with fewer facts may not show the one that was replaced
    expect(wrong.filter((n) => n > 0).length / wrong.length).toBeGreaterThan(
      (GOOD.length / (GOOD.length + PART.length)) * 0.9,
    );
  });
});

test('a wrong summary takes the distractor for the fact about every second time', () => {
  const replaced: boolean[] = [];
  for (const { facts } of written) {
    const object = / my (\w+)/.exec(writeSummary(facts, random, 'wrong').text.replace(/^my /, ''))?.[1];
    if (object !== undefined && SLOTS.O.includes(object) && object !== facts['O'])
      replaced.push(object === facts['O2']);
  }
  // the other half is drawn from all wrong objects, the distractor among them
  const share = 0.5 + 0.5 / (SLOTS.O.length - 1);
  expect(Math.abs(replaced.filter(Boolean).length / replaced.length - share)).toBeLessThan(
    slack(share, replaced.length),
  );
});

test('the same seed writes the same world, another seed another', () => {
  const write = (seed: number) => {
    const again = createRandom(seed, 'again');
    return Array.from({ length: 20 }, () => {
      const facts = drawRecord(again);
      return [writePost(facts, again), writeSummary(facts, again).text];
    });
  };
  expect(write(3)).toEqual(write(3));
  expect(write(3)).not.toEqual(write(4));
});
