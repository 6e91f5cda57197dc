// Prompts: what is asked, one row per distinct text (and conversation), each in the split its caller gave it.

import { createHash } from 'node:crypto';
import type { Extra, Message, Prompt, Split } from '#core/contract/prompts.ts';
import { recordEvent } from './events.ts';
import { capture } from './inverse.ts';
import { insertRows, query, requireRow, requireThat, transaction, where } from './project.ts';
import type { Project, Value } from './project.ts';
import { spellingOf } from './spelling-key.ts';

const SPLITS: readonly string[] = ['train', 'validation', 'test'] satisfies Split[];

export interface NewPrompt {
  text: string;
  split: Split;
  source: string;
  reference?: string | null;
  facts?: Record<string, string> | null;
  messages?: Message[] | null;
  extra?: Extra | null;
}

type Row = Omit<Prompt, 'facts' | 'messages' | 'extra'> & {
  facts: string | null;
  messages: string | null;
  extra: string | null;
};

const COLUMNS = 'id, text, messages, reference, split, source, facts, extra';
const jsonOrNull = (value: unknown) => (value === null || value === undefined ? null : JSON.stringify(value));
const fromJson = <T>(json: string | null) => (json === null ? null : (JSON.parse(json) as T));
/** Only what a message is, in one order, so that equal conversations are equal texts. */
const messagesJson = (messages: Message[] | null | undefined) =>
  jsonOrNull(messages?.map(({ role, content }) => ({ role, content })));

/** A prompt is known by its text, and by its messages where it has any. */
export function hashOfPrompt({ text, messages }: Pick<NewPrompt, 'text' | 'messages'>): Buffer {
  const hash = createHash('sha256').update(text);
  return (messages ? hash.update(`\0${messagesJson(messages)}`) : hash).digest();
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isMessage = (value: unknown): value is Message =>
  isObject(value) && typeof value.role === 'string' && typeof value.content === 'string';
const isFlat = (value: unknown): boolean =>
  isObject(value) && Object.values(value).every((part) => typeof part !== 'object' || part === null);

/**
 * What of a row written by another program cannot be what it should is left out; the check finds it by the prompt's
 * hash.
 */
function toPrompt(row: Row): Prompt {
  const messages = fromJson<Message[]>(row.messages);
  const facts = fromJson<Record<string, string>>(row.facts);
  const extra = fromJson<Extra>(row.extra);
  return {
    ...row,
    messages: Array.isArray(messages) && messages.length > 0 && messages.every(isMessage) ? messages : null,
    facts: isFlat(facts) ? facts : null,
    extra: isFlat(extra) ? extra : null,
  };
}

function check(row: NewPrompt, place: string): void {
  requireThat(
    typeof row.text === 'string' && row.text !== '',
    `${place} has no text.`,
    'Give every prompt a text that is not empty.',
  );
  requireThat(
    row.messages?.length !== 0,
    `${place} is a conversation without messages.`,
    'Give it a message, or no list of messages.',
  );
  requireThat(
    SPLITS.includes(row.split),
    `${place} has the unknown split "${row.split}".`,
    `Use one of ${SPLITS.join(', ')}.`,
  );
}

/**
 * Adds prompts in one transaction. A text (with its messages) that the project already has keeps its row: its id is
 * returned, `added` does not count it. One whose other spelling the project has goes to that one's split; `settled`
 * counts those that were to go to another.
 */
export function importPrompts(
  project: Project,
  rows: readonly NewPrompt[],
): { ids: number[]; added: number; settled: number } {
  rows.forEach((row, i) => check(row, `Prompt ${i + 1} of ${rows.length}`));
  const find = query<{ id: number }>(project, 'SELECT id FROM prompts WHERE text_hash = ?');
  const findSplit = query<{ split: Split }>(
    project,
    'SELECT split FROM prompts WHERE spelling = ? ORDER BY id LIMIT 1',
  );
  return transaction(project, () => {
    const fresh: Value[][] = [];
    const idOf = new Map<string, number>(); // by hash; a new text has minus its place among the new, until it has an id
    const splitOf = new Map<string, Split>(); // by spelling, of the new
    let settled = 0;
    const places = rows.map((row) => {
      const hash = hashOfPrompt(row);
      const key = hash.toString('latin1');
      let id = idOf.get(key) ?? find.get(hash)?.id;
      if (id === undefined) {
        const spelling = spellingOf(row.text, row.messages ?? null);
        const own = spelling.toString('latin1');
        const split = splitOf.get(own) ?? findSplit.get(spelling)?.split ?? row.split;
        splitOf.set(own, split);
        if (split !== row.split) settled++;
        id = -fresh.push([
          row.text,
          hash,
          row.reference ?? null,
          split,
          row.source,
          jsonOrNull(row.facts),
          messagesJson(row.messages),
          jsonOrNull(row.extra),
          spelling,
        ]);
      }
      idOf.set(key, id);
      return id;
    });
    const newIds = insertRows(
      project,
      'prompts',
      ['text', 'text_hash', 'reference', 'split', 'source', 'facts', 'messages', 'extra', 'spelling'],
      fresh,
    );
    return { ids: places.map((id) => (id < 0 ? newIds[-id - 1]! : id)), added: fresh.length, settled };
  });
}

/**
 * Adds prompts in one transaction and returns their ids in the order given; duplicates by text give the existing id.
 */
export function addPrompts(project: Project, rows: readonly NewPrompt[]): number[] {
  return importPrompts(project, rows).ids;
}

/** Prompts in id order; ids that do not exist are left out. */
export function listPrompts(
  project: Project,
  filter: { split?: Split; limit?: number; ids?: readonly number[] } = {},
): Prompt[] {
  const { sql, values } = where({ split: filter.split, id: filter.ids });
  return query<Row>(project, `SELECT ${COLUMNS} FROM prompts ${sql} ORDER BY id LIMIT ?`)
    .all(...values, filter.limit ?? -1)
    .map(toPrompt);
}

/** How many prompts each split holds. */
export function countPrompts(project: Project): Record<Split, number> {
  const counts: Record<Split, number> = { train: 0, validation: 0, test: 0 };
  for (const row of query<{ split: Split; n: number }>(
    project,
    'SELECT split, count(*) AS n FROM prompts GROUP BY split',
  ).all())
    counts[row.split] = row.n;
  return counts;
}

/** The beginnings of prompts, of a conversation of its last turn, by id. */
export function excerptsOf(project: Project, ids: readonly number[], length: number): Map<number, string> {
  const rows = query<{ id: number; text: string }>(
    project,
    `SELECT id, substr(coalesce(json_extract(messages, '$[#-1].content'), text), 1, ?) AS text
    FROM prompts WHERE id IN (SELECT value FROM json_each(?))`,
  ).all(length, JSON.stringify(ids));
  return new Map(rows.map(({ id, text }) => [id, text]));
}

/** Above this many the old splits are not written down for undo: the event would hold every text. */
const UNDONE_SPLITS = 2000;

/**
 * Puts prompts and all their other spellings into a split, all or none, and returns the event that undoes it; null
 * where
 * nothing changed or they are too many. 'bad-data' for an id that does not exist.
 */
export function setSplit(project: Project, ids: readonly number[], split: Split, { event = true } = {}): number | null {
  return transaction(project, () => {
    const list = JSON.stringify(ids);
    const missing = query<{ id: number }>(
      project,
      'SELECT value AS id FROM json_each(?) WHERE value NOT IN (SELECT id FROM prompts) LIMIT 1',
    ).get(list);
    if (missing) requireRow(project, 'prompts', missing.id);
    const moving = `spelling IN (SELECT spelling FROM prompts WHERE id IN (SELECT value FROM json_each(?))) AND split <> ?`;
    const steps =
      event && ids.length <= UNDONE_SPLITS
        ? query<{ id: number }>(project, `SELECT id FROM prompts WHERE ${moving} ORDER BY id`)
            .all(list, split)
            .map(({ id }) => capture(project, 'prompts', id))
        : [];
    query(project, `UPDATE prompts SET split = ? WHERE ${moving}`).run(split, list, split);
    return steps.length > 0
      ? recordEvent(project, null, 'prompt.split', { prompts: steps.length, split }, steps)
      : null;
  });
}

/** The id of the prompt with this text, and with these messages where it is a conversation. */
export function findPrompt(project: Project, text: string, messages: Message[] | null = null): number | undefined {
  return query<{ id: number }>(project, 'SELECT id FROM prompts WHERE text_hash = ?').get(
    hashOfPrompt({ text, messages }),
  )?.id;
}

export interface CompletionText {
  id: number;
  text: string;
  policyId: number | null;
  writer: string | null;
}

/** The completions of one prompt by their texts, in id order. */
export function completionTexts(project: Project, promptId: number): CompletionText[] {
  return query<CompletionText>(
    project,
    'SELECT id, text, policy_id AS policyId, writer FROM completions WHERE prompt_id = ? ORDER BY id',
  ).all(promptId);
}

/** How many prompts have this spelling, whatever it is exactly. */
export const countSpelled = (project: Project, spelling: Buffer): number =>
  query<{ n: number }>(project, 'SELECT count(*) AS n FROM prompts WHERE spelling = ?').get(spelling)!.n;

/** The ids of all prompts by their spelling (as hexadecimal digits), each list in order. */
export function idsBySpelling(project: Project): Map<string, number[]> {
  const rows = query<{ id: number; spelling: string }>(
    project,
    'SELECT id, hex(spelling) AS spelling FROM prompts ORDER BY id',
  ).all();
  return new Map(
    [...Map.groupBy(rows, ({ spelling }) => spelling)].map(([spelling, own]) => [spelling, own.map(({ id }) => id)]),
  );
}

/** The ids of all prompts, in order. */
export function promptIds(project: Project): number[] {
  return query<{ id: number }>(project, 'SELECT id FROM prompts INDEXED BY prompts_by_id ORDER BY id')
    .all()
    .map(({ id }) => id);
}

/** Replaces fields of one prompt. 'bad-data' if another prompt has that text and those messages. */
export function updatePrompt(project: Project, id: number, changes: Partial<NewPrompt>): void {
  transaction(project, () => {
    requireRow(project, 'prompts', id);
    const row: NewPrompt = { ...listPrompts(project, { ids: [id] })[0]!, ...changes };
    check(row, `Prompt ${id}`);
    const hash = hashOfPrompt(row);
    const other = query<{ id: number }>(project, 'SELECT id FROM prompts WHERE text_hash = ? AND id <> ?').get(
      hash,
      id,
    );
    requireThat(!other, `Prompt ${other?.id} already has this text.`, 'Use that prompt, or change the text.');
    query(
      project,
      'UPDATE prompts SET text = ?, text_hash = ?, reference = ?, split = ?, source = ?, facts = ?, messages = ?, extra = ?, spelling = ? WHERE id = ?',
    ).run(
      row.text,
      hash,
      row.reference ?? null,
      row.split,
      row.source,
      jsonOrNull(row.facts),
      messagesJson(row.messages),
      jsonOrNull(row.extra),
      spellingOf(row.text, row.messages ?? null),
      id,
    );
  });
}

/** Removes prompts, all or none. 'bad-data' naming the first that has completions or rankings. */
export function deletePrompts(project: Project, ids: readonly number[]): void {
  transaction(project, () => {
    for (const id of ids) {
      requireRow(project, 'prompts', id);
      const used = query(
        project,
        'SELECT 1 FROM completions WHERE prompt_id = ? UNION ALL SELECT 1 FROM rankings WHERE prompt_id = ?',
      ).get(id, id);
      requireThat(!used, `Prompt ${id} has completions or rankings.`, 'Remove those first.');
      query(project, 'DELETE FROM prompts WHERE id = ?').run(id);
    }
  });
}
