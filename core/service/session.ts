// The one project that is open: opened, exchanged and closed one after the other, with its queue of runs.

import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { openProject } from '#core/store/database.ts';
import type { Project } from '#core/store/project.ts';
import type { Emit } from './handlers.ts';
import { projectChanged } from './project-summary.ts';
import { createRunQueue } from '#core/service/runs/queue.ts';
import type { QueueOptions, RunQueue } from '#core/service/runs/queue.ts';

/** How long closing waits for calls that are still at work in the project. */
const PATIENCE_MS = 5000;

export interface OpenProject {
  project: Project;
  runs: RunQueue;
  /** calls at work in it; closing waits for them */
  working: Set<Promise<unknown>>;
}

export interface Session {
  current(): OpenProject | null;
  /** Opens a project in place of the one that is open, which stays open where this fails. `prepare` is what has to be done before anybody else sees it. */
  open(find: () => Project | Promise<Project>, prepare?: (opened: OpenProject) => void | Promise<void>): Promise<void>;
  close(): Promise<void>;
}

/** The project folder a path means: the folder itself, or a file in it such as project.db. */
export const projectFolderOf = (given: string): string => (path.basename(given) === 'project.db' ? path.dirname(given) : given);

export const openForWriting = (folder: string): Project => openProject(folder, { write: true });

export const noProject = (): TastemakerError => new TastemakerError('bad-argument', 'No project is open.', 'Open a project, or make a new one, on the Home screen.');

/** `environment` is that of processes that compute; `hear` is told every event of the open project before the windows are. */
export function createSession(emit: Emit, environment: NonNullable<QueueOptions['environment']>, hear: (opened: OpenProject, ...event: Parameters<Emit>) => void): Session {
  let current: OpenProject | null = null;
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work);
    turn = done.catch(() => {});
    return done;
  };

  async function closeCurrent(): Promise<void> {
    const old = current;
    if (!old) return;
    current = null; // no call begins in it any more
    try {
      await old.runs.close();
      await Promise.race([Promise.allSettled(old.working), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS).unref())]);
    } finally {
      old.project.close();
    }
  }

  return {
    current: () => current,
    open: (find, prepare) => inTurn(async () => {
      const project = await find();
      if (project === current?.project) return;
      await closeCurrent();
      let runs: RunQueue | null = null;
      try {
        const opened: OpenProject = {
          project, working: new Set(),
          runs: (runs = createRunQueue(project, (event, data) => {
            if (current?.project !== project) return; // closed meanwhile
            hear(current, event, data);
            emit(event, data);
          }, { environment })),
        };
        await prepare?.(opened);
        current = opened;
      } catch (error) {
        await runs?.close();
        project.close();
        emit('project.changed', { project: null, settings: null, labelers: [] });
        throw error;
      }
      emit('project.changed', projectChanged(project));
    }),
    close: () => inTurn(async () => {
      if (!current) return;
      await closeCurrent();
      emit('project.changed', { project: null, settings: null, labelers: [] });
    }),
  };
}
