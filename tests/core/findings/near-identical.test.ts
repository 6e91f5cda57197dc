// Nearly the same answers: planted copies are found, as a search over all pairs finds them, and quickly.

import { expect, test } from 'vitest';
import { nearIdentical } from '#core/findings/near-identical.ts';
import { createRandom } from '#core/random.ts';

const random = createRandom(4, 'copies');
const text = (length = 40) => Array.from({ length }, () => random.integer(500));
/** The text with some words replaced. */
function altered(original: readonly number[], words: number): number[] {
  const out = [...original];
  for (let i = 0; i < words; i++) out[random.integer(out.length)] = 1000 + random.integer(500);
  return out;
}
function exact(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [a, b].map((ids) => new Set(ids.slice(2).map((_, i) => ids.slice(i, i + 3).join())));
  const both = [...x!].filter((piece) => y!.has(piece)).length;
  return both / (x!.size + y!.size - both);
}

test('copies with one word changed are one cluster among texts that have nothing to do with it', () => {
  const original = text();
  const texts = Array.from({ length: 300 }, (_, i) =>
    i % 10 !== 3 ? text() : i === 3 ? original : altered(original, 1),
  );
  const copies = texts.flatMap((ids, i) => (i % 10 === 3 && exact(texts[3]!, ids) >= 0.8 ? [i] : []));
  const found = nearIdentical(
    texts,
    texts.map((_, i) => i),
  );
  expect(copies.length).toBeGreaterThan(10);
  expect(found[0]).toEqual({ leader: 3, members: copies, prompts: copies.length });
  for (const { leader, members } of found)
    for (const member of members) expect(exact(texts[leader]!, texts[member]!)).toBeGreaterThanOrEqual(0.8);
});

test('whatever is nearly the same as an earlier text is found, as by comparing all', () => {
  const originals = Array.from({ length: 10 }, () => text(30));
  const texts = Array.from({ length: 200 }, () => altered(random.choice(originals), random.integer(4)));
  const found = nearIdentical(
    texts,
    texts.map((_, i) => i % 7),
  );
  const clustered = new Set(found.flatMap(({ members }) => members));
  const leaders: number[] = [];
  const expected = new Map<number, number[]>();
  texts.forEach((ids, i) => {
    const shares = leaders.map((leader) => exact(texts[leader]!, ids));
    const most = Math.max(0, ...shares);
    if (most >= 0.8) expected.get(leaders[shares.indexOf(most)]!)!.push(i);
    else expected.set(leaders[leaders.push(i) - 1]!, [i]);
  });
  const many = [...expected.values()].filter((members) => new Set(members.map((i) => i % 7)).size > 1);
  expect(found.map(({ members }) => members.join()).toSorted()).toEqual(many.map((m) => m.join()).toSorted());
  expect(clustered.size).toBeGreaterThan(80);
});

test('the same answer to one prompt is no finding; empty answers are none either', () => {
  const one = text();
  expect(nearIdentical([one, one, one], [5, 5, 5])).toEqual([]);
  expect(nearIdentical([one, one, one], [5, 6, 5])).toEqual([{ leader: 0, members: [0, 1, 2], prompts: 2 }]);
  expect(nearIdentical([[], []], [1, 2])).toEqual([]);
  expect(nearIdentical([[7], [7]], [1, 2])).toHaveLength(1);
});
