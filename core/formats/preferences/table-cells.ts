// A table's cells are texts: here they become what they stand for, numbers, true and false, and lists written as JSON.

import { isMessageList } from './conversation.ts';
import { isRow, isText } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';

const NUMBERS = [
  'confidence',
  'prompt_id',
  'margin',
  'choice',
  'duration_ms',
  'best',
  'score',
  'difference',
  'lead_time',
];
/** Columns that hold a list or an object and nothing else. */
const PARTS = [
  'completions',
  'completion_ids',
  'ranks',
  'labels',
  'writers',
  'token_ids',
  'ratings',
  'marks',
  'extra',
  'messages',
  'conversations',
  'history',
  'info',
  'summaries',
  'summary',
  'data',
  'annotations',
  'questions',
  'preference',
  'query',
  'samples',
  'extra_fields',
];
const isPart = (field: string) =>
  PARTS.includes(field) ||
  field.endsWith('.responses') ||
  field.endsWith('.users') ||
  field.endsWith('.status') ||
  /^sample\d*$/.test(field);
const FLAGS: Readonly<Record<string, boolean>> = { true: true, false: false, 1: true, 0: false };

function parsed(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function valueOf(field: string, text: string): unknown {
  if (NUMBERS.includes(field)) return /^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(text.trim()) ? Number(text) : text;
  if (field === 'label') return FLAGS[text.trim().toLowerCase()] ?? text;
  const value = parsed(text);
  if (value === undefined) return text;
  // elsewhere a text may well begin with a bracket: only messages are taken for what they are
  return isPart(field) || isMessageList(value) || (isRow(value) && isMessageList([value])) ? value : text;
}

/** A row of a table as if it had been JSON; an empty cell is absent. */
export const fieldsOfCells = (row: Row): Row =>
  Object.fromEntries(
    Object.entries(row)
      .filter(([, cell]) => cell !== '')
      .map(([field, cell]) => [field, isText(cell) ? valueOf(field, cell) : cell]),
  );
