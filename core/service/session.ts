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
import type { ProcessEnvironment } from '#core/service/runs/next-run.ts';
import { createRunQueue } from '#core/service/runs/queue.ts';
import type { RunQueue } from '#core/service/runs/queue.ts';

/** How long closing waits for calls that are still at work in the project. */
const PATIENCE_MS = 5000;
/** How long closing waits for windows to write what they still have. */
const LEAVING_MS = 500;
/** Findings are kept, so that its process is seldom wanted again soon; a model that it holds is held twice. */
const FINDER_IDLE_MS = 30_000;

export interface OpenProject {
  /** see project-id.ts */
  id: string;
  project: Project;
  runs: RunQueue;
  inspector: Inspector;
  finder: Inspector;
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
  environment: ProcessEnvironment;
  /** is told every event of the open project before the windows are */
  hear(opened: OpenProject, ...event: Parameters<Emit>): void;
}

/** What is open, and who waits for whom. */
interface State extends SessionOptions {
  current: OpenProject | null;
  leaving: { windows: number; done(): void } | null;
}
type Prepare = (opened: OpenProject) => void | Promise<void>;

export function createSession(options: SessionOptions): Session {
  const state: State = { ...options, current: null, leaving: null };
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work);
    turn = done.catch(() => {});
    return done;
  };
  return {
    current: () => state.current,
    settled: async () => void (await turn),
    left: () => {
      const { leaving } = state;
      if (leaving && --leaving.windows <= 0) leaving.done();
    },
    open: (find, prepare) =>
      inTurn(async () => {
        const project = await find();
        if (project === state.current?.project) return;
        await letWindowsLeave(state);
        await closeCurrent(state);
        await enter(state, project, prepare);
      }),
    exchange: (work, prepare) => inTurn(() => exchange(state, work, prepare)),
    close: ({ atOnce = false } = {}) =>
      inTurn(async () => {
        if (!state.current) return;
        if (!atOnce) await letWindowsLeave(state);
        await closeCurrent(state);
        tellChanged(state, null);
      }),
  };
}

const tellChanged = ({ emit }: State, project: Project | null): void =>
  emit('project.changed', project ? projectChanged(project) : { project: null, settings: null, labelers: [] }, null);

/** What was typed last in any window belongs to this project, not to the next: they write it now. */
async function letWindowsLeave(state: State): Promise<void> {
  const { current } = state;
  if (!current || state.windows() === 0) return;
  await new Promise<void>((done) => {
    state.leaving = { windows: state.windows(), done };
    setTimeout(done, LEAVING_MS);
    state.emit('project.leaving', {}, current.id);
  });
  state.leaving = null;
}

async function closeCurrent(state: State): Promise<void> {
  const old = state.current;
  if (!old) return;
  state.current = null; // no call begins in it any more
  old.closing.abort();
  try {
    await Promise.all([old.runs.close(), old.inspector.close(), old.finder.close()]);
    await Promise.race([
      Promise.allSettled(old.working),
      new Promise((resolve) => setTimeout(resolve, PATIENCE_MS).unref()),
    ]);
  } finally {
    old.project.close();
  }
}

/** Makes a project the open one; where that fails none is. */
async function enter(state: State, project: Project, prepare?: Prepare): Promise<void> {
  const { environment } = state;
  let runs: RunQueue | null = null;
  try {
    const id = projectId(project);
    const opened: OpenProject = {
      id,
      project,
      working: new Set(),
      closing: new AbortController(),
      inspector: createInspector({ environment }),
      finder: createInspector({ environment, idleMs: FINDER_IDLE_MS }),
      runs: (runs = createRunQueue(
        project,
        (event, data) => {
          if (state.current?.project !== project) return; // closed meanwhile
          state.hear(state.current, event, data);
          state.emit(event, data, EVENT_OF[event] === 'project' ? id : null);
        },
        { environment },
      )),
    };
    await prepare?.(opened);
    state.current = opened;
  } catch (error) {
    await runs?.close();
    project.close();
    tellChanged(state, null);
    throw error;
  }
  tellChanged(state, project);
}

async function exchange(state: State, work: (folder: string) => Promise<void>, prepare?: Prepare): Promise<void> {
  if (!state.current) throw noProject();
  const { folder } = state.current.project;
  await letWindowsLeave(state);
  await closeCurrent(state);
  const refused = await work(folder).then(
    () => null,
    (error: unknown) => ({ error }),
  );
  let project: Project;
  try {
    project = openForWriting(folder);
  } catch (error) {
    tellChanged(state, null);
    throw refused ? refused.error : error;
  }
  await enter(state, project, prepare);
  if (refused) throw refused.error;
}
