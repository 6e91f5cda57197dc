// The desk's arithmetic: dense ranks, an order that is kept, ties that stay ties, and moves that do what the hand
// meant.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clearRank,
  dense,
  EVEN,
  fromScale,
  inWords,
  isComplete,
  isDense,
  move,
  nextUnranked,
  place,
  type Ranks,
  ranksOf,
  rowsOf,
  setRank,
  tieWithAbove,
  tiersOf,
  timesInWords,
  toScale,
  unranked,
  withLast,
} from '#renderer/components/desk/ranking.ts';

const size = fc.integer({ min: 2, max: 9 });
/** Some answers on the screen, and ranks for a part of them. */
const desk = size
  .chain((count) =>
    fc.record({
      ids: fc.constant(Array.from({ length: count }, (_, i) => 100 - 7 * i)),
      given: fc.array(fc.option(fc.integer({ min: 1, max: 9 }), { nil: null }), { minLength: count, maxLength: count }),
      at: fc.integer({ min: 0, max: count - 1 }),
    }),
  )
  .map(({ ids, given, at }) => ({
    ids,
    id: ids[at]!,
    ranks: new Map(ids.flatMap((id, i) => (given[i] === null ? [] : [[id, given[i]] as [number, number]]))) as Ranks,
  }));

const sameOrder = (a: Ranks, b: Ranks, ids: number[]) => {
  for (const x of ids)
    for (const y of ids)
      if (a.has(x) && a.has(y)) expect(Math.sign(b.get(x)! - b.get(y)!)).toBe(Math.sign(a.get(x)! - a.get(y)!));
};
const without = (ids: number[], id: number) => ids.filter((other) => other !== id);

describe('dense ranks', () => {
  it('close the gaps, keep the order and the ties', () => {
    fc.assert(
      fc.property(desk, ({ ids, ranks }) => {
        const closed = dense(ranks, ids);
        expect([...new Set(closed.values())].sort()).toEqual(tiersOf(ranks, ids).map((_, i) => i + 1));
        expect(new Set(closed.keys())).toEqual(new Set(ranks.keys()));
        sameOrder(ranks, closed, ids);
        expect(isDense(closed)).toBe(true);
        expect(dense(closed, ids)).toEqual(closed);
      }),
    );
  });
  it('know what is dense', () => {
    expect(isDense(ranksOf([]))).toBe(true);
    expect(
      isDense(
        new Map([
          [1, 1],
          [2, 1],
          [3, 2],
        ]),
      ),
    ).toBe(true);
    expect(
      isDense(
        new Map([
          [1, 2],
          [2, 3],
        ]),
      ),
    ).toBe(false);
    expect(
      isDense(
        new Map([
          [1, 1],
          [2, 3],
        ]),
      ),
    ).toBe(false);
  });
  it('go to rows and back', () =>
    fc.assert(fc.property(desk, ({ ranks }) => void expect(ranksOf(rowsOf(ranks))).toEqual(ranks))));
});

describe('giving a rank', () => {
  it('touches no other answer, and the same digit twice is a tie', () => {
    fc.assert(
      fc.property(desk, fc.integer({ min: 1, max: 9 }), ({ ids, id, ranks }, digit) => {
        const next = setRank(ranks, id, digit);
        expect(next.get(id)).toBe(digit);
        for (const other of without(ids, id)) expect(next.get(other)).toBe(ranks.get(other));
        const other = without(ids, id)[0]!;
        const tied = setRank(next, other, digit);
        expect(tiersOf(tied, ids).find((tier) => tier.includes(id))).toContain(other);
      }),
    );
  });
  it('refuses what is no rank, and can be taken back', () => {
    fc.assert(
      fc.property(desk, ({ ids, id, ranks }) => {
        for (const odd of [0, 10, 1.5, -1, Number.NaN]) expect(setRank(ranks, id, odd)).toBe(ranks);
        const cleared = clearRank(ranks, id);
        expect(unranked(cleared, ids)).toContain(id);
        expect(isComplete(cleared, ids)).toBe(false);
        sameOrder(cleared, ranks, ids);
      }),
    );
  });
  it('leaves one place for the last answer where the others stand on places of their own, and none after a tie or with two to go', () => {
    const ids = [10, 20, 30, 40];
    expect([
      ...withLast(
        new Map([
          [10, 2],
          [20, 4],
          [30, 1],
        ]),
        ids,
      ),
    ]).toEqual([
      [10, 2],
      [20, 4],
      [30, 1],
      [40, 3],
    ]);
    for (const given of [
      [
        [10, 1],
        [20, 2],
        [30, 2],
      ],
      [
        [10, 1],
        [20, 2],
      ],
      [
        [10, 1],
        [20, 2],
        [30, 9],
      ],
      [
        [10, 1],
        [20, 2],
        [30, 3],
        [40, 3],
      ],
    ] as [number, number][][]) {
      const ranks = new Map(given);
      expect(withLast(ranks, ids)).toBe(ranks);
    }
    fc.assert(
      fc.property(desk, (one) => {
        const whole = withLast(one.ranks, one.ids);
        for (const [id, rank] of one.ranks) expect(whole.get(id)).toBe(rank); // nobody's rank is touched
        const completed = whole === one.ranks ? [...one.ranks.values()].sort() : one.ids.map((_, i) => i + 1);
        expect([...whole.values()].sort()).toEqual(completed);
      }),
    );
  });
  it('is complete when every answer has one', () => {
    fc.assert(
      fc.property(desk, ({ ids, ranks }) => {
        expect(isComplete(ranks, ids)).toBe(unranked(ranks, ids).length === 0);
        expect(
          isComplete(
            ids.reduce((all, id) => setRank(all, id, 3), ranks),
            ids,
          ),
        ).toBe(true);
      }),
    );
  });
});

describe('tie with above', () => {
  it('makes the two tie and leaves the others in their order', () => {
    fc.assert(fc.property(desk, ({ ids, ranks }) => void expect(tieWithAbove(ranks, ids, ids[0]!)).toBe(ranks)));
    fc.assert(
      fc.property(desk, ({ ids, id, ranks }) => {
        const above = ids[ids.indexOf(id) - 1];
        fc.pre(above !== undefined);
        const next = tieWithAbove(ranks, ids, id);
        expect(next.get(id)).toBe(next.get(above));
        expect(next.has(id)).toBe(true);
        const others = ids.filter((other) => other !== id && other !== above);
        expect(others.filter((other) => next.has(other))).toEqual(others.filter((other) => ranks.has(other)));
        sameOrder(new Map([...ranks].filter(([other]) => others.includes(other))), next, others);
      }),
    );
  });
  it('takes the rank of the one above where both have one', () => {
    expect(
      tieWithAbove(
        new Map([
          [1, 2],
          [2, 4],
        ]),
        [1, 2],
        2,
      ),
    ).toEqual(
      new Map([
        [1, 2],
        [2, 2],
      ]),
    );
    expect(tieWithAbove(new Map([[2, 4]]), [1, 2], 2)).toEqual(
      new Map([
        [1, 4],
        [2, 4],
      ]),
    );
  });
});

describe('moving', () => {
  it('keeps the others as they are and the result dense', () => {
    fc.assert(
      fc.property(desk, fc.constantFrom(-1 as const, 1 as const), ({ ids, id, ranks }, direction) => {
        const next = move(ranks, ids, id, direction);
        expect(next.has(id)).toBe(true);
        sameOrder(new Map([...ranks].filter(([other]) => other !== id)), next, without(ids, id));
        expect(next === ranks || isDense(next)).toBe(true);
      }),
    );
  });
  it('goes all the way up, one step at a time, and the way down is as long', () => {
    fc.assert(
      fc.property(desk, ({ ids, id, ranks }) => {
        const path = (direction: -1 | 1) => {
          let now = move(ranks, ids, id, direction);
          for (let steps = 1; steps <= 20; steps++) {
            const next = move(now, ids, id, direction);
            if (next === now) return now;
            now = next;
          }
          throw new Error('It never arrived.');
        };
        expect(path(-1).get(id)).toBe(1);
        const last = path(1);
        expect(last.get(id)).toBe(tiersOf(last, ids).length);
        expect(tiersOf(last, ids).at(-1)).toEqual([id]);
      }),
    );
  });
  it('leaves a tie before it passes a neighbour', () => {
    const tied = new Map([
      [1, 1],
      [2, 2],
      [3, 2],
    ]);
    expect(tiersOf(move(tied, [1, 2, 3], 3, -1), [1, 2, 3])).toEqual([[1], [3], [2]]);
    expect(tiersOf(move(tied, [1, 2, 3], 2, 1), [1, 2, 3])).toEqual([[1], [3], [2]]);
    expect(tiersOf(move(tied, [1, 2, 3], 1, 1), [1, 2, 3])).toEqual([[2, 3], [1]]);
  });
});

describe('a drag', () => {
  it('ties with the tier it is dropped on, or stands alone before it; the others keep their order', () => {
    fc.assert(
      fc.property(desk, fc.nat(9), fc.boolean(), ({ ids, id, ranks }, tier, into) => {
        const before = tiersOf(ranks, ids);
        const next = place(ranks, ids, id, { tier, into });
        expect(isDense(next)).toBe(true);
        sameOrder(new Map([...ranks].filter(([other]) => other !== id)), next, without(ids, id));
        const own = tiersOf(next, ids).find((members) => members.includes(id))!;
        const onto = before[tier] ?? [];
        expect(new Set(own)).toEqual(new Set(into ? [...onto, id] : [id]));
        const behind = into ? [] : without(onto, id);
        for (const other of behind) expect(next.get(id)!).toBeLessThan(next.get(other)!);
      }),
    );
  });
});

describe('the nine points between two answers', () => {
  it('say who is better and how sure, and come back as the same point', () => {
    for (let point = 1; point <= 9; point++) {
      const { ranks, confidence } = fromScale(point, [7, 3]);
      expect(Math.sign(ranks.get(7)! - ranks.get(3)!)).toBe(Math.sign(point - EVEN));
      expect(confidence).toBeGreaterThanOrEqual(1);
      expect(confidence).toBeLessThanOrEqual(9);
      expect(toScale(ranks, confidence, [7, 3])).toBe(point);
      expect(toScale(ranks, confidence, [3, 7])).toBe(10 - point); // shown the other way round
    }
  });
  it('show nothing without a confidence, and a tie as even', () => {
    expect(
      toScale(
        new Map([
          [7, 1],
          [3, 2],
        ]),
        null,
        [7, 3],
      ),
    ).toBeNull();
    expect(
      toScale(
        new Map([
          [7, 1],
          [3, 1],
        ]),
        null,
        [7, 3],
      ),
    ).toBe(EVEN);
    expect(toScale(new Map([[7, 1]]), 4, [7, 3])).toBeNull();
  });
});

it('reads a ranking aloud', () => {
  expect(
    inWords(
      new Map([
        [10, 2],
        [20, 1],
        [30, 2],
      ]),
      [10, 20, 30, 40],
    ),
  ).toBe('B, then A and C; D not ranked');
  expect(inWords(new Map(), [10, 20])).toBe('Nothing ranked');
});

it('goes on from a digit to the next answer without a rank, and stays where all have one', () => {
  const ids = [11, 12, 13, 14];
  const has = (...given: number[]) => new Map(given.map((id) => [id, 1]));
  expect(nextUnranked(has(11), ids, 0)).toBe(1);
  expect(nextUnranked(has(12, 13, 14), ids, 3)).toBe(0); // round the end
  expect(nextUnranked(has(11, 12), ids, 0)).toBe(2); // past what is ranked
  expect(nextUnranked(has(...ids), ids, 2)).toBeNull();
});

it('says how often an answer was sampled', () =>
  expect([2, 3, 9].map(timesInWords)).toEqual(['sampled twice', 'sampled 3 times', 'sampled 9 times']));
