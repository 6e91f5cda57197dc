// Follows a file of lines that another process appends to: what is new since the last look, whole lines only; through
// no link.

import fs from 'node:fs';
import path from 'node:path';
import { openRegular } from '#core/regular-file.ts';

export interface NewLines {
  /**
   * Lines that were completed since the last call, at least one where there is one and about `maxBytes` at most.
   * `restarted`: the file was exchanged or cut, and these are from its start.
   */
  read(maxBytes: number): { lines: string[]; restarted: boolean };
  /** how many lines have been read of the file as it is now */
  count(): number;
}

const NEWLINE = 0x0a;

export function followLines(file: string): NewLines {
  let offset = 0;
  let inode = 0n;
  let count = 0;
  function read(maxBytes: number): { lines: string[]; restarted: boolean } {
    let fd: number;
    try {
      ({ fd } = openRegular(file, { follow: false }));
    } catch {
      return { lines: [], restarted: false };
    }
    try {
      const { size, ino } = fs.fstatSync(fd, { bigint: true });
      const restarted = offset > 0 && (ino !== inode || Number(size) < offset);
      if (restarted) offset = count = 0;
      inode = ino;
      for (let wanted = maxBytes; ; wanted *= 2) {
        const bytes = Buffer.alloc(Math.min(wanted, Number(size) - offset));
        const got = bytes.length === 0 ? 0 : fs.readSync(fd, bytes, 0, bytes.length, offset);
        const end = bytes.subarray(0, got).lastIndexOf(NEWLINE) + 1;
        if (end === 0 && got === wanted) continue; // one line longer than that
        offset += end;
        const lines = bytes.toString('utf8', 0, end).split('\n').filter(Boolean);
        count += lines.length;
        return { lines, restarted };
      }
    } finally {
      fs.closeSync(fd);
    }
  }
  return { read, count: () => count };
}

export interface NewRows<T> {
  /** As NewLines.read; `more` is false where there was nothing new. */
  read(maxBytes: number): { rows: T[]; restarted: boolean; more: boolean };
  /** how many rows have been read of the file as it is now */
  count(): number;
  /** how many lines of it were no row: torn by a crash, or damaged on the disk. They are passed over */
  damaged(): number;
}

/** The same of JSON lines: whatever is no JSON object, or not what `isRow` takes, is passed over and counted. */
export function followRows<T extends object>(file: string, isRow: (row: Partial<T>) => boolean): NewRows<T> {
  const lines = followLines(file);
  let count = 0;
  let damaged = 0;
  return {
    read: (maxBytes) => {
      const { lines: found, restarted } = lines.read(maxBytes);
      if (restarted) count = damaged = 0;
      const rows = found.flatMap((line) => rowIn(line, isRow));
      count += rows.length;
      damaged += found.length - rows.length;
      return { rows, restarted, more: found.length > 0 };
    },
    count: () => count,
    damaged: () => damaged,
  };
}

function rowIn<T extends object>(line: string, isRow: (row: Partial<T>) => boolean): T[] {
  try {
    const row = JSON.parse(line) as T | null;
    return typeof row === 'object' && row !== null && !Array.isArray(row) && isRow(row) ? [row] : [];
  } catch {
    return [];
  }
}

/** What a row of metrics.jsonl has at the least. */
export const isMetricRow = ({ step, seconds }: { step?: unknown; seconds?: unknown }): boolean =>
  Number.isFinite(step) && Number.isFinite(seconds);

/** The last lines of a file, oldest first; only its last megabyte is looked at. */
export function lastLines(file: string, most: number): string[] {
  let fd: number;
  try {
    ({ fd } = openRegular(file, { follow: false }));
  } catch {
    return [];
  }
  try {
    const { size } = fs.fstatSync(fd);
    const from = Math.max(0, size - 2 ** 20);
    const bytes = Buffer.alloc(size - from);
    fs.readSync(fd, bytes, 0, bytes.length, from);
    const lines = bytes.toString('utf8').split('\n');
    if (from > 0) lines.shift(); // a part of a line
    return lines
      .map((line) => line.trimEnd())
      .filter(Boolean)
      .slice(-most);
  } finally {
    fs.closeSync(fd);
  }
}

/** The step of the last report of a run; 0 where there is none. */
export function lastStepIn(runFolder: string): number {
  const line = lastLines(path.join(runFolder, 'metrics.jsonl'), 1)[0];
  return line === undefined ? 0 : Number(/^\{"step":(\d+)/.exec(line)?.[1] ?? 0);
}
