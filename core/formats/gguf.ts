// GGUF files read: metadata and the list of tensors at once, numbers when asked for; nothing the file claims is
// believed.
//
//   "GGUF" | u32 version | u64 tensors | u64 pairs | pairs: key, u32 type, value | tensors: name, u32 dimensions,
//   u64 sizes (innermost first), u32 format, u64 offset | zeros up to the alignment | the tensors' bytes, each aligned
//   A text is a u64 length and UTF-8; a list is a u32 type, a u64 count and its values. All numbers are little-endian.
import { isUtf8 } from 'node:buffer';
import { TastemakerError } from '#core/errors.ts';
import { readFully, withFile } from './file-access.ts';
import { blockFormatOf, blockFormats, formatNameOf } from './gguf-blocks.ts';
import type { BlockFormatName } from './gguf-blocks.ts';
import { refusePointer } from './other-checkpoints.ts';

export type NumberList =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;
/** 64-bit whole numbers become the nearest number, lists of numbers typed arrays, a list of truths bytes of 0 and 1. */
export type GgufValue = string | number | boolean | string[] | NumberList;
/** Without a prototype: every key is the file's own. */
export type GgufMetadata = Readonly<Record<string, GgufValue>>;

export interface GgufTensor {
  type: BlockFormatName;
  /** outermost first, as everywhere else in this program */
  shape: number[];
  /** float32, row-major, read from disk and unpacked at each call */
  load(): Float32Array;
  /** the same numbers, a part at a time */
  pieces(): Iterable<Float32Array>;
}
export interface GgufFile {
  metadata: GgufMetadata;
  /** in the order in which the file lists them */
  tensors: Map<string, GgufTensor>;
}

/** Whether a path names a GGUF file: such a path stands wherever a model folder may. */
export const isGguf = (place: string): boolean => place.toLowerCase().endsWith('.gguf');

const MAGIC = 0x46554747; // "GGUF"
const WINDOW = 1 << 22; // bytes read at a time
const LONGEST_TEXT = 1 << 26;
const LONGEST_NAME = 65_535; // of keys and tensors; the format's own limit for keys
const MOST_DIMENSIONS = 4;

const HINT = 'The file is damaged or not in the GGUF format: copy or download it again.';
const bad = (message: string, hint = HINT) => new TastemakerError('bad-file', message, hint);
/** A name from a file, safe to show: quoted, and cut where someone made it endless. */
const quoted = (name: string) => JSON.stringify(name.slice(0, 100));

/** Reads a file forwards through a window; what is asked for is first checked against what is left. */
interface Cursor {
  /** bytes before the next one */
  at(): number;
  left(): number;
  u32(what: string): number;
  /** throws where it is no whole number below 2^53 */
  count(what: string): number;
  text(what: string, longest: number): string;
  /** a copy of the next bytes, at the start of a buffer of its own */
  bytes(length: number, what: string): Uint8Array<ArrayBuffer>;
}

function createCursor(file: string, fd: number, size: number): Cursor {
  let window: Buffer = Buffer.alloc(0);
  let start = 0;
  let at = 0; // window[0] is byte `start` of the file, `at` counts from it
  const left = () => size - start - at;
  const need = (length: number, what: string) => {
    if (length > left())
      throw bad(
        `${file} ends inside ${what}: ${length} bytes are wanted, ${left()} are left.`,
        'The file was cut short or damaged: copy or download it again.',
      );
    if (at + length <= window.length) return;
    const next = Buffer.alloc(Math.min(size - start - at, Math.max(length, WINDOW)));
    const kept = window.copy(next, 0, at);
    readFully(fd, next.subarray(kept), start + at + kept, file);
    [window, start, at] = [next, start + at, 0];
  };
  const take = (length: number, what: string) => {
    need(length, what);
    at += length;
    return at - length;
  };
  const count = (what: string) => {
    const from = take(8, what);
    const value = window.readUInt32LE(from + 4) * 2 ** 32 + window.readUInt32LE(from);
    if (!Number.isSafeInteger(value)) throw bad(`${file} gives ${what} as ${window.readBigUInt64LE(from)}.`);
    return value;
  };
  return {
    at: () => start + at,
    left,
    u32: (what) => {
      const from = take(4, what); // before `window` is looked at: it may be a new one
      return window.readUInt32LE(from);
    },
    count,
    text: (what, longest) => {
      const length = count(`the length of ${what}`);
      if (length > longest) throw bad(`${file} gives ${what} a length of ${length} bytes; the limit is ${longest}.`);
      const from = take(length, what);
      const text = window.toString('utf8', from, from + length);
      if (text.includes('\ufffd') && !isUtf8(window.subarray(from, from + length)))
        throw bad(`${what[0]!.toUpperCase()}${what.slice(1)} in ${file} is not UTF-8.`);
      return text;
    },
    bytes: (length, what) => {
      if (length > left()) need(length, what);
      const out = new Uint8Array(length);
      const there = Math.min(length, window.length - at);
      out.set(window.subarray(at, at + there));
      readFully(fd, out.subarray(there), start + at + there, file);
      at += there;
      if (there < length) [window, start, at] = [Buffer.alloc(0), start + at + length - there, 0];
      return out;
    },
  };
}

/** Lists of these types, by the number that stands for them. */
const LISTS: Readonly<Record<number, { bytes: number; from: (bytes: ArrayBuffer) => NumberList }>> = {
  0: { bytes: 1, from: (bytes) => new Uint8Array(bytes) },
  1: { bytes: 1, from: (bytes) => new Int8Array(bytes) },
  2: { bytes: 2, from: (bytes) => new Uint16Array(bytes) },
  3: { bytes: 2, from: (bytes) => new Int16Array(bytes) },
  4: { bytes: 4, from: (bytes) => new Uint32Array(bytes) },
  5: { bytes: 4, from: (bytes) => new Int32Array(bytes) },
  6: { bytes: 4, from: (bytes) => new Float32Array(bytes) },
  7: { bytes: 1, from: (bytes) => new Uint8Array(bytes) },
  10: { bytes: 8, from: (bytes) => Float64Array.from(new BigUint64Array(bytes), Number) },
  11: { bytes: 8, from: (bytes) => Float64Array.from(new BigInt64Array(bytes), Number) },
  12: { bytes: 8, from: (bytes) => new Float64Array(bytes) },
};
const BOOL = 7;
const TEXT = 8;
const LIST = 9;

function readValue(file: string, cursor: Cursor, what: string): GgufValue {
  const type = cursor.u32(what);
  if (type === TEXT) return cursor.text(what, LONGEST_TEXT);
  if (type === LIST) return readList(file, cursor, what);
  const list = LISTS[type];
  if (!list) throw bad(`${what[0]!.toUpperCase()}${what.slice(1)} in ${file} is of the unknown type ${type}.`);
  const [value] = list.from(cursor.bytes(list.bytes, what).buffer) as NumberList;
  if (type !== BOOL) return value!;
  if (value! > 1)
    throw bad(`${what[0]!.toUpperCase()}${what.slice(1)} in ${file} is ${value}, neither true nor false.`);
  return value === 1;
}

function readList(file: string, cursor: Cursor, what: string): GgufValue {
  const type = cursor.u32(what);
  const count = cursor.count(`the count of ${what}`);
  const list = LISTS[type];
  const each = type === TEXT ? 8 : list?.bytes;
  if (each === undefined)
    throw bad(
      `${what[0]!.toUpperCase()}${what.slice(1)} in ${file} is a list of ${type === LIST ? 'lists, which is not read' : `the unknown type ${type}`}.`,
    );
  if (count * each > cursor.left())
    throw bad(`${file} gives ${what} ${count} entries, more than its ${cursor.left()} bytes left can hold.`);
  if (type !== TEXT) return list!.from(cursor.bytes(count * each, what).buffer);
  const texts: string[] = new Array<string>(count);
  for (let i = 0; i < count; i++) texts[i] = cursor.text(what, LONGEST_TEXT);
  return texts;
}

interface Entry {
  name: string;
  type: BlockFormatName;
  shape: number[];
  numbers: number;
  begin: number;
  end: number;
}

/** One entry of the list of tensors, checked on its own: format, sizes, range of bytes. */
function readEntry(file: string, cursor: Cursor, alignment: number): Entry {
  const name = cursor.text('the name of a tensor', LONGEST_NAME);
  const where = `Tensor ${quoted(name)} in ${file}`;
  const what = `the entry of tensor ${quoted(name)}`;
  const dimensions = cursor.u32(what);
  if (dimensions < 1 || dimensions > MOST_DIMENSIONS)
    throw bad(`${where} has ${dimensions} dimensions; 1 to ${MOST_DIMENSIONS} are possible.`);
  const sizes = Array.from({ length: dimensions }, () => cursor.count(what));
  const id = cursor.u32(what);
  const offset = cursor.count(what);
  const type = blockFormatOf(id);
  if (!type)
    throw bad(
      `${where} is in the format ${formatNameOf(id)}, which is not read.`,
      `What works: ${Object.keys(blockFormats).join(', ')}.`,
    );
  const format = blockFormats[type];
  const numbers = sizes.reduce((product, size) => product * size, 1);
  if (sizes.some((size) => size < 1) || !Number.isSafeInteger(numbers))
    throw bad(`${where} has the impossible shape [${sizes.toReversed().join(', ')}].`);
  if (sizes[0]! % format.numbers !== 0)
    throw bad(
      `${where} has rows of ${sizes[0]} numbers, which do not divide into the blocks of ${format.numbers} of ${type}.`,
    );
  if (offset % alignment !== 0)
    throw bad(`${where} lies at byte ${offset} of the data, which is no multiple of the alignment ${alignment}.`);
  return {
    name,
    type,
    shape: sizes.toReversed(),
    numbers,
    begin: offset,
    end: offset + (numbers / format.numbers) * format.bytes,
  };
}

/**
 * Reads metadata and the list of tensors, and checks every claim before anything is allocated; a tensor's numbers are
 * read when its `load` is called. Versions 2 and 3. Throws 'bad-file' naming the file and the key or tensor.
 */
export function readGguf(file: string): GgufFile {
  const { metadata, entries, start } = withFile(file, (fd, size) => {
    const first = new Uint8Array(Math.min(size, 64));
    readFully(fd, first, 0, file);
    refusePointer(first, file);
    const cursor = createCursor(file, fd, size);
    const counts = readCounts(file, cursor, size);
    const metadata = readMetadata(file, cursor, counts.pairs);
    const alignment = alignmentOf(file, metadata);
    const entries = readEntries(file, cursor, counts.tensors, alignment);
    const start = Math.ceil(cursor.at() / alignment) * alignment;
    refuseMisplaced(file, [...entries.values()], start, size);
    return { metadata, entries, start };
  });
  return {
    metadata,
    tensors: new Map([...entries].map(([name, entry]) => [name, tensorOf(file, start, entry)])),
  };
}

/** How many tensors and pairs of metadata the file says it has, no more than it has room for. */
function readCounts(file: string, cursor: Cursor, size: number): { tensors: number; pairs: number } {
  if (size < 24 || cursor.u32('the first bytes') !== MAGIC) throw bad(`${file} does not begin like a GGUF file.`);
  const version = cursor.u32('the version');
  if (version === 0x02000000 || version === 0x03000000)
    throw bad(
      `${file} is big-endian GGUF, which is not read.`,
      'Convert it to little-endian, the usual order of bytes.',
    );
  if (version !== 2 && version !== 3)
    throw bad(
      `${file} is GGUF of version ${version}; versions 2 and 3 are read.`,
      'Convert the model again with a current llama.cpp.',
    );
  const tensors = cursor.count('the number of tensors');
  const pairs = cursor.count('the number of metadata entries');
  if (pairs * 13 > cursor.left())
    throw bad(`${file} gives ${pairs} metadata entries, more than its ${cursor.left()} bytes left can hold.`);
  if (tensors * 32 > cursor.left())
    throw bad(`${file} gives ${tensors} tensors, more than its ${cursor.left()} bytes left can hold.`);
  return { tensors, pairs };
}

function readMetadata(file: string, cursor: Cursor, pairs: number): GgufMetadata {
  const metadata = Object.create(null) as Record<string, GgufValue>;
  for (let i = 0; i < pairs; i++) {
    const key = cursor.text('a metadata key', LONGEST_NAME);
    if (key in metadata) throw bad(`${file} has the metadata key ${quoted(key)} twice.`);
    metadata[key] = readValue(file, cursor, `the metadata ${quoted(key)}`);
  }
  return metadata;
}

/** Bytes of which every tensor's place is a multiple. */
function alignmentOf(file: string, metadata: GgufMetadata): number {
  const alignment = metadata['general.alignment'] ?? 32;
  if (typeof alignment !== 'number' || alignment < 1 || alignment > 2 ** 30 || !Number.isInteger(Math.log2(alignment)))
    throw bad(
      `"general.alignment" in ${file} is ${typeof alignment === 'number' ? alignment : 'not a number'}; it must be a power of two.`,
    );
  return alignment;
}

function readEntries(file: string, cursor: Cursor, tensors: number, alignment: number): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (let i = 0; i < tensors; i++) {
    const entry = readEntry(file, cursor, alignment);
    if (entries.has(entry.name)) throw bad(`${file} has the tensor ${quoted(entry.name)} twice.`);
    entries.set(entry.name, entry);
  }
  return entries;
}

/** Tensors overlap nowhere, and lie within the `size` bytes of a file whose data begin at `start`. */
function refuseMisplaced(file: string, entries: readonly Entry[], start: number, size: number): void {
  let reached = 0;
  let before = '';
  for (const { name, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < reached) throw bad(`Tensor ${quoted(name)} in ${file} overlaps ${quoted(before)}.`);
    if (start + end > size)
      throw bad(
        `Tensor ${quoted(name)} in ${file} lies at bytes ${begin} to ${end}, outside the ${Math.max(0, size - start)} bytes of data.`,
        'The file was cut short or damaged: copy or download it again.',
      );
    [reached, before] = [end, name];
  }
}

/** The tensor of an entry, whose numbers stay in the file until they are asked for. */
function tensorOf(file: string, start: number, { name, type, shape, numbers, begin, end }: Entry): GgufTensor {
  const { numbers: perBlock, bytes, unpack } = blockFormats[type];
  const blocks = numbers / perBlock;
  /** Blocks `from` to `to`, unpacked. */
  const unpacked = (from: number, to: number): Float32Array =>
    withFile(file, (fd, size) => {
      if (start + end > size)
        throw bad(`${file} became shorter since it was opened: tensor ${quoted(name)} is cut off.`);
      const out = new Float32Array((to - from) * perBlock);
      const most = Math.floor(WINDOW / bytes);
      const piece = new Uint8Array(Math.min(to - from, most) * bytes);
      for (let done = from; done < to;) {
        const now = Math.min(most, to - done);
        const part = piece.subarray(0, now * bytes);
        readFully(fd, part, start + begin + done * bytes, file);
        unpack(part, now, out, (done - from) * perBlock);
        done += now;
      }
      return out;
    });
  return {
    type,
    shape,
    load: () => unpacked(0, blocks),
    *pieces() {
      const most = Math.ceil(WINDOW / perBlock);
      for (let from = 0; from < blocks; from += most) yield unpacked(from, Math.min(blocks, from + most));
    },
  };
}
