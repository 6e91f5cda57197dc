// A prompt put together from a row's columns by a template such as "{title}\n\n{post}\n\nTL;DR:", and read back into
// them.

import { TastemakerError } from '#core/errors.ts';
import { columnNames } from './unused-columns.ts';
import { badRow, isText } from './rows.ts';
import type { Row } from './rows.ts';

/** Literal text and the names of columns by turns: the first piece is literal, and so is the last. */
export interface Template {
  literals: string[];
  fields: string[];
}

/** Reddit posts as P20 gives them to the model, letter by letter (20:tasks.py). */
export const TLDR_TEMPLATE = 'SUBREDDIT: r/{subreddit}\n\nTITLE: {title}\n\nPOST: {post}\n\nTL;DR:';

const NAME = /\{([^{}\n]{1,100})\}/g;

/** 'bad-argument' for a text that names no column. A line end may be written as \n. */
export function parseTemplate(given: string): Template {
  const text = given.replaceAll('\\n', '\n');
  const fields = [...text.matchAll(NAME)].map((match) => match[1]!);
  if (fields.length === 0)
    throw new TastemakerError(
      'bad-argument',
      `The template ${JSON.stringify(given.slice(0, 80))} names no column.`,
      'Write the names of columns in braces, such as "{title}: {body}".',
    );
  return { fields, literals: text.split(NAME).filter((_, i) => i % 2 === 0) };
}

/** 'bad-argument' where the file has not all columns of the template. */
export function checkColumns({ fields }: Template, columns: readonly string[]): void {
  const missing = fields.find((field) => !columns.includes(field));
  if (missing === undefined) return;
  if (columns.length === 0)
    throw new TastemakerError(
      'bad-argument',
      `The template names {${missing}}, and a file of plain lines has no columns.`,
      'Leave the template out, or give a table or JSON lines.',
    );
  throw new TastemakerError(
    'bad-argument',
    `The template names {${missing}}, and the file has no such column.`,
    `Its columns are ${columnNames(columns)}.`,
  );
}

/**
 * The prompt of a row; what a column lacks stays empty. Throws for a row that has none of them, or something else than
 * text or a number.
 */
export function fillTemplate({ literals, fields }: Template, row: Row): string {
  const values = fields.map((field) => {
    const value = row[field] ?? '';
    if (typeof value === 'object') throw badRow(`"${field}" is not text.`);
    return isText(value) ? value : String(value as number | boolean);
  });
  if (values.every((value) => value.trim() === ''))
    throw badRow(`${columnNames(fields)} ${fields.length === 1 ? 'is' : 'are'} empty.`);
  return literals.map((literal, i) => literal + (values[i] ?? '')).join('');
}

/**
 * The columns that a text was made of, or null for any other text. Of a text that was `cut` off only the beginning need
 * be there.
 */
export function readTemplate(
  { literals, fields }: Template,
  text: string,
  { cut = false } = {},
): Record<string, string> | null {
  if (!text.startsWith(literals[0]!)) return null;
  const found: Record<string, string> = {};
  let at = literals[0]!.length;
  for (const [i, field] of fields.entries()) {
    const next = literals[i + 1]!;
    const isLast = i === fields.length - 1;
    const end = isLast
      ? text.endsWith(next)
        ? text.length - next.length
        : -1
      : next === ''
        ? at
        : text.indexOf(next, at);
    if (end < at) {
      if (!cut) return null;
      found[field] = text.slice(at);
      return found;
    }
    found[field] = text.slice(at, end);
    at = end + next.length;
  }
  return found;
}
