// Looks at project.db without SQLite: whether it is ours, whole and not from the future. Changes nothing.
// Layout of the first 100 bytes: sqlite.org/fileformat2.html §1.3.

import { closeSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { openRegular, refuseOthers } from '#core/regular-file.ts';
import { restoreHint } from './project.ts';
import { MIGRATIONS } from './migrations.ts';

/** "RLHF" in ASCII, at offset 68 of every project.db. */
export const APPLICATION_ID = 0x524c4846;

/** Size of a file in bytes, 0 where there is none. */
export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** 'newer-version' for a file of a later version of the program. */
export function refuseNewer(folder: string, version: number): void {
  if (version > MIGRATIONS.length)
    throw new TastemakerError(
      'newer-version',
      `${join(folder, 'project.db')} was written by a newer version of Tastemaker (file version ${version}, this one reads up to ${MIGRATIONS.length}).`,
      'Nothing was changed; open it with the newer version.',
    );
}

/** SQLite opens these without asking what they are, and would wait for a pipe for ever. */
function refusePipesBeside(file: string): void {
  for (const name of [`${file}-wal`, `${file}-shm`, `${file}-journal`]) {
    const stat = statSync(name, { throwIfNoEntry: false });
    if (stat) refuseOthers(stat, name);
  }
}

/**
 * The file version (user_version) in the header of `folder`/project.db.
 * 'bad-file' for a missing, damaged, truncated or foreign file, 'newer-version' for a later one.
 */
export function inspectHeader(folder: string): number {
  const file = join(folder, 'project.db');
  const refuse = (says: string, hint = restoreHint(folder)): never => {
    throw new TastemakerError('bad-file', `${file} ${says}.`, hint);
  };
  if (!statSync(file, { throwIfNoEntry: false })) {
    throw new TastemakerError(
      'bad-file',
      `There is no project at ${folder}: it holds no project.db.`,
      'Check the path, or make a new project.',
      '`tastemaker new` makes one.',
    );
  }
  refusePipesBeside(file);
  const header = Buffer.alloc(100);
  let size = 0;
  try {
    const opened = openRegular(file);
    size = opened.size;
    try {
      readSync(opened.fd, header, 0, 100, 0);
    } finally {
      closeSync(opened.fd);
    }
  } catch (error) {
    if (error instanceof TastemakerError) throw error;
    throw new TastemakerError(
      'disk',
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`,
      'Allow reading of the project folder.',
    );
  }
  if (size < 100) refuse(size === 0 ? 'is empty' : `is truncated: it has ${size} bytes`);
  if (header.toString('latin1', 0, 16) !== 'SQLite format 3\0')
    refuse('is damaged or not a project: it does not begin as a SQLite database');
  const applicationId = header.readUInt32BE(68);
  if (applicationId !== APPLICATION_ID)
    refuse(
      `is not a Tastemaker project but a database of another program (application id 0x${applicationId.toString(16)})`,
      'Nothing was changed; check the path.',
    );
  const version = header.readUInt32BE(60);
  refuseNewer(folder, version);
  const field = header.readUInt16BE(16);
  const pageSize = field === 1 ? 65536 : field;
  if (pageSize < 512 || (pageSize & (pageSize - 1)) !== 0)
    refuse(`is damaged: its header states a page size of ${pageSize}`);
  // With a log or journal beside it the main file may rightly be short; SQLite completes it.
  const pages = header.readUInt32BE(28);
  if (size < pages * pageSize && sizeOf(`${file}-wal`) === 0 && sizeOf(`${file}-journal`) === 0)
    refuse(`is truncated: it has ${size} bytes of ${pages * pageSize}`);
  if (version === 0) refuse('is damaged: its header states version 0');
  return version;
}
