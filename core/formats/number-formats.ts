// Sixteen-bit floats, IEEE half and bfloat16, to and from float32, rounding to the nearest and to even on ties.

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

/** float32 bits -> half bits. 1 sign, 5 exponent (bias 15), 10 fraction. */
function halfOfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00 | ((size >>> 13) & 0x3ff); // NaN stays NaN, made quiet
  if (size >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (size >= 0x38800000) {
    // 2^-14 and above: normal; move the exponent's bias, round 13 bits away
    const moved = size - 0x38000000;
    return sign | ((moved + 0xfff + ((moved >>> 13) & 1)) >>> 13);
  }
  if (size <= 0x33000000) return sign; // up to 2^-25 (a tie with zero)
  const shift = 126 - (size >>> 23); // subnormal: count in units of 2^-24
  const fraction = (size & 0x7fffff) | 0x800000;
  const kept = fraction >>> shift;
  const lost = fraction & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  return sign | (kept + (lost > tie || (lost === tie && (kept & 1) === 1) ? 1 : 0));
}

/** half bits -> float32 bits, exact. */
function bitsOfHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  const lead = Math.clz32(fraction) - 21; // how far the top bit lies below 2^-14
  return (sign | ((113 - lead) << 23) | (((fraction << lead) & 0x3ff) << 13)) >>> 0;
}

/** float32 bits -> bfloat16 bits: the upper half, rounded. */
function bfloatOfBits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** A number, taken as float32 -> the 16 bits of the nearest half. */
export function toHalf(value: number): number {
  single[0] = value;
  return halfOfBits(singleBits[0]!);
}

/** The 16 bits of a half -> its number. */
export function fromHalf(half: number): number {
  singleBits[0] = bitsOfHalf(half);
  return single[0]!;
}

/** A number, taken as float32 -> the 16 bits of the nearest bfloat16. */
export function toBfloat16(value: number): number {
  single[0] = value;
  return bfloatOfBits(singleBits[0]!);
}

/** The 16 bits of a bfloat16 -> its number. */
export function fromBfloat16(bits: number): number {
  singleBits[0] = (bits << 16) >>> 0;
  return single[0]!;
}

let halfTable: Uint32Array | null = null; // 256 KiB, made when the first file of halves is read

/** n halves -> n float32. */
export function floatsFromHalves(halves: Uint16Array): Float32Array {
  halfTable ??= Uint32Array.from({ length: 0x10000 }, (_, half) => bitsOfHalf(half));
  const out = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = halfTable[halves[i]!]!;
  return new Float32Array(out.buffer);
}

/** n bfloat16 -> n float32. */
export function floatsFromBfloat16(bfloats: Uint16Array): Float32Array {
  const out = new Uint32Array(bfloats.length);
  for (let i = 0; i < bfloats.length; i++) out[i] = bfloats[i]! << 16;
  return new Float32Array(out.buffer);
}

const bitsOf = (floats: Float32Array) => new Uint32Array(floats.buffer, floats.byteOffset, floats.length);

/** n float32 -> n halves. */
export function halvesFromFloats(floats: Float32Array): Uint16Array {
  const bits = bitsOf(floats);
  const out = new Uint16Array(floats.length);
  for (let i = 0; i < bits.length; i++) out[i] = halfOfBits(bits[i]!);
  return out;
}

/** n float32 -> n bfloat16. */
export function bfloat16FromFloats(floats: Float32Array): Uint16Array {
  const bits = bitsOf(floats);
  const out = new Uint16Array(floats.length);
  for (let i = 0; i < bits.length; i++) out[i] = bfloatOfBits(bits[i]!);
  return out;
}
