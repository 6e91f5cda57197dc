// `tastemaker runs`: the runs of a project, newest first.

import { listRuns } from '#core/store/runs.ts';
import { defineCommand } from './command.ts';
import { fateOf } from './finished-run.ts';
import { runsAtRestHere } from './new-here.ts';
import { projectOption, withProject } from './project-option.ts';
import { table } from './table.ts';

export const runsCommand = defineCommand({
  name: 'runs',
  words: [],
  sentence: 'List the runs of the project, newest first.',
  options: { project: projectOption },
  run: ({ options }) => withProject(options.project, { write: false }, (project) => {
    const { ids: atRest, line } = runsAtRestHere(project);
    const data = listRuns(project).map((run) => ({ ...run, ...fateOf(project, run), atRest: atRest.has(run.id) }));
    const rows = data.map(({ id, name, status, killed, unrecorded, atRest: rests, createdAt, error }) => [id, name, rests ? 'at rest' : killed ? 'killed (resume it)' : unrecorded ?? status, new Date(createdAt).toISOString().slice(0, 16).replace('T', ' '), error ?? '']);
    return { data, lines: rows.length ? [...table(['run', 'name', 'status', 'begun (UTC)', 'error'], rows), ...(line ? ['', line] : [])] : ['The project has no runs yet: `tastemaker train RECIPE`.'] };
  }),
});
