// What the three import commands share: a file is read, its bad rows are named, and all of it is taken or nothing.

import path from 'node:path';
import type { ImportKind } from '#core/contract.ts';
import { createImporter } from '#core/service/data/import-into.ts';
import type { Importer, ImportOptions } from '#core/service/data/import-into.ts';
import { readImport } from '#core/service/data/import-rows.ts';
import type { ImportFormat } from '#core/service/data/import-rows.ts';
import type { RowError } from '#core/formats/rows.ts';
import { recordImport } from '#core/store/imported-rows.ts';
import { transaction } from '#core/store/project.ts';
import { refuseBadRows } from './bad-rows.ts';
import { withProject } from './project-option.ts';

interface FileOptions extends Pick<ImportOptions, 'split' | 'addPrompts' | 'anyPolicy' | 'labeler'> {
  project: string | null;
  map: Record<string, string>;
  skipBad: boolean;
  /** throws where the file is of another format than the person said */
  check?: (format: string) => void;
  /** of rankings */
  format?: ImportFormat;
}

export interface ImportedFile { format: string; added: number; duplicates: number; skipped: number; warnings: RowError[]; made: ReturnType<Importer['made']> }

/** Imports a file in one transaction. 'bad-data' naming the bad rows, unless they may be skipped: then nothing has been taken. */
export async function importFile(file: string, kind: ImportKind, { project: folder, map, skipBad, check, format: wanted, ...options }: FileOptions): Promise<ImportedFile> {
  const { format, rows, errors, warnings } = await readImport(file, kind, map, wanted);
  check?.(format);
  return withProject(folder, { write: true }, (project) => transaction(project, () => {
    const importer = createImporter(project, kind, {
      ...options, source: path.basename(file), hints: { prompt: '--add-prompts adds it', policy: '--any-policy takes the row without it' },
    });
    importer.add(rows);
    const bad = [...errors, ...importer.errors];
    refuseBadRows(file, bad, skipBad); // throws out of the transaction: what was added above vanishes
    if (importer.added.length > 0) recordImport(project, path.basename(file), importer.added);
    return { format, ...importer.counts, skipped: bad.length, warnings, made: importer.made() };
  }));
}
