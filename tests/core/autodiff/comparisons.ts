// How these tests compare: numbers within a tolerance, slopes by central differences, errors by what they say.

import { expect } from 'vitest';
import type { Tensor } from '#core/autodiff/graph.ts';
import { TastemakerError } from '#core/errors.ts';
import { interpret } from './interpreter.ts';
import type { Values } from './interpreter.ts';

/**
 * Each element within `tolerance` of its own size, plus half of that of the largest one's: what they were summed from
 * is of that size.
 */
export function expectClose(
  got: ArrayLike<number | bigint>,
  expected: ArrayLike<number>,
  tolerance: number,
  about: string,
): void {
  expect(got.length, about).toBe(expected.length);
  const largest = Array.from(expected).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(Number(got[i]) - expected[i]!);
    const allowed = tolerance * (Math.abs(expected[i]!) + 0.5 * largest + 0.01);
    if (!(off <= allowed))
      expect.fail(
        `${about}: element ${i} is ${got[i]}, expected ${expected[i]} (off by ${off.toExponential(1)}, allowed ${allowed.toExponential(1)})`,
      );
  }
}

/** dLoss/dx for every element of `wanted`, by central differences of the interpreter (h = 1e-5). */
export function slopes(loss: Tensor, wanted: readonly Tensor[], given: ReadonlyMap<Tensor, Values>): Float64Array[] {
  const h = 1e-5;
  return wanted.map((tensor) => {
    const { shape, data } = given.get(tensor)!;
    const at = (i: number, by: number) => {
      const moved = Float64Array.from(data);
      moved[i]! += by;
      return interpret([loss], new Map([...given, [tensor, { shape, data: moved }]]))[0]!.data[0]!;
    };
    return data.map((_, i) => (at(i, h) - at(i, -h)) / (2 * h));
  });
}

/** The error of ours that `run` throws. */
export function refusalOf(run: () => unknown): TastemakerError {
  try {
    run();
  } catch (error) {
    if (error instanceof TastemakerError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
export async function refusalOfAsync(run: () => Promise<unknown>): Promise<TastemakerError> {
  const error = await run().then(
    () => new Error('nothing was refused'),
    (reason: unknown) => reason,
  );
  if (error instanceof TastemakerError) return error;
  throw error;
}
