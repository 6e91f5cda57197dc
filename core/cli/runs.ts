// `tastemaker runs`: the runs of a project, newest first.

import { lockHolder } from '#core/store/lock.ts';
import { listRuns } from '#core/store/runs.ts';
import { defineCommand } from './command.ts';
import { projectOption, withProject } from './project-option.ts';
import { table } from './table.ts';

export const runsCommand = defineCommand({
  name: 'runs',
  words: [],
  sentence: 'List the runs of the project, newest first.',
  options: { project: projectOption },
  run: ({ options }) => withProject(options.project, { write: false }, (project) => {
    const holder = lockHolder(project.folder);
    // a run that says "running" while nobody writes to the project was killed
    const data = listRuns(project).map((run) => ({ ...run, killed: run.status === 'running' && holder === null }));
    const rows = data.map(({ id, name, status, killed, createdAt, error }) => [id, name, killed ? 'killed (resume it)' : status, new Date(createdAt).toISOString().slice(0, 16).replace('T', ' '), error ?? '']);
    return { data, lines: rows.length ? table(['run', 'name', 'status', 'begun (UTC)', 'error'], rows) : ['The project has no runs yet: `tastemaker train RECIPE`.'] };
  }),
});
