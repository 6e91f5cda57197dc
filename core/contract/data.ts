// What comes into a project from files and goes out to them, and how changes are taken back; the calls that do it.

import * as v from 'valibot';
import type { Message } from './prompts.ts';
import type { Undone } from './desk.ts';
import { call, programCall } from './call.ts';
import { id, short, ids, split, places, kind, selection } from './schemas.ts';

export type ImportKind = 'prompts' | 'completions' | 'rankings';
export interface ImportPreview {
  format: string;
  columns: string[];
  fields: string[];
  map: Record<string, string>;
  rows: Record<string, string>[];
  total: number;
  duplicates: number;
  errors: { line: number; message: string }[];
  /** what is doubtful in rows that are taken all the same */
  warnings: { line: number; message: string }[];
  /** what is to be said of the file as a whole */
  notes: string[];
  /** formats of rankings that may be chosen in place of the one that was recognised */
  formats: {
    name: string;
    title: string;
  }[];
  /** of each of `rows`, the conversation up to the answer; null for plain text */
  conversations: (Message[] | null)[];
  /** templates of earlier imports that this file can fill */
  templates: string[];
}

/** `added` and `duplicates` are rows of the file, `made` is what they became. */
export interface ImportResult {
  added: number;
  duplicates: number;
  errors: { line: number; message: string }[];
  eventId: number | null;
  made: { prompts: number; completions: number; rankings: number; ratings: number; marks: number };
  /** what is to be said of the file as a whole */
  notes: string[];
}

/** A format that data can be written in: what a file of it keeps and what it loses, in sentences. */
export interface DataFormat {
  name: string;
  title: string;
  container: 'jsonl' | 'json' | 'csv' | 'parquet';
  holds: string;
  /**
   * what becomes of the project: pairs made of rankings, whole rankings, or rows of what there is whether ranked or not
   */
  of: 'pairs' | 'rankings' | 'rows';
  /** it holds token ids: name the model whose they are */
  needsTokenizer: boolean;
}

/** `beside` is a file that describes this one; `leftOut` counts by reason, `notes` says the same in sentences. */
export interface ExportResult {
  file: string;
  beside: string | null;
  rows: number;
  leftOut: Record<string, number>;
  notes: string[];
  bytes: number;
}

/** A change of the data that can be taken back, or was: an import, a removal, prompts that went to another split. */
export interface DataChange {
  eventId: number;
  at: number;
  kind: 'import' | 'remove' | 'split';
  sentence: string;
  undone: boolean;
}

export const DATA_CALLS = {
  'events.undo': call<Undone | null>('once')({ eventId: id }),
  /** The newest changes of the data, which `events.undo` takes back. */
  'data.changes': call<{ changes: DataChange[] }>('again')({}),
  /**
   * `format` of rankings: a name of `formats`, or left out to recognise it. `modelId`: whose tokenizer makes texts of a
   * file of token ids. `template` of prompts: makes a text of several columns, as "{title}: {body}"; it is remembered.
   */
  'imports.preview': call<ImportPreview>('again')({
    path: short,
    kind,
    map: v.record(short, short),
    format: v.optional(short),
    modelId: v.optional(id),
    template: v.optional(short),
  }),
  'imports.run': call<ImportResult>('once')({
    path: short,
    kind,
    map: v.record(short, short),
    split,
    format: v.optional(short),
    modelId: v.optional(id),
    template: v.optional(short),
  }),
  /** Calls off what is being read or imported of this file; what came in is taken away again. */
  'imports.cancel': call<Record<string, never>>('again')({ path: short }),
  'data.formats': programCall<DataFormat[]>('again')({}),
  /**
   * Writes the project's data to a file, whole or not at all; without `labelerIds` and `split` everybody's and
   * everything.
   */
  'data.export': call<ExportResult>('again')({
    path: short,
    format: short,
    options: v.partial(
      v.strictObject({
        pairs: v.picklist(['all', 'best-worst', 'neighbours']),
        labelerIds: ids,
        split,
        repeats: v.boolean(),
        flagged: v.boolean(),
        modelId: id,
        queryLength: places,
        responseLength: places,
        responses: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(9)),
        selection,
      }),
    ),
  }),
} as const;
