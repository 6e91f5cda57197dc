// What a program would take of a device's memory: planted sizes, and that more rows never need less.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Program } from '#core/autodiff/compile.ts';
import { readDevice } from '#core/autodiff/device.ts';
import { footprint } from '#core/autodiff/footprint.ts';
import { add } from '#core/autodiff/ops/elementwise.ts';
import { gemm } from '#core/autodiff/ops/linalg.ts';
import { sumAll } from '#core/autodiff/ops/reduction.ts';
import { checkpointParameters } from '#core/models/checkpoint.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/objectives/language-model.ts';
import { trainingProgram } from '#core/training/trainer.ts';
import { smallModel } from '#tests/core/training/small-models.ts';

const MIB = 2 ** 20;
const WIDE = 1024; // WIDE x WIDE numbers are 4 MiB, and 2 MiB as bfloat16
const float = (...shape: number[]) => ({ dtype: 'float32' as const, shape });
const squares = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`w${i}`, float(WIDE, WIDE)]));
/** MiB */
const poolOf = (program: Program, steps: number, device: string) =>
  footprint(program, steps, readDevice(device)).poolBytes / MIB;
const FIRST = 1; // MiB: the first region of an arena, which holds all that is small

/** Adds a number to a state of `count` squares. */
const adding = (count: number): Program => ({
  state: squares(count),
  frozen: {},
  feeds: { by: float(1) },
  step: ({ state, feeds }) => ({
    state: Object.fromEntries(Object.entries(state).map(([name, w]) => [name, add(w, feeds.by!)])),
    outputs: { by: sumAll(feeds.by!) },
  }),
});

/** Goes through frozen squares there and back, so that what is made of one of them is wanted until the end. */
const thereAndBack = (count: number): Program => ({
  state: {},
  frozen: squares(count),
  feeds: { x: float(4, WIDE) },
  step: ({ frozen, feeds }) => {
    const all = Object.values(frozen);
    const there = all.reduce((y, w) => gemm(y, w), feeds.x!);
    return {
      state: {},
      outputs: { y: sumAll(all.toReversed().reduce((y, w) => gemm(y, w, { transB: true }), there)) },
    };
  },
});

describe('a state of 60 MiB', () => {
  const program = adding(15);
  const S = 60;

  test('is there four times when CUDA’s Loop ends: what came in, what the last trip was given and made, and what goes out', () => {
    for (const steps of [3, 8, 100]) {
      const taken = poolOf(program, steps, 'cuda');
      expect(taken).toBeGreaterThanOrEqual(4 * S);
      expect(taken).toBeLessThan(5 * S);
    }
  });

  test('is there twice where CUDA has no Loop to run', () => {
    expect(poolOf(program, 1, 'cuda')).toBeGreaterThanOrEqual(2 * S);
    expect(poolOf(program, 1, 'cuda')).toBeLessThan(2.5 * S);
  });

  test('is there twice on WebGPU, however many steps', () => {
    for (const steps of [1, 3, 100]) expect(poolOf(program, steps, 'webgpu')).toBeCloseTo(2 * S, 1);
  });
});

describe('frozen weights', () => {
  test('are there once a graph, in a Loop too', () => {
    for (const steps of [1, 3]) {
      expect(poolOf(thereAndBack(15), steps, 'cuda')).toBe(FIRST + 64);
      expect(poolOf(thereAndBack(15), steps, 'webgpu')).toSatisfy((taken: number) => taken >= 60 && taken < 62);
    }
  });

  test('are there once more at half the width where products are of bfloat16', () => {
    expect(poolOf(thereAndBack(30), 1, 'cuda')).toBe(FIRST + 128); // 120 of it taken
    expect(poolOf(thereAndBack(20), 1, 'cuda:bf16')).toBe(FIRST + 128); // 80 + 40; at full width it would be 160
    expect(poolOf(thereAndBack(22), 1, 'cuda')).toBe(FIRST + 128);
    expect(poolOf(thereAndBack(22), 1, 'cuda:bf16')).toBe(FIRST + 256); // 88 + 44
  });
});

test('the CUDA arena grows by regions that are each as large as all before it', () => {
  const held = (count: number): Program => ({
    state: {},
    frozen: squares(count),
    feeds: { x: float(4) },
    step: ({ feeds }) => ({ state: {}, outputs: { y: sumAll(feeds.x!) } }),
  });
  expect([1, 2, 3, 4, 5, 8, 9, 16, 17].map((count) => poolOf(held(count), 1, 'cuda'))).toEqual(
    [4, 8, 16, 16, 32, 32, 64, 64, 128].map((size) => FIRST + size),
  );
});

/**
 * Tensors that happen to have one shape share a place; a buffer of WebGPU's is up to twice as large as what is in it, a
 * very large one is not.
 */
const LEAST = { cuda: 0.999, 'cuda:bf16': 0.999, webgpu: 0.5 };
test('more rows, or longer ones, never need less, but for how a device rounds', () => {
  const { architecture, ...rest } = smallModel('llama', { channels: 64, feedForward: 160, context: 256 });
  const model = { architecture, ...rest };
  const adam = {
    betas: [0.9, 0.999] as [number, number],
    epsilon: 1e-8,
    epsilonStyle: 'torch' as const,
    weightDecay: 0,
    clipNorm: 1,
  };
  const taken = (B: number, T: number, steps: number, device: string) =>
    poolOf(
      trainingProgram(checkpointParameters(model), languageModelFeeds(B, T, T), languageModelLoss(architecture), adam),
      steps,
      device,
    );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 24 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 0, max: 8 }),
      fc.constantFrom(1, 3),
      fc.constantFrom(...(Object.keys(LEAST) as (keyof typeof LEAST)[])),
      (B, T, moreB, moreT, steps, device) => {
        expect(taken(B + moreB, 16 * (T + moreT), steps, device)).toBeGreaterThanOrEqual(
          LEAST[device] * taken(B, 16 * T, steps, device),
        );
      },
    ),
    { numRuns: 40 },
  );
}, 30_000);
