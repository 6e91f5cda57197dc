// Every call of the contract and who answers it; the type lets no call be forgotten.

import { createAppHandlers } from './app.ts';
import type { Services } from './app.ts';
import { deskHandlers } from './desk.ts';
import { fileHandlers } from './files.ts';
import { guidelineHandlers } from './guidelines.ts';
import type { Handlers } from './handlers.ts';
import { importHandlers } from './imports.ts';
import { labelerHandlers } from './labelers.ts';
import { markHandlers } from './marks.ts';
import { modelHandlers } from './models.ts';
import { createProjectHandlers } from './project-calls.ts';
import { promptHandlers } from './prompts.ts';
import { recipeHandlers } from './recipes.ts';
import { runHandlers } from './runs.ts';
import { sampleHandlers } from './samples.ts';
import { tryHandlers } from './try.ts';

export const createCallTable = (services: Services): Handlers => ({
  ...createAppHandlers(services), ...createProjectHandlers(services), ...fileHandlers, ...labelerHandlers,
  ...deskHandlers, ...markHandlers, ...guidelineHandlers,
  ...promptHandlers, ...importHandlers, ...modelHandlers, ...sampleHandlers,
  ...recipeHandlers, ...runHandlers, ...tryHandlers,
});
