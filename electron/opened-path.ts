// Which project the operating system asks us to open: a path among the arguments, a double-clicked file, a second
// start.
import fs from 'node:fs';
import path from 'node:path';

/** The project folder a path means (the folder itself, or a file in it such as project.db), or null. */
export function projectOf(given: string, cwd: string): string | null {
  const found = path.resolve(cwd, given);
  for (const folder of [found, path.dirname(found)]) {
    if (folder.endsWith('.tastemaker') && fs.existsSync(path.join(folder, 'project.db'))) return folder;
  }
  return null;
}

/** The first argument that means a project; switches and the program's own path are passed over. */
export function projectAmong(argv: readonly string[], cwd: string): string | null {
  for (const argument of argv.slice(1)) {
    const project = argument.startsWith('-') ? null : projectOf(argument, cwd);
    if (project) return project;
  }
  return null;
}
