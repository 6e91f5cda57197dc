// Reading numbers that other programs computed, and comparing ours with them at the tolerances those numbers state.

import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { readSafetensors } from '#core/formats/safetensors.ts';

/** The project's own: very small models and updates, and the scripts that made them. */
export const OWN = path.join(process.cwd(), 'tests/fixtures/reference');
/** More of them, kept outside the project; a user's clone does not have them. */
export const REFERENCE = path.join(process.cwd(), '../shared/reference');
export const noReference = !fs.existsSync(REFERENCE);
export const SKIPPED = noReference ? ' (skipped: reference numbers not present)' : '';
/** Both, of one layout: what is compared with one is compared with the other where that is. */
export const NUMBERS = [
  { title: 'the project’s own numbers', folder: OWN, absent: false },
  { title: `numbers beside the project${SKIPPED}`, folder: REFERENCE, absent: noReference },
];

export interface Numbers {
  names(): string[];
  shape(name: string): number[];
  floats(name: string): Float32Array;
  integers(name: string): Int32Array;
  /** the rows of an integer matrix */
  rows(name: string): number[][];
}

/** The tensors of one file; an absent name throws instead of comparing nothing. */
export function readNumbers(file: string): Numbers {
  const { tensors } = readSafetensors(file);
  const get = (name: string) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`${file} has no "${name}"`);
    return tensor;
  };
  const integers = (name: string) => get(name).loadIntegers();
  return {
    names: () => [...tensors.keys()],
    shape: (name) => get(name).shape,
    floats: (name) => get(name).load(),
    integers,
    rows: (name) => {
      const [rows, columns] = get(name).shape as [number, number];
      const all = Array.from(integers(name));
      return Array.from({ length: rows }, (_, i) => all.slice(i * columns, (i + 1) * columns));
    },
  };
}

export const readJson = <T>(file: string): T => JSON.parse(fs.readFileSync(file, 'utf8')) as T;

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
  let worst = 0;
  let at = -1;
  for (let i = 0; i < wanted.length; i++) {
    const off = Math.abs(actual[i]! - wanted[i]!) / (absolute + relative * Math.abs(wanted[i]!));
    if (!(off <= worst)) [worst, at] = [off, i]; // NaN lands here too
    if (Number.isNaN(off)) break;
  }
  expect(
    worst <= 1,
    `${what}: element ${at} is ${actual[at]}, not ${wanted[at]} (${worst.toFixed(2)} × the tolerance)`,
  ).toBe(true);
}
