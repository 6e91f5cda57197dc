// Halves and bfloat16: every one of the 65,536, and rounding against the nearest neighbour by definition.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bfloat16FromFloats,
  floatsFromBfloat16,
  floatsFromHalves,
  fromBfloat16,
  fromHalf,
  halvesFromFloats,
  toBfloat16,
  toHalf,
} from '#core/formats/number-formats.ts';

/** IEEE 754 binary16 by its definition, in doubles. */
function halfByDefinition(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : (fraction / 1024) * 2 ** -14);
}

/**
 * The nearest of the non-negative numbers `value(0) < value(1) < … < value(last)`, ties to the even index; beyond half
 * a step after the last, infinity.
 */
function nearest(x: number, value: (bits: number) => number, last: number): number {
  let low = 0;
  let high = last + 1; // value(low) <= x < value(high)
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (value(middle) <= x) low = middle;
    else high = middle;
  }
  const above = low === last ? 2 * value(last) - value(last - 1) : value(low + 1);
  const below = x - value(low);
  const over = above - x;
  return below < over || (below === over && low % 2 === 0) ? low : low + 1;
}

const everyPattern = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
const float32 = fc.oneof(
  fc.float({ noNaN: true }),
  fc.float({ noNaN: true, min: Math.fround(-70000), max: 70000 }),
  fc.float({ noNaN: true, min: Math.fround(-(2 ** -13)), max: Math.fround(2 ** -13) }),
);

describe('halves', () => {
  test('all 65,536 have the value IEEE 754 gives them', () => {
    const all = floatsFromHalves(everyPattern);
    const isRight = (half: number) =>
      Object.is(fromHalf(half), halfByDefinition(half)) && Object.is(all[half], halfByDefinition(half));
    expect(everyPattern.filter((half) => !isRight(half))).toEqual(new Uint16Array());
  });

  test('all 65,536 survive the way to float32 and back; NaN stays NaN', () => {
    const back = halvesFromFloats(floatsFromHalves(everyPattern));
    const survives = (half: number) =>
      Number.isNaN(halfByDefinition(half))
        ? Number.isNaN(fromHalf(back[half]!)) && Number.isNaN(fromHalf(toHalf(NaN)))
        : back[half] === half && toHalf(fromHalf(half)) === half;
    expect(everyPattern.filter((half) => !survives(half))).toEqual(new Uint16Array());
  });

  test('midpoints between neighbours go to the even one, their float32 neighbours to the nearer', () => {
    const bits = new Uint32Array(1);
    const float = new Float32Array(bits.buffer);
    const wrong: string[] = [];
    for (let half = 0; half < 0x7c00; half++) {
      const next = half === 0x7bff ? 65536 : halfByDefinition(half + 1);
      float[0] = (halfByDefinition(half) + next) / 2; // exact in float32
      const middle = bits[0]!;
      const even = half % 2 === 0 ? half : half + 1;
      for (const [at, want] of [
        [middle - 1, half],
        [middle, even],
        [middle + 1, half + 1],
      ] as const) {
        bits[0] = at;
        if (toHalf(float[0]) !== want || toHalf(-float[0]) !== (want | 0x8000))
          wrong.push(`${float[0]} became ${toHalf(float[0])}, not ${want}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('any float32 goes to the nearest', () => {
    fc.assert(
      fc.property(float32, (x) => {
        const size = nearest(Math.abs(x), halfByDefinition, 0x7bff);
        expect(toHalf(x)).toBe(size | (x < 0 || Object.is(x, -0) ? 0x8000 : 0));
        expect(halvesFromFloats(Float32Array.of(x))[0]).toBe(toHalf(x));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('bfloat16', () => {
  const byDefinition = (bits: number) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 7) & 255;
    const fraction = bits & 127;
    if (exponent === 255) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? (1 + fraction / 128) * 2 ** (exponent - 127) : (fraction / 128) * 2 ** -126);
  };

  test('all 65,536 have their value and survive the way back', () => {
    const all = floatsFromBfloat16(everyPattern);
    const back = bfloat16FromFloats(all);
    const isRight = (bits: number) => {
      const want = byDefinition(bits);
      const survives = Number.isNaN(want) ? Number.isNaN(fromBfloat16(back[bits]!)) : back[bits] === bits;
      return survives && Object.is(all[bits], want) && Object.is(fromBfloat16(bits), want);
    };
    expect(everyPattern.filter((bits) => !isRight(bits))).toEqual(new Uint16Array());
  });

  test('any float32 goes to the nearest, ties to even', () => {
    const bits = new Uint32Array(1);
    const float = new Float32Array(bits.buffer);
    const tie = fc.integer({ min: 0, max: 0x7f7f }).map((upper) => {
      bits[0] = ((upper << 16) | 0x8000) >>> 0;
      return float[0]!;
    });
    fc.assert(
      fc.property(fc.oneof(float32, tie), (x) => {
        const size = nearest(Math.abs(x), byDefinition, 0x7f7f);
        expect(toBfloat16(x)).toBe(size | (x < 0 || Object.is(x, -0) ? 0x8000 : 0));
      }),
      { numRuns: 2000 },
    );
    expect(Number.isNaN(fromBfloat16(toBfloat16(NaN)))).toBe(true);
  });
});
