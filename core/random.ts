// The one seeded generator: Philox 4x32-10, counter-based, so that a saved position is all it takes to resume.
// Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (2011).

const MULTIPLIER_A = 0xd2511f53;
const MULTIPLIER_B = 0xcd9e8d57;
const WEYL_A = 0x9e3779b9;
const WEYL_B = 0xbb67ae85;

/** High and low 32 bits of a 32 x 32 bit product, from 16-bit halves, exact in doubles. */
function multiply(a: number, b: number): [number, number] {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16); // < 2^32 + 2^16, exact
  const middleLow = (middle % 0x10000) + aLow * bHigh;
  const high = aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(middleLow / 0x10000);
  return [high >>> 0, ((middleLow % 0x10000) * 0x10000 + (low & 0xffff)) >>> 0];
}

/** One Philox 4x32-10 block: counter [4] and key [2] of uint32 -> four uint32. */
export function philoxBlock(counter: readonly number[], key: readonly number[]): number[] {
  let [c0, c1, c2, c3] = counter as [number, number, number, number];
  let [k0, k1] = key as [number, number];
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = multiply(MULTIPLIER_A, c0);
    const [high1, low1] = multiply(MULTIPLIER_B, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + WEYL_A) >>> 0;
    k1 = (k1 + WEYL_B) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** FNV-1a, to turn a stream's name into 32 bits. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return h;
}

/** A stream of random numbers; `position` counts the 32-bit words taken and can be saved and given back. */
export interface Random {
  readonly seed: number;
  readonly stream: string;
  position(): number;
  /** integer in [0, 2^32) */
  word(): number;
  /** real in [0, 1), 24 bits: exactly representable in float32 */
  uniform(): number;
  /** standard normal (Box-Muller, two words each) */
  normal(): number;
  /** standard Gumbel: -ln(-ln u) */
  gumbel(): number;
  /** integer in [0, n) */
  integer(n: number): number;
  choice<T>(list: readonly T[]): T;
  /** one item with the given relative weights */
  weighted<T>(list: readonly T[], weights: readonly number[]): T;
  /** a new array in random order (Fisher-Yates) */
  shuffled<T>(list: readonly T[]): T[];
}

/** Streams of one seed with different names are independent; the same seed, name and position give the same numbers. */
export function createRandom(seed: number, stream: string, start = 0): Random {
  const key = [seed >>> 0, Math.floor(seed / 0x100000000) >>> 0];
  const name = hash(stream);
  let position = start;
  let block: number[] = [];
  let blockIndex = -1;

  function word(): number {
    const index = Math.floor(position / 4);
    if (index !== blockIndex) {
      block = philoxBlock([index >>> 0, Math.floor(index / 0x100000000) >>> 0, name, stream.length], key);
      blockIndex = index;
    }
    return block[position++ % 4]!;
  }
  const uniform = () => (word() >>> 8) / 0x1000000;
  const integer = (n: number) => Math.floor((word() / 0x100000000) * n);
  return {
    seed,
    stream,
    position: () => position,
    word,
    uniform,
    normal: () => {
      const u = 1 - (word() + 0.5) / 0x100000000;
      const v = word() / 0x100000000;
      return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
    },
    gumbel: () => -Math.log(-Math.log((word() + 0.5) / 0x100000000)),
    integer,
    choice: (list) => list[integer(list.length)]!,
    weighted: (list, weights) => {
      let u = uniform() * weights.reduce((a, b) => a + b, 0);
      for (let i = 0; i < list.length - 1; i++) if ((u -= weights[i]!) < 0) return list[i]!;
      return list[list.length - 1]!;
    },
    shuffled: (list) => {
      const out = [...list];
      for (let i = out.length - 1; i > 0; i--) {
        const j = integer(i + 1);
        [out[i], out[j]] = [out[j]!, out[i]!];
      }
      return out;
    },
  };
}
