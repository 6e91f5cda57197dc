// Deleting runs and freeing what they no longer need: what would go is counted first, and what is begun is always
// ended.

import path from 'node:path';
import type { Policy } from '#core/contract/models.ts';
import type { RunDeletion, RunPart, RunSpace } from '#core/contract/runs.ts';
import { runPlaceOf } from '#core/store/run-folder.ts';
import { bytesOf, freeSpace, removeRunFiles, spaceOf } from '#core/runs/disk.ts';
import { removePolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import {
  clearSamples,
  countJudged,
  finishRemoval,
  keepersOf,
  markRemoved,
  modelsInside,
  runsGoing,
} from '#core/store/remove-runs.ts';
import type { Going } from '#core/store/remove-runs.ts';
import { getRun, listRuns } from '#core/store/runs.ts';
import type { Emit, Handlers } from '#core/service/handlers.ts';
import { unfinishedRunsOf } from '#core/service/models/models.ts';
import { settleAndTell } from '#core/service/project-summary.ts';
import { changeProjectSettings, projectSettings } from '#core/service/project.ts';
import { forgetSize } from './run-facts.ts';

const SAMPLES_AT_ONCE = 50; // about 10 ms
const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const placeOf = (project: Project, { path: place }: Policy): string => path.resolve(project.folder, place);

/** The folders in a run's that are models of the project: "model", "looks/8". */
const foldersOfModels = (project: Project, id: string): string[] =>
  modelsInside(project, id).map((model) =>
    path.relative(runPlaceOf(project.folder, id), placeOf(project, model)).split(path.sep).join('/'),
  );

/** Why a model cannot go with its run: what was made with it, or a run that is not finished works with it. */
function keptBecause(project: Project, model: Policy, ids: readonly string[]): string | null {
  const runs = unfinishedRunsOf(project, model)
    .filter((words) => !ids.some((id) => words.includes(id)))
    .map((words) => words.replace(/^the run (\S+), which/, 'the run $1 needs it, and'));
  return [...keepersOf(project, model, model.runId ?? ''), ...runs].join('; ') || null;
}

/** What deleting these runs would take and leave; 'bad-argument' for one that is not there. */
export function deletionOf(project: Project, ids: readonly string[]): RunDeletion {
  const found: RunDeletion = { runs: 0, samples: 0, judged: 0, models: [], bytes: 0, modelBytes: 0 };
  for (const id of new Set(ids)) {
    getRun(project, id);
    const { samples, judged } = countJudged(project, id);
    const models = modelsInside(project, id).map((model) => ({
      id: model.id,
      name: model.name,
      bytes: bytesOf(placeOf(project, model)),
      keeps: keptBecause(project, model, ids),
    }));
    found.runs++;
    found.samples += samples;
    found.judged += judged;
    found.models.push(...models);
    found.bytes += bytesOf(runPlaceOf(project.folder, id));
    found.modelBytes += models.reduce((sum, { bytes }) => sum + bytes, 0);
  }
  return found;
}

/** Clears away what one deleted run leaves; may be repeated. */
async function clear(project: Project, { id, models }: Going): Promise<void> {
  while (clearSamples(project, id, SAMPLES_AT_ONCE) > 0) await breath();
  if (models)
    for (const model of modelsInside(project, id))
      if (keptBecause(project, model, [id]) === null) forgetModel(project, model);
  removeRunFiles(runPlaceOf(project.folder, id), foldersOfModels(project, id));
  finishRemoval(project, id);
}

function forgetModel(project: Project, { id }: Policy): void {
  removePolicy(project, id);
  const { currentPolicyId, rewardModelId } = projectSettings(project);
  if (currentPolicyId === id) changeProjectSettings(project, { currentPolicyId: null });
  if (rewardModelId === id) changeProjectSettings(project, { rewardModelId: null });
}

/** Goes on with what a process before us began to clear away. */
export async function clearDeletedRuns(project: Project): Promise<void> {
  for (const going of runsGoing(project)) await clear(project, going);
}

/** Deletes runs; from the first moment on no list shows them. Returns what was counted before. */
export async function removeRuns(project: Project, ids: readonly string[], models: boolean): Promise<RunDeletion> {
  const counted = deletionOf(project, ids);
  markRemoved(project, ids, models);
  await clearDeletedRuns(project);
  return counted;
}

export const spaceOfRuns = (project: Project): RunSpace[] =>
  listRuns(project).map(({ id, name, status }) => ({
    id,
    name,
    ...spaceOf(runPlaceOf(project.folder, id), status, foldersOfModels(project, id)),
  }));

/** Frees these parts of one run, or of all; returns the bytes. */
export function freeRuns(project: Project, runId: string | null, parts: readonly RunPart[]): number {
  const runs = runId === null ? listRuns(project) : [getRun(project, runId)];
  return runs.reduce((sum, { id, status }) => {
    const bytes = freeSpace(runPlaceOf(project.folder, id), status, parts, foldersOfModels(project, id));
    if (bytes) forgetSize(project, id);
    return sum + bytes;
  }, 0);
}

async function remove(project: Project, emit: Emit, ids: readonly string[], models: boolean): Promise<RunDeletion> {
  const counted = await removeRuns(project, ids, models);
  for (const runId of ids) emit('run.facts', { runId, gone: true });
  if (counted.samples) emit('data.changed', {});
  if (models && counted.models.length) emit('models.changed', {});
  await settleAndTell(project, emit);
  return counted;
}

export const runRemovalHandlers = {
  'runs.deletion': ({ project }, { runIds }) => deletionOf(project, runIds),
  'runs.remove': ({ project, emit }, { runIds, models }) => remove(project, emit, runIds, models),
  'runs.space': ({ project }) => spaceOfRuns(project),
  'runs.free': ({ project, emit }, { runId, parts }) => {
    const before = runId === null ? listRuns(project).map(({ id }) => id) : [runId];
    const bytes = freeRuns(project, runId, parts);
    if (bytes) for (const id of before) emit('run.facts', { runId: id, gone: false });
    return { bytes };
  },
} satisfies Partial<Handlers>;
