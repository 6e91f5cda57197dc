// An import as it goes on: what each part of it has added, written down with the part, so that all of it stays or
// nothing.
//
// The journal of an import is there before its first row and goes in the transaction that writes its event. One that is
// found when a project opens is of an import that was killed, closed or out of disk: its rows are taken away again.

import { randomUUID } from 'node:crypto';
import { TastemakerError } from '#core/errors.ts';
import { recordEvent } from './events.ts';
import type { Step } from './inverse.ts';
import { query, transaction } from './project.ts';
import type { Project } from './project.ts';
import { getSetting, setSetting } from './settings.ts';

/** Parents first. Their ids only grow, so what one transaction adds is a range. */
const TABLES = ['labelers', 'prompts', 'completions', 'items', 'rankings', 'ratings', 'marks'] as const;
/** Rows that have the key of another table and nothing of their own. */
const ALONG = { items: 'item_completions', rankings: 'ranking_items' } as const;
type Table = (typeof TABLES)[number];

export interface Added {
  table: Table;
  first: number;
  last: number;
}

const NONE_IN = (column: string, ...tables: string[]) =>
  tables.map((table) => `NOT EXISTS (SELECT 1 FROM ${table} o WHERE o.${column} = t.id)`).join(' AND ');
/**
 * Whether nobody has come to need a row `t` that an import added: what a person has made with it since is not lost with
 * it.
 */
const FREE: Readonly<Record<Table, string>> = {
  labelers: `${NONE_IN('labeler_id', 'rankings', 'ratings', 'marks', 'drafts', 'flags', 'events')} AND t.id IS NOT (SELECT json_extract(value, '$.labelerId') FROM settings WHERE name = 'window')`,
  prompts: NONE_IN('prompt_id', 'completions', 'items', 'rankings'),
  completions: NONE_IN('completion_id', 'item_completions', 'ranking_items', 'ratings', 'marks', 'flags'),
  items: NONE_IN('item_id', 'rankings', 'drafts', 'flags'),
  rankings: `t.confirmed_at IS NULL AND ${NONE_IN('repeat_of', 'rankings', 'drafts')}`,
  ratings: 'true',
  marks: 'true',
};

const lastIds = (project: Project): Map<string, number> =>
  new Map(
    query<{ name: string; seq: number }>(project, 'SELECT name, seq FROM sqlite_sequence')
      .all()
      .map(({ name, seq }) => [name, seq]),
  );

/** Runs `work` in one transaction and says which rows it added. */
export function noteAdded(project: Project, work: () => void): Added[] {
  return transaction(project, () => {
    const before = lastIds(project);
    work();
    const after = lastIds(project);
    return TABLES.flatMap((table) => {
      const first = (before.get(table) ?? 0) + 1;
      const last = after.get(table) ?? 0;
      return last >= first ? [{ table, first, last }] : [];
    });
  });
}

/** One event for all that an import has added; undoing it takes the rows away. Returns its id. */
export function recordImport(project: Project, file: string, added: readonly Added[]): number {
  const steps = TABLES.flatMap((table): Step[] => {
    if (table === 'labelers') return []; // they stay: who they are is no row of the file
    const ids = added
      .filter((one) => one.table === table)
      .flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i));
    const tables: Step['table'][] = table === 'items' || table === 'rankings' ? [table, ALONG[table]] : [table];
    return tables.flatMap((name) => ids.map((key): Step => ({ table: name, key, rows: [] })));
  });
  return recordEvent(
    project,
    null,
    'import',
    { file, prompts: steps.filter(({ table }) => table === 'prompts').length },
    steps,
  );
}

interface Journal {
  file: string;
  added: Added[];
  /** what could not be taken back, because it is needed by now */
  stays: Added[];
}

export interface ImportJournal {
  /** what has been added so far */
  readonly added: readonly Added[];
  /** All of `work` in one transaction, with the note of what it added. */
  part(work: () => void): void;
  /** The import is whole: its event in place of its journal. Returns the event's id, null where nothing was added. */
  finish(): number | null;
  /**
   * Takes everything away again, a few rows at each step; returns how many rows stay because they are needed by now.
   */
  takeBack(): Generator<void, number>;
}

const PREFIX = 'importing/';
/** Rows that are taken away in one transaction. */
const STEP = 256;

/** Ranges of the same table that touch become one. */
function joined(ranges: readonly Added[]): Added[] {
  const out: Added[] = [];
  for (const range of ranges) {
    const last = out.findLast(({ table }) => table === range.table);
    if (last && last.last + 1 === range.first) last.last = range.last;
    else out.push({ ...range });
  }
  return out;
}

/** Opens the journal of an import that begins. */
export function beginImport(project: Project, file: string): ImportJournal {
  const name = `${PREFIX}${randomUUID()}`;
  setSetting(project, name, { file, added: [], stays: [] } satisfies Journal);
  return journalOf(project, name);
}

function journalOf(project: Project, name: string): ImportJournal {
  const found = getSetting<Journal>(project, name, { file: '', added: [], stays: [] });
  const { file } = found;
  let { added, stays } = found;
  const write = (next: Partial<Journal>) =>
    setSetting(project, name, { file, added, stays, ...next } satisfies Journal);
  const close = () => query(project, 'DELETE FROM settings WHERE name = ?').run(name);
  const recorded = (ranges: readonly Added[]) =>
    ranges.some(({ table }) => table !== 'labelers') ? recordImport(project, file, ranges) : null;
  return {
    get added() {
      return added;
    },
    part: (work) => {
      added = transaction(project, () => {
        const all = joined([...added, ...noteAdded(project, work)]);
        write({ added: all });
        return all;
      });
    },
    finish: () =>
      transaction(project, () => {
        close();
        return recorded(added);
      }),
    *takeBack() {
      for (const table of TABLES.toReversed())
        for (
          let range = added.findLast((one) => one.table === table);
          range;
          range = added.findLast((one) => one.table === table)
        ) {
          const first = Math.max(range.first, range.last - STEP + 1);
          const part = { table, first, last: range.last };
          [added, stays] = transaction(project, () => {
            const left = needed(project, part);
            const next = {
              added: added.flatMap((one) =>
                one !== range ? [one] : one.first < first ? [{ ...one, last: first - 1 }] : [],
              ),
              stays: joined([...left, ...stays]),
            };
            write(next);
            return [next.added, next.stays];
          });
          yield;
        }
      transaction(project, () => {
        close();
        recorded(stays);
      });
      return stays.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    },
  };
}

/** Takes the free rows of a range away; returns those that stay. */
function needed(project: Project, { table, first, last }: Added): Added[] {
  query(project, `DELETE FROM ${table} AS t WHERE t.id BETWEEN ? AND ? AND ${FREE[table]}`).run(first, last);
  const ids = query<{ id: number }>(project, `SELECT id FROM ${table} WHERE id BETWEEN ? AND ? ORDER BY id`).all(
    first,
    last,
  );
  return joined(ids.map(({ id }) => ({ table, first: id, last: id })));
}

/** What is said of an import that was not finished. */
export const stayingSentence = (stay: number): string =>
  stay === 0
    ? ''
    : ` ${stay === 1 ? '1 row stays' : `${stay.toLocaleString('en')} rows stay`}, because something was made with ${stay === 1 ? 'it' : 'them'} meanwhile.`;

/** Takes back what imports left that nobody finished; what a person should know of it, in sentences. */
export function takeBackUnfinished(project: Project): string[] {
  const names = query<{ name: string }>(project, 'SELECT name FROM settings WHERE name GLOB ? ORDER BY name').all(
    `${PREFIX}*`,
  );
  return names.map(({ name }) => {
    const { file } = getSetting<Journal>(project, name, { file: '', added: [], stays: [] });
    const journal = journalOf(project, name);
    try {
      const steps = journal.takeBack();
      let step = steps.next();
      while (!step.done) step = steps.next();
      return `The import of ${file} was broken off and has been taken back; import the file again.${stayingSentence(step.value)}`;
    } catch (error) {
      if (!(error instanceof TastemakerError) || error.code !== 'disk') throw error;
      return `The import of ${file} was broken off and cannot be taken back yet: ${error.message} Free some space and open the project again.`;
    }
  });
}
