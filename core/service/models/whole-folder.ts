// Folders that are there whole or not at all: filled under another name, and renamed when everything has reached the
// disk.

import fs from 'node:fs/promises';
import path from 'node:path';
import { threadId } from 'node:worker_threads';
import { TastemakerError } from '#core/errors.ts';
import { asFileError } from '#core/formats/file-access.ts';

const exists = (file: string) =>
  fs.access(file).then(
    () => true,
    () => false,
  );
const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // somebody else's
  }
};
let made = 0; // makes temporary names of one thread differ

/** What an earlier process left behind when it was killed: it has a name that nobody gives a file of their own. */
async function removeLeftovers(place: string): Promise<void> {
  const folder = path.dirname(place);
  const start = `${path.basename(place)}.writing-`;
  for (const name of await fs.readdir(folder).catch(() => [])) {
    const pid = name.startsWith(start) ? /^(\d+)-\d+-\d+$/.exec(name.slice(start.length))?.[1] : undefined;
    if (pid !== undefined && !alive(Number(pid)))
      await fs.rm(path.join(folder, name), { recursive: true, force: true });
  }
}

/**
 * Makes the folder `place`, which must not exist, of what `fill` puts into the folder it is given; with `only`, makes a
 * file of
 * the one file of that name in it. 'bad-argument' where there is something already; nothing is left behind when `fill`
 * throws.
 */
export async function wholeFolder(
  place: string,
  fill: (folder: string) => void | Promise<void>,
  only?: (names: readonly string[]) => string,
): Promise<void> {
  const refuse = async () => {
    if (await exists(place))
      throw new TastemakerError(
        'bad-argument',
        `${place} already exists.`,
        'Choose another name or place; nothing is overwritten.',
      );
  };
  await refuse();
  await removeLeftovers(place);
  const temporary = `${place}.writing-${process.pid}-${threadId}-${made++}`;
  try {
    await fs.mkdir(temporary, { recursive: true });
    await fill(temporary);
    const names = await fs.readdir(temporary);
    for (const name of names) {
      const file = path.join(temporary, name);
      await fs.chmod(file, (await fs.stat(file)).mode | 0o600); // what was copied may be read-only where it came from
      const handle = await fs.open(file, 'r+');
      await handle.sync().finally(() => handle.close());
    }
    await refuse(); // it took a while
    await fs.rename(only ? path.join(temporary, only(names)) : temporary, place);
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? asFileError(error, place) : error;
  } finally {
    await fs.rm(temporary, { recursive: true, force: true });
  }
}
