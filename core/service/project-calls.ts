// Opens, makes, closes, checks and backs up a project, and changes its settings.

import os from 'node:os';
import path from 'node:path';
import { createProject } from '#core/store/database.ts';
import { isKnownHere } from '#core/store/known-here.ts';
import { ensureLabeler, listLabelers } from '#core/store/labelers.ts';
import type { Project } from '#core/store/project.ts';
import { appState } from './app.ts';
import type { Services } from './app.ts';
import { runAside } from './aside.ts';
import { followDemo, makeDemo, startDemo } from './demo.ts';
import type { Handlers } from './handlers.ts';
import { typedPath } from './home.ts';
import { changeProjectSettings, projectSettings } from './project.ts';
import { projectChanged, settleAndTell } from './project-summary.ts';
import { openForWriting, projectFolderOf } from './session.ts';

export function createProjectHandlers(services: Services) {
  const { session, preferences } = services;
  const opened = () => {
    const project = session.current()?.project; // null where another window has closed it already
    try {
      if (project) preferences.remember({ folder: project.folder, name: project.name, openedAt: Date.now() });
    } catch {
      // that the list of recent projects cannot be written is no reason not to open one
    }
    return appState(services);
  };
  return {
    'project.open': async (context, { folder }) => {
      const wanted = path.resolve(projectFolderOf(typedPath(folder)));
      await session.open(() => {
        const current = session.current()?.project;
        return current?.folder === wanted ? current : openForWriting(wanted);
      }, (found) => {
        someoneLabels(found.project);
        if (isKnownHere(found.project)) for (const run of found.runs.list()) followDemo(found, run, () => {}); // it may have ended while nobody watched; windows read all of it anew
      });
      const state = opened(), now = session.current();
      context.emit('preferences.changed', { preferences: state.preferences });
      if (now) void settleAndTell(now.project, services.emitOf(now)).catch(() => {}); // closed meanwhile
      return state;
    },
    'project.create': async (context, { folder, demo }) => {
      const given = typedPath(folder);
      const wanted = given.endsWith('.tastemaker') ? given : `${given}.tastemaker`;
      await session.open(() => (demo ? makeDemo(wanted) : createProject(wanted)), async (made) => {
        someoneLabels(made.project);
        if (demo) await startDemo(made);
      });
      const state = opened();
      context.emit('preferences.changed', { preferences: state.preferences });
      return state;
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
    'project.setSettings': async ({ project, emit }, { changes }) => {
      const settings = changeProjectSettings(project, changes as Parameters<typeof changeProjectSettings>[1]);
      emit('project.changed', projectChanged(project));
      await settleAndTell(project, emit);
      return settings;
    },
  } satisfies Partial<Handlers>;
}

/** Where nobody was chosen to label, it is the person at this machine: a new project can be labelled at once. */
function someoneLabels(project: Project): void {
  const { labelerId } = projectSettings(project), labelers = listLabelers(project);
  if (labelers.some(({ id }) => id === labelerId)) return;
  const person = labelers.find(({ kind }) => kind === 'person') ?? ensureLabeler(project, freeName(labelers.map(({ name }) => name)), 'person');
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
