// What SQLite cannot see of a damaged file: whether texts are still those that were written, by the numbers kept with
// them.

import type { Message } from '#core/contract/prompts.ts';
import { answerNumber } from './answers.ts';
import { query } from './project.ts';
import type { Project } from './project.ts';
import { hashOfPrompt } from './prompts.ts';

const SHOWN = 20;
const PORTION = 500;

/** Rows of a table in portions, by id. */
function* portions<Row extends { id: number }>(project: Project, sql: string): Generator<Row> {
  for (let after = 0; ;) {
    const rows = query<Row>(project, `${sql} WHERE id > ? ORDER BY id LIMIT ?`).all(after, PORTION);
    if (rows.length === 0) return;
    yield* rows;
    after = rows.at(-1)!.id;
  }
}

function* changedTexts(project: Project): Generator<string> {
  type Prompt = { id: number; text: string; messages: string | null; hash: Buffer };
  for (const { id, text, messages, hash } of portions<Prompt>(
    project,
    'SELECT id, text, messages, text_hash AS hash FROM prompts',
  )) {
    if (!hashOfPrompt({ text, messages: parsed(messages) }).equals(hash))
      yield `the text of prompt ${id} is not what was written`;
  }
  for (const { id, text, answer } of portions<{ id: number; text: string; answer: number | null }>(
    project,
    'SELECT id, text, answer FROM completions',
  )) {
    if (answer !== null && answer !== answerNumber(text)) yield `the text of completion ${id} is not what was written`;
  }
}

function parsed(messages: string | null): Message[] | null {
  try {
    const list: unknown = messages === null ? null : JSON.parse(messages);
    return Array.isArray(list) ? (list as Message[]) : null;
  } catch {
    return null; // then its number is not that of the prompt either
  }
}

const COUNTS: readonly [sql: string, says: (id: number | string) => string][] = [
  [
    `SELECT i.id FROM items i WHERE answers <> (SELECT count(DISTINCT coalesce(c.answer, -c.id)) FROM item_completions ic JOIN completions c ON c.id = ic.completion_id WHERE ic.item_id = i.id)`,
    (id) => `item ${id} counts its answers wrongly`,
  ],
  [
    `SELECT r.id FROM rankings r WHERE r.status = 'ranked' AND NOT EXISTS (SELECT 1 FROM ranking_items i WHERE i.ranking_id = r.id)`,
    (id) => `ranking ${id} has no ranks`,
  ],
  [
    `SELECT r.id FROM rankings r JOIN ranking_items i ON i.ranking_id = r.id JOIN completions c ON c.id = i.completion_id WHERE c.prompt_id <> r.prompt_id GROUP BY r.id`,
    (id) => `ranking ${id} ranks answers to another prompt`,
  ],
  [
    `SELECT s.name AS id FROM sqlite_sequence s WHERE s.name = 'events' AND s.seq < (SELECT max(id) FROM events)`,
    () => 'the event log has lost its count',
  ],
];

/** One line a problem; the first of many. */
export function checkContents(project: Project): string[] {
  const problems: string[] = [];
  for (const line of changedTexts(project)) if (problems.push(line) >= SHOWN) break;
  for (const [sql, says] of COUNTS)
    problems.push(
      ...query<{ id: number | string }>(project, `${sql} LIMIT ${SHOWN}`)
        .all()
        .map(({ id }) => says(id)),
    );
  return problems;
}
