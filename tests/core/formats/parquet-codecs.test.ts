// Parquet in every way of compression that pandas and datasets write: the same rows, and damaged pages refused in a
// sentence.

import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { expect, test } from 'vitest';
import { unpackHadoopLz4, unpackLz4 } from '#core/formats/lz4.ts';
import { readPreferences } from '#core/formats/preferences/read-preferences.ts';
import { readPrompts } from '#core/formats/prompts.ts';
import { temporaryFolder } from './folder.ts';

const rows = Array.from({ length: 40 }, (_, i) => ({
  prompt: `Why ${i}?`,
  chosen: ` yes${' yes'.repeat(i % 7)}`,
  rejected: ` no${' no'.repeat(i % 5)}`,
}));

/** A block of LZ4 that copies nothing: what any encoder may write. */
function literals(bytes: Uint8Array): Uint8Array {
  const more = bytes.length - 15;
  return Uint8Array.from(
    more < 0
      ? [bytes.length << 4, ...bytes]
      : [0xf0, ...Array<number>(Math.floor(more / 255)).fill(255), more % 255, ...bytes],
  );
}
function inFrame(bytes: Uint8Array): Uint8Array {
  const block = literals(bytes);
  const head = new DataView(new ArrayBuffer(8));
  head.setUint32(0, bytes.length);
  head.setUint32(4, block.length);
  return Uint8Array.from([...new Uint8Array(head.buffer), ...block]);
}
const COMPRESSORS = {
  ZSTD: (bytes: Uint8Array) => zlib.zstdCompressSync(bytes),
  GZIP: (bytes: Uint8Array) => zlib.gzipSync(bytes),
  BROTLI: (bytes: Uint8Array) => zlib.brotliCompressSync(bytes),
  LZ4_RAW: literals,
  LZ4: inFrame,
};
type Codec = keyof typeof COMPRESSORS | 'SNAPPY' | 'UNCOMPRESSED';

function parquet(codec: Codec): string {
  const file = path.join(temporaryFolder(), `${codec}.parquet`);
  const writer = Object.assign(new ByteWriter(), { flush: () => {} });
  const names = ['prompt', 'chosen', 'rejected'] as const;
  const schema = [
    { name: 'root', num_children: 3 },
    ...names.map((name) => ({
      name,
      type: 'BYTE_ARRAY' as const,
      converted_type: 'UTF8' as const,
      repetition_type: 'OPTIONAL' as const,
    })),
  ];
  const out = new ParquetWriter({ writer, schema, codec, compressors: COMPRESSORS });
  out.write({
    rowGroupSize: rows.length,
    columnData: names.map((name) => ({ name, data: rows.map((row) => row[name]) })),
  });
  out.finish();
  fs.writeFileSync(file, writer.getBytes());
  return file;
}

test.each(['ZSTD', 'GZIP', 'BROTLI', 'LZ4_RAW', 'LZ4', 'SNAPPY', 'UNCOMPRESSED'] as const)(
  '%s: every row, as preferences and as prompts',
  async (codec) => {
    const file = parquet(codec);
    const { rows: read, errors, format } = await readPreferences(file);
    expect([format, errors]).toEqual(['trl-explicit', []]);
    expect(read).toMatchObject(
      rows.map(({ prompt, chosen, rejected }) => ({
        prompt,
        answers: [{ text: chosen }, { text: rejected }],
        ranks: [1, 2],
      })),
    );
    expect((await readPrompts(file)).prompts.map(({ text }) => text)).toEqual(rows.map(({ prompt }) => prompt));
  },
);

test.each(['ZSTD', 'GZIP', 'BROTLI', 'LZ4_RAW', 'LZ4'] as const)(
  '%s: a damaged page is one sentence',
  async (codec) => {
    const file = parquet(codec);
    const bytes = fs.readFileSync(file);
    bytes.fill(0xa5, 60, 90); // within the first page
    fs.writeFileSync(file, bytes);
    await expect(readPreferences(file)).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringMatching(/is not a Parquet file that can be read: .*/),
    });
  },
);

/** 20 times "Why is it late? " and the bytes 0 to 39, packed by pyarrow.compress(…, codec='lz4_raw'). */
const BY_PYARROW = Buffer.from(
  '/wFXaHkgaXMgaXQgbGF0ZT8gEAD/HvAZAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJw==',
  'base64',
);
const PLAIN = Buffer.concat([
  Buffer.from('Why is it late? '.repeat(20)),
  Buffer.from(Array.from({ length: 40 }, (_, i) => i)),
]);

test('LZ4 as others pack it, alone and in Hadoop’s frames, and nothing beyond its length', () => {
  expect(Buffer.from(unpackLz4(BY_PYARROW, 360)).equals(PLAIN)).toBe(true);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(360);
  head.writeUInt32BE(BY_PYARROW.length, 4);
  expect(
    Buffer.from(unpackHadoopLz4(Buffer.concat([head, BY_PYARROW, head, BY_PYARROW]), 720)).equals(
      Buffer.concat([PLAIN, PLAIN]),
    ),
  ).toBe(true);
  expect(Buffer.from(unpackHadoopLz4(BY_PYARROW, 360)).equals(PLAIN)).toBe(true);
  for (const length of [0, 359, 361]) expect(() => unpackLz4(BY_PYARROW, length)).toThrow(/compressed data/);
  for (let end = 0; end < BY_PYARROW.length; end++)
    expect(() => unpackLz4(BY_PYARROW.subarray(0, end), 360)).toThrow(/compressed data/);
});
