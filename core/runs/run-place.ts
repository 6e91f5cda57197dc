// Whether the folder of a run is still the one that this process began to work in: it may be moved, or exchanged for
// another project's.

import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { identityOf } from '#core/store/machine-key.ts';

/** What the folders were when they were first seen. */
const first = new Map<string, string>();

function identityNow(runFolder: string): string | null {
  try {
    return identityOf(runFolder);
  } catch {
    return null; // there is none
  }
}

/** Whether it is the folder that was seen first; nothing may be written into another one. */
export function isSamePlace(runFolder: string): boolean {
  const now = identityNow(runFolder);
  const before = first.get(runFolder);
  if (before === undefined && now !== null) first.set(runFolder, now);
  return before === undefined || before === now;
}

/** 'moved' unless it is. */
export function requireSamePlace(runFolder: string): void {
  if (!isSamePlace(runFolder))
    throw new TastemakerError(
      'moved',
      `The folder of run ${path.basename(runFolder)} was moved, removed or exchanged while it was at work.`,
      'Open the project where it lies now, and resume the run.',
    );
}
