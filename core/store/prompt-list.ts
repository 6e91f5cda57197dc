// The list of prompts as the window pages through it: which pass, in which order, and what stands in a row.

import type { Split, PromptList } from '#core/contract/prompts.ts';
import { query } from './project.ts';
import type { Project, Value } from './project.ts';
import { countOnce } from './samples.ts';
import { holdsText } from './search.ts';

/** A row before it has a title. `text` is its beginning, of a conversation that of its last turn. */
export interface ListedPrompt {
  id: number;
  text: string;
  isCut: boolean;
  isConversation: boolean;
  split: Split;
  source: string;
  completions: number;
  rankings: number;
}
export type PromptFilter = Pick<PromptList, 'split' | 'search' | 'has'>;

/** A title needs no more of a text than this, however long it is. */
const BEGINNING = 2000;

const OF_ANSWERS = (table: string) =>
  `p.id IN (SELECT c.prompt_id FROM ${table} m JOIN completions c ON c.id = m.completion_id)`;
const HAS: Record<NonNullable<PromptList['has']>, string> = {
  rankings: 'p.id IN (SELECT prompt_id FROM rankings)',
  marks: OF_ANSWERS('marks'),
  ratings: OF_ANSWERS('ratings'),
  flags: `(${OF_ANSWERS('flags')} OR p.id IN (SELECT i.prompt_id FROM flags f JOIN items i ON i.id = f.item_id))`,
};

function passing({ split, search, has }: PromptFilter, order: ListOrder = 'id'): { from: string; values: Value[] } {
  const text = search === undefined ? null : holdsText('prompts', search, 'p.id', 'p.text');
  const conditions = [
    ...(split === undefined ? [] : ['p.split = ?']),
    ...(has === undefined ? [] : [HAS[has]]),
    ...(text?.conditions ?? []),
  ];
  // an index, so that skipping reads no texts
  return {
    from: `FROM prompts p ${conditions.length === 0 ? `INDEXED BY ${order === 'split' ? 'prompts_by_split' : 'prompts_by_id'}` : `WHERE ${conditions.join(' AND ')}`}`,
    values: [...(split === undefined ? [] : [split]), ...(text?.values ?? [])],
  };
}

/** How many prompts pass. */
export function countListed(project: Project, filter: PromptFilter): number {
  const { from, values } = passing(filter);
  return countOnce(project, `SELECT count(*) AS n ${from}`, values);
}

const COUNT = (table: string) => `(SELECT count(*) FROM ${table} t WHERE t.prompt_id = p.id)`;
const ORDERS = { id: 'p.id', split: 'p.split', completions: COUNT('completions'), rankings: COUNT('rankings') };
/** What SQL can order by. */
export type ListOrder = keyof typeof ORDERS;

/** Ids of the prompts that pass, in order; equal ones as they came in, or the other way round where it descends. */
export function listedIds(
  project: Project,
  filter: PromptFilter,
  order: ListOrder,
  descending: boolean,
  offset = 0,
  limit = -1,
): number[] {
  const { from, values } = passing(filter, order);
  const direction = descending ? 'DESC' : 'ASC';
  const by = order === 'id' ? `p.id ${direction}` : `${ORDERS[order]} ${direction}, p.id ${direction}`;
  return query<{ id: number }>(project, `SELECT p.id ${from} ORDER BY ${by} LIMIT ? OFFSET ?`)
    .all(...values, limit, offset)
    .map(({ id }) => id);
}

const SHOWN = "coalesce(json_extract(p.messages, '$[#-1].content'), p.text)";

/** The prompts of these ids in this order; ids that do not exist are left out. */
export function listedPrompts(project: Project, ids: readonly number[]): ListedPrompt[] {
  const rows = query<Omit<ListedPrompt, 'isCut' | 'isConversation'> & { isCut: number; isConversation: number }>(
    project,
    `SELECT p.id, substr(${SHOWN}, 1, ${BEGINNING}) AS text, length(${SHOWN}) > ${BEGINNING} AS isCut, p.messages IS NOT NULL AS isConversation,
      p.split, p.source, ${COUNT('completions')} AS completions, ${COUNT('rankings')} AS rankings
    FROM json_each(?) j CROSS JOIN prompts p ON p.id = j.value ORDER BY j.key`,
  ).all(JSON.stringify(ids));
  return rows.map((row) => ({ ...row, isCut: row.isCut === 1, isConversation: row.isConversation === 1 }));
}

/**
 * The text around the first place of a word in a prompt; null where it is not found (SQL folds the case of Latin
 * letters only).
 */
export function aroundWord(project: Project, id: number, word: string): string | null {
  const found = query<{ part: string; at: number }>(
    project,
    `SELECT at, substr(text, max(1, at - 24), 400) AS part FROM (SELECT text, instr(lower(text), lower(?)) AS at FROM prompts WHERE id = ?)`,
  ).get(word, id);
  return found && found.at > 0 ? found.part : null;
}
