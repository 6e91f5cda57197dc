// Unpacking LZ4's block format (lz4_Block_format.md), alone and in Hadoop's frames, with every length checked before it
// is believed.

/**
 * Unpacks one block into exactly `length` bytes. Throws an Error saying what does not fit; reads and writes nowhere
 * else.
 */
export function unpackLz4(input: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let at = 0;
  let done = 0;
  const next = () => {
    if (at >= input.length) throw new Error('compressed data ends in the middle');
    return input[at++]!;
  };
  /** Four bits of the token; 15 means that bytes follow which are added, as long as they are 255. */
  const lengthFrom = (bits: number) => {
    let size = bits;
    if (bits === 15) for (let more = 255; more === 255; size += more) more = next();
    return size;
  };
  while (at < input.length) {
    const token = next();
    const literals = lengthFrom(token >>> 4);
    if (at + literals > input.length || done + literals > length)
      throw new Error('compressed data holds a piece that is too long');
    out.set(input.subarray(at, at + literals), done);
    at += literals;
    done += literals;
    if (at === input.length) break; // the last piece has no copy
    const back = next() + 256 * next();
    const size = lengthFrom(token & 15) + 4;
    if (back === 0 || back > done || done + size > length)
      throw new Error('compressed data refers to bytes that are not there');
    for (let i = 0; i < size; i++, done++) out[done] = out[done - back]!; // may overlap: a byte may be its own source
  }
  if (done !== length) throw new Error(`compressed data unpacks to ${done} bytes instead of ${length}`);
  return out;
}

/**
 * Hadoop's frames: blocks, each after its unpacked and its packed size (4 bytes each, big-endian); null where the sizes
 * are no such frames.
 */
function unpackFrames(input: Uint8Array, length: number): Uint8Array | null {
  const out = new Uint8Array(length);
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  let at = 0;
  let done = 0;
  while (at < input.length) {
    if (at + 8 > input.length) return null;
    const unpacked = view.getUint32(at);
    const packed = view.getUint32(at + 4);
    at += 8;
    if (done + unpacked > length || at + packed > input.length) return null;
    try {
      out.set(unpackLz4(input.subarray(at, at + packed), unpacked), done);
    } catch {
      return null;
    }
    at += packed;
    done += unpacked;
  }
  return done === length ? out : null;
}

/** What Parquet calls LZ4: Hadoop's frames, or (by old writers) one block without them. */
export const unpackHadoopLz4 = (input: Uint8Array, length: number): Uint8Array =>
  unpackFrames(input, length) ?? unpackLz4(input, length);
