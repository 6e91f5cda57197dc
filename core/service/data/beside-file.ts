// The file that lies beside exported data and describes it, for programs that want one.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { readUtf8, replaceFile, writeFully } from '#core/formats/file-access.ts';
import type { Writer } from '#core/formats/preferences/writer.ts';

/**
 * The file beside the data with this data's entry added; what stands in it already is read first, and must be what it
 * is said to be.
 */
export function besideFile(
  { file: name, entry }: NonNullable<Writer['beside']>,
  file: string,
): { file: string; write(): void } {
  const place = path.join(path.dirname(file), name);
  if (path.basename(file) === name)
    throw new TastemakerError(
      'bad-argument',
      `${file} has the name of the file that describes the data.`,
      'Give the data another name, such as preferences.json.',
    );
  let entries: Record<string, unknown> = {};
  if (fs.existsSync(place)) {
    try {
      const read: unknown = JSON.parse(readUtf8(place));
      if (typeof read !== 'object' || read === null || Array.isArray(read))
        throw new SyntaxError('it is not an object');
      entries = read as Record<string, unknown>;
    } catch (error) {
      throw new TastemakerError(
        'bad-file',
        `${place} stands beside the data and cannot be added to: ${(error as Error).message}.`,
        'Correct it, or export into another folder.',
      );
    }
  }
  const key = path.basename(file, path.extname(file));
  return {
    file: place,
    write: () =>
      replaceFile(place, (fd) =>
        writeFully(
          fd,
          new TextEncoder().encode(`${JSON.stringify({ ...entries, [key]: entry(path.basename(file)) }, null, 2)}\n`),
        ),
      ),
  };
}
