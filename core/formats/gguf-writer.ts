// GGUF files written: typed metadata, then tensor after tensor, so that a model is never packed in memory as a whole.
import { TastemakerError } from '#core/errors.ts';
import { replaceFile, writeFully } from './file-access.ts';
import { blockFormats, packers } from './gguf-blocks.ts';
import type { PackedName } from './gguf-blocks.ts';

/** A value with the type that llama.cpp asks for under its key. */
export type GgufField =
  | { type: 'uint32' | 'int32' | 'float32'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'text'; value: string }
  | { type: 'texts'; value: readonly string[] }
  | { type: 'int32s'; value: readonly number[] };
export type GgufFields = Readonly<Record<string, GgufField>>;

/** `load` is called once, when its turn comes; it gives as many numbers as `shape` (outermost first) says. */
export interface TensorToWrite {
  name: string;
  shape: readonly number[];
  load(): Float32Array;
}

const ALIGNMENT = 32;
const PIECE = 1 << 20; // numbers packed at a time; a multiple of every block
const TYPES = { uint32: 4, int32: 5, float32: 6, bool: 7, text: 8, list: 9 } as const;

/** Bytes that grow as they are written. */
function createBytes() {
  let bytes = Buffer.alloc(1 << 16);
  let at = 0;
  const room = (length: number) => {
    if (at + length > bytes.length)
      bytes = Buffer.concat([bytes.subarray(0, at)], Math.max(2 * bytes.length, at + length));
    at += length;
    return at - length;
  };
  const put = (length: number, write: (into: Buffer, at: number) => unknown) => {
    const from = room(length); // before `bytes` is looked at: it may be a new one
    write(bytes, from);
  };
  const u8 = (value: number) => put(1, (into, from) => into.writeUInt8(value, from));
  const u32 = (value: number) => put(4, (into, from) => into.writeUInt32LE(value, from));
  const i32 = (value: number) => put(4, (into, from) => into.writeInt32LE(value, from));
  const f32 = (value: number) => put(4, (into, from) => into.writeFloatLE(value, from));
  const u64 = (value: number) => put(8, (into, from) => into.writeBigUInt64LE(BigInt(value), from));
  const text = (value: string) => {
    const length = Buffer.byteLength(value);
    u64(length);
    put(length, (into, from) => into.write(value, from));
  };
  const zerosUpTo = (multiple: number) => put(-at & (multiple - 1), (into, from) => into.fill(0, from, at));
  return { u8, u32, i32, f32, u64, text, zerosUpTo, done: () => bytes.subarray(0, at) };
}
type Bytes = ReturnType<typeof createBytes>;

const writers: { [T in GgufField['type']]: (bytes: Bytes, value: Extract<GgufField, { type: T }>['value']) => void } = {
  uint32: (bytes, value) => [bytes.u32(TYPES.uint32), bytes.u32(value)],
  int32: (bytes, value) => [bytes.u32(TYPES.int32), bytes.i32(value)],
  float32: (bytes, value) => [bytes.u32(TYPES.float32), bytes.f32(value)],
  bool: (bytes, value) => [bytes.u32(TYPES.bool), bytes.u8(value ? 1 : 0)],
  text: (bytes, value) => [bytes.u32(TYPES.text), bytes.text(value)],
  texts: (bytes, value) => [
    bytes.u32(TYPES.list),
    bytes.u32(TYPES.text),
    bytes.u64(value.length),
    value.forEach(bytes.text),
  ],
  int32s: (bytes, value) => [
    bytes.u32(TYPES.list),
    bytes.u32(TYPES.int32),
    bytes.u64(value.length),
    value.forEach(bytes.i32),
  ],
};

/**
 * What a tensor is written as: norms and biases as they are, a matrix as `type`, or in halves where its rows do not
 * fill blocks.
 */
export const writtenFormat = (shape: readonly number[], type: PackedName): PackedName =>
  shape.length < 2 ? 'F32' : shape.at(-1)! % blockFormats[type].numbers === 0 ? type : 'F16';

/**
 * Writes version 3, aligned to 32 bytes. The file is whole or absent. `onProgress` hears the bytes of tensors written
 * and
 * their total. Throws 'bad-argument' for a repeated name, a shape that does not match its numbers or a value that does
 * not
 * fit its type, 'disk' when full.
 */
export function writeGguf(
  file: string,
  fields: GgufFields,
  tensors: readonly TensorToWrite[],
  type: PackedName,
  onProgress?: (bytes: number, total: number) => void,
): void {
  const refuse = (message: string, hint: string) => new TastemakerError('bad-argument', message, hint);
  const bytes = createBytes();
  bytes.u32(0x46554747);
  bytes.u32(3);
  bytes.u64(tensors.length);
  bytes.u64(Object.keys(fields).length);
  for (const [key, field] of Object.entries(fields)) {
    bytes.text(key);
    try {
      writers[field.type](bytes, field.value as never);
    } catch {
      throw refuse(
        `The metadata ${JSON.stringify(key)} of ${file} cannot be written: its value does not fit ${field.type}.`,
        'Give it a value of that type.',
      );
    }
  }
  const names = new Set<string>();
  const plan: { name: string; format: PackedName; numbers: number; end: number; load: () => Float32Array }[] = [];
  let offset = 0;
  let total = 0;
  for (const { name, shape, load } of tensors) {
    if (names.has(name))
      throw refuse(
        `Tensor ${JSON.stringify(name)} cannot be written to ${file}: the name is taken.`,
        'Give every tensor a name of its own.',
      );
    names.add(name);
    const format = writtenFormat(shape, type);
    const numbers = shape.reduce((a, b) => a * b, 1);
    const size = (numbers / blockFormats[format].numbers) * blockFormats[format].bytes;
    bytes.text(name);
    bytes.u32(shape.length);
    for (const dimension of shape.toReversed()) bytes.u64(dimension);
    bytes.u32(blockFormats[format].id);
    bytes.u64(offset);
    plan.push({ name, format, numbers, end: offset + size, load });
    offset = Math.ceil((offset + size) / ALIGNMENT) * ALIGNMENT;
    total += size;
  }
  bytes.zerosUpTo(ALIGNMENT);
  replaceFile(file, (fd) => {
    writeFully(fd, bytes.done());
    let written = 0;
    for (const { name, format, numbers, end, load } of plan) {
      const data = load();
      if (data.length !== numbers)
        throw refuse(
          `Tensor ${JSON.stringify(name)} for ${file} has ${data.length} numbers, its shape says ${numbers}.`,
          'The product of the shape must be the number of values.',
        );
      for (let at = 0; at < numbers; at += PIECE) {
        const packed = packers[format](data.subarray(at, at + PIECE));
        writeFully(fd, packed);
        onProgress?.((written += packed.length), total);
      }
      writeFully(fd, new Uint8Array(-end & (ALIGNMENT - 1)));
    }
  });
}
