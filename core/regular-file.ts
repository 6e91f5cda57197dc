// Opens files that others made: regular files only, never waiting for a pipe or a device, and with a limit to what is
// read whole.
//
// Whatever lies where a file is expected may be a named pipe (opening waits for ever), a device without end, a socket
// or a
// folder. So nothing is read before the opened file itself has said what it is; whoever reads other people's files goes
// through here (tests/architecture.ts).

import fs from 'node:fs';
import { TastemakerError } from '#core/errors.ts';

/** A pipe then opens at once, and is refused; Windows has neither. */
const WITHOUT_WAITING = fs.constants.O_NONBLOCK ?? 0;
const NOT_LINKS = fs.constants.O_NOFOLLOW ?? 0;
const PIECE = 1 << 26; // one system call moves at most 64 MiB: far below the 2 GiB that Node refuses

/** What there is that is no file, by the question that its stat answers. */
const OTHERS: readonly [is: (stat: fs.Stats) => boolean, what: string][] = [
  [(stat) => stat.isDirectory(), 'a folder'],
  [(stat) => stat.isFIFO(), 'a named pipe'],
  [(stat) => stat.isSocket(), 'a socket'],
  [(stat) => stat.isCharacterDevice() || stat.isBlockDevice(), 'a device'],
];

const refusal = (file: string, what: string): TastemakerError =>
  new TastemakerError(
    'bad-file',
    `${file} is not a file but ${what}.`,
    'Name the file itself, not a folder, a pipe or a device.',
  );

/** Throws 'bad-file' saying what it is where a stat is not that of a regular file. */
export function refuseOthers(stat: fs.Stats, file: string): void {
  if (!stat.isFile()) throw refusal(file, OTHERS.find(([is]) => is(stat))?.[1] ?? 'something else');
}

/**
 * Opens a regular file for reading and returns its descriptor and size in bytes; whoever asked closes it. `follow`:
 * false
 * refuses a link. 'bad-file' for what is no regular file; the system's own errors (there is none, no permission) pass.
 */
export function openRegular(file: string, { follow = true }: { follow?: boolean } = {}): { fd: number; size: number } {
  if (!follow && !NOT_LINKS && fs.lstatSync(file).isSymbolicLink()) throw refusal(file, 'a link');
  let fd: number;
  try {
    fd = fs.openSync(file, fs.constants.O_RDONLY | WITHOUT_WAITING | (follow ? 0 : NOT_LINKS));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // what cannot even be opened
    if (code === 'ENXIO' || code === 'ENODEV') throw refusal(file, 'a socket or a device');
    if ((code === 'ELOOP' || code === 'EMLINK') && !follow) throw refusal(file, 'a link');
    throw error;
  }
  try {
    const stat = fs.fstatSync(fd);
    refuseOthers(stat, file);
    return { fd, size: stat.size };
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/**
 * A whole file of at most `limit` bytes; 'bad-file' for a larger one. It may grow meanwhile: what is read is what it
 * held at first.
 */
export function readRegular(file: string, limit: number, how: { follow?: boolean } = {}): Buffer {
  const { fd, size } = openRegular(file, how);
  try {
    if (size > limit)
      throw new TastemakerError(
        'bad-file',
        `${file} is ${size} bytes long; the limit for such a file is ${limit}.`,
        'It is not what its name says, or it is damaged.',
      );
    const bytes = Buffer.alloc(size);
    let done = 0;
    for (let got = -1; done < size && got !== 0; done += got)
      got = fs.readSync(fd, bytes, done, Math.min(PIECE, size - done), done);
    return bytes.subarray(0, done);
  } finally {
    fs.closeSync(fd);
  }
}

/** The same as text. */
export const readRegularText = (file: string, limit: number, how: { follow?: boolean } = {}): string =>
  readRegular(file, limit, how).toString('utf8');
