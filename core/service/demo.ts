// The demo project of the window: something to label within seconds, and 1,300 posts ranked by the demo's labelers soon
// after.
//
// Making it enqueues two runs of the recipe "sample": a short one for the desk, a long one for the rest. When the long
// one
// is done the simulated labelers rank what was sampled; a person still meets every item, rankings are each labeler's
// own.
// What is still to come stands in the project's settings, so a closed window or a killed service only delays it.

import type { RunRow } from '#core/contract/runs.ts';
import { TastemakerError } from '#core/errors.ts';
import { createDemoProject } from '#core/recipes/demo/demo-project.ts';
import { DEMO } from '#core/recipes/demo/demo-settings.ts';
import { labelGold } from '#core/recipes/demo/label-gold.ts';
import type { Project } from '#core/store/project.ts';
import { getSetting, setSetting } from '#core/store/settings.ts';
import type { Emit } from './handlers.ts';
import type { OpenProject } from './session.ts';

/** As `tastemaker demo` makes it (demo-world.md §6). */
const WORLD = { prompts: DEMO.prompts, validation: DEMO.validation, heldOut: DEMO.heldOut, seed: 1 };
const SAMPLE = { policy: 'base', k: 4, split: '', temperature: 0.7, top_k: 0, top_p: 1, max_new: 40, seed: 1 } as const;
const FIRST = 60;
const RANKED = DEMO.ranked;
const LABELERS = { taste: 'crowd_b', labelers: 3, noise: 0.25, seed: 1 } as const;

/**
 * `toStart`: its runs are still to be enqueued. `waitingFor`: the long run, whose end the labelers wait for; null when
 * they have ranked.
 */
interface DemoState {
  toStart?: true;
  waitingFor: string | null;
}
const SETTING = 'demo';

/** It says of itself that its runs are to be started: whoever opens it goes on, also after a kill. */
export const makeDemo = (folder: string): Promise<Project> =>
  createDemoProject(folder, WORLD, (project) =>
    setSetting(project, SETTING, { toStart: true, waitingFor: null } satisfies DemoState),
  );

/**
 * Before a project is shown: starts what its demo still lacks, and lets the labelers rank where their run ended while
 * nobody watched.
 */
export async function continueDemo(opened: OpenProject): Promise<void> {
  const { project, runs } = opened;
  try {
    if (getSetting<DemoState | null>(project, SETTING, null)?.toStart) await startDemo(opened);
  } catch (error) {
    if (!(error instanceof TastemakerError)) throw error;
    project.notices.push(`The demo's samples could not be started: ${error.message}`); // they are at the next opening
  }
  for (const run of runs.list()) followDemo(opened, run, () => {}); // windows read all of it anew
}

async function startDemo({ project, runs }: OpenProject): Promise<void> {
  const begun = runs.list().length; // a kill in between leaves the first
  if (begun === 0) await runs.start('sample', { ...SAMPLE, prompts: FIRST }, null);
  const last = begun < 2 ? await runs.start('sample', { ...SAMPLE, prompts: RANKED }, null) : runs.list()[0]!;
  setSetting(project, SETTING, { waitingFor: last.id } satisfies DemoState);
}

/** To be told of every change of a run. About 0.3 s, once. */
export function followDemo({ project }: OpenProject, run: RunRow, emit: Emit): void {
  if (run.status !== 'done' || getSetting<DemoState | null>(project, SETTING, null)?.waitingFor !== run.id) return;
  try {
    labelGold(project, LABELERS); // what is ranked already is left alone: killed here, it is done again
  } finally {
    setSetting(project, SETTING, { waitingFor: null } satisfies DemoState);
  }
  emit('data.changed', {});
}
