// The key of this machine: with it the program signs what it has made here, so that nothing that comes from elsewhere
// passes for it.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { homeFolder } from './home-folder.ts';

const NAME = 'machine-key';
const BYTES = 32;
const keys = new Map<string, Buffer>();

function readKey(file: string): Buffer | null {
  try {
    const key = fs.readFileSync(file);
    return key.length === BYTES ? key : null;
  } catch {
    return null;
  }
}

/** Puts a new key in place where there is none; whoever is later by a moment takes the one that is there. */
function makeKey(file: string): Buffer {
  const key = randomBytes(BYTES);
  const partial = `${file}.${process.pid}`;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.rmSync(partial, { force: true });
    fs.writeFileSync(partial, key, { flag: 'wx', mode: 0o600, flush: true });
    // cut short: it has signed nothing that could be checked
    if (fs.existsSync(file) && !readKey(file)) fs.rmSync(file);
    try {
      fs.linkSync(partial, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        fs.copyFileSync(partial, file, fs.constants.COPYFILE_EXCL); // a file system without hard links
    }
  } catch {
    // a home that may not be written, or somebody was quicker
  } finally {
    fs.rmSync(partial, { force: true });
  }
  return readKey(file) ?? key; // at the worst a key of this process alone: then nothing is known again later
}

function machineKey(): Buffer {
  const file = path.join(homeFolder(), NAME);
  const known = keys.get(file);
  if (known) return known;
  const key = readKey(file) ?? makeKey(file);
  keys.set(file, key);
  return key;
}

/** What only this machine can say of these values; `purpose` keeps signatures of one kind from passing for another. */
export const signed = (purpose: 'process' | 'project', values: readonly (string | number)[]): string =>
  createHmac('sha256', machineKey())
    .update(JSON.stringify([purpose, ...values]))
    .digest('hex');

export function isSigned(
  signature: unknown,
  purpose: Parameters<typeof signed>[0],
  values: readonly (string | number)[],
): boolean {
  const wanted = Buffer.from(signed(purpose, values));
  const given = Buffer.from(typeof signature === 'string' ? signature : '');
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/**
 * Tells a folder from its copies: it stays the same where it is moved or renamed on its drive, and a copy has another.
 */
export function identityOf(folder: string): string {
  const { ino, birthtimeNs } = fs.statSync(folder, { bigint: true });
  return `${ino}/${birthtimeNs}`;
}
