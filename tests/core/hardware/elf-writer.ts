// Writes small 64-bit shared libraries with the parts that a loader reads, and wheels, for the tests to read back.

import { createHash } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';

export interface ElfParts {
  machine?: number;
  soname?: string;
  needs?: readonly string[];
  versionsNeeded?: Readonly<Record<string, readonly string[]>>;
  versionsDefined?: readonly string[];
  /** NUL-terminated strings of the section .rodata */
  constants?: readonly string[];
}

const BASE = 0x10000; // where the file lies in memory, so that addresses and offsets differ
const u = (size: 2 | 4 | 8, ...values: number[]): Buffer =>
  Buffer.concat(
    values.map((value) => {
      const bytes = Buffer.alloc(size);
      if (size === 8) bytes.writeBigUInt64LE(BigInt(value));
      else bytes.writeUIntLE(value, 0, size);
      return bytes;
    }),
  );

/** A table of strings that hands out the place of each. */
function strings(): { at(text: string): number; bytes(): Buffer } {
  const pieces = [Buffer.from([0])];
  let length = 1;
  return {
    at: (text) => {
      const piece = Buffer.from(`${text}\0`);
      const at = length;
      pieces.push(piece);
      length += piece.length;
      return at;
    },
    bytes: () => Buffer.concat(pieces),
  };
}

/** Layout: header, two segments, strings, versions, dynamic section, constants, section names, section table. */
export function elf({
  machine = 62,
  soname,
  needs = [],
  versionsNeeded = {},
  versionsDefined = [],
  constants = [],
}: ElfParts = {}): Buffer {
  const names = strings();
  const neededAt = needs.map((name) => names.at(name));
  const sonameAt = soname === undefined ? null : names.at(soname);
  const need = Buffer.concat(
    Object.entries(versionsNeeded).map(([file, versions], i, all) =>
      Buffer.concat([
        u(2, 1, versions.length),
        u(4, names.at(file), 16, i + 1 < all.length ? 16 + versions.length * 16 : 0),
        ...versions.map((version, j) =>
          Buffer.concat([u(4, 0), u(2, 0, 2), u(4, names.at(version), j + 1 < versions.length ? 16 : 0)]),
        ),
      ]),
    ),
  );
  const defined = versionsDefined.length ? [soname ?? 'itself', ...versionsDefined] : [];
  const define = Buffer.concat(
    defined.map((version, i) =>
      Buffer.concat([
        u(2, 1, i === 0 ? 1 : 0, i + 1, 1),
        u(4, 0, 20, i + 1 < defined.length ? 28 : 0, names.at(version), 0),
      ]),
    ),
  );
  const text = names.bytes();
  const at = { strings: 64 + 2 * 56, need: 0, define: 0, dynamic: 0, constants: 0, sectionNames: 0, sections: 0 };
  at.need = at.strings + text.length;
  at.define = at.need + need.length;
  at.dynamic = at.define + define.length;
  const entries: [number, number][] = [
    ...neededAt.map((name): [number, number] => [1, name]),
    ...(sonameAt === null ? [] : [[14, sonameAt] as [number, number]]),
    [5, BASE + at.strings],
    [10, text.length],
    ...(need.length
      ? ([
          [0x6ffffffe, BASE + at.need],
          [0x6fffffff, Object.keys(versionsNeeded).length],
        ] as [number, number][])
      : []),
    ...(define.length
      ? ([
          [0x6ffffffc, BASE + at.define],
          [0x6ffffffd, defined.length],
        ] as [number, number][])
      : []),
    [0, 0],
  ];
  const dynamic = Buffer.concat(entries.map((entry) => u(8, ...entry)));
  const rodata = Buffer.from(constants.map((constant) => `${constant}\0`).join(''), 'latin1');
  const sectionNames = Buffer.from('\0.rodata\0.shstrtab\0');
  at.constants = at.dynamic + dynamic.length;
  at.sectionNames = at.constants + rodata.length;
  at.sections = at.sectionNames + sectionNames.length;
  const section = (name: number, type: number, offset: number, size: number) =>
    Buffer.concat([u(4, name, type), u(8, 0, BASE + offset, offset, size), u(4, 0, 0), u(8, 1, 0)]);
  const segment = (type: number, offset: number, size: number) =>
    Buffer.concat([u(4, type, 4), u(8, offset, BASE + offset, 0, size, size, 8)]);
  const header = Buffer.concat([
    Buffer.from('\x7fELF\x02\x01\x01', 'latin1'),
    Buffer.alloc(9),
    u(2, 3, machine),
    u(4, 1),
    u(8, 0, 64, at.sections),
    u(4, 0),
    u(2, 64, 56, 2, 64, 3, 2),
  ]);
  return Buffer.concat([
    header,
    segment(1, 0, at.sections),
    segment(2, at.dynamic, dynamic.length),
    text,
    need,
    define,
    dynamic,
    rodata,
    sectionNames,
    section(0, 0, 0, 0),
    section(1, 1, at.constants, rodata.length),
    section(9, 3, at.sectionNames, sectionNames.length),
  ]);
}

/**
 * What the provider of onnxruntime-gpu 1.30.0 for CUDA 13 needs, in its order; "12" as ONNX Runtime builds it for CUDA
 * 12.
 */
export const providerNeeds = (cuda: number): string[] => [
  `libcublasLt.so.${cuda}`,
  `libcublas.so.${cuda}`,
  'libcurand.so.10',
  `libcudart.so.${cuda}`,
  'libcuda.so.1',
  'libdl.so.2',
  'libc.so.6',
];
export const SHARED = 'libonnxruntime_providers_shared.so';
export const CUDA = 'libonnxruntime_providers_cuda.so';

/** A provider as the tests need it: with its needs and, among other constants, its version. */
export const provider = (version = '1.30.0', cuda = 13): Buffer =>
  elf({ needs: providerNeeds(cuda), constants: ['Invalid device ID: ', version, 'cudaSetDevice(id)'] });
export const shared = (): Buffer => elf({ soname: SHARED, needs: ['libc.so.6'] });
export const runtime = (version = '1.30.0'): Buffer =>
  elf({ soname: 'libonnxruntime.so.1', needs: ['libc.so.6'], versionsDefined: [`VERS_${version}`] });

/**
 * A zip archive of these files, with a RECORD of their hashes as a wheel has; `lies` are other bytes to hash for
 * RECORD.
 */
export function wheel(
  files: Readonly<Record<string, Buffer>>,
  { name = 'onnxruntime_gpu', version = '1.30.0', stored = false, lies = {} as Readonly<Record<string, Buffer>> } = {},
): Buffer {
  const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('base64url');
  const record = Object.entries(files)
    .map(([file, bytes]) => `${file},sha256=${hash(lies[file] ?? bytes)},${bytes.length}`)
    .join('\n');
  const all = Object.entries({
    ...files,
    [`${name}-${version}.dist-info/RECORD`]: Buffer.from(`${record}\n${name}-${version}.dist-info/RECORD,,\n`),
  });
  const bodies: Buffer[] = [];
  const table: Buffer[] = [];
  let offset = 0;
  for (const [file, bytes] of all) {
    const packed = stored ? bytes : deflateRawSync(bytes);
    const method = stored ? 0 : 8;
    const extra = Buffer.from('extra');
    const facts = Buffer.concat([
      u(2, method, 0, 0),
      u(4, 0, packed.length, bytes.length),
      u(2, Buffer.byteLength(file)),
    ]);
    const local = Buffer.concat([
      u(4, 0x04034b50),
      u(2, 20, 0),
      facts,
      u(2, extra.length),
      Buffer.from(file),
      extra,
      packed,
    ]);
    table.push(
      Buffer.concat([u(4, 0x02014b50), u(2, 20, 20, 0), facts, u(2, 0, 0, 0, 0), u(4, 0, offset), Buffer.from(file)]),
    );
    bodies.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(table);
  return Buffer.concat([
    ...bodies,
    central,
    u(4, 0x06054b50),
    u(2, 0, 0, all.length, all.length),
    u(4, central.length, offset),
    u(2, 0),
  ]);
}
