// The one project that is open: opened, exchanged and closed one after the other, with its queue of runs.

import path from 'node:path';
import { EVENT_OF } from '#core/contract/events.ts';
import { TastemakerError } from '#core/errors.ts';
import { openProject } from '#core/store/database.ts';
import { projectId } from '#core/store/project-id.ts';
import type { Project } from '#core/store/project.ts';
import type { Emit, Reach } from './handlers.ts';
import { createInspector } from './inspector.ts';
import type { Inspector } from './inspector.ts';
import { projectChanged } from './project-summary.ts';
import { createRunQueue } from '#core/service/runs/queue.ts';
import type { QueueOptions, RunQueue } from '#core/service/runs/queue.ts';

/** How long closing waits for calls that are still at work in the project. */
const PATIENCE_MS = 5000;
/** How long closing waits for windows to write what they still have. */
const LEAVING_MS = 500;

export interface OpenProject {
  /** see project-id.ts */
  id: string;
  project: Project;
  runs: RunQueue;
  inspector: Inspector;
  /** calls at work in it; closing waits for them */
  working: Set<Promise<unknown>>;
  /** aborted when it is about to be closed */
  closing: AbortController;
}

export interface Session {
  current(): OpenProject | null;
  /** Resolves when what is being opened or closed now has been. */
  settled(): Promise<void>;
  /** A window has nothing more to write into the project that is being closed. */
  left(): void;
  /**
   * Opens a project in place of the one that is open, which stays open where this fails. `prepare` is what has to be
   * done before anybody else sees it.
   */
  open(find: () => Project | Promise<Project>, prepare?: (opened: OpenProject) => void | Promise<void>): Promise<void>;
  /**
   * Closes the project, has `work` done in its folder while nobody has it open, and opens it again whatever came of
   * that.
   */
  exchange(
    work: (folder: string) => Promise<void>,
    prepare?: (opened: OpenProject) => void | Promise<void>,
  ): Promise<void>;
  /** `atOnce`: without waiting for windows, which are gone when the program ends. */
  close(how?: { atOnce?: boolean }): Promise<void>;
}

/** The project folder a path means: the folder itself, or a file in it such as project.db. */
export const projectFolderOf = (given: string): string =>
  path.basename(given) === 'project.db' ? path.dirname(given) : given;

export const openForWriting = (folder: string): Project => openProject(folder, { write: true });

export const noProject = (): TastemakerError =>
  new TastemakerError('bad-argument', 'No project is open.', 'Open a project, or make a new one, on the Home screen.');

export interface SessionOptions {
  /** reaches every window; `project` is whose event it is */
  emit: Reach;
  /** how many windows look on */
  windows(): number;
  /** that of processes that compute */
  environment: NonNullable<QueueOptions['environment']>;
  /** is told every event of the open project before the windows are */
  hear(opened: OpenProject, ...event: Parameters<Emit>): void;
}

export function createSession({ emit, windows, environment, hear }: SessionOptions): Session {
  let current: OpenProject | null = null;
  let turn: Promise<unknown> = Promise.resolve();
  let leaving: { windows: number; done(): void } | null = null;
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work);
    turn = done.catch(() => {});
    return done;
  };

  const tellChanged = (project: Project | null) =>
    emit('project.changed', project ? projectChanged(project) : { project: null, settings: null, labelers: [] }, null);

  /** What was typed last in any window belongs to this project, not to the next: they write it now. */
  async function letWindowsLeave(): Promise<void> {
    if (!current || windows() === 0) return;
    await new Promise<void>((done) => {
      leaving = { windows: windows(), done };
      setTimeout(done, LEAVING_MS);
      emit('project.leaving', {}, current!.id);
    });
    leaving = null;
  }

  async function closeCurrent(): Promise<void> {
    const old = current;
    if (!old) return;
    current = null; // no call begins in it any more
    old.closing.abort();
    try {
      await Promise.all([old.runs.close(), old.inspector.close()]);
      await Promise.race([
        Promise.allSettled(old.working),
        new Promise((resolve) => setTimeout(resolve, PATIENCE_MS).unref()),
      ]);
    } finally {
      old.project.close();
    }
  }

  /** Makes a project the open one; where that fails none is. */
  async function enter(project: Project, prepare?: (opened: OpenProject) => void | Promise<void>): Promise<void> {
    let runs: RunQueue | null = null;
    try {
      const id = projectId(project);
      const opened: OpenProject = {
        id,
        project,
        working: new Set(),
        closing: new AbortController(),
        inspector: createInspector({ environment }),
        runs: (runs = createRunQueue(
          project,
          (event, data) => {
            if (current?.project !== project) return; // closed meanwhile
            hear(current, event, data);
            emit(event, data, EVENT_OF[event] === 'project' ? id : null);
          },
          { environment },
        )),
      };
      await prepare?.(opened);
      current = opened;
    } catch (error) {
      await runs?.close();
      project.close();
      tellChanged(null);
      throw error;
    }
    tellChanged(project);
  }

  return {
    current: () => current,
    settled: async () => void (await turn),
    left: () => {
      if (leaving && --leaving.windows <= 0) leaving.done();
    },
    open: (find, prepare) =>
      inTurn(async () => {
        const project = await find();
        if (project === current?.project) return;
        await letWindowsLeave();
        await closeCurrent();
        await enter(project, prepare);
      }),
    exchange: (work, prepare) =>
      inTurn(async () => {
        if (!current) throw noProject();
        const { folder } = current.project;
        await letWindowsLeave();
        await closeCurrent();
        const refused = await work(folder).then(
          () => null,
          (error: unknown) => ({ error }),
        );
        let project: Project;
        try {
          project = openForWriting(folder);
        } catch (error) {
          tellChanged(null);
          throw refused ? refused.error : error;
        }
        await enter(project, prepare);
        if (refused) throw refused.error;
      }),
    close: ({ atOnce = false } = {}) =>
      inTurn(async () => {
        if (!current) return;
        if (!atOnce) await letWindowsLeave();
        await closeCurrent();
        tellChanged(null);
      }),
  };
}
