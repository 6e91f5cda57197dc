// Reads a whole file of rows that another process may be writing, a piece at a time: who reads it on the service's
// thread does not hold it.

import { setImmediate as afterOthers } from 'node:timers/promises';
import { followRows } from './new-lines.ts';

const PIECE = 1 << 18; // bytes; some 3 ms

/** The rows that are there now; none where there is no such file. What `isRow` does not take is passed over. */
export async function readRows<T extends object>(file: string, isRow: (row: Partial<T>) => boolean): Promise<T[]> {
  const lines = followRows<T>(file, isRow);
  let all: T[] = [];
  for (;;) {
    const { rows, restarted, more } = lines.read(PIECE);
    if (restarted) all = [];
    all = all.concat(rows);
    if (!more) return all;
    await afterOthers();
  }
}
