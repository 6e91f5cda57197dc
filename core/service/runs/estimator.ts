// Estimates and what is looked at before a start, beside the service's thread: counting a large project and walking the
// graphs of a large model would hold it up.

import path from 'node:path';
import type { Config, Estimate } from '#core/contract/recipes.ts';
import type { RunKind } from '#core/contract/runs.ts';
import type { Context } from '#core/service/handlers.ts';
import { warmThread } from '#core/service/warm-thread.ts';
import type { Project } from '#core/store/project.ts';
import { versionOf } from '#core/store/samples.ts';
import type { EstimateTasks } from './estimate-thread.ts';
import { machineNow, machinePace } from './machine.ts';
import type { Machine } from './machine.ts';

const REST_MS = 300_000;
const thread = warmThread<EstimateTasks>(path.join(import.meta.dirname, 'estimate-thread.ts'), REST_MS);

const about = (project: Project, machine: Machine, recipe: RunKind, config: Config) => ({
  folder: project.folder,
  version: versionOf(project),
  machine,
  recipe,
  config,
});

/** Where no run of its kind tells the pace, the machine's own speed does, which is measured first where it must be. */
export async function estimateAside(
  context: Pick<Context, 'project' | 'runs' | 'inspector' | 'home' | 'closing'>,
  recipe: RunKind,
  config: Config,
): Promise<Estimate> {
  const { project, closing } = context;
  const machine = await machineNow(context.runs);
  const ask = (pace: number | null) =>
    thread.ask('estimate', about(project, { ...machine, pace }, recipe, config), closing);
  const said = await ask(null);
  if (said.seconds !== null) return said;
  const pace = await machinePace(context);
  return pace === null ? said : ask(pace);
}

/** Refuses a start that could only fail, or is sure not to fit: see `checkStart` and `checkFits`. */
export async function checkAside(
  { project, runs, closing }: Pick<Context, 'project' | 'runs' | 'closing'>,
  recipe: RunKind,
  config: Config,
): Promise<void> {
  return thread.ask('check', about(project, await machineNow(runs), recipe, config), closing);
}
