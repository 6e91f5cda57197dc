// The arrays of a project's models, as a run holds them: what several have in common counts once. No weights are read.

import path from 'node:path';
import type { Policy } from '#core/contract/models.ts';
import type { Config } from '#core/contract/recipes.ts';
import { learningParts, TUNING_SETTINGS } from '#core/recipes/parts/tuning.ts';
import type { TuningConfig } from '#core/recipes/parts/tuning.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import { readConfig } from '#core/recipes/settings.ts';
import { openCheckpoint } from '#core/models/checkpoint.ts';
import { isScoreHead } from '#core/models/heads.ts';
import type { ScoreHeadName } from '#core/models/heads.ts';
import { isOwnTensor } from '#core/models/peft.ts';
import { modelShape, whole, withScores } from '#core/plans/model-shape.ts';
import { getPolicy, listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { runFolderOf } from '#core/store/run-folder.ts';

/** Every array of a model by where it comes from, with its bytes: what two models have under one name is held once. */
function arraysOf(project: Project, { path: stored, runId }: Policy): Map<string, number> {
  const folder = path.resolve(project.folder, stored);
  const { adapter, parameters } = openCheckpoint(folder);
  const sizes = new Map(parameters.map(({ name, shape }) => [name, 4 * shape.reduce((a, b) => a * b, 1)]));
  const arrays = new Map<string, number>();
  const from = (place: string, name: string) => arrays.set(`${place} ${name}`, sizes.get(name)!);
  const own = adapter ? null : tunedPart(project, runId);
  for (const name of sizes.keys()) {
    if (adapter) from(isOwnTensor(name) ? folder : adapter.base, name);
    else from(own && !own.learnt.has(name) ? own.base : folder, name);
  }
  return arrays;
}

/** Of a model that a run made by tuning its last blocks: what was learnt, and the model that all else is from. */
function tunedPart(project: Project, runId: string | null): { base: string; learnt: ReadonlySet<string> } | null {
  if (runId === null) return null;
  try {
    const { config, models } = readManifest(runFolderOf(project.folder, runId));
    const from = models.policy ?? models.base;
    if (config.tune !== 'blocks' || !from) return null;
    const base = path.resolve(project.folder, from.path);
    const origin = listPolicies(project).find((policy) => policyPath(project, policy) === base);
    const { parameters } = learningParts(withScores(whole(modelShape(base)), true, headOf(config)), tuningOf(config));
    const before = origin ? tunedPart(project, origin.runId) : null;
    return {
      base: before?.base ?? base,
      learnt: new Set([...parameters.map(({ name }) => name), ...(before?.learnt ?? [])]),
    };
  } catch {
    return null; // its run or its base is gone: then it counts whole
  }
}
/** The head that a run of these settings gave its model; older runs say nothing of it. */
function headOf({ head }: Config): ScoreHeadName {
  const name = String(head);
  return isScoreHead(name) ? name : 'linear';
}
const tuningOf = (config: Config): TuningConfig =>
  readConfig(TUNING_SETTINGS, Object.fromEntries(Object.entries(config).filter(([name]) => name in TUNING_SETTINGS)));

/** Bytes of the weights of these models together, what several have in common once. */
export function weightBytes(project: Project, names: readonly string[]): number {
  const arrays = new Map(names.flatMap((name) => [...arraysOf(project, getPolicy(project, name))]));
  return [...arrays.values()].reduce((a, b) => a + b, 0);
}
