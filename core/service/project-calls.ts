// Opens, makes, closes, checks and backs up a project, and changes its settings.

import os from 'node:os';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { createProject } from '#core/store/database.ts';
import { isKnownHere } from '#core/store/known-here.ts';
import { ensureLabeler, listLabelers } from '#core/store/labelers.ts';
import type { Project } from '#core/store/project.ts';
import { saveCopy } from '#core/store/save-copy.ts';
import { folderNow, strayed } from '#core/store/whereabouts.ts';
import { appState } from './app.ts';
import type { Services } from './app.ts';
import { runAside } from './aside.ts';
import { continueDemo, makeDemo } from './demo.ts';
import type { Context, Handlers } from './handlers.ts';
import { probeSoon, proberOf } from '#core/service/models/probing.ts';
import { typedPath } from './home.ts';
import { changeProjectSettings, projectSettings } from './project.ts';
import { projectChanged, settleAndTell } from './project-summary.ts';
import { openForWriting, projectFolderOf } from './session.ts';
import type { OpenProject } from './session.ts';

export function createProjectHandlers(services: Services) {
  const { session } = services;
  /** What has to be done before anybody sees an opened project. */
  const prepare = async (found: OpenProject): Promise<void> => {
    someoneLabels(found.project);
    if (isKnownHere(found.project)) await continueDemo(found);
  };
  /** Tells the windows, and answers with what they start from. */
  const entered = (context: Context, settles = true) => {
    const now = session.current(); // null where another window has closed it already
    if (now) remember(services, now.project);
    const state = appState(services);
    context.emit('preferences.changed', { preferences: state.preferences });
    // a reward model may have come while nobody looked, or was left half measured; a stranger's waits for a wish
    if (now && isKnownHere(now.project)) probeSoon(proberOf(now, services.emitOf(now)));
    if (settles && now) void settleAndTell(now.project, services.emitOf(now)).catch(() => {}); // closed meanwhile
    return state;
  };
  return {
    'project.open': async (context, { folder }) => {
      const wanted = given(folder);
      const before = session.current()?.project;
      // it is the same, and its lock went with it
      if (before && strayed(before)?.found === wanted) await session.close();
      await session.open(() => {
        const current = session.current()?.project;
        return current?.folder === wanted && !strayed(current) ? current : openForWriting(wanted);
      }, prepare);
      return entered(context);
    },
    'project.create': async (context, { folder, demo }) => {
      const wanted = newFolder(folder);
      await session.open(() => (demo ? makeDemo(wanted) : createProject(wanted)), prepare);
      return entered(context, false);
    },
    'project.restore': async (context, { name }) => {
      if (context.runs.busy())
        throw new TastemakerError(
          'bad-argument',
          'A run is at work in the project, and would write into another state of it.',
          'Stop the run, or wait for its end, then restore the backup.',
        );
      await session.exchange(async (folder) => void (await runAside('restore', folder, name)), prepare);
      return entered(context);
    },
    'project.backupsBeside': async (_, { folder }) => runAside('backups', given(folder)),
    'project.restoreBeside': async (context, { folder, name }) => {
      await session.open(() => restored(services, given(folder), name), prepare);
      return entered(context);
    },
    'project.saveCopy': async (context, { folder }) => {
      const { project } = context;
      const wanted = newFolder(folder);
      await saveCopy(project, wanted, folderNow(project));
      await session.open(() => openForWriting(wanted), prepare);
      return entered(context);
    },
    'project.close': async () => {
      await session.close();
      return appState(services);
    },
    'project.left': () => {
      session.left();
      return {};
    },
    'project.check': async ({ project }) => runAside('check', project.folder),
    'project.backup': async ({ project }) => runAside('backup', project.folder),
    'project.backups': async ({ project }) => runAside('backups', project.folder),
    'project.setSettings': async ({ project, emit }, { changes }) => {
      const settings = changeProjectSettings(project, changes as Parameters<typeof changeProjectSettings>[1]);
      emit('project.changed', projectChanged(project));
      await settleAndTell(project, emit);
      return settings;
    },
  } satisfies Partial<Handlers>;
}

/** Puts a project first among the recent ones. */
function remember({ preferences }: Services, { folder, name }: Project): void {
  try {
    preferences.remember({ folder, name, openedAt: Date.now() });
  } catch {
    // that the list of recent projects cannot be written is no reason not to open one
  }
}

/** The folder of a project, as a person named it: itself, or a file in it. */
const given = (folder: string): string => path.resolve(projectFolderOf(typedPath(folder)));

/** A project that is not open, once a backup has taken its place. */
async function restored({ session }: Services, folder: string, name: string): Promise<Project> {
  if (session.current()?.project.folder === folder)
    throw new TastemakerError('bad-argument', 'The project is open.', 'Settings restores its backups.');
  await runAside('restore', folder, name);
  return openForWriting(folder);
}

/** A new project is called name.tastemaker. */
function newFolder(given: string): string {
  const folder = typedPath(given);
  return folder.endsWith('.tastemaker') ? folder : `${folder}.tastemaker`;
}

/** Where nobody was chosen to label, it is the person at this machine: a new project can be labelled at once. */
function someoneLabels(project: Project): void {
  const { labelerId } = projectSettings(project);
  const labelers = listLabelers(project);
  if (labelers.some(({ id }) => id === labelerId)) return;
  const person =
    labelers.find(({ kind }) => kind === 'person') ??
    ensureLabeler(project, freeName(labelers.map(({ name }) => name)), 'person');
  changeProjectSettings(project, { labelerId: person.id });
}

function freeName(taken: readonly string[]): string {
  let name = 'me';
  try {
    name = os.userInfo().username || name;
  } catch {
    // a user without a name
  }
  return taken.includes(name) ? `${name} (person)` : name;
}
