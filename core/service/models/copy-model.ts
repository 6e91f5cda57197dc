// Copies of model folders, made without holding up the service: whole or not at all.

import fs from 'node:fs/promises';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { asFileError } from '#core/formats/file-access.ts';

/** What other programs keep beside a model and no one here reads: other formats of the same weights, version control. */
const LEFT_OUT = /^\.|\.(bin|gguf|h5|msgpack|ot|onnx|pt|pth)$/i;

/** A name as a folder may be called. */
export const folderName = (name: string): string => name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[.-]+/, '') || 'model';

const exists = (file: string) => fs.access(file).then(() => true, () => false);

/** Copies the files of a model folder (not the folders in it) to `into`, which must not exist; `finish` may add to the copy before it gets its name. */
export async function copyModel(from: string, into: string, finish: (copy: string) => Promise<void> = async () => {}): Promise<void> {
  if (await exists(into)) throw new TastemakerError('bad-argument', `${into} already exists.`, 'Choose another name or place; nothing is overwritten.');
  const temporary = `${into}.writing-${process.pid}`;
  try {
    await fs.rm(temporary, { recursive: true, force: true });
    await fs.mkdir(temporary, { recursive: true });
    for (const name of (await fs.readdir(from)).filter((one) => !LEFT_OUT.test(one))) {
      const file = path.join(from, name);
      if ((await fs.stat(file)).isFile()) await fs.copyFile(file, path.join(temporary, name)); // through links: the hub's own store is made of them
    }
    await finish(temporary);
    for (const name of await fs.readdir(temporary)) {
      const handle = await fs.open(path.join(temporary, name), 'r+');
      await handle.sync().finally(() => handle.close());
    }
    await fs.rename(temporary, into);
  } catch (error) {
    await fs.rm(temporary, { recursive: true, force: true });
    throw error instanceof Error && 'syscall' in error ? asFileError(error, into) : error;
  }
}

/** `folder/name`, or the first of name-2, name-3, … that is free. */
export async function freePlace(folder: string, name: string): Promise<string> {
  for (let n = 1; ; n++) {
    const place = path.join(folder, n === 1 ? name : `${name}-${n}`);
    if (!(await exists(place))) return place;
  }
}
