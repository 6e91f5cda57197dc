// What a file that is written for a person may not take the place of: databases, and anything that is no file at all.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { openRegular } from '#core/regular-file.ts';

/** How a database of SQLite, its log (either byte order) and its journal begin. */
const DATABASES: readonly (readonly number[])[] = [
  [...Buffer.from('SQLite format 3\0')],
  [0x37, 0x7f, 0x06, 0x82],
  [0x37, 0x7f, 0x06, 0x83],
  [0xd9, 0xd5, 0x05, 0xf9],
];
const START = 16;

/** Where a file would really lie: links in what is there of its path are followed. */
export function realPlace(file: string): string {
  const rest: string[] = [];
  for (let at = path.resolve(file); ; at = path.dirname(at)) {
    try {
      return path.join(fs.realpathSync(at), ...rest);
    } catch {
      if (at === path.dirname(at)) return path.resolve(file);
      rest.unshift(path.basename(at));
    }
  }
}

/**
 * 'bad-argument' where the file would take the place of a database, 'bad-file' where a folder, pipe or device is there.
 */
export function refuseOverwriting(file: string): void {
  if (!fs.statSync(file, { throwIfNoEntry: false })) return;
  const { fd } = openRegular(file);
  const start = Buffer.alloc(START);
  try {
    fs.readSync(fd, start, 0, START, 0);
  } finally {
    fs.closeSync(fd);
  }
  if (DATABASES.some((bytes) => bytes.every((byte, i) => start[i] === byte)))
    throw new TastemakerError(
      'bad-argument',
      `${file} is a database: nothing is written over it.`,
      'Choose another name.',
    );
}
