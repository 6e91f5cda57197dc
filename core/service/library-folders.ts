// Folders of CUDA libraries that this person named once: gpu.json beside the preferences, written whole or not at all.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';

const FILE = 'gpu.json';

/** None where nothing was named; a damaged file counts as none, and is replaced when a folder is named again. */
export function readLibraryFolders(home: string): string[] {
  try {
    const found: unknown = JSON.parse(fs.readFileSync(path.join(home, FILE), 'utf8'));
    const folders = (found as { libraryFolders?: unknown } | null)?.libraryFolders;
    return Array.isArray(folders) ? folders.filter((folder) => typeof folder === 'string') : [];
  } catch {
    return [];
  }
}

/** Replaces what was named before. 'bad-file' for one that is no folder, 'disk' where it cannot be written. */
export function rememberLibraryFolders(home: string, folders: readonly string[]): string[] {
  const whole = folders.map((folder) => path.resolve(folder));
  const stranger = whole.find((folder) => !fs.existsSync(folder) || !fs.statSync(folder).isDirectory());
  if (stranger !== undefined)
    throw new TastemakerError(
      'bad-file',
      `${stranger} is not a folder.`,
      'Name the folder that holds the CUDA libraries, a CUDA toolkit, or a Python environment that has them.',
    );
  const file = path.join(home, FILE);
  const partial = `${file}.${process.pid}`;
  try {
    fs.mkdirSync(home, { recursive: true });
    const handle = fs.openSync(partial, 'w', 0o600);
    try {
      fs.writeFileSync(handle, `${JSON.stringify({ libraryFolders: whole }, null, 2)}\n`);
      fs.fsyncSync(handle);
    } finally {
      fs.closeSync(handle);
    }
    fs.renameSync(partial, file);
  } catch (error) {
    fs.rmSync(partial, { force: true });
    throw new TastemakerError(
      'disk',
      `The folders of CUDA libraries could not be written to ${file} (${(error as NodeJS.ErrnoException).code}).`,
      'Allow writing to this folder, and see that the disk has space.',
    );
  }
  return whole;
}
