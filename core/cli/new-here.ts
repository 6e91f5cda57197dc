// What the command line says of a project that is new to this machine: the runs in it that lie at rest.

import { foreignRuns } from '#core/service/runs/at-rest.ts';
import { makeKnown } from '#core/store/known-here.ts';
import type { Project } from '#core/store/project.ts';
import { forTerminal } from './terminal.ts';

/**
 * Their ids and one line about them, null where there is nothing to say: the project is known, or nothing in it waits.
 */
export function runsAtRestHere(project: Project): { ids: ReadonlySet<string>; line: string | null } {
  const ids = new Set(foreignRuns(project).map(({ id }) => id));
  if (ids.size === 0 && project.write) makeKnown(project);
  const are = ids.size === 1 ? '1 run in it is at rest' : `${ids.size} runs in it are at rest`;
  const line = `This project is new to this machine: ${are} until somebody says that it may go on (the window asks, or \`tastemaker run resume ID\`).`;
  return { ids, line: ids.size ? line : null };
}

/** For a command that does something else in the project. */
export function sayAtRest(project: Project): void {
  const { line } = runsAtRestHere(project);
  if (line) process.stderr.write(forTerminal(`${line}\n`));
}
