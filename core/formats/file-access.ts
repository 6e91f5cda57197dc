// Opening, reading and replacing files, with the operating system's errors turned into sentences.
import { isUtf8 } from 'node:buffer';
import fs from 'node:fs';
import path from 'node:path';
import { refuseForeignText } from './foreign-files.ts';
import { refuseOverwriting } from './output-place.ts';
import { TastemakerError } from '#core/errors.ts';
import { openRegular, readRegular } from '#core/regular-file.ts';

const PIECE = 1 << 26; // one system call moves at most 64 MiB: far below the 2 GiB that Node refuses

const openErrors: Record<string, [what: string, hint: string]> = {
  ENOENT: ['does not exist', 'Check the path.'],
  ENOTDIR: ['does not exist', 'Check the path: a part of it is a file, not a folder.'],
  EACCES: ['may not be opened', 'Check the permissions of the file and of its folder.'],
  EPERM: ['may not be opened', 'Check the permissions of the file and of its folder.'],
  EISDIR: ['is a folder, not a file', 'Name the file itself.'],
  EMFILE: ['cannot be opened: too many files are open', 'Close other programs, or raise the limit of open files.'],
};
const diskErrors: Record<string, [what: string, hint: string]> = {
  ENOSPC: ['the disk is full', 'Free some space and try again; the old file, if there was one, is untouched.'],
  EDQUOT: [
    'your disk quota is used up',
    'Free some space and try again; the old file, if there was one, is untouched.',
  ],
  EROFS: ['the disk is read-only', 'Choose a folder on a disk that can be written to.'],
  EIO: ['the disk reported an error', 'Check the disk.'],
};

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** Turns what `fs` threw while `file` was read or written into a TastemakerError; passes one through as it is. */
export function asFileError(error: unknown, file: string): TastemakerError {
  if (error instanceof TastemakerError) return error;
  const code = codeOf(error);
  const disk = diskErrors[code];
  if (disk) return new TastemakerError('disk', `${file} could not be read or written: ${disk[0]}.`, disk[1]);
  const [what, hint] = openErrors[code] ?? [
    `could not be read or written (${code || String(error)})`,
    'Check the path and the disk.',
  ];
  return new TastemakerError('bad-file', `${file} ${what}.`, hint);
}

const opened = (file: string): { fd: number; size: number } => {
  try {
    return openRegular(file);
  } catch (error) {
    throw asFileError(error, file);
  }
};
const explained = (error: unknown, file: string): unknown =>
  error instanceof Error && 'syscall' in error ? asFileError(error, file) : error;

/**
 * Opens a regular file for reading, hands its descriptor and size in bytes to `use`, and closes it whatever happens.
 */
export function withFile<T>(file: string, use: (fd: number, size: number) => T): T {
  const { fd, size } = opened(file);
  try {
    return use(fd, size);
  } catch (error) {
    throw explained(error, file);
  } finally {
    fs.closeSync(fd);
  }
}

/** The same for work that waits: the file is closed when it is done. */
export async function withFileOpen<T>(file: string, use: (fd: number, size: number) => Promise<T>): Promise<T> {
  const { fd, size } = opened(file);
  try {
    return await use(fd, size);
  } catch (error) {
    throw explained(error, file);
  } finally {
    fs.closeSync(fd);
  }
}

/** The first bytes of a file, fewer where it is shorter. */
export const readStart = (file: string, bytes: number): Buffer =>
  withFile(file, (fd, size) => {
    const start = Buffer.alloc(Math.min(size, bytes));
    readFully(fd, start, 0, file);
    return start;
  });

/**
 * A whole file of a person's as it is, at most `limit` bytes of it; 'bad-file' for a larger one and for what is no
 * file.
 */
export function readBytes(file: string, limit: number): Buffer {
  try {
    return readRegular(file, limit);
  } catch (error) {
    throw asFileError(error, file);
  }
}

/** Fills `bytes` from `position`, or throws 'bad-file' where the file ends before. */
export function readFully(fd: number, bytes: Uint8Array, position: number, file: string): void {
  for (let done = 0; done < bytes.length;) {
    const got = fs.readSync(fd, bytes, done, Math.min(PIECE, bytes.length - done), position + done);
    if (got === 0)
      throw new TastemakerError(
        'bad-file',
        `${file} ends at byte ${position + done}, before byte ${position + bytes.length}.`,
        'The file was cut short: copy or download it again.',
      );
    done += got;
  }
}

const TEXT_LIMIT = 500_000_000; // bytes; a little below the longest string Node can hold

/**
 * A whole UTF-8 file as text, without its byte order mark. Throws 'bad-file' naming the first line that is not UTF-8.
 */
export function readUtf8(file: string): string {
  const bytes = withFile(file, (fd, size) => {
    if (size > TEXT_LIMIT)
      throw new TastemakerError(
        'bad-file',
        `${file} is ${size} bytes long; the limit for text is ${TEXT_LIMIT}.`,
        'Split it, or give its rows as JSON lines, which are read one at a time.',
      );
    const bytes = new Uint8Array(size);
    readFully(fd, bytes, 0, file);
    return bytes;
  });
  refuseForeignText(bytes, file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // a line break is never part of a longer UTF-8 sequence, so lines can be judged one by one
    let line = 1;
    for (let start = 0; ; line++) {
      const end = bytes.indexOf(0x0a, start);
      if (!isUtf8(bytes.subarray(start, end < 0 ? bytes.length : end)) || end < 0) break;
      start = end + 1;
    }
    throw new TastemakerError(
      'bad-file',
      `Line ${line} of ${file} is not valid UTF-8 (it may be Latin-1 or Windows-1252).`,
      'Save the file as UTF-8.',
    );
  }
}

/** Writes all of `bytes` at the descriptor's own position. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += fs.writeSync(fd, bytes, done, Math.min(PIECE, bytes.length - done));
}

let written = 0; // makes temporary names of one process differ

/** Writes a file so that it is whole or absent: a temporary name in the same folder, fsync, rename. */
export function replaceFile(file: string, write: (fd: number) => void): void {
  const folder = path.dirname(path.resolve(file));
  try {
    refuseOverwriting(file);
  } catch (error) {
    throw asFileError(error, file);
  }
  const temporary = path.join(folder, `.${path.basename(file)}.${process.pid}-${written++}.tmp`);
  try {
    fs.rmSync(temporary, { force: true });
    const fd = fs.openSync(temporary, 'wx'); // never through a link of that name
    try {
      write(fd);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error instanceof Error && 'syscall' in error ? asFileError(error, file) : error;
  }
  try {
    // the new name itself must reach the disk; Windows cannot open a folder, and needs not
    const fd = fs.openSync(folder, 'r');
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    /* the file is whole either way */
  }
}
