// Opens what lies in a project's folder without following a link: the folder may come from somebody else.
//
// A link there could lead to any file of this person, to be read into the project, or to be written to in its name. So
// whoever opens a file that the program itself keeps in a project (of a run, the lock, a backup) does it here.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { readRegularText } from '#core/regular-file.ts';

const { O_WRONLY, O_RDWR, O_CREAT, O_APPEND } = fs.constants;
/**
 * Windows has neither: there a look before the opening has to do. (O_NONBLOCK: a pipe in the place of a file holds
 * nobody up.)
 */
const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = fs.constants as Partial<typeof fs.constants>;
const FLAGS = {
  append: O_WRONLY | O_APPEND | O_CREAT,
  'read and append': O_RDWR | O_APPEND | O_CREAT,
  lock: O_RDWR | O_APPEND | O_CREAT,
} as const;

const TEXT_LIMIT = 64e6; // bytes; the largest manifest has some thousand

const isALink = (place: string) =>
  new TastemakerError(
    'bad-file',
    `${place} is a link, and inside a project no link is followed.`,
    'Put the file or folder itself in its place.',
  );
const isNoFile = (place: string) =>
  new TastemakerError('bad-file', `${place} is not a file.`, 'Remove it: a file of the project belongs in its place.');

/**
 * 'bad-file' for a file that has another name besides (a hard link): that may be any file of this person, and would be
 * written to as well.
 */
export function refuseShared(file: string, stat: fs.Stats | undefined): void {
  if (stat?.isFile() && stat.nlink > 1)
    throw new TastemakerError(
      'bad-file',
      `${file} is one file with another one elsewhere (a hard link), and would be written to under both names.`,
      'Copy the project to another folder, so that its files are its own, and open the copy.',
    );
}

/** Whether a link stands at this place (on Windows also a junction); nothing at all may be there. */
export const isLink = (place: string): boolean =>
  fs.lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;

/** 'bad-file' where one does. */
export function refuseLink(place: string): void {
  if (isLink(place)) throw isALink(place);
}

/** `names` below `root`, none of which is a link; what is not there yet may be made. */
export function unlinkedPath(root: string, ...names: readonly string[]): string {
  return names.reduce((at, name) => {
    const place = path.join(at, name);
    refuseLink(place);
    return place;
  }, root);
}

/**
 * Makes the folders `names` below `root`, which must be there: a project that was moved leaves no ghost in its old
 * place. Returns the last.
 */
export function makeFolders(root: string, ...names: readonly string[]): string {
  return names.reduce((at, name) => {
    const place = path.join(at, name);
    try {
      fs.mkdirSync(place);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    return place;
  }, root);
}

/** The same for the folder of a run: `project/runs/id`. */
export const makeRunFolder = (runFolder: string): string =>
  makeFolders(path.dirname(path.dirname(runFolder)), path.basename(path.dirname(runFolder)), path.basename(runFolder));

/** 'bad-file' naming the first link in a folder or in one inside it; there may be no such folder yet. */
export function refuseLinksIn(folder: string): void {
  refuseLink(folder);
  if (!fs.existsSync(folder)) return;
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const place = path.join(folder, entry.name);
    if (entry.isSymbolicLink()) throw isALink(place);
    if (entry.isDirectory()) refuseLinksIn(place);
  }
}

/**
 * A descriptor of the regular file at this place, which may be new; 'bad-file' for a link or what is no file. To read
 * one: openRegular.
 */
export function openUnlinked(file: string, how: keyof typeof FLAGS): number {
  if (!O_NOFOLLOW) refuseLink(file);
  let fd: number;
  try {
    fd = fs.openSync(file, FLAGS[how] | O_NOFOLLOW | O_NONBLOCK, 0o666);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP' || code === 'EMLINK') throw isALink(file); // EMLINK: as FreeBSD says it
    if (code === 'ENXIO') throw isNoFile(file); // a pipe that nobody reads
    throw error;
  }
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) throw isNoFile(file);
    if (how !== 'lock') refuseShared(file, stat); // a lock is put in its place by such a link
    return fd;
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/**
 * A small file as text; null where there is no such file or it cannot be read: it says nothing then, such as a
 * heartbeat.
 */
export function textUnlinked(file: string): string | null {
  try {
    return readRegularText(file, TEXT_LIMIT, { follow: false });
  } catch {
    return null;
  }
}

export function appendUnlinked(file: string, text: string): void {
  const fd = openUnlinked(file, 'append');
  try {
    fs.writeFileSync(fd, text);
  } finally {
    fs.closeSync(fd);
  }
}

/** Writes a small file so that it is whole or as it was. `mode` of a file that others may not read. */
export function replaceUnlinked(file: string, text: string | Uint8Array, mode = 0o666): void {
  refuseLink(file);
  const partial = `${file}.writing-${process.pid}`; // a name that is swept where a run is taken up again
  fs.rmSync(partial, { force: true });
  try {
    fs.writeFileSync(partial, text, { flag: 'wx', mode }); // it must be new: at a link it fails
    fs.renameSync(partial, file);
  } catch (error) {
    fs.rmSync(partial, { force: true });
    throw error;
  }
}
