// Starts and resumes a run in this process, which owns the database: prepare, record, execute, record what came out.

import { TastemakerError } from '#core/errors.ts';
import type { Config } from '#core/contract/recipes.ts';
import type { Run } from '#core/contract/runs.ts';
import { listPolicies } from '#core/store/policies.ts';
import { isPrintable } from '#core/store/printable.ts';
import type { Project } from '#core/store/project.ts';
import { addRun, getRequest, getRun, listRuns, updateRun } from '#core/store/runs.ts';
import { readConfig } from '#core/recipes/settings.ts';
import { livingProcess, writeOrder } from './control.ts';
import { executeRun, isPrepared, prepareRun } from './execute.ts';
import { nextRunId } from './folder.ts';
import { readStatus } from './ending.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import type { Ending } from './ending.ts';
import type { Listeners } from './open.ts';
import type { Outcome } from '#core/recipes/recipe.ts';
import { freeName, makesModel } from './made-models.ts';
import { recordRun } from './record.ts';
import { recipeName, RECIPES } from '#core/recipes/table.ts';
import { defaultsForModel } from '#core/recipes/parts/size-defaults.ts';
import type { RecipeName } from '#core/recipes/table.ts';

export interface Finished extends Omit<Outcome, 'status'> {
  status: Exclude<Ending['status'], 'failed'>;
  id: string;
  name: string;
}

/** What a run is called where no name is given: the model's name, or what it does. */
function defaultName(project: Project, recipe: RecipeName, config: Config): string {
  return makesModel(recipe) ? freeName(project, recipe) : RECIPES[recipe].called(config);
}

/**
 * The settings that a request stands for: the table's defaults, those of the model's size, and what was given. `bySize`
 * names the second.
 */
export function configOf(
  project: Project,
  recipe: RecipeName,
  given: Readonly<Record<string, unknown>>,
): { config: Config; bySize: Config } {
  const asked = readConfig(RECIPES[recipe].settings, given);
  const bySize = Object.fromEntries(
    Object.entries(defaultsForModel(project, RECIPES[recipe].sizes, String(asked.policy), given)).filter(
      ([setting]) => !(setting in given),
    ),
  );
  return { config: { ...asked, ...bySize }, bySize };
}

/** Checks a request before anything is written; returns its settings, its id and its name. */
export function planRun(
  project: Project,
  recipe: RecipeName,
  given: Readonly<Record<string, unknown>>,
  name: string | null,
): { id: string; config: Config; bySize: Config; name: string } {
  const { config, bySize } = configOf(project, recipe, given);
  if (name !== null && name.trim() === '')
    throw new TastemakerError('bad-argument', 'The name of the model is empty.', 'Give it a name, or leave it out.');
  if (name !== null && !isPrintable(name))
    throw new TastemakerError(
      'bad-argument',
      'The name of the model holds a line break or another control character.',
      'Give it a name on one line.',
    );
  if (name !== null && makesModel(recipe) && freeName(project, name) !== name) {
    const made = listPolicies(project).some((policy) => policy.name === name);
    throw new TastemakerError(
      'bad-argument',
      made ? `The project already has a model called "${name}".` : `A run is already making a model called "${name}".`,
      'Choose another name.',
      'It is given with --name.',
    );
  }
  return {
    id: nextRunId(
      project.folder,
      recipe,
      listRuns(project).map((run) => run.id),
    ),
    config,
    bySize,
    name: name ?? defaultName(project, recipe, config),
  };
}

/** Creates the run (manifest and data fixed), executes it here and registers the model under `name`. */
export async function startRun(
  project: Project,
  recipe: RecipeName,
  given: Readonly<Record<string, unknown>>,
  name: string | null,
  listeners: Listeners = {},
): Promise<Finished> {
  const plan = planRun(project, recipe, given, name);
  await prepareRun(project, plan.id, recipe, plan.config, plan.name);
  addRun(project, { id: plan.id, kind: recipe, name: plan.name });
  listeners.onLog?.(`Run ${plan.id} has begun.`);
  const sized = Object.entries(plan.bySize).map(([setting, value]) => `${setting}=${String(value)}`);
  if (sized.length) listeners.onLog?.(`For a model of this size: ${sized.join(', ')}; --set says otherwise.`);
  return executeHere(project, plan.id, listeners);
}

/** 'bad-argument' unless the run can be gone on with: it was stopped, failed or was killed. */
export function checkResumable(project: Project, id: string): Run {
  const run = getRun(project, id);
  if (run.status === 'done')
    throw new TastemakerError('bad-argument', `Run ${id} is already done.`, 'Start a new run to train further.');
  if (run.status === 'cancelled')
    throw new TastemakerError('bad-argument', `Run ${id} was cancelled.`, 'Start a new run.');
  return run;
}

/** Goes on with a run that was stopped or killed, from its newest checkpoint (or from its start when it has none). */
export async function resumeRun(project: Project, id: string, listeners: Listeners = {}): Promise<Finished> {
  const { kind, name } = checkResumable(project, id);
  const folder = runFolderOf(project.folder, id);
  const pid = livingProcess(folder);
  if (pid !== null && pid !== process.pid)
    throw new TastemakerError(
      'locked',
      `Run ${id} is being worked at by the process with the pid ${pid}.`,
      'Wait for its end, or open the project in the window: it shows the run.',
    );
  if (!isPrepared(folder)) {
    await prepareRun(project, id, recipeName(kind), getRequest(project, id)?.config ?? {}, name);
  }
  updateRun(project, id, { status: 'running', endedAt: null, error: null });
  return executeHere(project, id, listeners);
}

async function executeHere(project: Project, id: string, listeners: Listeners): Promise<Finished> {
  const folder = runFolderOf(project.folder, id);
  writeOrder(folder, 'run');
  try {
    const { status, outcome } = await executeRun(project.folder, id, listeners);
    const { name } = recordRun(project, id);
    return {
      model: null,
      summary: 'The run was cancelled.',
      ...outcome,
      status: status as Finished['status'],
      id,
      name,
    };
  } catch (error) {
    if (readStatus(folder)?.status === 'failed') recordRun(project, id);
    throw error;
  }
}
