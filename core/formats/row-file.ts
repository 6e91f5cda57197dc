// Writing a file of rows a portion at a time, as JSON lines, one JSON list, a table or Parquet: whole at the end, or
// not there at all.

import fs from 'node:fs';
import path from 'node:path';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { SchemaElement } from 'hyparquet-writer';
import Papa from 'papaparse';
import { asFileError, writeFully } from './file-access.ts';
import { eachLine } from './jsonl.ts';
import { refuseOverwriting } from './output-place.ts';
import { jsonOf, rowOfLine, watchShape } from './row-shape.ts';
import type { RowShape } from './row-shape.ts';
import { TastemakerError } from '#core/errors.ts';

export type RowFileContainer = 'jsonl' | 'json' | 'csv' | 'parquet';
/** Columns of a table, in order; `messages` is a list of {content, role}. */
export type RowColumns = Readonly<Record<string, 'text' | 'messages'>>;
type Row = Record<string, unknown>;

export interface RowFile {
  add(rows: readonly Row[]): void;
  /** Puts the file in its place and returns its size in bytes, and what there is to say of its rows. */
  finish(): { bytes: number; notes: string[] };
  /** Leaves what stood there before as it is; after `finish` it does nothing. */
  abandon(): void;
}

interface Encoder {
  add(rows: readonly Row[]): void;
  end(): void;
}
type MakeEncoder = (put: (bytes: Uint8Array) => void, columns: RowColumns, json: (row: Row) => string) => Encoder;

/** Every way to turn rows into bytes, which go out through `put`. */
const ENCODERS: Record<RowFileContainer, MakeEncoder> = {
  jsonl: (put, _columns, json) => ({
    add: (rows) => put(utf8(rows.map((row) => `${json(row)}\n`).join(''))),
    end: () => {},
  }),
  json: (put, _columns, json) => {
    let first = true;
    return {
      add: (rows) => {
        put(utf8(rows.map((row, i) => `${first && i === 0 ? '[\n' : ',\n'}${json(row)}`).join('')));
        if (rows.length > 0) first = false;
      },
      end: () => put(utf8(first ? '[]\n' : '\n]\n')),
    };
  },
  csv: (put, columns) => {
    const names = Object.keys(columns);
    const lines = (data: unknown[][]) => put(utf8(`${Papa.unparse(data, { newline: '\n' })}\n`));
    lines([names]);
    return {
      add: (rows) => rows.length > 0 && lines(rows.map((row) => names.map((name) => row[name]))),
      end: () => {},
    };
  },
  parquet: (put, columns) => {
    const writer = Object.assign(new ByteWriter(), { flush: () => {} });
    writer.flush = () => {
      put(writer.getBytes());
      writer.index = 0;
    };
    const parquet = new ParquetWriter({ writer, schema: schemaOf(columns), createdBy: 'tastemaker' });
    let waiting: Row[] = [];
    const group = () => {
      if (waiting.length === 0) return;
      parquet.write({
        rowGroupSize: waiting.length,
        columnData: Object.keys(columns).map((name) => ({ name, data: waiting.map((row) => row[name] ?? null) })),
      });
      waiting = [];
    };
    return {
      add: (rows) => {
        waiting.push(...rows);
        if (waiting.length >= ROW_GROUP) group();
      },
      end: () => {
        group();
        parquet.finish();
        writer.flush();
      },
    };
  },
};

const ROW_GROUP = 10_000;
const utf8 = (text: string) => new TextEncoder().encode(text);

/** Texts and lists of messages as the Hugging Face hub's own files have them. */
function schemaOf(columns: RowColumns): SchemaElement[] {
  const text = (name: string): SchemaElement => ({
    name,
    type: 'BYTE_ARRAY',
    converted_type: 'UTF8',
    repetition_type: 'OPTIONAL',
  });
  return [
    { name: 'root', num_children: Object.keys(columns).length },
    ...Object.entries(columns).flatMap(([name, kind]): SchemaElement[] =>
      kind === 'text'
        ? [text(name)]
        : [
            { name, converted_type: 'LIST', repetition_type: 'OPTIONAL', num_children: 1 },
            { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
            { name: 'element', repetition_type: 'OPTIONAL', num_children: 2 },
            text('content'),
            text('role'),
          ],
    ),
  ];
}

let opened = 0; // makes temporary names of one process differ

/** A file under a temporary name beside its place. */
interface Part {
  file: string;
  fd: number;
  encoder: Encoder;
  bytes: () => number;
}

/**
 * Opens a file to be written: under a temporary name in the same folder, which takes the file's place at `finish`,
 * after
 * everything has reached the disk. Rows of JSON are of one shape then (`RowShape`): where they were not, they are
 * written
 * once more. 'bad-file' or 'disk' where that cannot be, and then nothing is left behind.
 */
export function createRowFile(
  file: string,
  container: RowFileContainer,
  columns: RowColumns = {},
  shape: RowShape = {},
): RowFile {
  const place = path.resolve(file);
  const folder = path.dirname(place);
  const floats = new Set(shape.floats);
  const watch = watchShape(shape);
  const isJson = container === 'json' || container === 'jsonl';
  const parts: Part[] = [];
  let isDone = false;
  const open = (): Part => {
    const temporary = path.join(folder, `.${path.basename(place)}.${process.pid}-${opened++}.part`);
    const fd = fs.openSync(temporary, 'wx');
    let bytes = 0;
    const put = (piece: Uint8Array) => {
      writeFully(fd, piece);
      bytes += piece.length;
    };
    const part = {
      file: temporary,
      fd,
      encoder: ENCODERS[container](put, columns, (row) => jsonOf(row, floats)),
      bytes: () => bytes,
    };
    parts.push(part);
    return part;
  };
  const abandon = () => {
    for (const { file: temporary, fd } of parts.splice(0)) {
      fs.closeSync(fd);
      if (!isDone) fs.rmSync(temporary, { force: true });
    }
  };
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      abandon();
      throw error instanceof Error && 'syscall' in error ? asFileError(error, file) : error;
    }
  };
  /** The same rows once more, all of one shape. */
  const evened = (uneven: Part): Part => {
    const part = open();
    part.encoder.add([...watch.late.values()].map((row) => watch.even(row)));
    let place = 0;
    eachLine(uneven.file, ({ bytes }) => {
      const line = new TextDecoder().decode(bytes).replace(/,$/, '');
      if (line.startsWith('{') && !watch.late.has(place++)) part.encoder.add([watch.even(rowOfLine(line))]);
    });
    part.encoder.end();
    return part;
  };
  return guarded(() => {
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
    const first = open();
    return {
      abandon,
      add: (rows) =>
        guarded(() => {
          if (isJson)
            rows.forEach((row, i) =>
              watch.see(
                row,
                () => first.bytes() + rows.slice(0, i).reduce((sum, one) => sum + JSON.stringify(one).length, 0),
              ),
            );
          first.encoder.add(rows);
        }),
      finish: () =>
        guarded(() => {
          first.encoder.end();
          const last = isJson && watch.isUneven() ? evened(first) : first;
          const bytes = last.bytes();
          fs.fsyncSync(last.fd);
          for (const { file: temporary, fd } of parts.splice(0)) {
            fs.closeSync(fd);
            if (temporary !== last.file) fs.rmSync(temporary, { force: true });
          }
          fs.renameSync(last.file, place);
          isDone = true;
          syncFolder(folder);
          return { bytes, notes: isJson ? watch.notes() : [] };
        }),
    };
  });
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
