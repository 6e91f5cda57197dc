// Writing a file of rows a portion at a time, as JSON lines, one JSON list, a table or Parquet: whole at the end, or
// not there at all.

import fs from 'node:fs';
import path from 'node:path';
import { asFileError, writeFully } from './file-access.ts';
import { eachLine } from './jsonl.ts';
import { refuseOverwriting } from './output-place.ts';
import { ENCODERS } from './row-encoders.ts';
import type { Encoder, Row, RowColumns, RowFileContainer } from './row-encoders.ts';
import { jsonOf, rowOfLine, watchShape } from './row-shape.ts';
import type { RowShape } from './row-shape.ts';
import { TastemakerError } from '#core/errors.ts';

export interface RowFile {
  add(rows: readonly Row[]): void;
  /** Puts the file in its place and returns its size in bytes, and what there is to say of its rows. */
  finish(): { bytes: number; notes: string[] };
  /** Leaves what stood there before as it is; after `finish` it does nothing. */
  abandon(): void;
}

let opened = 0; // makes temporary names of one process differ

/** A file under a temporary name beside its place. */
interface Part {
  file: string;
  fd: number;
  encoder: Encoder;
  bytes: () => number;
}

/** What is written for a place until one of it takes the place. */
function createParts(place: string, encoderTo: (put: (bytes: Uint8Array) => void) => Encoder) {
  const folder = path.dirname(place);
  const parts: Part[] = [];
  /** Closes all and removes what is not kept. */
  const close = (kept?: string) => {
    for (const { file, fd } of parts.splice(0)) {
      fs.closeSync(fd);
      if (file !== kept) fs.rmSync(file, { force: true });
    }
  };
  return {
    open: (): Part => {
      const file = path.join(folder, `.${path.basename(place)}.${process.pid}-${opened++}.part`);
      const fd = fs.openSync(file, 'wx');
      let bytes = 0;
      const put = (piece: Uint8Array) => {
        writeFully(fd, piece);
        bytes += piece.length;
      };
      const part = { file, fd, encoder: encoderTo(put), bytes: () => bytes };
      parts.push(part);
      return part;
    },
    /** It takes the place, once it has reached the disk. */
    place: (part: Part) => {
      fs.fsyncSync(part.fd);
      close(part.file);
      fs.renameSync(part.file, place);
      syncFolder(folder);
    },
    abandon: () => close(),
  };
}

/** 'bad-file' where no file can be; what a killed program left there of the same one goes. */
function clearPlace(place: string, file: string): void {
  const folder = path.dirname(place);
  if (fs.statSync(place, { throwIfNoEntry: false })?.isDirectory())
    throw new TastemakerError('bad-file', `${file} is a folder.`, 'Name a file in it.');
  refuseOverwriting(place);
  if (!fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new TastemakerError(
      'bad-file',
      `${file} cannot be written: there is no folder ${folder}.`,
      'Make the folder first, or name another.',
    );
  removeLeftovers(folder, path.basename(place));
}

/**
 * Opens a file to be written: under a temporary name in the same folder, which takes the file's place at `finish`,
 * after everything has reached the disk. Rows of JSON are of one shape then (`RowShape`): where they were not, they are
 * written once more. 'bad-file' or 'disk' where that cannot be, and then nothing is left behind.
 */
export function createRowFile(
  file: string,
  container: RowFileContainer,
  columns: RowColumns = {},
  shape: RowShape = {},
): RowFile {
  const place = path.resolve(file);
  const floats = new Set(shape.floats);
  const watch = watchShape(shape);
  const isJson = container === 'json' || container === 'jsonl';
  const parts = createParts(place, (put) => ENCODERS[container](put, columns, (row) => jsonOf(row, floats)));
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      parts.abandon();
      throw error instanceof Error && 'syscall' in error ? asFileError(error, file) : error;
    }
  };
  const see = (rows: readonly Row[], before: number) =>
    rows.forEach((row, i) =>
      watch.see(row, () => before + rows.slice(0, i).reduce((sum, one) => sum + JSON.stringify(one).length, 0)),
    );
  /** The same rows once more, all of one shape. */
  const evened = (uneven: Part): Part => {
    const part = parts.open();
    part.encoder.add([...watch.late.values()].map((row) => watch.even(row)));
    let at = 0;
    eachLine(uneven.file, ({ bytes }) => {
      const line = new TextDecoder().decode(bytes).replace(/,$/, '');
      if (line.startsWith('{') && !watch.late.has(at++)) part.encoder.add([watch.even(rowOfLine(line))]);
    });
    part.encoder.end();
    return part;
  };
  const first = guarded(() => {
    clearPlace(place, file);
    return parts.open();
  });
  return {
    abandon: parts.abandon,
    add: (rows) =>
      guarded(() => {
        if (isJson) see(rows, first.bytes());
        first.encoder.add(rows);
      }),
    finish: () =>
      guarded(() => {
        first.encoder.end();
        const last = isJson && watch.isUneven() ? evened(first) : first;
        const bytes = last.bytes();
        parts.place(last);
        return { bytes, notes: isJson ? watch.notes() : [] };
      }),
  };
}

const LEFTOVER_MS = 60_000;

/**
 * What a program that was killed while it wrote the same file has left: its process is gone, and nothing was added for
 * a minute.
 */
function removeLeftovers(folder: string, name: string): void {
  for (const entry of fs.readdirSync(folder)) {
    if (!entry.startsWith(`.${name}.`)) continue;
    const pid = Number(/^(\d+)-\d+\.part$/.exec(entry.slice(name.length + 2))?.[1]);
    const found = path.join(folder, entry);
    if (
      !(pid > 0) ||
      isAlive(pid) ||
      Date.now() - (fs.statSync(found, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) < LEFTOVER_MS
    )
      continue;
    fs.rmSync(found, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** The new name itself must reach the disk; Windows cannot open a folder, and needs not. */
function syncFolder(folder: string): void {
  try {
    const fd = fs.openSync(folder, 'r');
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    /* the file is whole either way */
  }
}
