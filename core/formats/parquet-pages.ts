// Checks the pages of a Parquet column before they are unpacked: a damaged count would make a reader fill the memory.

import type { AsyncBuffer, ColumnChunk, FileMetaData, RowGroup } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getSchemaPath, isFlatColumn } from 'hyparquet/src/schema.js';
import { PARQUET_CODECS } from './parquet-codecs.ts';
import { TastemakerError } from '#core/errors.ts';

/** The error for a file that is not what it says. */
export const damaged = (file: string, why: string): TastemakerError =>
  new TastemakerError(
    'bad-file',
    `${file} is not a Parquet file that can be read: ${why.replace(/\.$/, '')}.`,
    'The file is damaged or of a kind that is not read: download it again, or write it anew (pandas.DataFrame.to_parquet).',
  );

const SLACK = 1024;

const ENCODINGS = [
  'PLAIN',
  'PLAIN_DICTIONARY',
  'RLE_DICTIONARY',
  'RLE',
  'DELTA_BINARY_PACKED',
  'DELTA_LENGTH_BYTE_ARRAY',
];

interface Page {
  bytes: Uint8Array;
  values: number;
  repetition: { at: number; length: number | null };
  definition: { length: number | null };
  encoding: string | undefined;
}

/** Reads a variable-length whole number (LEB128). */
function varint(bytes: Uint8Array, at: number): { value: number; next: number } | null {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return null;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, next: at + i + 1 };
  }
  return null;
}

/** Whether runs of `width` bits (RLE and bit-packed) from `at` make `count` values and not many more. */
function runsFit(bytes: Uint8Array, at: number, width: number, count: number): boolean {
  for (let seen = 0; seen < count;) {
    const header = varint(bytes, at);
    if (!header) return false;
    at = header.next;
    const length = Math.floor(header.value / 2);
    if (length === 0) return false;
    const isPacked = header.value % 2 === 1;
    seen += isPacked ? length * 8 : length;
    at += isPacked ? length * width : Math.ceil(width / 8);
    if (isPacked ? at > bytes.length + width : seen > count + 7 || at > bytes.length) return false;
  }
  return true;
}

const bitWidth = (level: number) => 32 - Math.clz32(level);
const u32 = (bytes: Uint8Array, at: number) =>
  at + 4 <= bytes.length ? new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0, true) : Infinity;

/**
 * Throws 'bad-file' unless every page of a column lies in its chunk, unpacks to what its size allows, and has as many
 * values as it can hold.
 */
export async function checkChunk(
  source: AsyncBuffer,
  metadata: FileMetaData,
  group: RowGroup,
  { meta_data: column }: ColumnChunk,
  file: string,
): Promise<void> {
  if (!column) throw damaged(file, 'a column has no description');
  const name = column.path_in_schema.join('.');
  const refuse = (why: string) => damaged(file, `the column "${name.slice(0, 80)}" ${why}`);
  const start = Number(column.dictionary_page_offset || column.data_page_offset);
  const length = Number(column.total_compressed_size);
  if (!(start >= 4 && length >= 0 && start + length <= source.byteLength))
    throw refuse(`would lie at bytes ${start} to ${start + length} of ${source.byteLength}`);
  const codec = PARQUET_CODECS[column.codec];
  if (!codec && column.codec !== 'UNCOMPRESSED')
    throw refuse(`is compressed with ${column.codec ?? 'an unknown method'}, which is not read here`);
  const largest = Number(column.total_uncompressed_size);
  const path = getSchemaPath(metadata.schema, column.path_in_schema);
  const levels = { repetition: getMaxRepetitionLevel(path), definition: getMaxDefinitionLevel(path) };
  const rows = Number(group.num_rows);
  const isFlat = isFlatColumn(path);
  const buffer = await source.slice(start, start + length);
  const reader = { view: new DataView(buffer), offset: 0 };
  let total = 0;
  while (reader.offset < length - 1) {
    const header = parquetHeader(reader);
    const packed = header.compressed_page_size;
    const unpacked = header.uncompressed_page_size;
    if (!(packed >= 0 && reader.offset + packed <= length))
      throw refuse(`has a page of ${packed} bytes where ${length - reader.offset} are left`);
    if (!(unpacked >= 0 && unpacked <= (codec ? Math.min(packed * codec.ratio + SLACK, largest) : packed)))
      throw refuse(`has a page of ${packed} bytes that would unpack to ${unpacked}`);
    const body = new Uint8Array(buffer, reader.offset, packed);
    reader.offset += packed;
    const page = pageOf(header, body, column.codec);
    if (page === null) {
      const values = header.dictionary_page_header?.num_values;
      if (values !== undefined && !(values >= 0 && values <= unpacked * 8))
        throw refuse(`has a dictionary of ${values} values in ${unpacked} bytes`);
      continue;
    }
    total += page.values;
    if (!(page.values >= 0 && (isFlat ? total <= rows : page.values <= rows + page.bytes.length * 4 + SLACK)))
      throw refuse(`has ${total} values for ${rows} rows`);
    let at = page.repetition.at;
    for (const [kind, given] of [
      ['repetition', page.repetition.length],
      ['definition', page.definition.length],
    ] as const) {
      if (levels[kind] === 0 || (kind === 'repetition' && path.length < 2)) continue;
      const size = given ?? u32(page.bytes, at);
      if (given === null) at += 4;
      if (
        at + size > page.bytes.length ||
        !runsFit(page.bytes.subarray(at, at + size), 0, bitWidth(levels[kind]), page.values)
      )
        throw refuse(`has ${kind} levels that do not fit its ${page.values} values`);
      at += size;
    }
    const { encoding = 'unknown' } = page;
    if (!ENCODINGS.includes(encoding)) throw refuse(`has the encoding ${encoding}, which is not read`);
    const isIndexed = encoding.endsWith('DICTIONARY');
    const isRuns = encoding === 'RLE';
    if (encoding.startsWith('DELTA') && page.values > 0 && !deltaFits(page.bytes, at))
      throw refuse('has differences in blocks that cannot be');
    if (!isIndexed && !isRuns) continue;
    // how many of the values are not null only the levels know: all of them at most
    const width = isRuns ? 1 : page.bytes[at];
    const from = isRuns ? at + 4 : at + 1;
    if (width === undefined || width > 32) throw refuse('has no width of its indexes');
    if (!runsAreBounded(page.bytes.subarray(from), width, page.values))
      throw refuse(`has indexes that do not fit its ${page.values} values`);
  }
}

/** Whether differences begin as they must: blocks of a multiple of 128 values, in some whole parts. */
function deltaFits(bytes: Uint8Array, at: number): boolean {
  const block = varint(bytes, at);
  const parts = block && varint(bytes, block.next);
  return (
    !!block &&
    !!parts &&
    block.value > 0 &&
    block.value % 128 === 0 &&
    block.value <= 65_536 &&
    parts.value > 0 &&
    block.value % parts.value === 0
  );
}

/** Whether no run of values is longer than `count`, as far as there are runs. */
function runsAreBounded(bytes: Uint8Array, width: number, count: number): boolean {
  for (let seen = 0, at = 0; seen < count && at < bytes.length;) {
    const header = varint(bytes, at);
    if (!header) return true;
    const length = Math.floor(header.value / 2);
    const isPacked = header.value % 2 === 1;
    at = header.next + (isPacked ? length * width : Math.ceil(width / 8));
    seen += isPacked ? length * 8 : length;
    if (length === 0) return true;
    if (isPacked ? at > bytes.length + width : length > count + 7) return false;
  }
  return true;
}

/** A data page unpacked, with where its levels lie; null for a dictionary. */
function pageOf(header: ReturnType<typeof parquetHeader>, body: Uint8Array, codec: string): Page | null {
  const unpack = (bytes: Uint8Array, size: number) => PARQUET_CODECS[codec]?.unpack(bytes, size) ?? bytes;
  const one = header.data_page_header;
  const two = header.data_page_header_v2;
  if (one && header.type === 'DATA_PAGE')
    return {
      bytes: unpack(body, header.uncompressed_page_size),
      values: one.num_values,
      repetition: { at: 0, length: null },
      definition: { length: null },
      encoding: one.encoding,
    };
  if (!two || header.type !== 'DATA_PAGE_V2') return null;
  const levels = two.repetition_levels_byte_length + two.definition_levels_byte_length;
  if (
    !(
      two.repetition_levels_byte_length >= 0 &&
      two.definition_levels_byte_length >= 0 &&
      levels <= body.length &&
      levels <= header.uncompressed_page_size
    )
  )
    throw new Error('a page has levels longer than itself');
  if (!(two.num_nulls >= 0 && two.num_nulls <= two.num_values))
    throw new Error(`a page has ${two.num_nulls} nulls among ${two.num_values} values`);
  const rest = body.subarray(levels);
  const values = two.is_compressed === false ? rest : unpack(rest, header.uncompressed_page_size - levels);
  const bytes = new Uint8Array(levels + values.length);
  bytes.set(body.subarray(0, levels));
  bytes.set(values, levels);
  return {
    bytes,
    values: two.num_values,
    repetition: { at: 0, length: two.repetition_levels_byte_length },
    definition: { length: two.definition_levels_byte_length },
    encoding: two.encoding,
  };
}
