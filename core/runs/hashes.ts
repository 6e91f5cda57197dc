// Hashes of what a run begins with: its models' weights and its rows.

import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { adapterBase, isAdapterFolder } from '#core/formats/adapter-base.ts';
import { withFile } from '#core/formats/file-access.ts';
import { isGguf } from '#core/formats/gguf.ts';

/**
 * Takes a file into a hash a piece at a time: one may be larger than a buffer can be. `without`: bytes at its end that
 * do not count.
 */
function hashFile(hash: Hash, file: string, without = 0): void {
  withFile(file, (fd, size) => {
    const piece = Buffer.alloc(1 << 22);
    for (let at = 0; at < size - without;) {
      const got = fs.readSync(fd, piece, 0, Math.min(piece.length, size - without - at), at);
      if (got === 0) return;
      hash.update(piece.subarray(0, got));
      at += got;
    }
  });
}

/** Hash of a model's weights: the single file, or all shards in order; of an adapter with its base. */
export function hashModel(folder: string): string {
  const hash = createHash('sha256');
  const files = isGguf(folder)
    ? [folder]
    : fs
        .readdirSync(folder)
        .filter((entry) => entry.endsWith('.safetensors'))
        .sort()
        .map((name) => path.join(folder, name));
  for (const file of files) hashFile(hash, file);
  if (isAdapterFolder(folder)) hash.update(hashModel(adapterBase(folder)));
  return hash.digest('hex');
}

export function hashRows(file: string): string {
  const hash = createHash('sha256');
  hashFile(hash, file, 1); // the last line break
  return hash.digest('hex');
}
