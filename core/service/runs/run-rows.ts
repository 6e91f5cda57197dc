// How a run is shown: its row in the database, how far its process says it is, and how its folder says it ended.

import fs from 'node:fs';
import path from 'node:path';
import type { Config } from '#core/contract/recipes.ts';
import type { Policy } from '#core/contract/models.ts';
import type { Run, RunDetail, RunRow, RunWords } from '#core/contract/runs.ts';
import { TastemakerError } from '#core/errors.ts';
import { isAdapterFolder } from '#core/formats/adapter-base.ts';
import { checkpointSteps } from '#core/runs/checkpoints.ts';
import { readHeartbeat } from '#core/runs/control.ts';
import type { Heartbeat } from '#core/runs/control.ts';
import { isPrepared } from '#core/runs/execute.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import { readStatus } from '#core/runs/ending.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { lastLines, lastStepIn } from '#core/runs/new-lines.ts';
import { isRule, withRules } from '#core/runs/stop-rules.ts';
import { madeWeights, measuredWords, weightsIn } from '#core/service/models/made-weights.ts';
import { runsAtRest } from './at-rest.ts';
import { alarmsOf } from './run-alarms.ts';
import { listPolicies, modelMadeBy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { getRequest, getRun } from '#core/store/runs.ts';
import { unlinkedPath } from '#core/unlinked.ts';

/** What only the queue knows of a run that is at work. */
export interface Live {
  beat: Heartbeat | null;
  secondsLeft: number | null;
  /** what the queue itself is doing with it, in place of the process's word */ phase: string | null;
}

type Rest = Pick<RunRow, 'step' | 'total' | 'summary'>;
const ended = new WeakMap<Project, Map<string, Rest>>();

/** How far an ended run came, read once: nothing of it changes any more. */
function restOf(project: Project, { id, endedAt }: Run): Rest {
  let known = ended.get(project);
  if (!known) ended.set(project, (known = new Map()));
  const key = `${id}/${endedAt}`;
  const found = known.get(key);
  if (found) return found;
  const rest = readRest(project, id);
  known.set(key, rest);
  return rest;
}

function readRest(project: Project, id: string): Rest {
  try {
    const folder = runFolderOf(project.folder, id);
    const beat = readHeartbeat(folder);
    const step = beat?.step || lastStepIn(folder);
    return { step, total: beat?.total || step, summary: readStatus(folder)?.outcome?.summary ?? null };
  } catch (error) {
    if (!(error instanceof TastemakerError)) throw error;
    return { step: 0, total: 0, summary: error.message }; // a link stands in its place
  }
}

/** What a run's recipe says of its runs; of one that nobody knows, its name. */
export function wordsOf(kind: string): RunWords {
  const recipe = recipeOf(kind);
  return recipe
    ? {
        run: recipe.words.run,
        step: recipe.words.step,
        shows: recipe.shows,
        charts: recipe.charts,
        startsFromNothing: recipe.model?.parent === null,
      }
    : { run: kind, step: 'step', shows: null, charts: ['loss'], startsFromNothing: false };
}

export function rowOf(project: Project, run: Run, live: Live | null, modelId?: number | null): RunRow {
  const made = modelId === undefined ? (modelMadeBy(project, run.id)?.id ?? null) : modelId;
  const resumable = run.status === 'stopped' || run.status === 'failed';
  const base = { ...run, words: wordsOf(run.kind), modelId: made, resumable, atRest: runsAtRest(project).has(run.id) };
  if (base.atRest) return { ...base, step: 0, total: 0, summary: null, secondsLeft: null, phase: 'at rest' };
  if (run.endedAt !== null) return { ...base, ...restOf(project, run), secondsLeft: null, phase: '' };
  if (run.status === 'queued')
    return { ...base, step: 0, total: 0, summary: null, secondsLeft: null, phase: 'waiting for its turn' };
  const part = live?.phase ? undefined : live?.beat?.part;
  return {
    ...base,
    ...(part ? { part } : {}),
    step: live?.beat?.step ?? 0,
    total: live?.beat?.total ?? 0,
    summary: null,
    secondsLeft: run.status === 'running' ? (live?.secondsLeft ?? null) : null,
    phase: live?.phase ?? live?.beat?.phase ?? 'starting',
  };
}

export function detailOf(project: Project, run: RunRow, notices: string[]): RunDetail {
  const request = getRequest(project, run.id);
  const asked = request ? { id: run.id, kind: run.kind, name: run.name, config: request.config } : null;
  try {
    return {
      ...detailIn(project, run, asked),
      notices: [...notices, ...damagedIn(runFolderOf(project.folder, run.id))],
    };
  } catch (error) {
    // a link in its folder, or a damaged manifest: the page says so
    if (!(error instanceof TastemakerError)) throw error;
    const folder = path.join(project.folder, 'runs', run.id);
    return {
      run,
      manifest: asked,
      checkpoints: [],
      folder,
      best: null,
      looks: [],
      alarms: [],
      counts: {},
      rules: {},
      notices: [...notices, error.message],
    };
  }
}

function detailIn(project: Project, run: RunRow, asked: { config: Config } | null): Omit<RunDetail, 'notices'> {
  const folder = runFolderOf(project.folder, run.id);
  const manifest = isPrepared(folder) ? { ...readManifest(folder) } : asked;
  return {
    run,
    manifest,
    checkpoints: checkpointSteps(unlinkedPath(folder, 'checkpoints')),
    folder,
    best: bestOf(project, run.id, folder),
    looks: looksOf(project, run.id),
    alarms: alarmsOf(project, folder),
    counts: readStatus(folder)?.outcome?.counts ?? {},
    rules: rulesOf(folder, manifest?.config ?? {}),
  };
}

/** The rules that end a run by themselves, as they are now. */
function rulesOf(folder: string, config: Config): Record<string, number> {
  const rules = Object.entries(withRules(folder, config)).filter(([name]) => isRule(name));
  return Object.fromEntries(rules.flatMap(([name, value]) => (typeof value === 'number' ? [[name, value]] : [])));
}

/** The best weights that a run kept, unless they are on the list of models already. */
export function bestOf(project: Project, runId: string, folder: string): RunDetail['best'] {
  const best = unlinkedPath(folder, 'best');
  if (!fs.existsSync(path.join(best, 'config.json')) && !isAdapterFolder(best)) return null;
  const weights = weightsIn(project, runId, best);
  const { step, steps } = weights;
  const isKept = (policy: Policy) =>
    policyPath(project, policy) === best ||
    (step !== null && policy.path !== `runs/${runId}/model` && madeWeights(project, policy)?.step === step);
  return listPolicies(project, { runId }).some(isKept)
    ? null
    : {
        folder: best,
        step,
        steps,
        sentence: measuredWords(weights),
        by: recipeOf(getRun(project, runId).kind)?.bestBy ?? null,
      };
}

/** The weights that it kept at looks at held-out prompts, by update. */
export function looksOf(project: Project, runId: string): RunDetail['looks'] {
  const looks = unlinkedPath(runFolderOf(project.folder, runId), 'looks');
  const models = listPolicies(project, { runId });
  const updates = (fs.existsSync(looks) ? fs.readdirSync(looks) : []).filter((name) => /^\d+$/.test(name)).map(Number);
  return updates
    .sort((a, b) => a - b)
    .map((update) => ({ update, folder: unlinkedPath(looks, String(update)) }))
    .filter(({ folder }) => fs.existsSync(path.join(folder, 'config.json')) || isAdapterFolder(folder))
    .map(({ update, folder }) => ({
      update,
      folder,
      sentence: measuredWords(weightsIn(project, runId, folder)),
      modelId: models.find((model) => madeWeights(project, model)?.step === update)?.id ?? null,
    }));
}

/** What its log says was damaged, and passed over: a checkpoint, or lines of what it wrote. */
const damagedIn = (folder: string): string[] =>
  lastLines(path.join(folder, 'log.txt'), 1000)
    .map((line) => line.replace(/^\S+Z /, ''))
    .filter((line) => /^(The checkpoint of step \d+ is damaged|\d+ damaged lines? )/.test(line));
