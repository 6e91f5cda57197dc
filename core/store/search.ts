// Full-text search over prompts and completions: any substring, through the trigram indexes.

import { query } from './project.ts';
import type { Project, Value } from './project.ts';

export interface SearchHit {
  kind: 'prompt' | 'completion';
  id: number;
  promptId: number;
  /** the text around the first match */
  excerpt: string;
}

const TABLES = { prompt: ['prompts', 'id'], completion: ['completions', 'prompt_id'] } as const;

/** Words stand for themselves, "several words" in quotation marks for the exact phrase; a text must hold all of them. */
function termsOf(text: string): string[] {
  return [...text.replaceAll('\0', '').matchAll(/"([^"]+)"|[^\s"]+/g)].map((match) => match[1] ?? match[0]);
}

function excerptOf(text: string, term: string): string {
  const at = Math.max(0, text.toLowerCase().indexOf(term.toLowerCase()));
  const from = Math.max(0, at - 40);
  const to = Math.min(text.length, at + term.length + 80);
  return (from > 0 ? '…' : '') + text.slice(from, to).toWellFormed() + (to < text.length ? '…' : '');
}

/**
 * Prompts, then completions that hold every word of `text`, whatever the case, in id order; at most `limit` of each kind.
 * Words of one or two characters are shorter than the index and filter by reading.
 */
export function search(project: Project, text: string, options: { kind?: SearchHit['kind']; limit?: number } = {}): SearchHit[] {
  const terms = termsOf(text);
  if (terms.length === 0) return [];
  const indexed = terms.filter((term) => [...term].length >= 3);
  const short = terms.filter((term) => [...term].length < 3);
  return (Object.keys(TABLES) as SearchHit['kind'][]).filter((kind) => kind === (options.kind ?? kind)).flatMap((kind) => {
    const [table, promptId] = TABLES[kind];
    const conditions = short.map(() => `t.text LIKE ? ESCAPE '\\'`);
    const values: Value[] = short.map((term) => `%${term.replace(/[\\%_]/g, '\\$&')}%`);
    let from = `${table} t`;
    let order = 't.id';
    if (indexed.length > 0) {
      from = `${table}_text f JOIN ${table} t ON t.id = f.rowid`;
      order = 'f.rowid';
      conditions.unshift(`f.text MATCH ?`);
      values.unshift(indexed.map((term) => `"${term.replaceAll('"', '""')}"`).join(' AND '));
    }
    return query<{ id: number; promptId: number; text: string }>(project,
      `SELECT t.id, t.${promptId} AS promptId, t.text FROM ${from} WHERE ${conditions.join(' AND ')} ORDER BY ${order} LIMIT ?`)
      .all(...values, options.limit ?? 100)
      .map((row) => ({ kind, id: row.id, promptId: row.promptId, excerpt: excerptOf(row.text, terms[0]!) }));
  });
}
