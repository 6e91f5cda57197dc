// Exporting data in the window: the file is written in a thread of its own, and the window hears how far it is.

import type { ExportResult } from '#core/contract/data.ts';
import { inBackground } from '#core/service/background.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { typedPath } from '#core/service/home.ts';
import { wroteFile } from '#core/service/reveal.ts';
import { policyById, policyPath } from '#core/store/policies.ts';
import { DATA_FORMATS, EXPORT_DEFAULTS } from './export-data.ts';
import type { DataExport } from './export-data.ts';

/** Milliseconds between two tellings of how far an export is. */
const TOLD_MS = 100;

export const exportHandlers = {
  'data.formats': () => [...DATA_FORMATS],

  'data.export': async ({ project, emit }, { path, format, options: { modelId, ...given } }): Promise<ExportResult> => {
    const tokenizer = modelId === undefined ? null : policyPath(project, policyById(project, modelId));
    const chosen = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    ) as Partial<DataExport>;
    const options: DataExport = { ...EXPORT_DEFAULTS, ...chosen, tokenizer, format, file: typedPath(path) };
    let told = 0;
    for await (const part of inBackground('export', { project: project.folder, options })) {
      if ('result' in part) {
        wroteFile(part.result.file);
        return part.result;
      }
      if (performance.now() - told < TOLD_MS) continue;
      emit('data.exporting', { path: options.file, ...part });
      told = performance.now();
    }
    throw new Error('an export ended without a result');
  },
} satisfies Partial<Handlers>;
