// Prompts: what is asked, one row per distinct text, each in the split its caller gave it.

import { createHash } from 'node:crypto';
import type { Prompt, PromptRow, Split } from '#core/contract.ts';
import { recordEvent } from './events.ts';
import { capture } from './inverse.ts';
import { insertRows, query, requireRow, requireThat, transaction, where } from './project.ts';
import type { Project, Value } from './project.ts';
import { countOnce } from './samples.ts';
import { holdsText } from './search.ts';

const SPLITS: readonly string[] = ['train', 'validation', 'test'] satisfies Split[];

export interface NewPrompt {
  text: string;
  split: Split;
  source: string;
  reference?: string | null;
  facts?: Record<string, string> | null;
}

type Row = Omit<Prompt, 'facts'> & { facts: string | null };

/** A prompt is known by its text. */
const hashOf = (text: string) => createHash('sha256').update(text).digest();
const toPrompt = (row: Row): Prompt => ({ ...row, facts: row.facts === null ? null : (JSON.parse(row.facts) as Record<string, string>) });

function check(row: NewPrompt, place: string): void {
  requireThat(typeof row.text === 'string' && row.text !== '', `${place} has no text.`, 'Give every prompt a text that is not empty.');
  requireThat(SPLITS.includes(row.split), `${place} has the unknown split "${row.split}".`, `Use one of ${SPLITS.join(', ')}.`);
}

/** Adds prompts in one transaction. A text the project already has keeps its row: its id is returned, `added` does not count it. */
export function importPrompts(project: Project, rows: readonly NewPrompt[]): { ids: number[]; added: number } {
  rows.forEach((row, i) => check(row, `Prompt ${i + 1} of ${rows.length}`));
  const find = query<{ id: number }>(project, 'SELECT id FROM prompts WHERE text_hash = ?');
  return transaction(project, () => {
    const fresh: Value[][] = [];
    const idOf = new Map<string, number>(); // by hash; a new text has minus its place among the new, until it has an id
    const places = rows.map((row) => {
      const hash = hashOf(row.text);
      const key = hash.toString('latin1');
      let id = idOf.get(key) ?? find.get(hash)?.id;
      if (id === undefined) id = -fresh.push([row.text, hash, row.reference ?? null, row.split, row.source, row.facts ? JSON.stringify(row.facts) : null]);
      idOf.set(key, id);
      return id;
    });
    const newIds = insertRows(project, 'prompts', ['text', 'text_hash', 'reference', 'split', 'source', 'facts'], fresh);
    return { ids: places.map((id) => (id < 0 ? newIds[-id - 1]! : id)), added: fresh.length };
  });
}

/** Adds prompts in one transaction and returns their ids in the order given; duplicates by text give the existing id. */
export function addPrompts(project: Project, rows: readonly NewPrompt[]): number[] {
  return importPrompts(project, rows).ids;
}

/** Prompts in id order; ids that do not exist are left out. */
export function listPrompts(project: Project, filter: { split?: Split; limit?: number; ids?: readonly number[] } = {}): Prompt[] {
  const { sql, values } = where({ split: filter.split, id: filter.ids });
  return query<Row>(project, `SELECT id, text, reference, split, source, facts FROM prompts ${sql} ORDER BY id LIMIT ?`)
    .all(...values, filter.limit ?? -1).map(toPrompt);
}

/** How many prompts each split holds. */
export function countPrompts(project: Project): Record<Split, number> {
  const counts: Record<Split, number> = { train: 0, validation: 0, test: 0 };
  for (const row of query<{ split: Split; n: number }>(project, 'SELECT split, count(*) AS n FROM prompts GROUP BY split').all()) counts[row.split] = row.n;
  return counts;
}

/** One page of the prompts of a split (of all where none is given) whose text holds every word of `search`, in id order, and how many there are. */
export function pagePrompts(project: Project, { split, search }: { split?: Split | undefined; search?: string | undefined }, offset: number, limit: number): { total: number; rows: PromptRow[] } {
  const text = search === undefined ? null : holdsText('prompts', search, 'p.id', 'p.text');
  const conditions = [...(split === undefined ? [] : ['p.split = ?']), ...(text?.conditions ?? [])];
  const values: Value[] = [...(split === undefined ? [] : [split]), ...(text?.values ?? [])];
  const from = `FROM prompts p ${conditions.length === 0 ? 'INDEXED BY prompts_by_id' : `WHERE ${conditions.join(' AND ')}`}`; // an index, so that skipping reads no texts
  const total = countOnce(project, `SELECT count(*) AS n ${from}`, values);
  const rows = query<PromptRow>(project, `SELECT p.id, p.text, p.split, p.source, (SELECT count(*) FROM completions c WHERE c.prompt_id = p.id) AS completions,
      (SELECT count(*) FROM rankings r WHERE r.prompt_id = p.id) AS rankings
    FROM prompts p WHERE p.id IN (SELECT p.id ${from} ORDER BY p.id LIMIT ? OFFSET ?) ORDER BY p.id`).all(...values, limit, offset);
  return { total, rows };
}

/** Above this many the old splits are not written down for undo: the event would hold every text. */
const UNDONE_SPLITS = 2000;

/** Puts prompts into a split, all or none, and returns the event that undoes it; null where nothing changed or they are too many. 'bad-data' for an id that does not exist. */
export function setSplit(project: Project, ids: readonly number[], split: Split, { event = true } = {}): number | null {
  return transaction(project, () => {
    const list = JSON.stringify(ids);
    const missing = query<{ id: number }>(project, 'SELECT value AS id FROM json_each(?) WHERE value NOT IN (SELECT id FROM prompts) LIMIT 1').get(list);
    if (missing) requireRow(project, 'prompts', missing.id);
    const steps = event && ids.length <= UNDONE_SPLITS ? query<{ id: number }>(project, 'SELECT id FROM prompts WHERE id IN (SELECT value FROM json_each(?)) AND split <> ? ORDER BY id').all(list, split).map(({ id }) => capture(project, 'prompts', id)) : [];
    query(project, 'UPDATE prompts SET split = ? WHERE id IN (SELECT value FROM json_each(?)) AND split <> ?').run(split, list, split);
    return steps.length > 0 ? recordEvent(project, null, 'prompt.split', { prompts: steps.length, split }, steps) : null;
  });
}

/** The id of the prompt with this text. */
export function findPrompt(project: Project, text: string): number | undefined {
  return query<{ id: number }>(project, 'SELECT id FROM prompts WHERE text_hash = ?').get(hashOf(text))?.id;
}

/** The completions of one prompt by their texts, in id order. */
export function completionTexts(project: Project, promptId: number): { id: number; text: string; policyId: number | null }[] {
  return query<{ id: number; text: string; policyId: number | null }>(project, 'SELECT id, text, policy_id AS policyId FROM completions WHERE prompt_id = ? ORDER BY id').all(promptId);
}

/** The ids of all prompts, in order. */
export function promptIds(project: Project): number[] {
  return query<{ id: number }>(project, 'SELECT id FROM prompts INDEXED BY prompts_by_id ORDER BY id').all().map(({ id }) => id);
}

/** Replaces the text, split, source, reference or facts of one prompt. 'bad-data' if another prompt has that text. */
export function updatePrompt(project: Project, id: number, changes: Partial<NewPrompt>): void {
  transaction(project, () => {
    requireRow(project, 'prompts', id);
    const row: NewPrompt = { ...listPrompts(project, { ids: [id] })[0]!, ...changes };
    check(row, `Prompt ${id}`);
    const hash = hashOf(row.text);
    const other = query<{ id: number }>(project, 'SELECT id FROM prompts WHERE text_hash = ? AND id <> ?').get(hash, id);
    requireThat(!other, `Prompt ${other?.id} already has this text.`, 'Use that prompt, or change the text.');
    query(project, 'UPDATE prompts SET text = ?, text_hash = ?, reference = ?, split = ?, source = ?, facts = ? WHERE id = ?')
      .run(row.text, hash, row.reference ?? null, row.split, row.source, row.facts ? JSON.stringify(row.facts) : null, id);
  });
}

/** Removes prompts, all or none. 'bad-data' naming the first that has completions or rankings. */
export function deletePrompts(project: Project, ids: readonly number[]): void {
  transaction(project, () => {
    for (const id of ids) {
      requireRow(project, 'prompts', id);
      const used = query(project, 'SELECT 1 FROM completions WHERE prompt_id = ? UNION ALL SELECT 1 FROM rankings WHERE prompt_id = ?').get(id, id);
      requireThat(!used, `Prompt ${id} has completions or rankings.`, 'Remove those first.');
      query(project, 'DELETE FROM prompts WHERE id = ?').run(id);
    }
  });
}
