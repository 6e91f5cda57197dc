// How many steps a call takes: what was asked, eight on the processor, up to six seconds on a card.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readDevice } from '#core/autodiff/device.ts';
import { stepsARun } from '#core/training/pace.ts';

const card = readDevice('cuda');
const gpt2 = { numbers: 124e6, trained: 124e6, tokens: 16 * 512 };

test('what is asked for is what is done', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.constantFrom('cpu', 'cuda', 'cuda:bf16', 'webgpu'),
      (asked, device) => {
        expect(stepsARun(asked, gpt2, readDevice(device))).toBe(asked);
      },
    ),
  );
});

test('a large model’s calls outweigh what crosses the bus, a small one’s are many steps, and the processor takes eight', () => {
  expect(stepsARun(0, gpt2, readDevice('cpu'))).toBe(8);
  expect(stepsARun(0, gpt2, card)).toBe(39); // 0.15 s a step at the guessed rate, 6 s a call
  expect(stepsARun(0, gpt2, readDevice('cuda:bf16'))).toBeGreaterThan(stepsARun(0, gpt2, card));
  expect(stepsARun(0, { numbers: 4e6, trained: 4e6, tokens: 1024 }, card)).toBe(256);
  // adapters: nothing crosses, a call may be short
  expect(stepsARun(0, { ...gpt2, trained: 1e6 }, card)).toBeLessThan(stepsARun(0, gpt2, card));
});

test('always between one and the most', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e3, max: 1e11, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 1, max: 1e6 }),
      (numbers, share, tokens) => {
        const steps = stepsARun(0, { numbers, trained: numbers * share, tokens }, card);
        expect(steps).toSatisfy((n: number) => Number.isInteger(n) && n >= 1 && n <= 256);
      },
    ),
  );
});
