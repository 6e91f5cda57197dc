// One file of weights in the safetensors format: read lazily, and nothing the file claims is believed.
//
//   u64 little-endian: header length | header: JSON, UTF-8 | tensor bytes, little-endian, without gaps
//   {"__metadata__": {text: text}, "wte": {"dtype": "F32", "shape": [50257, 768], "data_offsets": [0, 154389504]}, …}
import { floatsFromBfloat16, floatsFromHalves, halvesFromFloats, bfloat16FromFloats } from './number-formats.ts';
import { readFully, replaceFile, withFile, writeFully } from './file-access.ts';
import { brief } from './json-file.ts';
import { refusePointer } from './other-checkpoints.ts';
import { TastemakerError } from '#core/errors.ts';

const HEADER_LIMIT = 100_000_000; // bytes; the limit of the format's own library

const PIECE_BYTES = 1 << 24; // a multiple of every element's size

/** Bytes of one element. We know the size of all of these, and can load those of `floats` and `integers`. */
export const elementBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
} as const;
export type Dtype = keyof typeof elementBytes;

const floats: { [D in Dtype]?: (bytes: ArrayBuffer) => Float32Array } = {
  F32: (bytes) => new Float32Array(bytes),
  F16: (bytes) => floatsFromHalves(new Uint16Array(bytes)),
  BF16: (bytes) => floatsFromBfloat16(new Uint16Array(bytes)),
  F64: (bytes) => Float32Array.from(new Float64Array(bytes)),
};
const integers: { [D in Dtype]?: (bytes: ArrayBuffer) => ArrayLike<number | bigint> } = {
  BOOL: (bytes) => new Uint8Array(bytes),
  U8: (bytes) => new Uint8Array(bytes),
  I8: (bytes) => new Int8Array(bytes),
  I16: (bytes) => new Int16Array(bytes),
  I32: (bytes) => new Int32Array(bytes),
  I64: (bytes) => new BigInt64Array(bytes),
};
const encoders = {
  F32: (data: Float32Array) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  F16: (data: Float32Array) => new Uint8Array(halvesFromFloats(data).buffer),
  BF16: (data: Float32Array) => new Uint8Array(bfloat16FromFloats(data).buffer),
};

/** What we write; F16 and BF16 round to nearest even. */
export type FloatDtype = keyof typeof encoders;
/** A tensor to be written; the product of `shape` is the length of `data`. */
export interface NamedTensor {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}
/** One whose numbers are asked for once, when their turn comes: a large model is then never in memory as a whole. */
export type TensorToWrite = NamedTensor | (Omit<NamedTensor, 'data'> & { load(): Float32Array });

export interface SafetensorsTensor {
  dtype: Dtype;
  shape: number[];
  /** F32, F16, BF16, F64 -> float32, row-major; any other dtype throws 'bad-file' */
  load(): Float32Array;
  /** the same in order, a part at a time, so that a large tensor is never in memory as a whole */
  pieces(): Iterable<Float32Array>;
  /** BOOL, U8, I8, I16, I32, I64 -> int32; a value that does not fit throws 'bad-file' */
  loadIntegers(): Int32Array;
  /** F64 only, unrounded */
  loadFloat64(): Float64Array;
}

/** `metadata` is the file's own free text; `tensors` in the order of their bytes. */
export interface SafetensorsFile {
  metadata: Record<string, string>;
  tensors: Map<string, SafetensorsTensor>;
}

function bad(
  message: string,
  hint = 'The file is damaged or not in the safetensors format: copy or download it again.',
): TastemakerError {
  return new TastemakerError('bad-file', message, hint);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
/** A name from a file, safe to show: quoted, and cut where someone made it endless. */
const quoted = (name: unknown) => (typeof name === 'string' ? JSON.stringify(name.slice(0, 200)) : brief(name));

function readHeader(file: string, fd: number, size: number): { header: Record<string, unknown>; start: number } {
  const start = new Uint8Array(Math.min(size, 64));
  readFully(fd, start, 0, file);
  refusePointer(start, file);
  if (size < 8) throw bad(`${file} is ${size} bytes long, too short for a safetensors file.`);
  const length = new DataView(start.buffer).getBigUint64(0, true);
  if (length > BigInt(HEADER_LIMIT))
    throw bad(`${file} gives its header a length of ${length} bytes; the limit is ${HEADER_LIMIT}.`);
  if (length > BigInt(size - 8))
    throw bad(`${file} gives its header a length of ${length} bytes, but only ${size - 8} follow.`);
  const bytes = new Uint8Array(Number(length));
  readFully(fd, bytes, 8, file);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw bad(`The header of ${file} is not JSON.`);
  }
  if (!isObject(header)) throw bad(`The header of ${file} is not a JSON object.`);
  return { header, start: 8 + bytes.length };
}

function readMetadata(file: string, value: unknown): Record<string, string> {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw bad(`"__metadata__" in ${file} is not an object.`);
  for (const [key, text] of Object.entries(value))
    if (typeof text !== 'string') throw bad(`"__metadata__" in ${file} holds ${quoted(key)}, which is not text.`);
  return value as Record<string, string>;
}

interface Entry {
  name: string;
  dtype: Dtype;
  shape: number[];
  begin: number;
  end: number;
}

/**
 * One header entry, checked on its own: known dtype, shape of counts, range inside the file and exactly as long as the
 * shape says.
 */
function readEntry(file: string, name: string, value: unknown, dataBytes: number): Entry {
  const where = `Tensor ${quoted(name)} in ${file}`;
  if (!isObject(value)) throw bad(`${where} has no description.`);
  const { dtype, shape, data_offsets: range } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype))
    throw bad(`${where} has the unknown dtype ${quoted(dtype)}.`, 'Save the model again as F32, F16 or BF16.');
  if (!Array.isArray(shape) || !shape.every(isCount))
    throw bad(`${where} has a shape that is not a list of whole numbers.`);
  if (!Array.isArray(range) || range.length !== 2 || !isCount(range[0]) || !isCount(range[1]))
    throw bad(`${where} has no valid byte range.`);
  const [begin, end] = range as [number, number];
  if (begin > end || end > dataBytes)
    throw bad(
      `${where} lies at bytes ${begin} to ${end}, outside the ${dataBytes} bytes of data.`,
      'The file was cut short or damaged: copy or download it again.',
    );
  const bytes = shape.reduce((product, n) => product * n, elementBytes[dtype as Dtype]);
  if (bytes !== end - begin)
    throw bad(
      `${where} has shape [${shape.slice(0, 8).join(', ')}] and dtype ${dtype}, which needs ${bytes} bytes, but its range holds ${end - begin}.`,
    );
  return { name, dtype: dtype as Dtype, shape, begin, end };
}

/**
 * Reads the header only; each tensor is read when its `load` is called. Everything the header claims is checked first.
 * Throws 'bad-file' naming the file and the tensor.
 */
export function readSafetensors(file: string): SafetensorsFile {
  const { metadata, entries, start } = withFile(file, (fd, size) => {
    const { header, start } = readHeader(file, fd, size);
    const { __metadata__, ...rest } = header;
    const dataBytes = size - start;
    const entries = Object.entries(rest).map(([name, value]) => readEntry(file, name, value, dataBytes));
    entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
    let at = 0;
    for (const { name, begin, end } of entries) {
      if (begin < at) throw bad(`Tensor ${quoted(name)} in ${file} overlaps the one before it.`);
      if (begin > at) throw bad(`${file} has ${begin - at} bytes that belong to no tensor before ${quoted(name)}.`);
      at = end;
    }
    if (at !== dataBytes) throw bad(`${file} has ${dataBytes - at} bytes after its last tensor that belong to none.`);
    return { metadata: readMetadata(file, __metadata__), entries, start };
  });

  const bytesOf = (entry: Entry, from = 0, to = entry.end - entry.begin) =>
    withFile(file, (fd, size) => {
      if (start + entry.end > size)
        throw bad(`${file} became shorter since it was opened: tensor ${quoted(entry.name)} is cut off.`);
      const bytes = new Uint8Array(to - from);
      readFully(fd, bytes, start + entry.begin + from, file);
      return bytes.buffer;
    });
  const wrong = (entry: Entry, wanted: string) =>
    bad(
      `Tensor ${quoted(entry.name)} in ${file} is ${entry.dtype}, not ${wanted}.`,
      `Save the tensor again as ${wanted}.`,
    );

  const tensors = new Map<string, SafetensorsTensor>();
  for (const entry of entries) {
    tensors.set(entry.name, {
      dtype: entry.dtype,
      shape: entry.shape,
      load: () => {
        const decode = floats[entry.dtype];
        if (!decode) throw wrong(entry, 'F32, F16, BF16 or F64');
        return decode(bytesOf(entry));
      },
      pieces: function* () {
        const decode = floats[entry.dtype];
        if (!decode) throw wrong(entry, 'F32, F16, BF16 or F64');
        const total = entry.end - entry.begin;
        for (let from = 0; from < total; from += PIECE_BYTES)
          yield decode(bytesOf(entry, from, Math.min(total, from + PIECE_BYTES)));
      },
      loadIntegers: () => {
        const decode = integers[entry.dtype];
        if (!decode) throw wrong(entry, 'I32 or I64');
        const values = decode(bytesOf(entry));
        return Int32Array.from(values as ArrayLike<number>, (value) => {
          const number = Number(value);
          if (number !== (number | 0))
            throw bad(
              `Tensor ${quoted(entry.name)} in ${file} holds ${value}, which does not fit in 32 bits.`,
              'Save the tensor with smaller numbers.',
            );
          return number;
        });
      },
      loadFloat64: () => {
        if (entry.dtype !== 'F64') throw wrong(entry, 'F64');
        return new Float64Array(bytesOf(entry));
      },
    });
  }
  return { metadata, tensors };
}

export const numbersIn = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/**
 * Writes `tensors` in the order given, all as `dtype` (F32 unless told; F16 and BF16 round to nearest even). The file
 * is
 * whole or absent. `onProgress` hears the bytes of each tensor. Throws 'bad-argument' for a repeated name or a shape
 * that does not match its data, 'disk' when full.
 */
export function writeSafetensors(
  file: string,
  tensors: readonly TensorToWrite[],
  {
    dtype = 'F32',
    metadata,
    onProgress,
  }: { dtype?: FloatDtype; metadata?: Record<string, string>; onProgress?: ((bytes: number) => void) | undefined } = {},
): void {
  const entries = new Map<string, unknown>();
  if (metadata) entries.set('__metadata__', metadata);
  const unlike = ({ name, shape }: TensorToWrite, numbers: number) =>
    new TastemakerError(
      'bad-argument',
      `Tensor ${quoted(name)} for ${file} has shape [${shape.join(', ')}] but ${numbers} numbers.`,
      'The product of the shape must be the number of values.',
    );
  let at = 0;
  for (const tensor of tensors) {
    const { name, shape } = tensor;
    const numbers = numbersIn(shape);
    if (name === '__metadata__' || entries.has(name))
      throw new TastemakerError(
        'bad-argument',
        `Tensor ${quoted(name)} cannot be written to ${file}: the name is taken.`,
        'Give every tensor a name of its own.',
      );
    if (!shape.every(isCount) || ('data' in tensor && numbers !== tensor.data.length))
      throw unlike(tensor, 'data' in tensor ? tensor.data.length : numbers);
    const end = at + numbers * elementBytes[dtype];
    entries.set(name, { dtype, shape, data_offsets: [at, end] });
    at = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  // spaces up to a multiple of 8 align the data
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20, 8);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  replaceFile(file, (fd) => {
    writeFully(fd, header);
    for (const tensor of tensors) {
      const data = 'data' in tensor ? tensor.data : tensor.load();
      if (data.length !== numbersIn(tensor.shape)) throw unlike(tensor, data.length);
      writeFully(fd, encoders[dtype](data));
      onProgress?.(data.length * elementBytes[dtype]);
    }
  });
}
