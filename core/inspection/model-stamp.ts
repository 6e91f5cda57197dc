// Which files a model is made of, and how they are now: two stamps are the same only where nothing was written between.

import fs from 'node:fs';
import path from 'node:path';
import { adapterBase, isAdapterFolder } from '#core/formats/adapter-base.ts';

/** Size, times and place on the disk: a file that was replaced, or written in place, differs in one of them. */
function fileStamp(file: string): string {
  const { size, mtimeNs, ctimeNs, ino } = fs.statSync(file, { bigint: true });
  return `${path.basename(file)} ${size} ${mtimeNs} ${ctimeNs} ${ino}`;
}

/**
 * The stamp of a model folder or GGUF file, an adapter's base included. Of a place where nothing can be read it is of
 * that: whoever loads the model says what is missing.
 */
export function modelStamp(place: string): string {
  try {
    if (!fs.statSync(place).isDirectory()) return fileStamp(place);
    const own = fs
      .readdirSync(place, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map(({ name }) => fileStamp(path.join(place, name)))
      .toSorted();
    return [...own, ...(isAdapterFolder(place) ? [modelStamp(adapterBase(place))] : [])].join('\n');
  } catch (error) {
    return `unreadable: ${String(error)}`;
  }
}
