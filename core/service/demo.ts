// The demo project of the window: something to label within seconds, and 1,300 posts ranked by the demo's labelers soon after.
//
// Making it enqueues two runs of the recipe "sample": a short one for the desk, a long one for the rest. When the long one
// is done the simulated labelers rank what was sampled; a person still meets every item, rankings are each labeler's own.
// What is still to come stands in the project's settings, so a closed window or a killed service only delays it.

import type { RunRow } from '#core/contract.ts';
import { createDemoProject } from '#core/jobs/demo-project.ts';
import { DEMO } from '#core/jobs/demo-settings.ts';
import { labelGold } from '#core/jobs/label-gold.ts';
import type { Project } from '#core/store/project.ts';
import { getSetting, setSetting } from '#core/store/settings.ts';
import type { Emit } from './handlers.ts';
import type { OpenProject } from './session.ts';

/** As `tastemaker demo` makes it (demo-world.md §6). */
const WORLD = { prompts: DEMO.prompts, validation: DEMO.validation, heldOut: DEMO.heldOut, seed: 1 };
const SAMPLE = { policy: 'base', k: 4, split: '', temperature: 0.7, top_k: 0, top_p: 1, max_new: 40, seed: 1 } as const;
const FIRST = 60, RANKED = DEMO.ranked;
const LABELERS = { taste: 'crowd_b', labelers: 3, noise: 0.25, seed: 1 } as const;

/** The long run, whose end the labelers wait for; null when they have ranked. */
interface DemoState { waitingFor: string | null }
const SETTING = 'demo';

export const makeDemo = (folder: string): Promise<Project> => createDemoProject(folder, WORLD);

export async function startDemo({ project, runs }: OpenProject): Promise<void> {
  await runs.start('sample', { ...SAMPLE, prompts: FIRST }, null);
  const { id } = await runs.start('sample', { ...SAMPLE, prompts: RANKED }, null);
  setSetting(project, SETTING, { waitingFor: id } satisfies DemoState);
}

/** To be told of every change of a run, and of the runs there are when the project opens. About 0.3 s, once. */
export function followDemo({ project }: OpenProject, run: RunRow, emit: Emit): void {
  if (run.status !== 'done' || getSetting<DemoState | null>(project, SETTING, null)?.waitingFor !== run.id) return;
  try {
    labelGold(project, LABELERS); // what is ranked already is left alone: killed here, it is done again
  } finally {
    setSetting(project, SETTING, { waitingFor: null } satisfies DemoState);
  }
  emit('data.changed', {});
}
