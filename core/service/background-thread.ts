// The thread that background.ts starts: runs one task and posts the parts of its answer as they are asked for.

import path from 'node:path';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { ImportKind, ImportPreview } from '#core/contract/data.ts';
import type { ModelVerdict } from '#core/contract/models.ts';
import type { PromptList } from '#core/contract/prompts.ts';
import { TastemakerError, sentError } from '#core/errors.ts';
import { FORMATS } from '#core/formats/preferences/formats.ts';
import type { Decode } from '#core/formats/preferences/read-token-ids.ts';
import { countBad } from '#core/formats/rows.ts';
import type { RowError } from '#core/formats/rows.ts';
import { openProject } from '#core/store/database.ts';
import type { Message } from './background.ts';
import { exportData } from '#core/service/data/export-data.ts';
import type { DataExport, ExportPart } from '#core/service/data/export-data.ts';
import { createImporter, WINDOW_IMPORT } from '#core/service/data/import-into.ts';
import {
  cellsOf,
  columnsAndMap,
  conversationIn,
  FIELDS,
  partEnd,
  readAsMapped,
} from '#core/service/data/import-rows.ts';
import type { ImportRow, ReadImport } from '#core/service/data/import-rows.ts';
import { promptOrder } from '#core/service/data/prompt-page.ts';
import { templatesFor } from '#core/service/data/templates.ts';
import { openCheckpoint } from '#core/models/checkpoint.ts';
import { refuseNotFiniteIn } from '#core/models/weight-numbers.ts';
import { exportModel } from '#core/service/models/export-model.ts';
import type { ModelExport } from '#core/service/models/export-model.ts';
import { formatsFor } from '#core/service/models/model-formats.ts';
import type { FormatChoice } from '#core/service/models/model-formats.ts';
import { lookAtModels } from '#core/service/models/model-look.ts';
import { numbersAt } from '#core/recipes/parts/size-defaults.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';

interface FileToRead {
  file: string;
  kind: ImportKind;
  map: Record<string, string>;
  format: string | undefined;
  template?: string | undefined;
  /** the model whose tokenizer makes texts of token ids */ tokenizer: string | undefined;
}
export interface BackgroundTasks {
  preview: { args: FileToRead & { project: string }; part: ImportPreview };
  /** the rows in parts, with how many there are, then the errors */
  rows: { args: FileToRead; part: { rows: ImportRow[]; total: number } | { errors: RowError[]; notes: string[] } };
  look: { args: { place: string }; part: ModelVerdict[] };
  /** how many numbers each of these models has; null where it cannot be read */
  sizes: { args: { places: string[] }; part: (number | null)[] };
  /** reads every number of a model, and throws where one is not finite */
  numbers: { args: { place: string }; part: true };
  formats: { args: { place: string }; part: FormatChoice[] };
  /** bytes done and their total go into `progress`, shared memory of two numbers */
  exportModel: { args: { order: ModelExport; progress: Float64Array }; part: { path: string; bytes: number } };
  /** how far it is, then the result */
  export: { args: { project: string; options: DataExport }; part: ExportPart };
  /** ids of prompts in an order that no index has */
  promptOrder: { args: { project: string; wanted: PromptList }; part: number[] };
}

const SHOWN_ROWS = 20;
const SHOWN_ERRORS = 1000;
const ROWS_A_PART = 250;

/** What makes texts of token ids: the tokenizer of the model that is named. */
async function decodeWith(model: string | undefined): Promise<Decode | null> {
  if (model === undefined) return null;
  const tokenizer = await loadTokenizer(model);
  return (lists) => tokenizer.decodeBatch(lists);
}

const TASKS: {
  [K in keyof BackgroundTasks]: (
    args: BackgroundTasks[K]['args'],
  ) => AsyncGenerator<BackgroundTasks[K]['part']> | Generator<BackgroundTasks[K]['part']>;
} = {
  async *preview({ file, kind, map: given, format: wanted, template, tokenizer, project: folder }) {
    const { columns, map } = await columnsAndMap(file, kind, given);
    let read: ReadImport;
    try {
      read = await readAsMapped(file, kind, given, { format: wanted, template, decode: await decodeWith(tokenizer) });
    } catch (error) {
      // a file whose columns can be named is no lost cause: the person may map them
      if (!(error instanceof TastemakerError) || error.code === 'bad-file' || columns.length === 0) throw error;
      read = { format: 'unknown', rows: [], errors: [{ line: 1, message: error.message }], warnings: [], notes: [] };
    }
    const { format, rows } = read;
    const errors = [...read.errors];
    const project = openProject(folder, { write: false });
    try {
      const importer = createImporter(project, kind, {
        ...WINDOW_IMPORT,
        split: () => 'train',
        named: () => null,
        source: path.basename(file),
      });
      let duplicates = 0;
      for (const [i, verdict] of importer.judge(rows).entries()) {
        const row = rows[i]!;
        if (verdict === 'duplicate') duplicates++;
        else if (verdict !== 'new') errors.push({ line: 'line' in row ? row.line : 0, message: verdict.problem });
      }
      errors.sort((a, b) => a.line - b.line);
      const notes = [...read.notes, ...importer.notes()];
      yield {
        format,
        columns,
        notes,
        fields: [...FIELDS[kind]],
        map,
        rows: rows.slice(0, SHOWN_ROWS).map(cellsOf),
        total: rows.length + countBad(read),
        duplicates,
        errors: errors.slice(0, SHOWN_ERRORS),
        warnings: read.warnings.slice(0, SHOWN_ERRORS),
        formats: kind === 'rankings' ? FORMATS.map(({ name, title }) => ({ name, title })) : [],
        conversations: rows.slice(0, SHOWN_ROWS).map(conversationIn),
        templates: kind === 'prompts' ? templatesFor(project, columns) : [],
      };
    } finally {
      project.close();
    }
  },
  async *rows({ file, kind, map, format, template, tokenizer }) {
    const { rows, errors, notes } = await readAsMapped(file, kind, map, {
      format,
      template,
      decode: await decodeWith(tokenizer),
    });
    for (let at = 0, end: number; at < rows.length; at = end) {
      end = partEnd(rows, at, ROWS_A_PART);
      yield { rows: rows.slice(at, end), total: rows.length };
    }
    yield { errors, notes };
  },
  export: ({ project, options }) => exportData(project, options),
  *promptOrder({ project: folder, wanted }) {
    const project = openProject(folder, { write: false });
    try {
      yield promptOrder(project, wanted);
    } finally {
      project.close();
    }
  },
  async *formats({ place }) {
    yield formatsFor(openCheckpoint(place), place);
  },
  async *exportModel({ order, progress }) {
    yield await exportModel(order, (done, total) => progress.set([done, total]));
  },
  async *numbers({ place }) {
    refuseNotFiniteIn(place, openCheckpoint(place));
    yield true as const;
  },
  *sizes({ places }) {
    yield places.map(numbersAt);
  },
  async *look({ place }) {
    yield await lookAtModels(place);
  },
};

async function run(): Promise<void> {
  const port = parentPort!;
  const asked = { times: 0, wake: () => {} };
  port.on('message', () => {
    asked.times++;
    asked.wake();
  });
  const post = async (message: Message) => {
    if (asked.times === 0) await new Promise<void>((resolve) => (asked.wake = resolve));
    asked.times--;
    port.postMessage(message);
  };
  const { task, args } = workerData as { task: keyof BackgroundTasks; args: never };
  try {
    for await (const part of TASKS[task](args)) await post({ part });
    await post({ done: true });
  } catch (error) {
    if (error instanceof TastemakerError) await post({ fault: sentError(error) });
    else await post({ fault: { crash: error instanceof Error ? (error.stack ?? error.message) : String(error) } });
  }
}

if (!isMainThread) await run();
