// The option --project, and opening the project it means for as long as a command works with it.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { openProject } from '#core/store/database.ts';
import type { Project } from '#core/store/project.ts';
import { isStraddlingNotice } from '#core/store/straddling.ts';
import { text } from './command.ts';
import { forTerminal } from './terminal.ts';

export const projectOption = text('DIR', null, 'The project; without it, the only *.tastemaker folder here.');

const isProject = (folder: string): boolean => fs.existsSync(path.join(folder, 'project.db'));

/** The projects that could be meant where none is named: this folder itself, or the *.tastemaker folders in it. */
export function projectsHere(): string[] {
  if (process.cwd().endsWith('.tastemaker') && isProject(process.cwd())) return [process.cwd()];
  return fs
    .readdirSync(process.cwd())
    .filter((name) => name.endsWith('.tastemaker') && isProject(path.resolve(name)))
    .sort();
}

/** The named project, or the only one here. 'bad-argument' where there is none or more than one. */
export function projectFolder(given: string | null): string {
  if (given !== null) return given;
  const here = projectsHere();
  if (here.length === 1) return here[0]!;
  throw here.length === 0
    ? new TastemakerError(
        'bad-argument',
        `There is no project in ${process.cwd()}.`,
        'Name one with --project DIR, or make one with `tastemaker new NAME`.',
      )
    : new TastemakerError(
        'bad-argument',
        `There are ${here.length} projects here: ${here.join(', ')}.`,
        'Name one with --project DIR.',
      );
}

/** Opens the project, hands it to `work` and closes it whatever happens. Writing takes the project's lock. */
export async function withProject<T>(
  given: string | null,
  access: { write: boolean },
  work: (project: Project) => T | Promise<T>,
): Promise<T> {
  const project = openProject(projectFolder(given), access);
  try {
    for (const notice of project.notices)
      process.stderr.write(
        forTerminal(
          `${notice}${isStraddlingNotice(notice) ? ' `tastemaker prompts unite` brings them together.' : ''}\n`,
        ),
      );
    return await work(project);
  } finally {
    project.close();
  }
}
