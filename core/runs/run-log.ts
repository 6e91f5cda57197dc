// The log of a run: one line a thing that happened, with its time.

import path from 'node:path';
import { onOneLine } from '#core/store/printable.ts';
import { appendUnlinked } from '#core/unlinked.ts';

/**
 * What stands in a line may be of somebody else (the path of a model, a sentence about their file): it stays on one.
 */
export function writeLog(runFolder: string, line: string): void {
  appendUnlinked(path.join(runFolder, 'log.txt'), `${new Date().toISOString()} ${onOneLine(line)}\n`);
}

/** That lines are left out, as log and window say it. */
export const damagedWords = (count: number, what: string): string =>
  `${count} damaged ${count === 1 ? 'line' : 'lines'} ${what} ${count === 1 ? 'is' : 'are'} left out.`;
