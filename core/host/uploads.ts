// Files that a window sends because a browser tells no paths: kept in a folder of this host until it ends; a later host
// sweeps what one that was killed left.

import fs from 'node:fs';
import type { IncomingMessage } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Transform } from 'node:stream';
import { TastemakerError } from '#core/errors.ts';

export const UPLOAD_LIMIT = 512 * 2 ** 20;
/** Characters, and bytes in UTF-8, of which the disks of most systems take 255. */
const LONGEST_NAME = 200;
const LONGEST_NAME_BYTES = 255;
/** Folders of uploads say whose they are. */
const PREFIX = 'tastemaker-upload-';
const OWN = /^tastemaker-upload-(\d+)-/;

export interface Uploads {
  /**
   * Writes the request's body under this name; returns its path. Nothing is left of one that is too large or breaks
   * off.
   */
  take(name: string, request: IncomingMessage): Promise<string>;
  close(): void;
}

export function createUploads(limit = UPLOAD_LIMIT): Uploads {
  sweepUploads();
  let folder: string | null = null;
  let count = 0;
  const tooLarge = () =>
    new TastemakerError(
      'bad-file',
      `The file is larger than ${limit / 2 ** 20} MiB, the most that can be uploaded.`,
      'Copy it to this machine and give its path.',
    );

  return {
    take: async (name, request) => {
      if (Buffer.byteLength(name) > LONGEST_NAME_BYTES || name.length > LONGEST_NAME)
        throw new TastemakerError(
          'bad-argument',
          `The file's name is too long: ${Buffer.byteLength(name)} bytes, and ${LONGEST_NAME} characters of at most ${LONGEST_NAME_BYTES} bytes together can be uploaded.`,
          'Give the file a shorter name.',
        );
      if (!isPlain(name))
        throw new TastemakerError(
          'bad-argument',
          `${JSON.stringify(name.slice(0, 80))} is not a plain file name.`,
          'Give the name of the file alone, without folders.',
        );
      if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge();
      folder ??= fs.mkdtempSync(path.join(os.tmpdir(), `${PREFIX}${process.pid}-`)); // mkdtemp: for this user only
      const own = path.join(folder, String(++count));
      fs.mkdirSync(own);
      let bytes = 0;
      const counted = new Transform({
        transform: (chunk: Buffer, _, done) => {
          bytes += chunk.length;
          // the rest is read and dropped: whoever sends listens only afterwards
          done(null, bytes > limit ? undefined : chunk);
        },
      });
      try {
        await pipeline(request, counted, fs.createWriteStream(path.join(own, name), { flags: 'wx', mode: 0o600 }));
        if (bytes > limit) throw tooLarge();
      } catch (error) {
        fs.rmSync(own, { recursive: true, force: true });
        throw error;
      }
      return path.join(own, name);
    },
    close: () => {
      if (folder) fs.rmSync(folder, { recursive: true, force: true });
      folder = null;
    },
  };
}

/** Removes the uploads of hosts that live no more; what is another user's stays. */
function sweepUploads(): void {
  const folder = os.tmpdir();
  for (const name of fs.readdirSync(folder)) {
    const pid = Number(OWN.exec(name)?.[1]);
    if (!(pid > 0) || isAlive(pid)) continue;
    try {
      if (fs.lstatSync(path.join(folder, name)).isDirectory())
        fs.rmSync(path.join(folder, name), { recursive: true, force: true });
    } catch {
      // not ours
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** No folders, no control characters, nothing that a system takes for something else (., .., C:, trailing dots). */
function isPlain(name: string): boolean {
  return name.length > 0 && !/[/\\:*?"<>|\p{Cc}]/u.test(name) && !/^\.+$/.test(name) && !/[. ]$/.test(name);
}
