// The ways in which Parquet pages are compressed, and what undoes each: Node's zlib, or a few lines of our own.

import zlib from 'node:zlib';
import { unpackHadoopLz4, unpackLz4 } from './lz4.ts';
import { unpackSnappy } from './snappy.ts';

/** Unpacks a page into exactly so many bytes, or throws an Error. */
type Unpack = (input: Uint8Array, length: number) => Uint8Array;
/**
 * `ratio`: a page of n bytes unpacks to no more than n times this; Infinity where only the size that the file names
 * limits it.
 */
interface Codec {
  unpack: Unpack;
  ratio: number;
}

/** zlib stops at the first byte too many; what it gives back is checked to be all of the page. */
const by =
  (undo: (input: Uint8Array, options: { maxOutputLength: number }) => Uint8Array): Unpack =>
  (input, length) => {
    if (length === 0) return new Uint8Array(0);
    let out: Uint8Array;
    try {
      out = undo(input, { maxOutputLength: length });
    } catch (error) {
      throw new Error(
        `compressed data cannot be unpacked (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`,
        { cause: error },
      );
    }
    if (out.length !== length) throw new Error(`compressed data unpacks to ${out.length} bytes instead of ${length}`);
    return out;
  };

/** By Parquet's own names. A Node without Zstandard (before 22.15) leaves that one out. */
export const PARQUET_CODECS: Readonly<Record<string, Codec>> = {
  SNAPPY: { unpack: unpackSnappy, ratio: 22 }, // its longest copy is 64 bytes from 3
  // RFC 1951: 258 bytes from 2 bits
  GZIP: { unpack: by((input, options) => zlib.unzipSync(input, options)), ratio: 1032 },
  BROTLI: { unpack: by((input, options) => zlib.brotliDecompressSync(input, options)), ratio: Infinity },
  ...(typeof zlib.zstdDecompressSync === 'function'
    ? { ZSTD: { unpack: by((input, options) => zlib.zstdDecompressSync(input, options)), ratio: Infinity } }
    : {}),
  LZ4_RAW: { unpack: unpackLz4, ratio: 255 }, // every further byte of a length stands for 255 at most
  LZ4: { unpack: unpackHadoopLz4, ratio: 255 },
};
