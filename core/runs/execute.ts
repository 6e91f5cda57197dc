// The part of a run that needs files only: from a request to a run folder, and from that to status.json.

import fs from 'node:fs';
import path from 'node:path';
import { chosenDevice } from '#core/autodiff/device.ts';
import { sentenceOf, TastemakerError } from '#core/errors.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { readConfig } from '#core/recipes/settings.ts';
import type { Config, Settings } from '#core/recipes/settings.ts';
import { createPulse, isCancelled } from './control.ts';
import { conventionsOfRun } from '#core/recipes/parts/conventions.ts';
import { describeDevice } from './computes-on.ts';
import { createRunFolder } from './folder.ts';
import { openRun } from './open.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import { removeStatus, writeStatus } from './ending.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import type { Ending } from './ending.ts';
import type { Listeners } from './open.ts';
import type { Manifest } from '#core/recipes/manifest.ts';
import type { Outcome } from '#core/recipes/recipe.ts';
import { referenceOf } from './reference-model.ts';
import { withHalfTheRows } from './retry.ts';
import { isRecipe, RECIPES } from '#core/recipes/table.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { writeLog } from './run-log.ts';
import { isSamePlace, requireSamePlace } from './run-place.ts';

/** Whether it was prepared: from here on nothing is asked of the project any more. */
export const isPrepared = (runFolder: string): boolean => fs.existsSync(path.join(runFolder, 'manifest.json'));

/** Reads what the recipe needs from the project (open for reading is enough) and fixes it in the run's folder. */
export async function prepareRun(
  project: Project,
  id: string,
  recipe: RecipeName,
  given: Readonly<Record<string, unknown>>,
  name: string,
): Promise<Manifest> {
  const { prepare, settings } = RECIPES[recipe];
  const config = readConfig(settings, given);
  const inputs = await prepare(project, config, {
    referenceOf: (policy) => referenceOf(project, policy),
  });
  const data = withoutTest(project, recipe, inputs.data);
  return createRunFolder(
    project.folder,
    id,
    recipe,
    name,
    config,
    { ...inputs, data },
    await describeDevice(chosenDevice()),
    await conventionsOfRun(inputs.models),
  );
}

/** Passes rows on; one of a test prompt is a mistake of the recipe, and ends the run before anything is learnt. */
function* withoutTest(project: Project, recipe: RecipeName, rows: Iterable<object>): Generator<object> {
  const test = new Set(listPrompts(project, { split: 'test' }).map(({ id }) => id));
  for (const row of rows) {
    const { promptId } = row as { promptId?: number };
    if (promptId !== undefined && test.has(promptId))
      throw new Error(`The recipe ${recipe} would read prompt ${promptId}, which is kept for tests.`);
    yield row;
  }
}

/**
 * Works at a prepared run, from its newest checkpoint where it has one, until status.json says how it ended. Throws
 * what the recipe threw.
 */
export async function executeRun(
  projectFolder: string,
  id: string,
  listeners: Listeners = {},
): Promise<{ status: Ending['status']; outcome: Outcome | null }> {
  const folder = runFolderOf(projectFolder, id);
  const manifest = readManifest(folder);
  if (!isRecipe(manifest.kind))
    throw new TastemakerError(
      'bad-file',
      `Run ${id} is of the unknown kind "${manifest.kind}".`,
      'It may be from a later version.',
    );
  const recipe = RECIPES[manifest.kind];
  const pulse = createPulse(folder);
  removeStatus(folder);
  try {
    // settings that came later have their defaults
    const config = { ...readConfig(recipe.settings, {}), ...manifest.config } as Config<Settings>;
    const log = (line: string) => {
      writeLog(folder, line);
      listeners.onLog?.(line);
    };
    const outcome = await withHalfTheRows(recipe, config, chosenDevice(), log, (settings) =>
      recipe.run(openRun(projectFolder, id, { ...listeners, pulse }), settings),
    );
    requireSamePlace(folder);
    writeStatus(folder, outcome.status, { outcome });
    return { status: outcome.status, outcome };
  } catch (error) {
    if (isCancelled(error)) {
      writeStatus(folder, 'cancelled');
      return { status: 'cancelled', outcome: null };
    }
    if (!isSamePlace(folder)) throw error; // there is no place to say it in
    writeStatus(folder, 'failed', { error: sentenceOf(error) });
    throw error;
  }
}
