// Reads out of a Linux shared library which libraries and versions it needs, and whether it is whole.

import fs from 'node:fs';
import { TastemakerError } from '#core/errors.ts';
import { openRegular } from '#core/regular-file.ts';

/** What a shared library says of itself. */
export interface ElfNeeds {
  /** "x86_64", "aarch64", or the number of another processor */
  machine: string;
  soname: string | null;
  /** DT_NEEDED, in the file's order */
  needs: string[];
  /** symbol versions wanted of each library, as in libc.so.6: ["GLIBC_2.17"] */
  versionsNeeded: Record<string, string[]>;
  /** symbol versions it brings, as in ["VERS_1.30.0"]; its own name, which the format puts among them, is left out */
  versionsDefined: string[];
}

const MACHINES: Readonly<Record<number, string>> = {
  62: 'x86_64',
  183: 'aarch64',
  3: 'i386',
  40: 'arm',
  243: 'riscv64',
};
const HEADER = 64;
const SEGMENT = 56;
const SECTION = 64;
const DYNAMIC_ENTRY = 16;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const SHARED_OBJECT = 3;
const TAG = {
  needed: 1,
  strings: 5,
  stringsSize: 10,
  soname: 14,
  versionsDefined: 0x6ffffffc,
  definedCount: 0x6ffffffd,
  versionsNeeded: 0x6ffffffe,
  neededCount: 0x6fffffff,
} as const;
const MOST_BYTES = 1 << 26;
const MOST_VERSIONS = 4096;

interface Elf {
  file: string;
  size: number;
  machine: string;
  /** `length` bytes from `offset`; 'bad-file' where the file does not have them */
  read(offset: number, length: number): Buffer;
  segments: { type: number; offset: number; address: number; size: number }[];
  sections: { name: number; type: number; offset: number; size: number }[];
  sectionNames: number;
}

const bad = (file: string, what: string) =>
  new TastemakerError(
    'bad-file',
    `${file} ${what}.`,
    'Get the file again; a download or a copy that was interrupted is the usual reason.',
  );
const damaged = (file: string) => bad(file, 'is damaged: what it says about its own parts does not fit together');

/**
 * @throws TastemakerError 'bad-file' for a file that is absent, no 64-bit little-endian shared library, cut short or
 * damaged.
 */
export const readElfNeeds = (file: string): ElfNeeds => withElf(file, needsOf);

/**
 * Whole strings like "1.30.0" among the constants: ONNX Runtime's provider carries its version so, and has no versioned
 * symbols.
 * Empty where the file has no section of constants.
 */
export const readVersionStrings = (file: string): string[] =>
  withElf(file, (elf) => {
    if (!elf.sections[elf.sectionNames]) return [];
    const names = sectionBytes(elf, elf.sections[elf.sectionNames]!);
    const constants = elf.sections.find(({ name, type }) => type === 1 && stringAt(names, name) === '.rodata');
    if (!constants) return [];
    const text = sectionBytes(elf, constants).toString('latin1');
    return [...new Set([...text.matchAll(/(?<=^|\0)\d{1,3}\.\d{1,3}\.\d{1,3}(?=\0)/g)].map(([version]) => version))];
  });

function withElf<T>(file: string, use: (elf: Elf) => T): T {
  let handle: number;
  try {
    handle = openRegular(file).fd;
  } catch (error) {
    if (error instanceof TastemakerError) throw error;
    throw bad(file, `cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  try {
    return use(openElf(handle, file));
  } catch (error) {
    throw error instanceof TastemakerError
      ? error
      : error instanceof RangeError
        ? damaged(file)
        : bad(file, `cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  } finally {
    fs.closeSync(handle);
  }
}

function openElf(handle: number, file: string): Elf {
  const { size } = fs.fstatSync(handle);
  const read = (offset: number, length: number): Buffer => {
    if (!(offset >= 0 && length >= 0 && length <= MOST_BYTES && Number.isSafeInteger(offset))) throw damaged(file);
    if (offset + length > size)
      throw bad(file, `is cut short: it has ${size} bytes and should have at least ${offset + length}`);
    const bytes = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const got = fs.readSync(handle, bytes, done, length - done, offset + done);
      if (got === 0) throw bad(file, 'is cut short');
      done += got;
    }
    return bytes;
  };
  const magic = read(0, Math.min(4, size));
  if (magic.toString('latin1') !== '\x7fELF')
    throw bad(file, size === 0 ? 'is empty' : 'is not a Linux shared library');
  const header = read(0, HEADER);
  if (header[4] !== 2 || header[5] !== 1)
    throw bad(
      file,
      `is for another kind of machine (${header[4] === 2 ? 64 : 32}-bit, ${header[5] === 1 ? 'little' : 'big'}-endian)`,
    );
  if (header.readUInt16LE(16) !== SHARED_OBJECT) throw bad(file, 'is no shared library, but another kind of ELF file');
  const table = (at: number, entrySize: number, count: number, wanted: number): Buffer[] => {
    if (count && entrySize !== wanted) throw damaged(file);
    const bytes = read(count ? at : 0, count * wanted);
    return Array.from({ length: count }, (_, i) => bytes.subarray(i * wanted, (i + 1) * wanted));
  };
  const place = (bytes: Buffer, at: number) => Number(bytes.readBigUInt64LE(at));
  const segments = table(place(header, 32), header.readUInt16LE(54), header.readUInt16LE(56), SEGMENT).map((row) => ({
    type: row.readUInt32LE(0),
    offset: place(row, 8),
    address: place(row, 16),
    size: place(row, 32),
  }));
  const sections = table(place(header, 40), header.readUInt16LE(58), header.readUInt16LE(60), SECTION).map((row) => ({
    name: row.readUInt32LE(0),
    type: row.readUInt32LE(4),
    offset: place(row, 24),
    size: place(row, 32),
  }));
  const end = Math.max(
    0,
    ...segments.filter(({ type }) => type === PT_LOAD).map(({ offset, size: length }) => offset + length),
  );
  if (end > size) throw bad(file, `is cut short: it has ${size} bytes and should have at least ${end}`);
  const machine = header.readUInt16LE(18);
  return {
    file,
    size,
    machine: MACHINES[machine] ?? `processor ${machine}`,
    read,
    segments,
    sections,
    sectionNames: header.readUInt16LE(62),
  };
}

function needsOf(elf: Elf): ElfNeeds {
  const dynamic = elf.segments.find(({ type }) => type === PT_DYNAMIC);
  if (!dynamic) throw bad(elf.file, 'is no shared library: it has no dynamic section');
  const bytes = elf.read(dynamic.offset, dynamic.size);
  const values = new Map<number, number[]>();
  for (let at = 0; at + DYNAMIC_ENTRY <= bytes.length; at += DYNAMIC_ENTRY) {
    const tag = Number(bytes.readBigInt64LE(at));
    if (tag === 0) break;
    values.set(tag, [...(values.get(tag) ?? []), Number(bytes.readBigUInt64LE(at + 8))]);
  }
  const one = (tag: number) => values.get(tag)?.[0];
  /** where an address of the running program lies in the file */
  const inFile = (address: number): number => {
    const segment = elf.segments.find(
      (s) => s.type === PT_LOAD && address >= s.address && address < s.address + s.size,
    );
    if (!segment) throw damaged(elf.file);
    return address - segment.address + segment.offset;
  };
  const strings =
    one(TAG.strings) === undefined ? Buffer.alloc(0) : elf.read(inFile(one(TAG.strings)!), one(TAG.stringsSize) ?? 0);
  const name = (offset: number): string => {
    if (offset >= strings.length) throw damaged(elf.file);
    return stringAt(strings, offset);
  };

  const versionsNeeded: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  chain(elf, one(TAG.versionsNeeded), one(TAG.neededCount), inFile, { size: 16, next: 12 }, (row, at) => {
    const versions: string[] = [];
    chain(
      elf,
      at + row.readUInt32LE(8),
      row.readUInt16LE(2),
      (offset) => offset,
      { size: 16, next: 12 },
      (version) => versions.push(name(version.readUInt32LE(8))),
    );
    versionsNeeded[name(row.readUInt32LE(4))] = versions;
  });
  const versionsDefined: string[] = [];
  chain(elf, one(TAG.versionsDefined), one(TAG.definedCount), inFile, { size: 20, next: 16 }, (row, at) => {
    const isItself = (row.readUInt16LE(2) & 1) === 1;
    if (!isItself) versionsDefined.push(name(elf.read(at + row.readUInt32LE(12), 8).readUInt32LE(0)));
  });
  const soname = one(TAG.soname);
  return {
    machine: elf.machine,
    soname: soname === undefined ? null : name(soname),
    needs: (values.get(TAG.needed) ?? []).map(name),
    versionsNeeded: { ...versionsNeeded },
    versionsDefined,
  };
}

/** Follows a chain of records that each say how far away the next one is. */
function chain(
  elf: Elf,
  address: number | undefined,
  count = 0,
  inFile: (address: number) => number,
  { size, next }: { size: number; next: number },
  take: (row: Buffer, at: number) => void,
): void {
  if (address === undefined || count === 0) return;
  if (count > MOST_VERSIONS) throw damaged(elf.file);
  let at = inFile(address);
  for (let i = 0; i < count; i++) {
    const row = elf.read(at, size);
    take(row, at);
    const step = row.readUInt32LE(next);
    if (step === 0) return;
    at += step;
  }
}

const sectionBytes = (elf: Elf, { offset, size }: { offset: number; size: number }) => elf.read(offset, size);

function stringAt(bytes: Buffer, offset: number): string {
  const end = bytes.indexOf(0, offset);
  return bytes.toString('latin1', Math.min(offset, bytes.length), end < 0 ? bytes.length : end);
}
