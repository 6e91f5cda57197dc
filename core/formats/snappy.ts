// Unpacking Snappy's raw format (google/snappy format_description.txt), with every length checked before it is
// believed.

/**
 * Unpacks `input` into exactly `length` bytes. Throws an Error saying what does not fit; reads and writes nowhere else.
 */
export function unpackSnappy(input: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let at = 0;
  let done = 0;
  while (at < input.length && input[at]! >= 0x80) at++; // the length in front is known already
  at++;
  const little = (bytes: number) => {
    if (at + bytes > input.length) throw new Error('compressed data ends in the middle');
    let value = 0;
    for (let i = 0; i < bytes; i++) value += input[at + i]! * 2 ** (8 * i);
    at += bytes;
    return value;
  };
  while (at < input.length) {
    const tag = input[at++]!;
    const kind = tag & 3;
    if (kind === 0) {
      const short = tag >>> 2;
      const size = (short < 60 ? short : little(short - 59)) + 1;
      if (at + size > input.length || done + size > length)
        throw new Error('compressed data holds a piece that is too long');
      out.set(input.subarray(at, at + size), done);
      at += size;
      done += size;
      continue;
    }
    const size = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    const back = kind === 1 ? (tag >>> 5) * 256 + little(1) : little(kind === 2 ? 2 : 4);
    if (back === 0 || back > done || done + size > length)
      throw new Error('compressed data refers to bytes that are not there');
    for (let i = 0; i < size; i++, done++) out[done] = out[done - back]!; // may overlap: a byte may be its own source
  }
  if (done !== length) throw new Error(`compressed data unpacks to ${done} bytes instead of ${length}`);
  return out;
}
