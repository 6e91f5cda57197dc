// The models of a project in the window: what they are, adding, renaming, taking off the list, lineage, export.

import fs from 'node:fs';
import path from 'node:path';
import type { ModelRow, ModelVerdict, Policy } from '#core/contract/models.ts';
import { TastemakerError } from '#core/errors.ts';
import { isGguf } from '#core/formats/gguf.ts';
import { openCheckpoint, parameterCount } from '#core/models/checkpoint.ts';
import {
  addPolicy,
  completionsByPolicy,
  listPolicies,
  policyById,
  policyPath,
  renamePolicy,
} from '#core/store/policies.ts';
import type { NewPolicy } from '#core/store/policies.ts';
import type { Event } from '#core/store/events.ts';
import { transaction } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { removeModel } from '#core/store/remove-models.ts';
import { originOf } from '#core/runs/record.ts';
import { listRuns } from '#core/store/runs.ts';
import { onceInBackground } from '#core/service/background.ts';
import { hasChatTemplate } from './chat-model.ts';
import { copyModel, folderName, freePlace, keepBase } from './copy-model.ts';
import type { Context, Handlers } from '#core/service/handlers.ts';
import { typedPath } from '#core/service/home.ts';
import { lineageOf } from './lineage.ts';
import { madeWeights } from './made-weights.ts';
import { modelExportHandlers } from './model-exports.ts';
import { currentModels } from '#core/service/current-models.ts';
import { settleAndTell } from '#core/service/project-summary.ts';
import { changeProjectSettings, projectSettings } from '#core/service/project.ts';
import { manifestOf } from '#core/recipes/manifest.ts';
import { unlinkedPath } from '#core/unlinked.ts';

export const modelHandlers = {
  'models.list': ({ project }) => modelRows(project),
  'models.look': async (_, { path: place }) => ({
    verdicts: await onceInBackground('look', { place: typedPath(place) }),
  }),

  'models.add': async ({ project, emit }, { path: place, name, copy }) => {
    const { path: folder, kind } = theOne(
      await onceInBackground('look', { place: typedPath(place) }),
      typedPath(place),
    );
    await onceInBackground('numbers', { place: folder });
    const id = await addModel(project, { name, kind: kind!, folder, copy });
    emit('models.changed', {});
    await settleAndTell(project, emit);
    return modelRow(project, id);
  },

  'models.rename': async ({ project, emit }, { modelId, name }) => {
    renamePolicy(project, modelId, name.trim());
    emit('models.changed', {});
    await settleAndTell(project, emit);
    return modelRow(project, modelId);
  },

  'models.remove': async ({ project, emit }, { modelId }) => {
    const needs = unfinishedRunsOf(project, policyById(project, modelId));
    const { eventId, kept, measured } = transaction(project, () => {
      const settings = projectSettings(project);
      const chosen = ROLES.find((role) => settings[CHOSEN[role]] === modelId) ?? null;
      if (chosen) changeProjectSettings(project, { [CHOSEN[chosen]]: null });
      return removeModel(project, modelId, { chosen, needs });
    });
    emit('models.changed', {});
    emit('data.changed', {});
    await settleAndTell(project, emit);
    return { at: Date.now(), eventId, lost: kept ? 0 : measured };
  },

  'models.lineage': async ({ project }, { modelId }) => ({
    steps: await lineageOf(project, policyById(project, modelId)),
  }),
  ...modelExportHandlers,
} satisfies Partial<Handlers>;

const ROLES = ['policy', 'reward'] as const;
const CHOSEN = { policy: 'currentPolicyId', reward: 'rewardModelId' } as const;

/** A removed model has come back: where a person had chosen it and nobody chose another since, it is chosen again. */
export async function modelCameBack({ project, emit }: Context, detail: Event['detail']): Promise<void> {
  const chosen = ROLES.find((role) => role === detail['chosen']);
  if (chosen && projectSettings(project)[CHOSEN[chosen]] === null)
    changeProjectSettings(project, { [CHOSEN[chosen]]: Number(detail['modelId']) });
  emit('models.changed', {});
  await settleAndTell(project, emit);
}

/** The verdict on what is to be added; throws what is wrong with it, or that there are several. */
function theOne(verdicts: readonly ModelVerdict[], place: string): ModelVerdict {
  const one = verdicts.find((verdict) => verdict.path === place) ?? (verdicts.length === 1 ? verdicts[0]! : null);
  if (!one)
    throw new TastemakerError(
      'bad-argument',
      `${place} holds ${verdicts.length} models.`,
      `Choose one of its folders, such as ${verdicts[0]!.path}.`,
    );
  if (!one.ok) throw new TastemakerError('bad-model', one.sentence, one.hint ?? 'Choose another folder.');
  return one;
}

/**
 * Adds a model folder or GGUF file to the project's list, where it lies or as a copy in the project. 'bad-data' where
 * the name is taken.
 */
export async function addModel(
  project: Project,
  { name, kind, folder, copy }: { name: string; kind: Policy['kind']; folder: string; copy: boolean },
): Promise<number> {
  const called = name.trim();
  if (listPolicies(project).some((policy) => policy.name === called))
    throw new TastemakerError(
      'bad-argument',
      `The project already has a model called "${called}".`,
      'Choose another name.',
    );
  const within = path.relative(project.folder, folder);
  const isInside = !within.startsWith('..') && !path.isAbsolute(within);
  // the best or the last weights of a run of ours descend from what its own model descends from
  const made = isInside ? await weightsOfRun(project, within, folder, called) : null;
  if (made) return addPolicy(project, made);
  if (!copy || isInside) return addPolicy(project, { name: called, kind, path: folder });
  const into = await freePlace(unlinkedPath(project.folder, 'models'), folderName(called));
  const copied = await copyModel(folder, into, (copy) => keepBase(folder, copy, into));
  try {
    return addPolicy(project, { name: called, kind, path: copied });
  } catch (error) {
    fs.rmSync(into, { recursive: true, force: true });
    throw error;
  }
}

/**
 * What a folder runs/<id>/… of this project is as a model: it descends from what its run's own model descends from.
 * Weights of
 * a run that may still go on are copied, for it would put later ones in their place.
 */
async function weightsOfRun(project: Project, within: string, folder: string, name: string): Promise<NewPolicy | null> {
  const runId = /^runs[/\\]([^/\\]+)[/\\]/.exec(within)?.[1];
  const run = listRuns(project).find(({ id }) => id === runId);
  const manifest = run && manifestOf(project, run.id);
  const origin = manifest ? originOf(project, manifest) : null;
  if (!run || !origin) return null;
  if (run.status === 'done') return { name, path: folder, ...origin };
  const into = await freePlace(unlinkedPath(project.folder, 'models'), folderName(name));
  const { ino } = fs.statSync(folder);
  const copied = await copyModel(folder, into, async (copy) => {
    await keepBase(folder, copy, into);
    if (fs.statSync(folder).ino !== ino)
      throw new TastemakerError(
        'bad-file',
        `The run ${run.id} has just put better weights into ${folder}.`,
        'Keep them once more.',
      );
  });
  return { name, path: copied, ...origin };
}

/** Runs that are not over and work with this model's folder. */
export function unfinishedRunsOf(project: Project, policy: Policy): string[] {
  const folder = policyPath(project, policy);
  return listRuns(project)
    .filter(({ status }) => status !== 'done' && status !== 'cancelled')
    .filter(({ id }) =>
      Object.values(manifestOf(project, id)?.models ?? {}).some(
        (used) => path.resolve(project.folder, used.path) === folder,
      ),
    )
    .map(({ id }) => `the run ${id}, which is not finished`);
}

interface ModelInfo {
  family: string | null;
  parameters: number | null;
  bytes: number;
  problem: string | null;
  chat: boolean;
}
const known = new Map<string, { stamp: string; info: ModelInfo }>();

/** The files of a model folder, or the one GGUF file, as they are now. */
function filesOf(place: string): { name: string; size: number; mtimeMs: number }[] {
  const paths = isGguf(place) ? [place] : fs.readdirSync(place).map((name) => path.join(place, name));
  return paths.flatMap((file) => {
    const stat = fs.statSync(file, { throwIfNoEntry: isGguf(place) });
    return stat?.isFile() ? [{ name: path.basename(file), size: stat.size, mtimeMs: stat.mtimeMs }] : [];
  });
}

/**
 * What config.json and the weights' headers say of a model folder, or the metadata of a GGUF file; read anew only where
 * a file has changed.
 */
function modelInfo(folder: string): ModelInfo {
  const it = isGguf(folder) ? 'Its file' : 'Its folder';
  let files: ReturnType<typeof filesOf>;
  try {
    files = filesOf(folder);
  } catch {
    return {
      family: null,
      parameters: null,
      bytes: 0,
      chat: false,
      problem: `${it} ${folder} is missing: put it back where it was, or connect its drive.`,
    };
  }
  const stamp = JSON.stringify(files);
  const before = known.get(folder);
  if (before?.stamp === stamp) return before.info;
  const info: ModelInfo = {
    family: null,
    parameters: null,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    problem: null,
    chat: hasChatTemplate(folder),
  };
  try {
    const opened = openCheckpoint(folder);
    Object.assign(info, { family: opened.architecture.family, parameters: parameterCount(opened) });
  } catch (error) {
    info.problem = error instanceof TastemakerError ? error.message : `${it} ${folder} cannot be read.`;
  }
  known.set(folder, { stamp, info });
  return info;
}

/** Every model with what its files say; nothing of the weights is loaded. */
export function modelRows(project: Project): ModelRow[] {
  const policies = listPolicies(project);
  const names = new Map(policies.map(({ id, name }) => [id, name]));
  const counts = completionsByPolicy(project);
  const {
    policy: { modelId: policyId },
    reward: { modelId: rewardId },
  } = currentModels(project);
  return policies.map((policy) => {
    const folder = policyPath(project, policy);
    return {
      ...policy,
      folder,
      ...modelInfo(folder),
      parentName: policy.parentId === null ? null : (names.get(policy.parentId) ?? null),
      completions: counts.get(policy.id) ?? 0,
      current: policy.id === policyId ? 'policy' : policy.id === rewardId ? 'reward' : null,
      ...stepsOf(project, policy),
    };
  });
}

/** At which step of how many its run wrote these very weights. */
function stepsOf(project: Project, policy: Policy): Pick<ModelRow, 'step' | 'steps' | 'best'> {
  const { step, steps, best } = madeWeights(project, policy) ?? { step: null, steps: null, best: false };
  return { step, steps, best };
}

const modelRow = (project: Project, id: number): ModelRow => modelRows(project).find((row) => row.id === id)!;
