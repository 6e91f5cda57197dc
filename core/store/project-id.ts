// Tells one project from every other: from its copies, and from another one that was put into the same folder.

import { createHash, randomUUID } from 'node:crypto';
import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Project } from './project.ts';
import { getSetting, setSetting } from './settings.ts';

const known = new WeakMap<Project, string>();
const SETTING = 'id';

/**
 * The same whenever the same project is opened, also by a process that comes after a crash. A copy keeps the name that is
 * written in the database, but not the file that it lies in (inode and time of birth, where the file system has them).
 */
export function projectId(project: Project): string {
  let id = known.get(project);
  if (id === undefined) {
    let own = getSetting<string | null>(project, SETTING, null);
    if (own === null && project.write) setSetting(project, SETTING, (own = randomUUID()));
    const { dev, ino, birthtimeNs } = statSync(join(project.folder, 'project.db'), { bigint: true });
    id = createHash('sha256').update([own ?? '', realpathSync(project.folder), dev, ino, birthtimeNs].join('\n')).digest('hex').slice(0, 32);
    known.set(project, id);
  }
  return id;
}
