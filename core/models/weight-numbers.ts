// The numbers of stored weights looked at a piece at a time: whether all are finite, and how far two tensors lie apart.

import { TastemakerError } from '#core/errors.ts';
import type { Weights } from '#core/formats/sharded-safetensors.ts';
import { quotedTensor } from './tensor-accounts.ts';

interface Found {
  name: string;
  shape: readonly number[];
  count: number;
  first: number;
  value: number;
}

/** Where in its tensor, row-major, a number stands: "[3, 4]". */
function indexIn(shape: readonly number[], at: number): string {
  const index: number[] = [];
  let rest = at;
  for (const size of shape.toReversed()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${index.join(', ')}]`;
}

function notFiniteIn(name: string, shape: readonly number[], pieces: Iterable<Float32Array>): Found | null {
  let count = 0;
  let first = -1;
  let value = 0;
  let before = 0;
  for (const piece of pieces) {
    for (let i = 0; i < piece.length; i++) {
      const x = piece[i]!;
      if (x - x === 0) continue;
      if (count++ === 0) [first, value] = [before + i, x];
    }
    before += piece.length;
  }
  return count === 0 ? null : { name, shape, count, first, value };
}

/**
 * 'not-finite' naming the first tensor with a NaN or an infinity, how many of its numbers are so and where the first
 * is, and how many other tensors have some.
 */
export function refuseNotFinite(
  place: string,
  tensors: Iterable<{ name: string; shape: readonly number[]; pieces: Iterable<Float32Array> }>,
): void {
  const found: Found[] = [];
  for (const { name, shape, pieces } of tensors) {
    const one = notFiniteIn(name, shape, pieces);
    if (one) found.push(one);
  }
  const [first] = found;
  if (!first) return;
  const { name, shape, count, first: at, value } = first;
  const others = found.length - 1;
  throw new TastemakerError(
    'not-finite',
    `${place}: the tensor ${quotedTensor(name)} holds ${count === 1 ? 'a number that is' : `${count.toLocaleString('en')} numbers that are`} not finite, ${count === 1 ? '' : 'the first '}${value} at ${indexIn(shape, at)}${others ? `; so ${others === 1 ? 'does one other tensor' : `do ${others} other tensors`}` : ''}.`,
    'The weights are damaged, or their training had failed before they were saved: copy or download them again, or take an earlier checkpoint.',
  );
}

/** The same for all parameters of a model folder or GGUF file, each read once and in pieces. */
export function refuseNotFiniteIn(
  place: string,
  {
    parameters,
    stored,
  }: { parameters: readonly { name: string; inFile: string; shape: readonly number[] }[]; stored: Weights },
): void {
  refuseNotFinite(
    place,
    (function* () {
      for (const { name, inFile, shape } of parameters) yield { name, shape, pieces: stored.pieces(inFile) };
    })(),
  );
}

/** The largest |a - b| of two tensors of one shape; stops at the first difference where `enough`. */
function furthest(a: Iterable<Float32Array>, b: Iterable<Float32Array>, enough: boolean): number {
  const left = a[Symbol.iterator]();
  const right = b[Symbol.iterator]();
  let x = left.next();
  let y = right.next();
  let i = 0;
  let j = 0;
  let most = 0;
  while (!x.done && !y.done) {
    const here = x.value as Float32Array;
    const there = y.value as Float32Array;
    const count = Math.min(here.length - i, there.length - j);
    for (let k = 0; k < count; k++) {
      const p = here[i + k]!;
      const q = there[j + k]!;
      if (p === q || (Number.isNaN(p) && Number.isNaN(q))) continue;
      const apart = Math.abs(p - q);
      if (apart > most || Number.isNaN(apart)) most = Number.isNaN(apart) ? Infinity : apart;
      if (enough) return most;
    }
    i += count;
    j += count;
    if (i === here.length) [x, i] = [left.next(), 0];
    if (j === there.length) [y, j] = [right.next(), 0];
  }
  return most;
}

const compared = new Map<string, number>(); // by the files as they were

/**
 * The largest difference of two stored tensors, 0 where they are equal; compared once for each `stamp` of the files.
 */
export function largestDifference(stored: Weights, a: string, b: string, stamp: string): number {
  const key = JSON.stringify([stamp, a, b]);
  const known = compared.get(key);
  if (known !== undefined) return known;
  // the same tensor most often: one pass then tells, and a second is taken only for the sentence that says how far they
  // are apart
  const found =
    furthest(stored.pieces(a), stored.pieces(b), true) === 0 ? 0 : furthest(stored.pieces(a), stored.pieces(b), false);
  compared.set(key, found);
  return found;
}
