// Runs a small expression of tensors on given numbers: its values, and the gradient of its loss.

import { expect } from 'vitest';
import { compile } from '#core/autodiff/compile.ts';
import type { Arrays, Tensors, Types } from '#core/autodiff/compile.ts';
import { gradients } from '#core/autodiff/gradient.ts';
import type { Tensor } from '#core/autodiff/graph.ts';

export const ONE = { threads: 1 }; // tiny graphs: more threads only wait for one another

export interface Given {
  shape: readonly number[];
  data: readonly number[];
  /** int32 in place of float32 */
  whole?: boolean;
}

/** `loss` and `report` as numbers, and the gradient of `loss` by each input of `by`. */
export async function valuesOf(
  inputs: Record<string, Given>,
  build: (tensors: Tensors) => { loss: Tensor; report?: Record<string, Tensor> },
  by: readonly string[] = [],
): Promise<{ loss: number; report: Record<string, number>; gradient: Record<string, number[]> }> {
  const types: Types = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, whole }]) => [
      name,
      { dtype: whole ? ('int32' as const) : ('float32' as const), shape },
    ]),
  );
  const arrays: Arrays = Object.fromEntries(
    Object.entries(inputs).map(([name, { data, whole }]) => [
      name,
      whole ? Int32Array.from(data) : Float32Array.from(data),
    ]),
  );
  let reported: string[] = [];
  const executable = await compile(
    {
      state: {},
      frozen: types,
      feeds: {},
      step: ({ frozen }) => {
        const { loss, report = {} } = build(frozen);
        reported = Object.keys(report);
        const slopes = gradients(
          loss,
          by.map((name) => frozen[name]!),
        );
        return {
          state: {},
          outputs: { loss, ...report, ...Object.fromEntries(by.map((name, i) => [`gradient/${name}`, slopes[i]!])) },
        };
      },
    },
    ONE,
  );
  const { outputs } = await executable.run({}, arrays, {});
  await executable.release();
  const numbers = (name: string) => Array.from(outputs[name]!.data as Float32Array);
  return {
    loss: numbers('loss')[0]!,
    report: Object.fromEntries(reported.map((name) => [name, numbers(name)[0]!])),
    gradient: Object.fromEntries(by.map((name) => [name, numbers(`gradient/${name}`)])),
  };
}

export interface Tolerance {
  relative?: number;
  absolute?: number;
}

/** Every element within `relative` of the wanted one plus `absolute`; says which element is furthest off. */
export function expectClose(
  actual: ArrayLike<number>,
  wanted: ArrayLike<number>,
  what: string,
  { relative = 2e-4, absolute = 2e-5 }: Tolerance = {},
): void {
  expect(actual.length, `${what}: how many`).toBe(wanted.length);
  const off = Array.from(wanted, (value, i) => Math.abs(actual[i]! - value) / (absolute + relative * Math.abs(value)));
  const at = off.findIndex((x) => !(x <= 1)); // NaN too
  expect(
    at,
    `${what}: element ${at} is ${actual[at]}, not ${wanted[at]} (${off[at]?.toFixed(2)} × the tolerance)`,
  ).toBe(-1);
}
