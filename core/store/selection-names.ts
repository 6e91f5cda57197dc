// Names in a selection that the project does not know: a misspelled one would select nothing, or leave out nothing,
// without a word.

import type { Selection } from '#core/contract/rankings.ts';
import { TastemakerError } from '#core/errors.ts';
import { listLabelers } from './labelers.ts';
import { DEFAULT_MARK_LABELS } from './marks.ts';
import { listPolicies } from './policies.ts';
import { query } from './project.ts';
import type { Project } from './project.ts';
import { listRuns } from './runs.ts';
import { getSetting } from './settings.ts';

/** What a selection names, and which names there are. */
const NAMED: readonly {
  of: (selection: Selection) => readonly string[];
  what: string;
  all: string;
  known: (project: Project) => readonly string[];
}[] = [
  {
    of: ({ labelers }) => labelers,
    what: 'labeler',
    all: 'labelers',
    known: (project) => listLabelers(project).map(({ name }) => name),
  },
  {
    of: ({ policies }) => policies,
    what: 'model or writer',
    all: 'models and writers',
    known: (project) => [
      ...listPolicies(project).map(({ name }) => name),
      ...texts(project, 'SELECT DISTINCT writer AS text FROM completions WHERE writer IS NOT NULL'),
    ],
  },
  { of: ({ rounds }) => rounds, what: 'run', all: 'runs', known: (project) => listRuns(project).map(({ id }) => id) },
  {
    of: ({ marks }) => marks,
    what: 'mark label',
    all: 'mark labels',
    known: (project) => [
      ...(getSetting<{ markLabels?: string[] }>(project, 'window', {}).markLabels ?? DEFAULT_MARK_LABELS),
      ...texts(project, 'SELECT DISTINCT label AS text FROM marks'),
    ],
  },
];
const texts = (project: Project, sql: string) =>
  query<{ text: string }>(project, sql)
    .all()
    .map(({ text }) => text);

const SHOWN = 20;

/**
 * Throws 'bad-argument' for the first name in `selection` that the project does not know, with the names that it does.
 */
export function refuseUnknownNames(project: Project, selection: Selection): void {
  for (const { of, what, all, known } of NAMED) {
    const named = of(selection);
    if (named.length === 0) continue;
    const names = [...new Set(known(project))];
    const unknown = named.find((name) => !names.includes(name));
    if (unknown === undefined) continue;
    const shown = [...names.slice(0, SHOWN), ...(names.length > SHOWN ? [`${names.length - SHOWN} more`] : [])].join(
      ', ',
    );
    throw new TastemakerError(
      'bad-argument',
      `The project has no ${what} ${JSON.stringify(unknown)}.`,
      names.length > 0 ? `Its ${all} are: ${shown}.` : `It has no ${all} yet.`,
    );
  }
}
