// Copies of models, made without holding up the service: whole or not at all.

import fs from 'node:fs/promises';
import path from 'node:path';
import { ADAPTER_CONFIG, adapterBase, isAdapterFolder, RELATIVE_BASE } from '#core/formats/adapter-base.ts';
import { isGguf } from '#core/formats/gguf.ts';
import { readJsonObject } from '#core/formats/json-file.ts';
import { leadsOutside, refuseOutside } from '#core/formats/model-links.ts';
import { wholeFolder } from './whole-folder.ts';

/**
 * What other programs keep beside a model and no one here reads: other formats of the same weights, version control.
 */
const LEFT_OUT = /^\.|\.(bin|gguf|h5|msgpack|ot|onnx|pt|pth)$/i;
/** Without one of these it is another model, or none. */
const NEEDED = /\.(gguf|jinja|json|safetensors)$|^merges\.txt$/i;

/** A name as a folder may be called. */
export const folderName = (name: string): string =>
  name.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[.-]+/, '') || 'model';

const exists = (file: string) =>
  fs.access(file).then(
    () => true,
    () => false,
  );

/**
 * Copies the files of a model folder (not the folders in it, nor what a link outside of it leads to), or a GGUF file,
 * into the folder `into`, which must not exist;
 * `finish` may add to the copy before it gets its name. Returns where the model now is: the folder, or the file in it.
 */
export async function copyModel(
  from: string,
  into: string,
  finish: (copy: string) => Promise<void> = async () => {},
): Promise<string> {
  await wholeFolder(into, async (copy) => {
    for (const name of isGguf(from)
      ? [path.basename(from)]
      : (await fs.readdir(from)).filter((one) => !LEFT_OUT.test(one))) {
      const file = isGguf(from) ? from : path.join(from, name);
      if (!(await fs.stat(file)).isFile()) continue;
      if (NEEDED.test(name)) refuseOutside(file);
      // through links: the hub's own store is made of them
      if (!leadsOutside(file)) await fs.copyFile(file, path.join(copy, name));
    }
    await finish(copy);
  });
  return isGguf(from) ? path.join(into, path.basename(from)) : into;
}

/**
 * An adapter finds its base by its place beside it or by name: in a copy that will be at `home` it is written down
 * where the base of `from` lies.
 */
export async function keepBase(from: string, copy: string, home: string): Promise<void> {
  if (isGguf(from) || !isAdapterFolder(from)) return;
  const file = path.join(copy, ADAPTER_CONFIG);
  await fs.writeFile(
    file,
    `${JSON.stringify({ ...readJsonObject(file), [RELATIVE_BASE]: path.relative(home, adapterBase(from)) }, null, 2)}\n`,
  );
}

/** `folder/name`, or the first of name-2, name-3, … that is free. */
export async function freePlace(folder: string, name: string): Promise<string> {
  for (let n = 1; ; n++) {
    const place = path.join(folder, n === 1 ? name : `${name}-${n}`);
    if (!(await exists(place))) return place;
  }
}
