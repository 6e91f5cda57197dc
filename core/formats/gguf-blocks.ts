// The block formats of GGUF: how numbers are packed, and how they are unpacked and packed again.
//
// A tensor is a run of blocks of 1, 32 or 256 numbers, and no block crosses a row. d and m are halves; q are small
// whole
// numbers. The result of each formula is rounded to float32 once, which gives the bits that gguf-py and llama.cpp give.
import { floatsFromBfloat16, floatsFromHalves, fromHalf, halvesFromFloats, toHalf } from './number-formats.ts';

export interface BlockFormat {
  /** the number that stands for it in a file */
  id: number;
  /** numbers in a block */
  numbers: number;
  /** bytes of a block */
  bytes: number;
  /** Unpacks `blocks` blocks from the start of `from` into `out` at `at`. `from` begins at an even address. */
  unpack(from: Uint8Array, blocks: number, out: Float32Array, at: number): void;
}

const half = (bytes: Uint8Array, at: number) => fromHalf(bytes[at]! | (bytes[at + 1]! << 8));
const words = (bytes: Uint8Array, count: number) => new Uint16Array(bytes.buffer, bytes.byteOffset, count);

/** Q4_0: half d, 16 bytes; d (q - 8). Byte j holds number j in its lower and number j + 16 in its upper half. */
function unpackQ4_0(from: Uint8Array, blocks: number, out: Float32Array, at: number): void {
  for (let b = 0, p = 0; b < blocks; b++, p += 18, at += 32) {
    const d = half(from, p);
    for (let j = 0; j < 16; j++) {
      const q = from[p + 2 + j]!;
      out[at + j] = d * ((q & 15) - 8);
      out[at + 16 + j] = d * ((q >> 4) - 8);
    }
  }
}

/** Q4_1: half d, half m, 16 bytes; d q + m. */
function unpackQ4_1(from: Uint8Array, blocks: number, out: Float32Array, at: number): void {
  for (let b = 0, p = 0; b < blocks; b++, p += 20, at += 32) {
    const d = half(from, p);
    const m = half(from, p + 2);
    for (let j = 0; j < 16; j++) {
      const q = from[p + 4 + j]!;
      out[at + j] = d * (q & 15) + m;
      out[at + 16 + j] = d * (q >> 4) + m;
    }
  }
}

/** Four bytes as 32 single bits. */
const bitsAt = (bytes: Uint8Array, at: number) =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);

/** Q5_0: half d, 32 fifth bits, 16 bytes; d (q - 16). */
function unpackQ5_0(from: Uint8Array, blocks: number, out: Float32Array, at: number): void {
  for (let b = 0, p = 0; b < blocks; b++, p += 22, at += 32) {
    const d = half(from, p);
    const high = bitsAt(from, p + 2);
    for (let j = 0; j < 16; j++) {
      const q = from[p + 6 + j]!;
      out[at + j] = d * (((q & 15) | (((high >>> j) & 1) << 4)) - 16);
      out[at + 16 + j] = d * (((q >> 4) | (((high >>> (j + 16)) & 1) << 4)) - 16);
    }
  }
}

/** Q5_1: half d, half m, 32 fifth bits, 16 bytes; d q + m. */
function unpackQ5_1(from: Uint8Array, blocks: number, out: Float32Array, at: number): void {
  for (let b = 0, p = 0; b < blocks; b++, p += 24, at += 32) {
    const d = half(from, p);
    const m = half(from, p + 2);
    const high = bitsAt(from, p + 4);
    for (let j = 0; j < 16; j++) {
      const q = from[p + 8 + j]!;
      out[at + j] = d * ((q & 15) | (((high >>> j) & 1) << 4)) + m;
      out[at + 16 + j] = d * ((q >> 4) | (((high >>> (j + 16)) & 1) << 4)) + m;
    }
  }
}

/** Q8_0: half d, 32 signed bytes; d q. */
function unpackQ8_0(from: Uint8Array, blocks: number, out: Float32Array, at: number): void {
  const signed = new Int8Array(from.buffer, from.byteOffset, from.byteLength);
  for (let b = 0, p = 0; b < blocks; b++, p += 34, at += 32) {
    const d = half(from, p);
    for (let j = 0; j < 32; j++) out[at + j] = d * signed[p + 2 + j]!;
  }
}

/** The 6-bit scale and minimum of sub-block `i` of 8, out of 12 bytes at `p` (Q4_K, Q5_K). */
const scaleOf = (s: Uint8Array, p: number, i: number) =>
  i < 4 ? s[p + i]! & 63 : (s[p + i + 4]! & 15) | ((s[p + i - 4]! >> 6) << 4);
const minimumOf = (s: Uint8Array, p: number, i: number) =>
  i < 4 ? s[p + i + 4]! & 63 : (s[p + i + 4]! >> 4) | ((s[p + i]! >> 6) << 4);

/**
 * Q4_K: half d, half m, 12 bytes of scales, 128 bytes; (d · scale) q - (m · minimum), 8 sub-blocks of 32, two a run of
 * 32 bytes.
 */
function unpackQ4_K(from: Uint8Array, blocks: number, out: Float32Array, at: number): void {
  for (let b = 0, p = 0; b < blocks; b++, p += 144) {
    const d = half(from, p);
    const m = half(from, p + 2);
    for (let i = 0, q = p + 16; i < 8; i += 2, q += 32, at += 64) {
      const d0 = d * scaleOf(from, p + 4, i);
      const m0 = m * minimumOf(from, p + 4, i);
      const d1 = d * scaleOf(from, p + 4, i + 1);
      const m1 = m * minimumOf(from, p + 4, i + 1);
      for (let j = 0; j < 32; j++) {
        const both = from[q + j]!;
        out[at + j] = d0 * (both & 15) - m0;
        out[at + 32 + j] = d1 * (both >> 4) - m1;
      }
    }
  }
}

/** Q5_K: as Q4_K, with 32 bytes of fifth bits before the 128: bit i of byte j is that of number j of sub-block i. */
function unpackQ5_K(from: Uint8Array, blocks: number, out: Float32Array, at: number): void {
  for (let b = 0, p = 0; b < blocks; b++, p += 176) {
    const d = half(from, p);
    const m = half(from, p + 2);
    for (let i = 0, q = p + 48; i < 8; i += 2, q += 32, at += 64) {
      const d0 = d * scaleOf(from, p + 4, i);
      const m0 = m * minimumOf(from, p + 4, i);
      const d1 = d * scaleOf(from, p + 4, i + 1);
      const m1 = m * minimumOf(from, p + 4, i + 1);
      for (let j = 0; j < 32; j++) {
        const both = from[q + j]!;
        const high = from[p + 16 + j]! >> i;
        out[at + j] = d0 * ((both & 15) | ((high & 1) << 4)) - m0;
        out[at + 32 + j] = d1 * ((both >> 4) | ((high & 2) << 3)) - m1;
      }
    }
  }
}

/**
 * Q6_K: 128 bytes of lower four bits, 64 of upper two, 16 signed scales, half d; (d · scale) (q - 32), 16 sub-blocks of
 * 16.
 */
function unpackQ6_K(from: Uint8Array, blocks: number, out: Float32Array, at: number): void {
  const signed = new Int8Array(from.buffer, from.byteOffset, from.byteLength);
  for (let b = 0, p = 0; b < blocks; b++, p += 210) {
    const d = half(from, p + 208);
    for (let n = 0; n < 2; n++, at += 128) {
      for (let j = 0; j < 32; j++) {
        const low = p + 64 * n + j;
        const s = p + 192 + 8 * n + (j >> 4);
        const top = from[p + 128 + 32 * n + j]!;
        const first = from[low]!;
        const second = from[low + 32]!;
        out[at + j] = d * signed[s]! * (((first & 15) | ((top & 3) << 4)) - 32);
        out[at + 32 + j] = d * signed[s + 2]! * (((second & 15) | ((top & 12) << 2)) - 32);
        out[at + 64 + j] = d * signed[s + 4]! * (((first >> 4) | (top & 48)) - 32);
        out[at + 96 + j] = d * signed[s + 6]! * (((second >> 4) | ((top & 192) >> 2)) - 32);
      }
    }
  }
}

/** The formats that are read. */
export const blockFormats = {
  F32: {
    id: 0,
    numbers: 1,
    bytes: 4,
    unpack: (from, blocks, out, at) => out.set(new Float32Array(from.buffer, from.byteOffset, blocks), at),
  },
  F16: {
    id: 1,
    numbers: 1,
    bytes: 2,
    unpack: (from, blocks, out, at) => out.set(floatsFromHalves(words(from, blocks)), at),
  },
  BF16: {
    id: 30,
    numbers: 1,
    bytes: 2,
    unpack: (from, blocks, out, at) => out.set(floatsFromBfloat16(words(from, blocks)), at),
  },
  Q8_0: { id: 8, numbers: 32, bytes: 34, unpack: unpackQ8_0 },
  Q4_0: { id: 2, numbers: 32, bytes: 18, unpack: unpackQ4_0 },
  Q4_1: { id: 3, numbers: 32, bytes: 20, unpack: unpackQ4_1 },
  Q5_0: { id: 6, numbers: 32, bytes: 22, unpack: unpackQ5_0 },
  Q5_1: { id: 7, numbers: 32, bytes: 24, unpack: unpackQ5_1 },
  Q4_K: { id: 12, numbers: 256, bytes: 144, unpack: unpackQ4_K },
  Q5_K: { id: 13, numbers: 256, bytes: 176, unpack: unpackQ5_K },
  Q6_K: { id: 14, numbers: 256, bytes: 210, unpack: unpackQ6_K },
} as const satisfies Record<string, BlockFormat>;
export type BlockFormatName = keyof typeof blockFormats;

const byId = new Map(
  (Object.keys(blockFormats) as BlockFormatName[]).map((name) => [blockFormats[name].id as number, name]),
);
/** The format with this number, or null where it is not read. */
export const blockFormatOf = (id: number): BlockFormatName | null => byId.get(id) ?? null;

/** Names of those that are not read, for the sentence that refuses them. */
const otherNames: Readonly<Record<number, string>> = {
  4: 'Q4_2',
  5: 'Q4_3',
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
  40: 'NVFP4',
  41: 'Q1_0',
};
export const formatNameOf = (id: number): string => byId.get(id) ?? otherNames[id] ?? `number ${id}`;

const f32 = Math.fround;

/**
 * n·32 float32 -> n blocks of Q8_0, the bits of gguf-py and of ggml's reference: d = max |x| / 127 in float32, q = x ·
 * (1/d)
 * rounded half away from zero with the unrounded d, which is then stored as a half.
 */
export function packQ8_0(numbers: Float32Array): Uint8Array {
  const blocks = numbers.length / 32;
  const out = new Uint8Array(blocks * 34);
  for (let b = 0, p = 0; b < blocks; b++, p += 34) {
    let largest = 0;
    for (let j = 0; j < 32; j++) largest = Math.max(largest, Math.abs(numbers[b * 32 + j]!));
    const d = f32(largest / 127);
    const inverse = d === 0 ? 0 : f32(1 / d);
    const stored = toHalf(d);
    out[p] = stored & 255;
    out[p + 1] = stored >> 8;
    for (let j = 0; j < 32; j++) {
      const x = f32(numbers[b * 32 + j]! * inverse);
      const size = Math.abs(x);
      const whole = Math.floor(size);
      const rounded = size - whole >= 0.5 ? whole + 1 : whole;
      out[p + 2 + j] = x < 0 ? -rounded : rounded; // a byte takes the two's complement
    }
  }
  return out;
}

/** What we write, as bytes of whole blocks. */
export const packers = {
  F32: (numbers: Float32Array) => new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength),
  F16: (numbers: Float32Array) => new Uint8Array(halvesFromFloats(numbers).buffer),
  Q8_0: packQ8_0,
};
export type PackedName = keyof typeof packers;
