// Exporting a model in the window: what it can be written as, and the writing in a thread of its own that says how far
// it is.

import { onceInBackground } from '#core/service/background.ts';
import { refusePlace } from '#core/service/data/export-place.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { typedPath } from '#core/service/home.ts';
import { wroteFile } from '#core/service/reveal.ts';
import { policyById, policyPath } from '#core/store/policies.ts';
import { cardFacts, originsOf } from './card-facts.ts';
import { exportPlace } from './export-model.ts';

/** Milliseconds between two tellings of how far an export is. */
const TOLD_MS = 100;

export const modelExportHandlers = {
  'models.formats': async ({ project }, { modelId }) => ({
    formats: await onceInBackground('formats', { place: policyPath(project, policyById(project, modelId)) }),
  }),

  'models.export': async ({ project, emit }, { modelId, folder, format }) => {
    const policy = policyById(project, modelId);
    const into = exportPlace(typedPath(folder), policy.name, format);
    refusePlace(into);
    const facts = await cardFacts(project, policy);
    // the thread writes without a pause, so it tells how far it is in memory that both see
    const progress = new Float64Array(new SharedArrayBuffer(16));
    let told = 0;
    const tell = () => {
      const [done, total] = progress as unknown as [number, number];
      if (done > told) emit('models.exporting', { modelId, path: into, done, total });
      told = done;
    };
    const timer = setInterval(tell, TOLD_MS);
    try {
      const result = await onceInBackground('exportModel', {
        order: { model: policyPath(project, policy), format, into, facts, origins: originsOf(project, policy) },
        progress,
      });
      tell();
      wroteFile(result.path);
      return result;
    } finally {
      clearInterval(timer);
    }
  },
} satisfies Partial<Handlers>;
