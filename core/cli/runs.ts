// `tastemaker runs`: the runs of a project, newest first, with what came out of them and what they take on the disk.

import { listRuns } from '#core/store/runs.ts';
import { onOneLine } from '#core/store/printable.ts';
import { factsOfRuns } from '#core/service/runs/run-facts.ts';
import { defineCommand } from './command.ts';
import { fateOf } from './finished-run.ts';
import { runsAtRestHere } from './new-here.ts';
import { projectOption, withProject } from './project-option.ts';
import { resultWords, sizeWords } from './run-size.ts';
import { table } from './table.ts';
import { duration } from '#core/contract/time-words.ts';

const HEADINGS = ['run', 'name', 'status', 'begun (UTC)', 'took', 'result', 'on disk', 'tags', 'note or error'];
/** characters of a note in the table; `run show` has all of it */
const NOTE = 60;

export const runsCommand = defineCommand({
  name: 'runs',
  words: [],
  sentence: 'List the runs of the project, newest first, with their results, sizes, tags and notes.',
  options: { project: projectOption },
  run: ({ options }) =>
    withProject(options.project, { write: false }, async (project) => {
      const { ids: atRest, line } = runsAtRestHere(project);
      const facts = new Map((await factsOfRuns(project)).map((one) => [one.id, one]));
      const data = listRuns(project).map((run) => ({
        ...run,
        ...fateOf(project, run),
        atRest: atRest.has(run.id),
        ...facts.get(run.id)!,
      }));
      const rows = data.map(
        ({
          id,
          name,
          status,
          killed,
          unrecorded,
          atRest: rests,
          createdAt,
          startedAt,
          endedAt,
          error,
          results,
          bytes,
          tags,
          note,
        }) => [
          id,
          onOneLine(name),
          rests ? 'at rest' : killed ? 'killed (resume it)' : (unrecorded ?? status),
          new Date(startedAt ?? createdAt).toISOString().slice(0, 16).replace('T', ' '),
          endedAt === null ? '' : duration((endedAt - (startedAt ?? createdAt)) / 1000),
          resultWords({ results }),
          sizeWords(bytes),
          onOneLine(tags.join(', ')),
          onOneLine(error ?? note).slice(0, NOTE),
        ],
      );
      return {
        data,
        lines: rows.length
          ? [...table(HEADINGS, rows), ...(line ? ['', line] : [])]
          : ['The project has no runs yet: `tastemaker train RECIPE`.'],
      };
    }),
});
