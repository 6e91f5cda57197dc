// The two sides of a comparison: models of the project, and the weights that a run has of its updates.

import fs from 'node:fs';
import path from 'node:path';
import type { Checkpoint, PolicySide } from '#core/contract/compare.ts';
import { TastemakerError } from '#core/errors.ts';
import { isAdapterFolder } from '#core/formats/adapter-base.ts';
import type { ModelPlace } from '#core/inspection/held-models.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { looksOf } from '#core/service/runs/run-rows.ts';
import { policyById, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { getRun } from '#core/store/runs.ts';
import { unlinkedPath } from '#core/unlinked.ts';
import { weightsIn } from './made-weights.ts';

/** The weights of an update of a run. */
export interface RunWeights extends Checkpoint {
  folder: string;
}

const isModel = (folder: string): boolean => fs.existsSync(path.join(folder, 'config.json')) || isAdapterFolder(folder);

/**
 * The weights of a run that are there, by update: what it started from (0), those of its looks, the best and the last.
 * 'bad-argument' of a run that tunes no policy or keeps none of its weights.
 */
export function checkpointsOf(project: Project, runId: string): RunWeights[] {
  const { id, name, kind } = getRun(project, runId);
  const folder = runFolderOf(project.folder, id);
  const made = recipeOf(kind)?.model;
  const start = made?.kind === 'policy' && made.parent ? readManifest(folder).models[made.parent] : undefined;
  if (!start)
    throw new TastemakerError(
      'bad-argument',
      `Run ${id} tunes no policy, so that it has no weights to compare.`,
      'Choose a run that tunes one.',
    );
  const own = [
    ...looksOf(project, id).map(({ update, folder: at }) => ({ update, folder: at })),
    ...['best', 'model'].flatMap((place) => {
      const at = unlinkedPath(folder, place);
      const step = isModel(at) ? weightsIn(project, id, at).step : null;
      return step === null ? [] : [{ update: step, folder: at }];
    }),
  ];
  const byUpdate = new Map(own.map((one) => [one.update, one]));
  if (byUpdate.size === 0)
    throw new TastemakerError(
      'bad-argument',
      `Run ${id} has kept no weights that could be compared.`,
      'Weights are kept at looks at held-out prompts and at the end of a run, until they are freed or deleted.',
    );
  return [
    { update: 0, name: `start of ${name}`, folder: path.resolve(project.folder, start.path) },
    ...[...byUpdate.values()]
      .filter(({ update }) => update > 0)
      .sort((a, b) => a.update - b.update)
      .map((one) => ({ ...one, name: `update ${one.update} of ${name}` })),
  ];
}

/** A side by its place, and the run that it is of. 'bad-argument' where the run has no weights of that update. */
export function sideOf(project: Project, side: PolicySide): ModelPlace & { runId: string | null } {
  if ('modelId' in side) {
    const model = policyById(project, side.modelId);
    return { name: model.name, folder: policyPath(project, model), runId: model.runId };
  }
  const all = checkpointsOf(project, side.runId);
  const found = all.find(({ update }) => update === side.update);
  if (!found)
    throw new TastemakerError(
      'bad-argument',
      `Run ${side.runId} has no weights of update ${side.update}.`,
      `There are those of ${all.map(({ update }) => (update === 0 ? 'its start' : `update ${update}`)).join(', ')}.`,
    );
  return { name: found.name, folder: found.folder, runId: side.runId };
}
