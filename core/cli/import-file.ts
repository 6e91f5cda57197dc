// What the three import commands share: a file is read, its bad rows are named, and all of it is taken or nothing.

import path from 'node:path';
import { setImmediate as pause } from 'node:timers/promises';
import type { ImportKind } from '#core/contract/data.ts';
import { TastemakerError } from '#core/errors.ts';
import { createImporter } from '#core/service/data/import-into.ts';
import type { Importer, ImportOptions } from '#core/service/data/import-into.ts';
import { partEnd, readImport } from '#core/service/data/import-rows.ts';
import type { ImportFormat, ImportRow } from '#core/service/data/import-rows.ts';
import { rememberTemplate } from '#core/service/data/templates.ts';
import type { PromptRow } from '#core/formats/prompts.ts';
import type { RowError } from '#core/formats/rows.ts';
import { longTransaction } from '#core/store/project.ts';
import { promptIds } from '#core/store/prompts.ts';
import { refuseBadRows } from './bad-rows.ts';
import { createProgress, onInterrupt } from './progress.ts';
import { withProject } from './project-option.ts';

interface FileOptions extends Pick<ImportOptions, 'split' | 'named' | 'addPrompts' | 'anyPolicy' | 'labeler'> {
  project: string | null;
  map: Record<string, string>;
  skipBad: boolean;
  /** throws where the file is of another format than the person said */
  check?: (format: string) => void;
  /** of rankings, and the template of prompts */
  format?: ImportFormat;
  /** of prompts: what becomes of their texts, and what is said of it */
  shorten?: ((rows: PromptRow[]) => Promise<{ rows: PromptRow[]; notes: string[] }>) | null;
}

export interface ImportedFile {
  format: string;
  added: number;
  duplicates: number;
  skipped: number;
  warnings: RowError[];
  notes: string[];
  made: ReturnType<Importer['made']>;
}

const HINTS = { prompt: '--add-prompts adds it', policy: '--any-policy takes the row without it' };

/**
 * What to do about rows that the project lacks something for, where that is the first fault; undefined: what is done
 * about any bad row.
 */
function wayOut([first]: readonly RowError[]): string | undefined {
  if (first?.message.includes(HINTS.prompt))
    return '`import` with --add-prompts brings the prompts of the file in too; --skip-bad leaves the rows out.';
  return first?.message.includes(HINTS.policy)
    ? '`import` with --any-policy takes the rows without their policy; or add the model first (`tastemaker model add`).'
    : undefined;
}

/** About how many rows are added before Ctrl-C is listened to again. */
const PART = 250;

/** Adds all rows, telling how far it is; 'stopped' where a person presses Ctrl-C. */
async function addAll(
  file: string,
  rows: readonly ImportRow[],
  add: (rows: readonly ImportRow[]) => void,
): Promise<void> {
  const progress = createProgress('importing');
  const interrupt = onInterrupt('Taking back what has come in.');
  const started = Date.now();
  try {
    for (let at = 0; at < rows.length;) {
      const end = partEnd(rows, at, PART);
      add(rows.slice(at, end));
      at = end;
      if (Date.now() - started > 1000) progress.onReport(at, rows.length, {});
      await pause();
      if (interrupt.stopping())
        throw new TastemakerError(
          'stopped',
          `The import of ${file} was called off: nothing was taken from the file.`,
          'Run the command again to import it.',
        );
    }
  } finally {
    progress.leave();
    interrupt.release();
  }
}

/**
 * Imports a file in one transaction; into a project without prompts those of the file come in too. 'bad-data' naming
 * the
 * bad rows, unless they may be skipped: then nothing has been taken.
 */
export async function importFile(
  file: string,
  kind: ImportKind,
  { project: folder, map, skipBad, check, format: wanted, shorten = null, ...options }: FileOptions,
): Promise<ImportedFile> {
  const { format, rows: read, errors, unlisted = 0, warnings, notes: said } = await readImport(file, kind, map, wanted);
  check?.(format);
  const { rows, notes } = shorten
    ? await shorten(read as PromptRow[]).then((shortened) => ({
        rows: shortened.rows as typeof read,
        notes: [...said, ...shortened.notes],
      }))
    : { rows: read, notes: said };
  return withProject(folder, { write: true }, (project) =>
    longTransaction(project, async () => {
      const isEmpty = promptIds(project).length === 0;
      const importer = createImporter(project, kind, {
        ...options,
        addPrompts: options.addPrompts || isEmpty,
        source: path.basename(file),
        hints: HINTS,
      });
      await addAll(file, rows, importer.add);
      const bad = [...errors, ...importer.errors].sort((a, b) => a.line - b.line);
      const count = errors.length + unlisted + importer.bad();
      refuseBadRows(file, bad, {
        skip: skipBad && count < rows.length + errors.length + unlisted,
        hint: wayOut(bad),
        unlisted: count - bad.length,
      }); // throws out of the transaction: what was added above vanishes
      if (wanted?.template !== undefined) rememberTemplate(project, wanted.template);
      importer.finish();
      return {
        format,
        ...importer.counts,
        skipped: count,
        warnings,
        notes: [...notes, ...importer.notes()],
        made: importer.made(),
      };
    }),
  );
}

const SHOWN_WARNINGS = 5;

/**
 * What a person is told after the first line: rows that are doubtful, and what is to be said of the file as a whole.
 */
export const furtherLines = ({ warnings, notes }: ImportedFile): string[] => [
  ...(warnings.length > 0
    ? [
        `${warnings.length === 1 ? '1 row is doubtful and was' : `${warnings.length} rows are doubtful and were`} taken all the same:`,
      ]
    : []),
  ...warnings.slice(0, SHOWN_WARNINGS).map(({ line, message }) => `  line ${line}: ${message}`),
  ...(warnings.length > SHOWN_WARNINGS ? [`  and ${warnings.length - SHOWN_WARNINGS} more`] : []),
  ...notes,
];
