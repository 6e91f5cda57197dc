// What an import has added, as ranges of ids: to take it back where it fails midway, and for the one event that undoes it.

import { recordEvent } from './events.ts';
import type { Step } from './inverse.ts';
import { query, transaction } from './project.ts';
import type { Project } from './project.ts';

/** Parents first. Their ids only grow, so what one transaction adds is a range. */
const TABLES = ['prompts', 'completions', 'items', 'rankings', 'ratings', 'marks'] as const;
/** Rows that have the key of another table and nothing of their own. */
const ALONG = { items: 'item_completions', rankings: 'ranking_items' } as const;
type Table = (typeof TABLES)[number];

export interface Added {
  table: Table;
  first: number;
  last: number;
}

const lastIds = (project: Project): Map<string, number> =>
  new Map(query<{ name: string; seq: number }>(project, 'SELECT name, seq FROM sqlite_sequence').all().map(({ name, seq }) => [name, seq]));

/** Runs `work` in one transaction and says which rows it added. */
export function noteAdded(project: Project, work: () => void): Added[] {
  return transaction(project, () => {
    const before = lastIds(project);
    work();
    const after = lastIds(project);
    return TABLES.flatMap((table) => {
      const first = (before.get(table) ?? 0) + 1, last = after.get(table) ?? 0;
      return last >= first ? [{ table, first, last }] : [];
    });
  });
}

/** Takes added rows away again, whatever hangs on them not: for an import that failed. */
export function takeBack(project: Project, added: readonly Added[]): void {
  transaction(project, () => {
    for (const table of TABLES.toReversed())
      for (const range of added.filter((one) => one.table === table)) query(project, `DELETE FROM ${table} WHERE id BETWEEN ? AND ?`).run(range.first, range.last);
  });
}

/** One event for all that an import has added; undoing it takes the rows away. Returns its id. */
export function recordImport(project: Project, file: string, added: readonly Added[]): number {
  const steps = TABLES.flatMap((table): Step[] => {
    const ids = added.filter((one) => one.table === table).flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i));
    const tables: Step['table'][] = table === 'items' || table === 'rankings' ? [table, ALONG[table]] : [table];
    return tables.flatMap((name) => ids.map((key): Step => ({ table: name, key, rows: [] })));
  });
  return recordEvent(project, null, 'import', { file, prompts: steps.filter(({ table }) => table === 'prompts').length }, steps);
}
