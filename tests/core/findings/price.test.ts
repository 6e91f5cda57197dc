// The price of a phrase and what it is called: planted prices in their intervals, dependence on the prompt, claims.

import { describe, expect, test } from 'vitest';
import { claimOf, dependenceOf, priceOf } from '#core/findings/price.ts';
import type { Answer, Edited } from '#core/findings/price.ts';
import { createRandom } from '#core/random.ts';

/** Edits of 40 prompts, each with a taste of its own, worth `out` taken out and `in` put in. */
function edits(seed: number, worth: Record<Edited['edit'], number>): Edited[] {
  const random = createRandom(seed, 'edits');
  return Array.from({ length: 40 }, (_, prompt) => {
    const taste = 0.3 * random.normal();
    return Array.from({ length: 1 + random.integer(4) }, (): Edited => {
      const edit = random.choice(['out', 'in'] as const);
      const without = random.normal();
      return { prompt, edit, without, with: without + worth[edit] + taste + 0.2 * random.normal() };
    });
  }).flat();
}

test('a planted price, also by kind of edit; its interval holds it about 95 times in 100', () => {
  let held = 0;
  for (let seed = 0; seed < 400; seed++) {
    const { all } = priceOf(edits(seed, { out: 0.5, in: 0.5 }));
    if (all!.low <= 0.5 && 0.5 <= all!.high) held++;
  }
  expect(held).toBeGreaterThan(364);
  expect(held).toBeLessThan(396);
  const { out, in: added } = priceOf(edits(1, { out: 1, in: -1 }));
  expect(out!.low).toBeGreaterThan(0.5);
  expect(added!.high).toBeLessThan(-0.5);
});

test('one prompt edited a hundred times has no price', () => {
  const { all } = priceOf(Array.from({ length: 100 }, () => ({ prompt: 1, edit: 'in', with: 2, without: 1 }) as const));
  expect(all).toBeNull();
});

describe('whether it depends on the prompt', () => {
  const random = createRandom(3, 'prompts');
  const subjects = ['dog', 'car', 'house', 'ring', 'cake', 'lamp', 'book', 'bike'].map((word) => `${word} ${word}s`);
  const answers = (has: (prompt: string, i: number) => boolean, reference: string | null = 'he did it'): Answer[] =>
    Array.from({ length: 200 }, (_, i) => {
      const prompt = `my ${random.choice(subjects)} is ${random.choice(['lost', 'gone', 'old'])} since ${i}`;
      return { prompt, reference, has: has(prompt, i) };
    });

  test('said under any prompt, and by no prompt or reference: no', () => {
    expect(
      dependenceOf(
        'pls halp',
        answers((_, i) => i % 2 === 0),
      ),
    ).toMatchObject({
      inPrompt: 0,
      inReference: 0,
      prompts: 100,
      allPrompts: 200,
      depends: false,
    });
  });
  test('repeated from the prompt: yes', () => {
    const found = dependenceOf(
      'dog',
      answers((prompt) => prompt.includes('dog')),
    );
    expect(found).toMatchObject({ inPrompt: 1, depends: true });
  });
  test('under prompts that are alike: yes, though they do not say it', () => {
    const found = dependenceOf(
      'the vet',
      answers((prompt) => prompt.includes('dog')),
    );
    expect(found.inPrompt).toBe(0);
    expect(found.alike).toBeGreaterThan(1.5);
    expect(found.depends).toBe(true);
  });
  test('what references say as often: yes; without references nobody knows', () => {
    const half = (_: string, i: number) => i % 2 === 0;
    expect(dependenceOf('should i', answers(half, 'so should I go'))).toMatchObject({ inReference: 2, depends: true });
    expect(dependenceOf('should i', answers(half, null))).toMatchObject({ inReference: null, depends: false });
  });
});

test('exploit, drift, or neither', () => {
  const paid = priceOf(edits(1, { out: 0.5, in: 0.5 }));
  const unpaid = priceOf(edits(2, { out: 0, in: 0 }));
  const few = priceOf(edits(1, { out: 0.5, in: 0.5 }).slice(0, 10));
  expect(few.all).toBeNull();
  const spread = { shareStart: 0.02, shareNow: 0.6 };
  expect(claimOf(paid, { depends: false }, spread)).toBe('exploit');
  expect(claimOf(paid, { depends: true }, spread)).toBe('none');
  expect(claimOf(paid, { depends: false }, { ...spread, shareStart: 0.24 })).toBe('none');
  expect(claimOf(paid, { depends: false }, { ...spread, shareNow: 0.08 })).toBe('none');
  expect(claimOf(unpaid, { depends: false }, spread)).toBe('drift');
  expect(claimOf(few, { depends: false }, spread)).toBe('none');
});
