// The part of a run that belongs to the owner of the database: how it ended, its results, and the model it made.

import path from 'node:path';
import type { Policy } from '#core/contract/models.ts';
import type { Run, RunResult } from '#core/contract/runs.ts';
import { TastemakerError } from '#core/errors.ts';
import { addPolicy, modelMadeBy } from '#core/store/policies.ts';
import { transaction } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { giveCompletions } from '#core/store/run-completions.ts';
import { setResults } from '#core/store/run-facts.ts';
import { getRun, updateRun } from '#core/store/runs.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import { readStatus } from './ending.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import type { Manifest } from '#core/recipes/manifest.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { openIntake } from './intake.ts';
import type { Intake } from './intake.ts';
import { freeName, modelInRole } from './made-models.ts';
import { readResults } from './results.ts';
import { damagedWords, writeLog } from './run-log.ts';

export interface Recorded {
  run: Run;
  /** the model that came out of it */ modelId: number | null;
  name: string;
}
const ROWS_AT_ONCE = 512;

/**
 * What status.json says goes into the database: the rest of what was drawn, its results, the model, how it ended. May
 * be repeated. `gathered`: results that were read before.
 */
export function recordRun(
  project: Project,
  id: string,
  intake: Intake = openIntake(project, id),
  gathered: readonly RunResult[] | null = null,
): Recorded {
  const folder = runFolderOf(project.folder, id);
  const ending = readStatus(folder);
  if (!ending)
    throw new TastemakerError(
      'bad-file',
      `Run ${id} has not ended: ${folder} has no status.json.`,
      'Wait for its end, or resume it.',
    );
  while (intake.some(ROWS_AT_ONCE)); // each in a transaction of its own
  if (intake.damaged()) writeLog(folder, damagedWords(intake.damaged(), 'of what it drew and measured'));
  const results = gathered ?? readResults(folder, getRun(project, id).kind);
  return transaction(project, () => {
    // a run that is done has its model, even when we are killed here
    const run = updateRun(project, id, {
      status: ending.status,
      endedAt: Date.parse(ending.endedAt),
      error: ending.error,
    });
    if (ending.outcome?.model && !modelMadeBy(project, id))
      register(project, run, readManifest(folder), path.join(folder, ending.outcome.model));
    setResults(project, id, results);
    const model = modelMadeBy(project, id);
    if (model) giveCompletions(project, id, model.id);
    return { run, modelId: model?.id ?? null, name: model?.name ?? run.name };
  });
}

function register(project: Project, run: Run, manifest: Manifest, folder: string): void {
  const origin = originOf(project, manifest);
  // another run may have taken the name meanwhile
  if (origin) addPolicy(project, { name: freeName(project, run.name, run.id), path: folder, ...origin });
}

/** What weights that this run wrote are, and what they descend from; null for a run that makes no model. */
export function originOf(project: Project, manifest: Manifest): Pick<Policy, 'kind' | 'parentId' | 'runId'> | null {
  const makes = recipeOf(manifest.kind)?.model;
  return makes
    ? {
        kind: makes.kind,
        parentId: makes.parent === null ? null : modelInRole(project, manifest, makes.parent),
        runId: manifest.id,
      }
    : null;
}
