// Starts and resumes runs from the side that owns the database: prepare, record, execute, register what came out.

import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import type { PolicyKind } from '#core/contract.ts';
import { addPolicy, listPolicies } from '#core/store/policies.ts';
import { transaction } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { addRun, getRun, updateRun } from '#core/store/runs.ts';
import { readConfig } from './config.ts';
import { createRunFolder, openRun, readManifest, writeStatus } from './job.ts';
import type { Listeners, Manifest, Outcome } from './job.ts';
import { isRecipe, RECIPES } from './recipes.ts';
import type { RecipeName } from './recipes.ts';

const MODEL_KIND: Record<RecipeName, PolicyKind> = { pretrain: 'base', sft: 'policy', reward: 'reward', ppo: 'policy' };
/** the manifest role whose model the result descends from */
const PARENT_ROLE: Record<RecipeName, string | null> = { pretrain: null, sft: 'policy', reward: 'base', ppo: 'policy' };

export interface Finished extends Outcome {
  id: string;
  name: string;
}

/** Creates the run (manifest and data fixed), executes it here and registers the model under `name`. */
export async function startRun(project: Project, recipe: RecipeName, given: Readonly<Record<string, unknown>>, name: string | null, listeners: Listeners = {}): Promise<Finished> {
  const job = RECIPES[recipe];
  const config = readConfig(job.settings, given);
  const inputs = await job.prepare(project, config);
  if (name !== null && freeName(project, name) !== name) throw new TastemakerError('bad-argument', `The project already has a model called "${name}".`, 'Choose another --name.');
  const manifest = createRunFolder(project.folder, recipe, name ?? freeName(project, recipe), config, inputs);
  addRun(project, { id: manifest.id, kind: recipe, name: manifest.name });
  listeners.onLog?.(`Run ${manifest.id} has begun.`);
  return execute(project, manifest.id, listeners);
}

/** `wanted`, or the first of wanted-2, wanted-3, ... that no model has. */
function freeName(project: Project, wanted: string): string {
  const taken = new Set(listPolicies(project).map((policy) => policy.name));
  let name = wanted;
  for (let n = 2; taken.has(name); n++) name = `${wanted}-${n}`;
  return name;
}

/** Goes on with a run that was stopped or killed, from its newest checkpoint (or from its start when it has none). */
export async function resumeRun(project: Project, id: string, listeners: Listeners = {}): Promise<Finished> {
  const run = getRun(project, id);
  if (run.status === 'done') throw new TastemakerError('bad-argument', `Run ${id} is already done.`, 'Start a new run to train further.');
  if (run.status === 'cancelled') throw new TastemakerError('bad-argument', `Run ${id} was cancelled.`, 'Start a new run.');
  updateRun(project, id, { status: 'running', endedAt: null, error: null });
  return execute(project, id, listeners);
}

async function execute(project: Project, id: string, listeners: Listeners): Promise<Finished> {
  const folder = path.join(project.folder, 'runs', id);
  const manifest = readManifest(folder);
  if (!isRecipe(manifest.kind)) throw new TastemakerError('bad-file', `Run ${id} is of the unknown kind "${manifest.kind}".`, 'It may be from a later version.');
  try {
    const outcome = await RECIPES[manifest.kind].run(openRun(project.folder, id, listeners), manifest.config);
    writeStatus(folder, outcome.status);
    const { kind, models } = manifest as Manifest & { kind: RecipeName };
    let { name } = manifest;
    transaction(project, () => { // a run that is done has its model, even when we are killed here
      updateRun(project, id, { status: outcome.status, endedAt: Date.now() });
      const known = listPolicies(project, { runId: id })[0]; // it was stopped before
      name = known?.name ?? freeName(project, name); // another run may have taken the name meanwhile
      if (!outcome.model || known) return;
      const role = PARENT_ROLE[kind];
      const parentPath = role ? path.resolve(project.folder, models[role]!.path) : null;
      const parent = listPolicies(project).find((policy) => path.resolve(project.folder, policy.path) === parentPath);
      addPolicy(project, { name, kind: MODEL_KIND[kind], path: path.join(folder, outcome.model), parentId: parent?.id ?? null, runId: id });
    });
    return { ...outcome, id, name };
  } catch (error) {
    const sentence = error instanceof Error ? error.message : String(error);
    writeStatus(folder, 'failed', sentence);
    updateRun(project, id, { status: 'failed', endedAt: Date.now(), error: sentence });
    throw error;
  }
}
