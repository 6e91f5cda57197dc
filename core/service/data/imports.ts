// Importing in the window: a look at the file before, then its rows a few at a time, all of them or none.

import path from 'node:path';
import { setImmediate as pause } from 'node:timers/promises';
import type { ImportResult } from '#core/contract.ts';
import { TastemakerError } from '#core/errors.ts';
import type { RowError } from '#core/formats/rows.ts';
import { recordImport, takeBack } from '#core/store/imported-rows.ts';
import { policyById, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { inBackground, onceInBackground } from '#core/service/background.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { typedPath } from '#core/service/home.ts';
import { createImporter, WINDOW_IMPORT } from './import-into.ts';
import type { ImportRow } from './import-rows.ts';

const SHOWN_ERRORS = 1000;
/** Milliseconds that the service may be busy with rows before it answers others. */
const BUSY_MS = 15;

const tokenizerOf = (project: Project, modelId: number | undefined) => (modelId === undefined ? undefined : policyPath(project, policyById(project, modelId)));

export const importHandlers = {
  'imports.preview': ({ project }, { path: file, kind, map, format, modelId }) => onceInBackground('preview', { file: typedPath(file), kind, map, format, tokenizer: tokenizerOf(project, modelId), project: project.folder }),

  'imports.run': async ({ project, emit }, { path: given, kind, map, format, split, modelId }): Promise<ImportResult> => {
    const file = typedPath(given);
    const importer = createImporter(project, kind, { ...WINDOW_IMPORT, split: (_text, _messages, own) => own ?? split, named: (own) => own ?? split, source: path.basename(file) });
    const errors: RowError[] = [], notes: string[] = [];
    let eventId: number | null = null;
    let count = 32; // rows in one transaction; grows and shrinks with the time that they take
    const add = async (rows: readonly ImportRow[]) => {
      for (let at = 0; at < rows.length; ) {
        if (!project.db.open) throw new TastemakerError('bad-argument', `The project was closed while ${file} was being imported.`, 'Open it and import the file again: rows that are there already are left out.');
        const started = performance.now(), part = rows.slice(at, at + count);
        importer.add(part);
        at += part.length;
        if (performance.now() - started > BUSY_MS) count = Math.max(8, count >> 1);
        else if (part.length === count && performance.now() - started < BUSY_MS / 3) count = Math.min(512, count * 2);
        await pause();
      }
    };
    try {
      for await (const part of inBackground('rows', { file, kind, map, format, tokenizer: tokenizerOf(project, modelId) })) {
        if ('rows' in part) await add(part.rows);
        else {
          errors.push(...part.errors);
          notes.push(...part.notes);
        }
      }
      if (importer.added.length > 0) eventId = recordImport(project, path.basename(file), importer.added);
    } catch (error) {
      for (const range of project.db.open ? importer.added.toReversed() : []) { // the newest first: nothing can hang on them yet
        takeBack(project, [range]);
        await pause();
      }
      throw error;
    } finally {
      emit('data.changed', {});
    }
    const { added, duplicates } = importer.counts;
    return { added, duplicates, errors: [...errors, ...importer.errors].sort((a, b) => a.line - b.line).slice(0, SHOWN_ERRORS), eventId, made: importer.made(), notes: [...notes, ...importer.notes()] };
  },
} satisfies Partial<Handlers>;
