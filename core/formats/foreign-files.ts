// Files that are something else than rows or text, recognised by their first bytes, with what to do about each.

import { TastemakerError } from '#core/errors.ts';

interface Kind {
  /** what it is, after the file's name */
  is: string;
  /** how to make rows or text of it */
  hint: string;
}

const TEXT = 'Save it as UTF-8 text (JSON lines, CSV or plain lines) first.';
const UNPACK = 'Unpack it first, and name the file inside.';
const WEIGHTS = 'It holds weights, not rows: add it as a model.';
const inPython = (code: string) => `Write its rows as JSON lines, in Python: ${code}.`;
const latin = (text: string) => Array.from(text, (character) => character.charCodeAt(0));

/** By the bytes that a file of each kind begins with. */
const SIGNATURES: readonly [start: readonly number[], kind: Kind][] = [
  [[0xff, 0xfe], { is: 'is UTF-16 text, not UTF-8', hint: TEXT }],
  [[0xfe, 0xff], { is: 'is UTF-16 text, not UTF-8', hint: TEXT }],
  [[0x1f, 0x8b], { is: 'is compressed with gzip', hint: 'Unpack it with gunzip first.' }],
  [[0x28, 0xb5, 0x2f, 0xfd], { is: 'is compressed with Zstandard', hint: 'Unpack it with zstd -d first.' }],
  [[...latin('BZh')], { is: 'is compressed with bzip2', hint: 'Unpack it with bunzip2 first.' }],
  [[0xfd, ...latin('7zXZ')], { is: 'is compressed with xz', hint: 'Unpack it with unxz first.' }],
  [[...latin('7z'), 0xbc, 0xaf], { is: 'is a 7z archive', hint: UNPACK }],
  [
    [...latin('PK'), 3, 4],
    {
      is: 'is a zip archive (or a spreadsheet, or a file of torch.save)',
      hint: 'Unpack an archive and name the file inside; save a spreadsheet as CSV.',
    },
  ],
  [
    [...latin('PAR1')],
    { is: 'is a Parquet file', hint: inPython("pandas.read_parquet(FILE).to_json(OUT, orient='records', lines=True)") },
  ],
  [[...latin('ARROW1')], { is: 'is an Arrow file', hint: inPython('datasets.Dataset.from_file(FILE).to_json(OUT)') }],
  [
    [0xff, 0xff, 0xff, 0xff],
    {
      is: 'is an Arrow stream, as datasets keeps on the disk',
      hint: inPython('datasets.Dataset.from_file(FILE).to_json(OUT)'),
    },
  ],
  ...[2, 3, 4, 5].map((version): [number[], Kind] => [
    [0x80, version],
    { is: 'is a Python pickle', hint: inPython("pandas.read_pickle(FILE).to_json(OUT, orient='records', lines=True)") },
  ]),
  [[0x93, ...latin('NUMPY')], { is: 'is a NumPy array', hint: inPython('json.dumps of each row') }],
  [
    [0x89, ...latin('HDF')],
    { is: 'is an HDF5 file', hint: inPython("pandas.read_hdf(FILE).to_json(OUT, orient='records', lines=True)") },
  ],
  [[...latin('Obj'), 1], { is: 'is an Avro file', hint: 'Write its rows as JSON lines first.' }],
  [
    [...latin('ORC')],
    { is: 'is an ORC file', hint: inPython("pandas.read_orc(FILE).to_json(OUT, orient='records', lines=True)") },
  ],
  [
    [...latin('SQLite format 3')],
    { is: 'is an SQLite database', hint: 'Name a file of rows; a project is opened, not imported.' },
  ],
  [[...latin('GGUF')], { is: 'is a GGUF model', hint: WEIGHTS }],
  [[0x89, ...latin('PNG')], { is: 'is a PNG picture', hint: 'Name a file of rows or text.' }],
  [[0xff, 0xd8, 0xff], { is: 'is a JPEG picture', hint: 'Name a file of rows or text.' }],
  [[...latin('GIF8')], { is: 'is a GIF picture', hint: 'Name a file of rows or text.' }],
  [[...latin('RIFF')], { is: 'is a picture, sound or film (RIFF)', hint: 'Name a file of rows or text.' }],
  [[...latin('%PDF')], { is: 'is a PDF', hint: 'Save its text as a .txt file first.' }],
  [[0xd0, 0xcf, 0x11, 0xe0], { is: 'is an old Office document', hint: 'Save the table as CSV first.' }],
  [[...latin('{\\rtf')], { is: 'is RTF text', hint: TEXT }],
  [
    [...latin('version https://git-lfs')],
    {
      is: 'is a Git LFS pointer: the file itself was never downloaded',
      hint: 'Run `git lfs pull` in the folder that it was cloned into, or download the file anew.',
    },
  ],
];

/** A safetensors file begins with the length of its header (8 bytes, little-endian), which is JSON. */
function isSafetensors(start: Uint8Array): boolean {
  if (start.length < 10 || start[8] !== 0x7b) return false;
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  return length > 1n && length < 100_000_000n && start.subarray(0, 8).includes(0);
}

const LOOKED_AT = 4096;

/** What a file is whose first bytes are no UTF-8 text; null where they may be. */
function kindOf(start: Uint8Array): Kind | null {
  const found = SIGNATURES.find(([bytes]) => bytes.every((byte, i) => start[i] === byte));
  if (found) return found[1];
  if (isSafetensors(start)) return { is: 'is a safetensors file', hint: WEIGHTS };
  const looked = start.subarray(0, LOOKED_AT);
  const at = looked.indexOf(0);
  if (at < 0) return null;
  const odd = looked.filter((byte, i) => byte === 0 && i % 2 === 1).length;
  const even = looked.filter((byte, i) => byte === 0 && i % 2 === 0).length;
  // one half of each character is 0 in most of what people write
  if (looked.length >= 8 && Math.max(odd, even) > looked.length / 4 && Math.min(odd, even) < looked.length / 16)
    return { is: 'is UTF-16 text, not UTF-8', hint: TEXT };
  return { is: `is no text: its byte ${at} is 0`, hint: 'Name a file of rows or text.' };
}

/** Throws 'bad-file' where the first bytes show that a file is not the UTF-8 text we expect. */
export function refuseForeignText(start: Uint8Array, file: string): void {
  const kind = kindOf(start);
  if (kind) throw new TastemakerError('bad-file', `${file} ${kind.is}.`, kind.hint);
}

/**
 * Throws 'bad-file' where what should be rows is a page of the web, as a download that went to the wrong address is.
 */
export function refuseWebPage(start: string, file: string): void {
  if (/^\s*(?:<!doctype html|<html)\b/i.test(start))
    throw new TastemakerError(
      'bad-file',
      `${file} is a web page (HTML), not rows.`,
      'Download the file itself: its raw address (on the Hugging Face hub with “resolve” in place of “blob”).',
    );
  if (/^\s*<\?xml\b/i.test(start))
    throw new TastemakerError('bad-file', `${file} is XML, not rows.`, 'Write its rows as JSON lines or CSV first.');
}
