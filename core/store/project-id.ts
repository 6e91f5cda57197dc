// Tells one project from every other: from its copies, and from another one that was put into the same folder.

import { createHash, randomUUID } from 'node:crypto';
import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Project } from './project.ts';
import { getSetting, setSetting } from './settings.ts';

const known = new WeakMap<Project, string>();
const SETTING = 'id';

/**
 * The name that is written in the database, which its copies have too; null where it has none yet and may not be
 * written.
 */
export function ownId(project: Project): string | null {
  const own = getSetting<unknown>(project, SETTING, null);
  if (typeof own === 'string') return own;
  if (!project.write) return null;
  const made = randomUUID();
  setSetting(project, SETTING, made);
  return made;
}

/**
 * The same whenever the same project is opened, also by a process that comes after a crash. A copy keeps the name that
 * is
 * written in the database, but not the file that it lies in (inode and time of birth, where the file system has them).
 */
export function projectId(project: Project): string {
  let id = known.get(project);
  if (id === undefined) {
    const own = ownId(project);
    const { dev, ino, birthtimeNs } = statSync(join(project.folder, 'project.db'), { bigint: true });
    id = createHash('sha256')
      .update([own ?? '', realpathSync(project.folder), dev, ino, birthtimeNs].join('\n'))
      .digest('hex')
      .slice(0, 32);
    known.set(project, id);
  }
  return id;
}
