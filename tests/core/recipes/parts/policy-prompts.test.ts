// The order in which updates take prompts: every prompt once a round, whatever the batch, and the same at any update.

import { expect, test } from 'vitest';
import { createRandom } from '#core/random.ts';
import { promptOrder } from '#core/recipes/parts/policy-prompts.ts';

const PROMPTS = ['a', 'b', 'c', 'd', 'e'];

test.each([1, 2, 3, 5, 12])('%i an update: each round takes every prompt once, in an order of its own', (count) => {
  const take = promptOrder(PROMPTS, count, 7);
  const taken = Array.from({ length: 10 }, (_, update) => take(update)).flat();
  const rounds = Array.from({ length: Math.floor(taken.length / 5) }, (_, i) => taken.slice(5 * i, 5 * i + 5));
  for (const [round, own] of rounds.entries())
    expect(own).toEqual(createRandom(7, `prompts/${round}`).shuffled(PROMPTS));
});

test('an update takes the same prompts whether those before were asked for or not', () => {
  const all = promptOrder(PROMPTS, 3, 1);
  const before = [0, 1, 2, 3, 4, 5].map((update) => all(update));
  expect(promptOrder(PROMPTS, 3, 1)(4)).toEqual(before[4]);
  expect(all(1)).toEqual(before[1]);
  expect(promptOrder(PROMPTS, 3, 2)(0)).not.toEqual(before[0]);
});
