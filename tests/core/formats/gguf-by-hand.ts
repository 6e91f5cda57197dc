// GGUF files put together byte by byte, right or wrong, without the program's own writer.

export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
export const u64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
};
export const text = (value: string): Buffer =>
  Buffer.concat([u64(BigInt(Buffer.byteLength(value))), Buffer.from(value)]);
/** The beginning of a list: what follows are its values. */
export const list = (type: number, count: bigint): Buffer => Buffer.concat([u32(9), u32(type), u64(count)]);

export interface TensorByHand {
  name: string;
  sizes: bigint[];
  type: number;
  offset: bigint;
}

/** A file of these parts; `pairs` are keys, types and values in a row, one entry unless `pairCount` says otherwise. */
export function ggufBytes({
  version = 3,
  pairs = [],
  pairCount = pairs.length > 0 ? 1n : 0n,
  tensors = [],
  tensorCount = BigInt(tensors.length),
  data = Buffer.alloc(0),
}: {
  version?: number;
  pairs?: Buffer[];
  pairCount?: bigint;
  tensors?: TensorByHand[];
  tensorCount?: bigint;
  data?: Buffer;
}): Buffer {
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    u32(version),
    u64(tensorCount),
    u64(pairCount),
    ...pairs,
    ...tensors.flatMap(({ name, sizes, type, offset }) => [
      text(name),
      u32(sizes.length),
      ...sizes.map(u64),
      u32(type),
      u64(offset),
    ]),
  ]);
  return Buffer.concat([header, Buffer.alloc(-header.length & 31), data]);
}
