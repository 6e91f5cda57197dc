// The end of a run whose process has gone: the rest of what it wrote, its model and its results come into the project.

import { setTimeout as rest } from 'node:timers/promises';
import type { Run } from '#core/contract/runs.ts';
import { sentenceOf } from '#core/errors.ts';
import { recordRun } from '#core/runs/record.ts';
import { followResults, gatherResults } from '#core/runs/results.ts';
import type { Project } from '#core/store/project.ts';
import { getRun } from '#core/store/runs.ts';
import { strayed } from '#core/store/whereabouts.ts';
import { settleCurrent } from '#core/service/current-models.ts';
import type { Emit } from '#core/service/handlers.ts';
import { projectChanged } from '#core/service/project-summary.ts';
import type { RunAtWork, RunsAtWork } from './runs-at-work.ts';

/** between two pieces of what is taken in, for whoever is labelling */
export const REST_MS = 10;

export interface EndOptions {
  runs: RunsAtWork;
  emit: Emit;
  /** aborted when the project closes: what is not in the database by then is left to whoever opens it next */
  closing: AbortSignal;
  /** what follows from a run that has ended */
  follow(run: Run): Promise<void>;
}

/**
 * Takes in the rest and the end of a run, a few milliseconds at a time; then it is over. Never rejects: a run whose
 * results cannot be taken in has failed, with the sentence.
 */
export async function takeInEnd(project: Project, at: RunAtWork, options: EndOptions): Promise<void> {
  const { runs, emit, closing, follow } = options;
  const { id } = at.watch;
  at.ending = true;
  try {
    while (!closing.aborted && at.watch.look() > 0) {
      at.tookIn = true;
      await rest(REST_MS);
    }
    const results = await gatherResults(followResults(at.watch.folder, getRun(project, id).kind));
    if (closing.aborted) return;
    const { modelId } = recordRun(project, id, at.watch.intake, results);
    await settleCurrent(project).catch(() => false); // what could not be compared now is compared after the next run
    if (closing.aborted) return;
    runs.remove(id);
    runs.tell(id);
    if (modelId !== null) emit('models.changed', {});
    if (at.tookIn) emit('data.changed', {});
    emit('project.changed', projectChanged(project));
    await follow(getRun(project, id));
  } catch (error) {
    runs.remove(id);
    if (closing.aborted || strayed(project)) return;
    runs.giveUp(id, `What run ${id} made could not be taken into the project: ${sentenceOf(error)}`);
  }
}
