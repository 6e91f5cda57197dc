// Where the files of a model's folder may lie: in it, or where the Hugging Face hub's cache keeps what its folders link
// to.
//
// A link in a model that somebody handed over can lead to any file of the person's: what it leads to would be published
// with the next copy or export. So links that leave the folder are followed for nothing that is passed on.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';

const isInside = (folder: string, place: string): boolean => {
  const within = path.relative(folder, place);
  return within !== '' && within.split(path.sep)[0] !== '..' && !path.isAbsolute(within);
};

/**
 * The folder models--name of the hub's cache that a folder lies in as one of its snapshots; null for any other folder.
 */
function hubRepository(folder: string): string | null {
  const parts = folder.split(path.sep);
  const at = parts.lastIndexOf('snapshots');
  return at > 0 && parts[at - 1]!.startsWith('models--') && parts.length > at + 1
    ? parts.slice(0, at).join(path.sep)
    : null;
}

/**
 * Whether a file is a link (or a link to a link) to somewhere outside its model's folder. One that leads nowhere does.
 */
export function leadsOutside(file: string): boolean {
  try {
    const folder = fs.realpathSync(path.dirname(file));
    const target = fs.realpathSync(file);
    const repository = hubRepository(folder);
    return !isInside(folder, target) && !(repository !== null && isInside(path.join(repository, 'blobs'), target));
  } catch {
    return true;
  }
}

/**
 * 'bad-file' for a part of a model that is a link to somewhere else: it is not passed on, and a model without it is
 * none.
 */
export function refuseOutside(file: string): void {
  if (leadsOutside(file))
    throw new TastemakerError(
      'bad-file',
      `${file} is a link to a file outside its model's folder.`,
      "Put the file itself there if it belongs to the model; links inside the folder and the Hugging Face hub's own are followed.",
    );
}
