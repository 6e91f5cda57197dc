// Each block format against its own description, number by number, and against gguf-py's packing and unpacking.
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { blockFormatOf, blockFormats, formatNameOf, packers, packQ8_0 } from '#core/formats/gguf-blocks.ts';
import type { BlockFormatName } from '#core/formats/gguf-blocks.ts';
import { readGguf } from '#core/formats/gguf.ts';
import { fromHalf, toHalf } from '#core/formats/number-formats.ts';
import { readSafetensors } from '#core/formats/safetensors.ts';
import { createRandom } from '#core/random.ts';

const FIXTURES = path.join(process.cwd(), 'tests/fixtures/gguf');
const names = Object.keys(blockFormats) as BlockFormatName[];

const signed = (byte: number) => (byte > 127 ? byte - 256 : byte);
const half = (bytes: Uint8Array, at: number) => fromHalf(bytes[at]! + 256 * bytes[at + 1]!);
const bit = (bytes: Uint8Array, at: number, n: number) => (bytes[at + Math.floor(n / 8)]! >> (n % 8)) & 1;
/** number n of 32 whose byte n % 16 holds it in its lower half for n < 16, in its upper half for n >= 16 */
const nibble = (bytes: Uint8Array, at: number, n: number) =>
  n < 16 ? bytes[at + n]! % 16 : Math.floor(bytes[at + n - 16]! / 16);
/**
 * the 8 scales and 8 minima of six bits, laid out as ggml does: bits A of EEAAAAAA with the eeeeEEEE of the last four
 * bytes
 */
function sixBits(bytes: Uint8Array, at: number): { scales: number[]; minima: number[] } {
  const [d, m, rest] = [0, 4, 8].map((from) => Array.from(bytes.subarray(at + from, at + from + 4))) as [
    number[],
    number[],
    number[],
  ];
  return {
    scales: [...d.map((byte) => byte % 64), ...rest.map((byte, i) => (byte % 16) + 16 * Math.floor(d[i]! / 64))],
    minima: [
      ...m.map((byte) => byte % 64),
      ...rest.map((byte, i) => Math.floor(byte / 16) + 16 * Math.floor(m[i]! / 64)),
    ],
  };
}

/** Number n of one block, from the description of the format alone. */
const formulas: Record<BlockFormatName, (block: Uint8Array, n: number) => number> = {
  F32: (block) => new DataView(block.slice().buffer).getFloat32(0, true),
  F16: (block) => half(block, 0),
  BF16: (block) => new DataView(Uint8Array.of(0, 0, block[0]!, block[1]!).buffer).getFloat32(0, true),
  Q8_0: (block, n) => half(block, 0) * signed(block[2 + n]!),
  Q4_0: (block, n) => half(block, 0) * (nibble(block, 2, n) - 8),
  Q4_1: (block, n) => half(block, 0) * nibble(block, 4, n) + half(block, 2),
  Q5_0: (block, n) => half(block, 0) * (nibble(block, 6, n) + 16 * bit(block, 2, n) - 16),
  Q5_1: (block, n) => half(block, 0) * (nibble(block, 8, n) + 16 * bit(block, 4, n)) + half(block, 2),
  Q4_K: (block, n) => {
    const { scales, minima } = sixBits(block, 4);
    const sub = Math.floor(n / 32);
    const byte = block[16 + 32 * Math.floor(n / 64) + (n % 32)]!;
    return (
      half(block, 0) * scales[sub]! * (sub % 2 === 0 ? byte % 16 : Math.floor(byte / 16)) -
      half(block, 2) * minima[sub]!
    );
  },
  Q5_K: (block, n) => {
    const { scales, minima } = sixBits(block, 4);
    const sub = Math.floor(n / 32);
    const byte = block[48 + 32 * Math.floor(n / 64) + (n % 32)]!;
    const q = (sub % 2 === 0 ? byte % 16 : Math.floor(byte / 16)) + 16 * ((block[16 + (n % 32)]! >> sub) % 2);
    return half(block, 0) * scales[sub]! * q - half(block, 2) * minima[sub]!;
  },
  Q6_K: (block, n) => {
    const part = Math.floor(n / 128);
    const within = n % 128;
    const quarter = Math.floor(within / 32);
    const j = within % 32;
    const low = block[64 * part + 32 * (quarter % 2) + j]!;
    const top = block[128 + 32 * part + j]!;
    const q = (quarter < 2 ? low % 16 : Math.floor(low / 16)) + 16 * (Math.floor(top / 4 ** quarter) % 4);
    return half(block, 208) * signed(block[192 + Math.floor(n / 16)]!) * (q - 32);
  },
};
/** where a block has halves, which must be numbers for a comparison to say something */
const halves: Record<BlockFormatName, number[]> = {
  F32: [],
  F16: [0],
  BF16: [],
  Q8_0: [0],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
};

describe('unpacking', () => {
  test.each(names)('%s: every number is what the description says, in blocks one after another', (name) => {
    const { numbers, bytes, unpack } = blockFormats[name];
    const random = createRandom(4, name);
    const from = Uint8Array.from({ length: 40 * bytes }, () => random.integer(256));
    if (name === 'F32') from.set(new Uint8Array(Float32Array.from({ length: 40 }, random.normal).buffer));
    for (let b = 0; b < 40; b++) {
      for (const at of halves[name]) {
        const value = toHalf(random.normal() / 8);
        from.set([value & 255, value >> 8], b * bytes + at);
      }
    }
    const out = new Float32Array(40 * numbers + 3).fill(99);
    unpack(from, 40, out, 2);
    const wanted = Float32Array.from({ length: 40 * numbers }, (_, i) =>
      formulas[name](
        from.subarray(Math.floor(i / numbers) * bytes, (Math.floor(i / numbers) + 1) * bytes),
        i % numbers,
      ),
    );
    expect(out.subarray(2, -1)).toEqual(wanted);
    expect([out[0], out[1], out.at(-1)]).toEqual([99, 99, 99]); // and nothing beside them
    const most = name === 'F32' || name === 'BF16' ? 0 : 20;
    expect(new Set(wanted).size).toBeGreaterThan(most);
  });

  test.each(names)("%s: gguf-py's own file gives gguf-py's own numbers, to the bit", (name) => {
    const tensor = readGguf(path.join(FIXTURES, 'blocks.gguf')).tensors.get(name)!;
    expect([tensor.type, tensor.shape]).toEqual([name, [2, 256]]);
    const bits = (numbers: Float32Array) => new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
    expect(bits(tensor.load())).toEqual(
      bits(readSafetensors(path.join(FIXTURES, 'expected.safetensors')).tensors.get(name)!.load()),
    );
  });

  test('formats that are not read have names, too', () => {
    expect([blockFormatOf(12), blockFormatOf(10), blockFormatOf(999)]).toEqual(['Q4_K', null, null]);
    expect([formatNameOf(12), formatNameOf(10), formatNameOf(16), formatNameOf(999)]).toEqual([
      'Q4_K',
      'Q2_K',
      'IQ2_XXS',
      'number 999',
    ]);
  });

  test('135 million numbers of Q4_1 take less than 1.5 s', () => {
    const blocks = 1 << 15;
    const from = new Uint8Array(blocks * 20).fill(0x31);
    const out = new Float32Array(blocks * 32);
    const started = performance.now();
    for (let done = 0; done < 135e6; done += out.length) blockFormats.Q4_1.unpack(from, blocks, out, 0);
    expect(performance.now() - started).toBeLessThan(1500 * 4); // other tests run beside this one
  });
});

describe('packing', () => {
  const expected = () => readSafetensors(path.join(FIXTURES, 'expected.safetensors')).tensors;
  test.each(['F16', 'Q8_0'] as const)("%s: gguf-py's bytes", (name) => {
    const numbers = expected().get('numbers')!.load();
    expect(Array.from(packers[name](numbers))).toEqual(
      Array.from(expected().get(`packed/${name}`)!.loadIntegers(), (byte) => byte & 255),
    );
  });

  test('Q8_0 is off by at most half a step, and steps are a 127th of the largest', () => {
    const random = createRandom(5, 'steps');
    const numbers = Float32Array.from({ length: 32 * 200 }, random.normal);
    const back = new Float32Array(numbers.length);
    blockFormats.Q8_0.unpack(packQ8_0(numbers), 200, back, 0);
    for (let b = 0; b < 200; b++) {
      const block = numbers.subarray(b * 32, b * 32 + 32);
      const step = block.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127;
      block.forEach((x, j) =>
        expect(Math.abs(x - back[b * 32 + j]!)).toBeLessThanOrEqual(step * 0.5 + Math.abs(x) * 2 ** -10),
      );
    }
  });

  test('what is not a number, or too small for a scale, becomes 0', () => {
    const back = new Float32Array(64);
    blockFormats.Q8_0.unpack(packQ8_0(Float32Array.from({ length: 64 }, (_, i) => (i < 32 ? 1e-44 : 0))), 2, back, 0);
    expect(back.every((x) => x === 0)).toBe(true);
  });
});
