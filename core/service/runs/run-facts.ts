// Runs in the table: notes and tags of the database, results and sizes of the run's folder, settings that are not the
// defaults.

import type { Config } from '#core/contract/recipes.ts';
import type { Run, RunFacts } from '#core/contract/runs.ts';
import { manifestOf } from '#core/recipes/manifest.ts';
import { runPlaceOf } from '#core/store/run-folder.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { followResults, gatherResults, inOrder } from '#core/runs/results.ts';
import type { ResultsSoFar } from '#core/runs/results.ts';
import { bytesOf } from '#core/runs/disk.ts';
import { allNoted, describeRun, notedOf, resultsOf, setResults } from '#core/store/run-facts.ts';
import type { Noted } from '#core/store/run-facts.ts';
import type { Project } from '#core/store/project.ts';
import { getRequest, getRun, listRuns } from '#core/store/runs.ts';
import { isLink } from '#core/unlinked.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { LIVING } from '#core/contract/runs.ts';

const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Kept {
  /** of runs that are over: what their folder takes, until something is freed */
  bytes: Map<string, number>;
  /** of runs that are not */
  results: Map<string, ResultsSoFar>;
}
const kept = new WeakMap<Project, Kept>();
function keptOf(project: Project): Kept {
  let found = kept.get(project);
  if (!found) kept.set(project, (found = { bytes: new Map(), results: new Map() }));
  return found;
}

/** Its size is looked up anew when it is asked for next. */
export const forgetSize = (project: Project, id: string): void =>
  void [...keptOf(project).bytes.keys()]
    .filter((key) => key.startsWith(`${id}/`))
    .forEach((key) => keptOf(project).bytes.delete(key));

/**
 * What the database knows of a run that is over (once read, where it was recorded by an older version); of others what
 * their file says.
 */
async function resultsNow(project: Project, { id, kind, status }: Run): Promise<RunFacts['results']> {
  const folder = runPlaceOf(project.folder, id);
  const { results } = keptOf(project);
  if (isLink(folder)) return [];
  if (LIVING.includes(status)) {
    let so = results.get(id);
    if (!so) results.set(id, (so = followResults(folder, kind)));
    return gatherResults(so);
  }
  results.delete(id);
  const known = resultsOf(project, id);
  if (known.length) return inOrder(known, kind);
  const read = await gatherResults(followResults(folder, kind));
  if (read.length && project.write) setResults(project, id, read);
  return read;
}

function bytesNow(project: Project, { id, status, endedAt }: Run): number {
  const folder = runPlaceOf(project.folder, id);
  const { bytes } = keptOf(project);
  const key = `${id}/${endedAt}`;
  if (LIVING.includes(status)) return bytesOf(folder);
  let found = bytes.get(key);
  if (found === undefined) bytes.set(key, (found = bytesOf(folder)));
  return found;
}

/** The settings that are other than the recipe's own defaults. */
function changedSettings(kind: Run['kind'], config: Config): Config {
  const settings = recipeOf(kind)?.settings ?? {};
  return Object.fromEntries(Object.entries(config).filter(([name, value]) => settings[name]?.default !== value));
}

export async function factsOfRun(
  project: Project,
  run: Run,
  { note, tags }: Noted = notedOf(project, run.id),
): Promise<RunFacts> {
  const manifest = manifestOf(project, run.id);
  const begun = manifest ? Date.parse(manifest.createdAt) : Number.NaN;
  return {
    id: run.id,
    note,
    tags,
    startedAt: Number.isFinite(begun) ? begun : null,
    bytes: bytesNow(project, run),
    results: await resultsNow(project, run),
    settings: changedSettings(run.kind, manifest?.config ?? getRequest(project, run.id)?.config ?? {}),
  };
}

/** Of all runs, newest first, with rests in between for whoever is labelling. */
export async function factsOfRuns(project: Project): Promise<RunFacts[]> {
  const noted = allNoted(project);
  const found: RunFacts[] = [];
  for (const run of listRuns(project)) {
    found.push(await factsOfRun(project, run, noted.get(run.id)));
    await breath();
  }
  return found;
}

export const runFactHandlers = {
  'runs.facts': async ({ project }, { runId }) =>
    runId === undefined ? factsOfRuns(project) : [await factsOfRun(project, getRun(project, runId))],
  'runs.describe': ({ project, emit }, { runId, ...changes }) => {
    describeRun(project, runId, {
      ...(changes.note === undefined ? {} : { note: changes.note }),
      ...(changes.tags === undefined ? {} : { tags: changes.tags }),
    });
    emit('run.facts', { runId, gone: false });
    return factsOfRun(project, getRun(project, runId));
  },
} satisfies Partial<Handlers>;
