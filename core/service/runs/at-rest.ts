// Runs of a project that is new to this machine: they lie at rest until a person has said whether they may go on.

import type { Run } from '#core/contract/runs.ts';
import { isProven, readHeartbeat, takeAsked } from '#core/runs/control.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { isKnownHere, makeKnown } from '#core/store/known-here.ts';
import type { Project } from '#core/store/project.ts';
import { listRuns, updateRun } from '#core/store/runs.ts';
import { LIVING } from '#core/contract/runs.ts';

/** A process of this machine has worked at it, in this very folder: what a stranger has packed cannot say so. */
function wasBegunHere(project: Project, { id }: Run): boolean {
  try {
    const folder = runFolderOf(project.folder, id);
    const beat = readHeartbeat(folder);
    return beat !== null && isProven(folder, beat);
  } catch {
    return false;
  }
}

/**
 * The runs that wait or were interrupted in a project that this machine does not know: nothing happens to them unasked.
 */
export function foreignRuns(project: Project): Run[] {
  return isKnownHere(project)
    ? []
    : listRuns(project).filter((run) => LIVING.includes(run.status) && !wasBegunHere(project, run));
}

const resting = new WeakMap<Project, Set<string>>();
/** Those of the open project that no word has been said about yet. */
export const runsAtRest = (project: Project): ReadonlySet<string> => resting.get(project) ?? new Set();

/**
 * Lays them to rest when the project is opened; with none there is nothing to ask, and the project is known from now
 * on.
 */
export function layToRest(project: Project): Set<string> {
  if (!isKnownHere(project)) takeAsked(project.folder); // wishes that came with it are nobody's here
  const ids = new Set(foreignRuns(project).map(({ id }) => id));
  resting.set(project, ids);
  if (ids.size === 0) makeKnown(project);
  return ids;
}

/** A person has spoken about this run alone: true where it was at rest. With the last one the project is known. */
export function wakeFromRest(project: Project, atRest: Set<string>, id: string): boolean {
  if (!atRest.delete(id)) return false;
  if (atRest.size === 0) makeKnown(project);
  return true;
}

/** The other answer: it stays as it is, until somebody resumes it. */
export const leaveAtRest = (project: Project, id: string): Run =>
  updateRun(project, id, {
    status: 'stopped',
    endedAt: Date.now(),
    error: 'It was left at rest when the project came to this machine; it can be resumed.',
  });
