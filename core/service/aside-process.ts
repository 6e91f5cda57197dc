// The process behind runAside: does one thing with a project, sends what came out, and ends.

import { TastemakerError, sentError } from '#core/errors.ts';
import { describeBackups } from '#core/store/backup-rows.ts';
import { backupDatabase } from '#core/store/backups.ts';
import { checkProject, openProject } from '#core/store/database.ts';
import { explain } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { restoreBackup } from '#core/store/restore.ts';
import type { AsideMessage, AsideResults } from './aside.ts';

/** Does `work` with the project open for reading. */
function reading<T>(folder: string, work: (project: Project) => T): T {
  const project = openProject(folder, { write: false });
  try {
    return work(project);
  } finally {
    project.close();
  }
}

const TASKS: { readonly [K in keyof AsideResults]: (folder: string, name: string) => AsideResults[K] } = {
  check: (folder) => reading(folder, (project) => ({ problems: checkProject(project) })),
  backup: (folder) => reading(folder, (project) => ({ file: backupDatabase(project.db, folder) })),
  backups: (folder) => ({ backups: describeBackups(folder) }),
  restore: (folder, name) => ({ kept: restoreBackup(folder, name) }),
};

const [task, folder, name] = process.argv.slice(2) as [keyof AsideResults, string, string];

function answer(): AsideMessage {
  try {
    return { result: TASKS[task](folder, name) };
  } catch (caught) {
    const error = explain(folder, caught);
    if (error instanceof TastemakerError) return { fault: sentError(error) };
    throw error;
  }
}

process.send?.(answer(), () => process.disconnect());
