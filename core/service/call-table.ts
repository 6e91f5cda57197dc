// Every call of the contract and who answers it; the type lets no call be forgotten.

import { createAppHandlers } from './app.ts';
import type { Services } from './app.ts';
import { deskHandlers } from '#core/service/desk/desk.ts';
import { fileHandlers } from './files.ts';
import { guidelineHandlers } from '#core/service/desk/guidelines.ts';
import { historyHandlers } from '#core/service/desk/history.ts';
import type { Handlers } from './handlers.ts';
import { createHardwareHandlers } from '#core/service/hardware/hardware.ts';
import { changeHandlers } from '#core/service/data/data-changes.ts';
import { exportHandlers } from '#core/service/data/exports.ts';
import { importHandlers } from '#core/service/data/imports.ts';
import { labelerHandlers } from './labelers.ts';
import { markHandlers } from '#core/service/desk/marks.ts';
import { modelHandlers } from '#core/service/models/models.ts';
import { probeHandlers } from '#core/service/models/probes.ts';
import { createProjectHandlers } from './project-calls.ts';
import { promptHandlers } from '#core/service/data/prompts.ts';
import { revealHandlers } from './reveal.ts';
import { recipeHandlers } from '#core/service/runs/recipes.ts';
import { runHandlers } from '#core/service/runs/runs.ts';
import { sampleHandlers } from '#core/service/data/samples.ts';
import { compareHandlers } from '#core/service/models/compare.ts';
import { insideHandlers } from '#core/service/models/inside.ts';
import { findingHandlers } from '#core/service/runs/findings.ts';
import { tryHandlers } from '#core/service/runs/try.ts';

export const createCallTable = (services: Services): Handlers => ({
  ...createAppHandlers(services),
  ...createProjectHandlers(services),
  ...fileHandlers,
  ...revealHandlers,
  ...labelerHandlers,
  ...deskHandlers,
  ...markHandlers,
  ...guidelineHandlers,
  ...historyHandlers,
  ...promptHandlers,
  ...changeHandlers,
  ...importHandlers,
  ...exportHandlers,
  ...modelHandlers,
  ...sampleHandlers,
  ...recipeHandlers,
  ...runHandlers,
  ...tryHandlers,
  ...findingHandlers,
  ...insideHandlers,
  ...compareHandlers,
  ...probeHandlers,
  ...createHardwareHandlers(services),
});
