// A fresh folder for one test, gone afterwards, and the errors that tests expect.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { TastemakerError } from '#core/errors.ts';

/** A new temporary folder, removed when the running test ends. */
export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'formats-'));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes `content` under `name` in a fresh folder and gives the path. */
export function fileWith(content: string | Uint8Array, name = 'file.jsonl'): string {
  const file = path.join(temporaryFolder(), name);
  fs.writeFileSync(file, content);
  return file;
}

/** Runs `act`, which must throw a TastemakerError with a hint, and gives it. */
export function errorOf(act: () => unknown): TastemakerError {
  let thrown: unknown;
  try {
    act();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(TastemakerError);
  const error = thrown as TastemakerError;
  expect(error.hint).not.toBe('');
  return error;
}

/** A path below the reference data beside the project; null where that is absent. */
export function shared(...parts: string[]): string | null {
  const file = path.join(process.cwd(), '..', 'shared', ...parts);
  return fs.existsSync(file) ? file : null;
}
