// Takes single files out of a Python wheel (a zip archive), as a stream and against the hash that the wheel records for
// them.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw, inflateRawSync } from 'node:zlib';
import { TastemakerError } from '#core/errors.ts';
import { openRegular } from '#core/regular-file.ts';

interface Entry {
  method: number;
  packed: number;
  size: number;
  offset: number;
}

export interface Wheel {
  file: string;
  /** distribution and version, from the name of its .dist-info folder */
  name: string;
  version: string;
  entries: ReadonlyMap<string, Entry>;
  /** file in the wheel -> SHA-256 in hexadecimal, from RECORD */
  hashes: ReadonlyMap<string, string>;
}

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const STORED = 0;
const DEFLATED = 8;
const IN_ZIP64 = 0xffffffff;
const MOST_RECORD = 1 << 24;

const bad = (file: string, what: string) =>
  new TastemakerError(
    'bad-file',
    `${file} ${what}.`,
    'Get the wheel again; a download or a copy that was interrupted is the usual reason.',
  );

/**
 * @throws TastemakerError 'bad-file' where it is absent, no wheel, or cut short (a zip archive has its table of
 * contents at the end).
 */
export function openWheel(file: string): Wheel {
  let handle: number;
  try {
    handle = openRegular(file).fd;
  } catch (error) {
    if (error instanceof TastemakerError) throw error;
    throw bad(file, `cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  try {
    const entries = readEntries(handle, file);
    const record = [...entries.keys()].find((name) => /^[^/]+\.dist-info\/RECORD$/.test(name));
    const [, name, version] = /^(.+)-([^-]+)\.dist-info\//.exec(record ?? '') ?? [];
    if (!record || !name || !version) throw bad(file, 'is no Python wheel: it has no RECORD');
    return { file, name, version, entries, hashes: readHashes(readSmall(handle, file, entries.get(record)!)) };
  } catch (error) {
    throw error instanceof RangeError ? bad(file, 'is damaged') : error;
  } finally {
    fs.closeSync(handle);
  }
}

/**
 * Writes one file of the wheel to `target`, durably. 'bad-file' where it is not in there or its bytes are not those
 * that RECORD promises.
 */
export async function extractFromWheel(wheel: Wheel, name: string, target: string): Promise<void> {
  const entry = wheel.entries.get(name);
  const promised = wheel.hashes.get(name);
  if (!entry) throw bad(wheel.file, `does not hold ${name}`);
  if (!promised) throw bad(wheel.file, `records no SHA-256 of ${name}`);
  const handle = openRegular(wheel.file).fd;
  let start: number;
  try {
    start = dataStart(handle, wheel.file, entry);
  } finally {
    fs.closeSync(handle);
  }
  const hash = createHash('sha256');
  let size = 0;
  const measure = new Transform({
    transform: (piece: Buffer, _, done) => {
      size += piece.length;
      hash.update(piece);
      // a small archive can claim to be anything
      done(
        size > entry.size ? bad(wheel.file, `is damaged: ${name} is longer than its table of contents says`) : null,
        piece,
      );
    },
  });
  const source = fs.createReadStream('', {
    fd: openRegular(wheel.file).fd,
    start,
    end: Math.max(start, start + entry.packed - 1),
    highWaterMark: 1 << 20,
  });
  const out = fs.createWriteStream(target, { flush: true });
  try {
    if (entry.method === DEFLATED) await pipeline(source, createInflateRaw({ chunkSize: 1 << 18 }), measure, out);
    else await pipeline(source, measure, out);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_'))
      throw bad(wheel.file, `is damaged: ${name} cannot be unpacked`);
    throw error;
  }
  if (size !== entry.size || hash.digest('hex') !== promised)
    throw bad(
      wheel.file,
      `is damaged: ${path.basename(name)} in it does not have the SHA-256 that its RECORD promises`,
    );
}

function readAt(handle: number, file: string, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length;) {
    const got = fs.readSync(handle, bytes, done, length - done, offset + done);
    if (got === 0) throw bad(file, 'is cut short');
    done += got;
  }
  return bytes;
}

function readEntries(handle: number, file: string): Map<string, Entry> {
  const size = fs.fstatSync(handle).size;
  const tailSize = Math.min(size, 22 + 0xffff); // the end record and the longest comment
  const tail = readAt(handle, file, size - tailSize, tailSize);
  let at = tail.length - 22;
  while (at >= 0 && tail.readUInt32LE(at) !== END) at--;
  if (at < 0) throw bad(file, 'is no wheel, or cut short: it has no table of contents');
  const count = tail.readUInt16LE(at + 10);
  const length = tail.readUInt32LE(at + 12);
  const offset = tail.readUInt32LE(at + 16);
  if (count === 0xffff || offset === IN_ZIP64)
    throw bad(file, 'is an archive of more than 4 GB, which no such wheel is');
  if (offset + length > size) throw bad(file, 'is damaged');
  const table = readAt(handle, file, offset, length);
  const entries = new Map<string, Entry>();
  for (let i = 0, row = 0; i < count; i++) {
    if (table.readUInt32LE(row) !== CENTRAL) throw bad(file, 'is damaged');
    const nameLength = table.readUInt16LE(row + 28);
    const more = table.readUInt16LE(row + 30) + table.readUInt16LE(row + 32);
    const entry: Entry = {
      method: table.readUInt16LE(row + 10),
      packed: table.readUInt32LE(row + 20),
      size: table.readUInt32LE(row + 24),
      offset: table.readUInt32LE(row + 42),
    };
    entries.set(table.toString('utf8', row + 46, row + 46 + nameLength), entry);
    row += 46 + nameLength + more;
  }
  return entries;
}

/** Where an entry's bytes begin; its own header repeats the name, with extra fields of another length. */
function dataStart(handle: number, file: string, { offset, packed, method }: Entry): number {
  const header = readAt(handle, file, offset, 30);
  if (header.readUInt32LE(0) !== LOCAL || packed === IN_ZIP64) throw bad(file, 'is damaged');
  if (method !== STORED && method !== DEFLATED) throw bad(file, `is packed in a way (${method}) that wheels are not`);
  return offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
}

function readSmall(handle: number, file: string, entry: Entry): string {
  if (entry.packed > MOST_RECORD || entry.size > MOST_RECORD) throw bad(file, 'has a RECORD of an unbelievable size');
  const bytes = readAt(handle, file, dataStart(handle, file, entry), entry.packed);
  try {
    return (entry.method === STORED ? bytes : inflateRawSync(bytes, { maxOutputLength: MOST_RECORD })).toString('utf8');
  } catch {
    throw bad(file, 'is damaged: its RECORD cannot be unpacked');
  }
}

/** RECORD has lines "path,sha256=<base64url>,size"; a path with a comma, which is quoted, is none of ours. */
function readHashes(record: string): Map<string, string> {
  return new Map(
    [...record.matchAll(/^([^",\r\n]+),sha256=([A-Za-z0-9_-]{43}),\d*\r?$/gm)].map(([, name, hash]) => [
      name!,
      Buffer.from(hash!, 'base64url').toString('hex'),
    ]),
  );
}
