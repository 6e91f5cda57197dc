// The process behind runAside: opens the project for reading, does one thing, sends what came out, and ends.

import { TastemakerError } from '#core/errors.ts';
import { backupDatabase } from '#core/store/backups.ts';
import { checkProject, openProject } from '#core/store/database.ts';
import { explain } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import type { AsideMessage, AsideResults } from './aside.ts';

const TASKS: { readonly [K in keyof AsideResults]: (project: Project) => AsideResults[K] } = {
  check: (project) => ({ problems: checkProject(project) }),
  backup: (project) => ({ file: backupDatabase(project.db, project.folder) }),
};

const [task, folder] = process.argv.slice(2) as [keyof AsideResults, string];

function answer(): AsideMessage {
  let project: Project | null = null;
  try {
    project = openProject(folder, { write: false });
    return { result: TASKS[task](project) };
  } catch (caught) {
    const error = explain(folder, caught);
    if (error instanceof TastemakerError) return { fault: { code: error.code, message: error.message, hint: error.hint } };
    throw error;
  } finally {
    project?.close();
  }
}

process.send?.(answer(), () => process.disconnect());
