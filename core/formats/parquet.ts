// Reading Parquet a row group at a time, after checking that its pages are no larger than they can be.

import fs from 'node:fs';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import type { AsyncBuffer, FileMetaData } from 'hyparquet';
import { refuseWide } from './csv.ts';
import { readFully, withFileOpen } from './file-access.ts';
import { PARQUET_CODECS } from './parquet-codecs.ts';
import { checkChunk, damaged } from './parquet-pages.ts';
import { TastemakerError } from '#core/errors.ts';
import { openRegular } from '#core/regular-file.ts';

const MAGIC = 'PAR1';
/** Rows beyond so many must cost bytes: a column of one value takes next to none. */
const FREE_ROWS = 100_000;
const GROUP_LIMIT = 512_000_000; // bytes of a row group, unpacked
/** A file may unpack to so many bytes, and to so many times its own: a value that stands once can be every row's. */
const FREE_BYTES = 64_000_000;
const MOST_TIMES = 1000;
/** Values of a row group that may cost next to nothing, and how many each byte of the file may stand for besides. */
const FREE_VALUES = 20_000_000;
const VALUES_A_BYTE = 20;
const FOOTER_LIMIT = 64_000_000;
const COMPRESSORS = Object.fromEntries(Object.entries(PARQUET_CODECS).map(([name, { unpack }]) => [name, unpack]));

/** Whether a file begins as Parquet does; a missing file is left to whoever reads it. */
export function isParquet(file: string): boolean {
  try {
    const { fd } = openRegular(file);
    const bytes = new Uint8Array(4);
    try {
      return fs.readSync(fd, bytes, 0, 4, 0) === 4 && Buffer.from(bytes).toString('latin1') === MAGIC;
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    return false;
  }
}

/** What JSON would have: whole numbers as numbers, times as text, bytes as text. */
function plain(value: unknown, depth = 0): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (ArrayBuffer.isView(value))
    return Array.from(value as unknown as ArrayLike<unknown>, (one) => plain(one, depth + 1));
  if (value === undefined) return null;
  if (typeof value !== 'object' || value === null) return value;
  if (depth > 32) return null;
  if (Array.isArray(value)) return value.map((one) => plain(one, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one, depth + 1)]));
}

const tooMuch = (file: string, bytes: number, size: number): TastemakerError =>
  new TastemakerError(
    'bad-file',
    `${file} would unpack to ${bytes.toLocaleString('en')} bytes, from ${size.toLocaleString('en')}.`,
    'A file of preferences does not do that: it is damaged, or made to fill the memory.',
  );

/** About how many bytes a row takes in memory. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  return Object.values(value).reduce((sum: number, part) => sum + sizeOf(part), 8);
}

/** The numbers of the footer that what follows relies on. */
function checkFooter(metadata: FileMetaData, size: number, file: string): void {
  const rows = metadata.row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
  if (!metadata.row_groups.every(({ num_rows: count }) => Number(count) >= 0) || rows !== Number(metadata.num_rows))
    throw damaged(file, `its row groups have ${rows} rows together, its footer says ${metadata.num_rows}`);
  if (rows > FREE_ROWS + size) throw damaged(file, `it has ${rows} rows in ${size} bytes`);
  const names = metadata.schema.filter(({ num_children: children }, i) => i > 0 && !children).length;
  refuseWide(file, names);
  const whole = metadata.row_groups
    .flatMap(({ columns }) => columns)
    .reduce((sum, { meta_data: column }) => sum + Number(column?.total_uncompressed_size ?? 0), 0);
  if (!(whole <= Math.max(FREE_BYTES, MOST_TIMES * size))) throw tooMuch(file, whole, size);
  for (const [i, group] of metadata.row_groups.entries()) {
    if (group.columns.length !== names)
      throw damaged(file, `row group ${i + 1} has ${group.columns.length} columns, the schema ${names}`);
    const values = names * Number(group.num_rows);
    if (values > FREE_VALUES + VALUES_A_BYTE * size)
      throw damaged(
        file,
        `row group ${i + 1} has ${values.toLocaleString('en')} values, in a file of ${size.toLocaleString('en')} bytes`,
      );
    const unpacked = group.columns.reduce(
      (sum, { meta_data: column }) => sum + Number(column?.total_uncompressed_size ?? 0),
      0,
    );
    if (unpacked > GROUP_LIMIT)
      throw new TastemakerError(
        'bad-file',
        `Row group ${i + 1} of ${file} is ${unpacked} bytes large; the limit is ${GROUP_LIMIT}.`,
        'Write it with smaller row groups (row_group_size in pyarrow).',
      );
  }
}

/**
 * Hands every row to `visit`, numbered from 1, until it returns false. 'bad-file' naming what is wrong with a damaged
 * file.
 */
export async function eachParquetRow(
  file: string,
  visit: (row: unknown, line: number) => boolean | void,
): Promise<void> {
  await withFileOpen(file, async (fd, size) => {
    const source: AsyncBuffer = {
      byteLength: size,
      slice: async (start, end = size) => {
        if (!(start >= 0 && start <= end && end <= size))
          throw damaged(file, `it names bytes ${start} to ${end} of ${size}`);
        const bytes = new Uint8Array(end - start);
        readFully(fd, bytes, start, file);
        return bytes.buffer;
      },
    };
    const understood = async <T>(part: string, work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        if (error instanceof TastemakerError) throw error;
        // a TypeError or RangeError is what a wrong number led to
        const isSentence = error instanceof Error && error.name === 'Error';
        throw damaged(
          file,
          isSentence ? `in ${part}, ${error.message.split('\n')[0]!.slice(0, 200)}` : `${part} is damaged`,
        );
      }
    };
    if (size < 12) throw damaged(file, 'it is too short');
    const tail = new DataView(await source.slice(size - 8));
    if (tail.getUint32(0, true) > Math.min(size - 12, FOOTER_LIMIT))
      throw damaged(file, `its footer would be ${tail.getUint32(0, true)} bytes long`);
    const metadata = await understood('its footer', () => parquetMetadataAsync(source, { geoparquet: false }));
    await understood('its footer', async () => checkFooter(metadata, size, file));
    let line = 1;
    let handed = 0;
    for (const [i, group] of metadata.row_groups.entries()) {
      const rows = await understood(`row group ${i + 1}`, async () => {
        for (const column of group.columns) await checkChunk(source, metadata, group, column, file);
        return parquetReadObjects({
          file: source,
          metadata: { ...metadata, num_rows: group.num_rows, row_groups: [group] },
          compressors: COMPRESSORS,
        });
      });
      for (const row of rows) {
        const made = plain(row);
        handed += sizeOf(made);
        if (handed > Math.max(FREE_BYTES, MOST_TIMES * size)) throw tooMuch(file, handed, size);
        if (visit(made, line++) === false) return;
      }
    }
  });
}
