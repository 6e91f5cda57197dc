// Rows as bytes of the containers that can be written: lines of JSON, one list of JSON, CSV, Parquet.

import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { SchemaElement } from 'hyparquet-writer';
import Papa from 'papaparse';

export type RowFileContainer = 'jsonl' | 'json' | 'csv' | 'parquet';
/** Columns of a table, in order; `messages` is a list of {content, role}. */
export type RowColumns = Readonly<Record<string, 'text' | 'messages'>>;
export type Row = Record<string, unknown>;

/** Turns rows into bytes. */
export interface Encoder {
  add(rows: readonly Row[]): void;
  end(): void;
}
type MakeEncoder = (put: (bytes: Uint8Array) => void, columns: RowColumns, json: (row: Row) => string) => Encoder;

/** Every way to turn rows into bytes, which go out through `put`. */
export const ENCODERS: Record<RowFileContainer, MakeEncoder> = {
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
