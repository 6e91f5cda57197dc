// Full-text search over prompts and completions: any substring, through the trigram indexes.

import { TastemakerError } from '#core/errors.ts';
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

/**
 * Words stand for themselves, "several words" in quotation marks for the exact phrase; a text must hold all of them.
 */
export function termsOf(text: string): string[] {
  return [...text.replaceAll('\0', '').matchAll(/"([^"]+)"|[^\s"]+/g)].map((match) => match[1] ?? match[0]);
}

export function excerptOf(text: string, term: string): string {
  const at = Math.max(0, text.toLowerCase().indexOf(term.toLowerCase()));
  const from = Math.max(0, at - 40);
  const to = Math.min(text.length, at + term.length + 80);
  return (from > 0 ? '…' : '') + text.slice(from, to).toWellFormed() + (to < text.length ? '…' : '');
}

/** Of a long text only what stands around the first match (SQL folds the case of Latin letters only). */
const READ_WHOLE = 20_000;
const AROUND = `CASE WHEN octet_length(t.text) <= ? THEN t.text ELSE substr(t.text, max(1, instr(lower(t.text), lower(?)) - 200), 2000) END`;
/** Each word is a condition, of which SQLite takes a thousand. */
const MOST_WORDS = 100;

/**
 * What the index is asked for (null where every word is shorter than it knows), and a LIKE pattern for each short word.
 */
function questionOf(terms: readonly string[]): { match: string | null; patterns: string[] } {
  if (terms.length > MOST_WORDS)
    throw new TastemakerError(
      'bad-argument',
      `The search has ${terms.length} words; the most is ${MOST_WORDS}.`,
      'Search for fewer words, or put a phrase into quotation marks.',
    );
  const indexed = terms.filter((term) => [...term].length >= 3);
  const short = terms.filter((term) => [...term].length < 3);
  return {
    match: indexed.length > 0 ? indexed.map((term) => `"${term.replaceAll('"', '""')}"`).join(' AND ') : null,
    patterns: short.map((term) => `%${term.replace(/[\\%_]/g, '\\$&')}%`),
  };
}
const LIKE = (column: string) => `${column} LIKE ? ESCAPE '\\'`;

/**
 * Conditions that a text holds every word of `text`, whatever the case: on `rowid`, the id of a row of `table`, through
 * the
 * index; words of one or two characters, shorter than the index, on `column`. Null where `text` has no words.
 */
export function holdsText(
  table: 'prompts' | 'completions',
  text: string,
  rowid: string,
  column: string,
): { conditions: string[]; values: Value[] } | null {
  const terms = termsOf(text);
  if (terms.length === 0) return null;
  const { match, patterns } = questionOf(terms);
  const indexed = match === null ? [] : [`${rowid} IN (SELECT rowid FROM ${table}_text WHERE text MATCH ?)`];
  return {
    conditions: [...indexed, ...patterns.map(() => LIKE(column))],
    values: [...(match === null ? [] : [match]), ...patterns],
  };
}

/**
 * Prompts, then completions that hold every word of `text`, whatever the case, in id order; at most `limit` of each
 * kind.
 * Words of one or two characters are shorter than the index and filter by reading.
 */
export function search(
  project: Project,
  text: string,
  options: { kind?: SearchHit['kind']; limit?: number } = {},
): SearchHit[] {
  const terms = termsOf(text);
  if (terms.length === 0) return [];
  const { match, patterns } = questionOf(terms);
  return (Object.keys(TABLES) as SearchHit['kind'][])
    .filter((kind) => kind === (options.kind ?? kind))
    .flatMap((kind) => {
      const [table, promptId] = TABLES[kind];
      const [from, order] =
        match === null ? [`${table} t`, 't.id'] : [`${table}_text f JOIN ${table} t ON t.id = f.rowid`, 'f.rowid'];
      const conditions = [...(match === null ? [] : ['f.text MATCH ?']), ...patterns.map(() => LIKE('t.text'))];
      return query<{ id: number; promptId: number; text: string }>(
        project,
        `SELECT t.id, t.${promptId} AS promptId, ${AROUND} AS text FROM ${from} WHERE ${conditions.join(' AND ')} ORDER BY ${order} LIMIT ?`,
      )
        .all(READ_WHOLE, terms[0]!, ...(match === null ? [] : [match]), ...patterns, options.limit ?? 100)
        .map((row) => ({ kind, id: row.id, promptId: row.promptId, excerpt: excerptOf(row.text, terms[0]!) }));
    });
}
