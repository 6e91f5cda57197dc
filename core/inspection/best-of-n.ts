// What the best of n of a pool gains: the pool is what a run drew for each prompt, the best is chosen by the score that
// another run was trained on.

import { setImmediate as afterOthers } from 'node:timers/promises';
import type { CurveChoices, PoolCurve, PoolMeasure } from '#core/contract/findings.ts';
import { TastemakerError } from '#core/errors.ts';
import { FEWEST_CLUSTERS } from '#core/evaluation/interval.ts';
import { bestOfNCurve } from '#core/findings/best-of-n-curve.ts';
import type { Pool } from '#core/findings/best-of-n-curve.ts';
import { manifestOf, readManifest } from '#core/recipes/manifest.ts';
import type { Manifest } from '#core/recipes/manifest.ts';
import { withMissingEnd } from '#core/recipes/parts/answer-scores.ts';
import type { MissingEnd } from '#core/recipes/parts/answer-scores.ts';
import { goldOf } from '#core/recipes/parts/scorers.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { modelOfRun } from '#core/runs/model-chain.ts';
import { openProject } from '#core/store/database.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { drawnSamples, scoresOfRun } from '#core/store/run-completions.ts';
import type { DrawnSample } from '#core/store/run-completions.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { listRuns } from '#core/store/runs.ts';
import { asFit, betaOf, originOf } from './curve.ts';
import type { HeldModels } from './held-models.ts';

export interface PoolQuestion {
  projectFolder: string;
  /** the run that was trained on the score */ runId: string;
  /** the run that drew */ poolId: string;
}

/** So many of the prompts may have fewer samples, and are left out: every n is of the same prompts. */
const LEFT_OUT = 0.1;

/** 'bad-argument' where the two do not begin with one policy, and where nothing can be chosen or scored. */
export async function poolCurve(_: HeldModels, { projectFolder, runId, poolId }: PoolQuestion): Promise<PoolCurve> {
  const project = openProject(projectFolder, { write: false });
  try {
    return poolOf(project, runId, poolId);
  } finally {
    project.close();
  }
}

function poolOf(project: Project, runId: string, poolId: string): PoolCurve {
  const [trained, drew] = [runId, poolId].map((id) => readManifest(runFolderOf(project.folder, id))) as [
    Manifest,
    Manifest,
  ];
  requireSamePolicy(trained, drew);
  const reward = modelOfRun(project, runId, 'reward');
  if (!reward)
    throw new TastemakerError(
      'bad-argument',
      `The reward model that run ${runId} was trained on is not in the project, so that nothing says which sample is the best.`,
      'Add it to the models of the project again.',
    );
  const all = drawnSamples(project, poolId);
  const scores = scoresOfRun(project, poolId);
  const chosenBy = scores.get(reward.id) ?? new Map<number, number>();
  const scored = all.filter(({ id }) => chosenBy.has(id));
  if (scored.length === 0)
    throw new TastemakerError(
      'bad-argument',
      all.length === 0
        ? `Run ${poolId} drew no samples that the best could be chosen from.`
        : `None of the ${all.length} samples that run ${poolId} drew has a score by “${reward.name}”.`,
      all.length === 0
        ? 'Choose a run that sampled completions.'
        : 'Score the completions of the project with it first.',
    );
  const { pools, size, split } = evenPools(scored);
  const samples = pools.flat();
  const own = (sample: DrawnSample) => withRule(trained.config, chosenBy.get(sample.id)!, sample.finish === 'stop');
  const measure = (metric: string, worth: (sample: DrawnSample) => number): PoolMeasure => {
    const { points, fit } = bestOfNCurve(
      pools.map((pool): Pool => ({ scores: pool.map(own), values: pool.map(worth) })),
      size,
    );
    return { metric, points, fits: fit ? [asFit(fit)] : [] };
  };
  const others = listPolicies(project, { kind: 'reward' }).filter(
    ({ id }) => id !== reward.id && samples.every((sample) => scores.get(id)?.has(sample.id)),
  );
  return {
    run: poolId,
    reward: reward.name,
    prompts: pools.length,
    size,
    measures: [
      measure('held_out_score', own),
      ...(samples.every(({ facts }) => facts !== null)
        ? [measure('gold', ({ text, facts }) => goldOf(text, facts!))]
        : []),
      ...others.map(({ id, name }) => measure(`score by “${name}”`, (sample) => scores.get(id)!.get(sample.id)!)),
    ],
    notes: notesOf({ all, scored, samples, size, split }, trained, drew),
  };
}

/** A score as the run that is trained on it is given it. */
function withRule(config: Manifest['config'], score: number, ended: boolean): number {
  const { missing_end: rule, missing_end_penalty: penalty } = config;
  if (typeof rule !== 'string' || typeof penalty !== 'number') return score;
  return withMissingEnd(score, ended, { missing_end: rule, missing_end_penalty: penalty } as MissingEnd);
}

/** 'bad-argument' where the pool is not of the policy that the run's KL is measured from. */
function requireSamePolicy(trained: Manifest, drew: Manifest): void {
  const from = originOf(trained);
  if (from && drew.models['policy']?.sha256 === from.sha256) return;
  throw new TastemakerError(
    'bad-argument',
    `Run ${drew.id} did not sample from the model that the KL of run ${trained.id} is measured from, so that they do not begin at one place.`,
    'Choose a run that sampled from the model that training began with.',
  );
}

/** Samples by prompt, the same number of each; of held-out prompts where an interval can be had of those. */
function evenPools(scored: readonly DrawnSample[]): { pools: DrawnSample[][]; size: number; split: string | null } {
  const heldOut = scored.filter(({ split }) => split === 'validation');
  const isHeldOut = new Set(heldOut.map(({ promptId }) => promptId)).size >= FEWEST_CLUSTERS;
  const byPrompt = [...Map.groupBy(isHeldOut ? heldOut : scored, ({ promptId }) => promptId).values()];
  const sizes = byPrompt.map(({ length }) => length).sort((a, b) => a - b);
  const size = sizes[Math.floor(LEFT_OUT * sizes.length)]!;
  return {
    pools: byPrompt.filter(({ length }) => length >= size).map((pool) => pool.slice(0, size)),
    size,
    split: isHeldOut ? 'validation' : null,
  };
}

interface Used {
  all: readonly DrawnSample[];
  scored: readonly DrawnSample[];
  samples: readonly DrawnSample[];
  size: number;
  split: string | null;
}

function notesOf({ all, scored, samples, size, split }: Used, trained: Manifest, drew: Manifest): string[] {
  const unscored = all.length - scored.length;
  const of = split === null ? scored : scored.filter((sample) => sample.split === split);
  const left = of.length - samples.length;
  const [a, b] = [trained, drew].map(({ config }) => config['temperature']);
  return [
    ...(split === null ? [] : ['Of validation prompts only, as the runs measure themselves.']),
    ...(unscored ? [`${unscored} of ${all.length} samples have no score, and are left out.`] : []),
    ...(left ? [`${left} samples are left out, so that every prompt has ${size}.`] : []),
    ...(size === 1 ? ['There is one sample a prompt, so that there is nothing to choose.'] : []),
    ...(a === b || a === undefined || b === undefined
      ? []
      : [`The pool was drawn at temperature ${b}, run ${trained.id} samples at ${a}.`]),
  ];
}

const MANIFESTS_AT_ONCE = 32;

/** Runs and pools that began with the policy that this run began with. */
export async function curveChoices(project: Project, runId: string): Promise<CurveChoices> {
  const own = readManifest(runFolderOf(project.folder, runId));
  const found: CurveChoices = { runs: [], pools: [] };
  for (const [at, { id, name, kind }] of listRuns(project).entries()) {
    if (at % MANIFESTS_AT_ONCE === MANIFESTS_AT_ONCE - 1) await afterOthers();
    const recipe = recipeOf(kind);
    const isPool = recipe?.shows === 'drawn';
    if (id === runId || (!isPool && recipe?.model?.from !== 'rewards')) continue;
    const manifest = manifestOf(project, id);
    if (!manifest) continue;
    const { config } = manifest;
    if (!isPool && startOf(manifest) === startOf(own)) found.runs.push({ id, name, beta: betaOf(manifest) });
    if (isPool && manifest.models['policy']?.sha256 === originOf(own)?.sha256 && Number(config['k']) > 1)
      found.pools.push({ id, name, k: Number(config['k']) });
  }
  return found;
}

const startOf = (manifest: Manifest): string =>
  JSON.stringify([manifest.models['policy']?.sha256, originOf(manifest)?.sha256]);
