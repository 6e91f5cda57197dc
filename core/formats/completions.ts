// Completions from other people's files: rows of a prompt, what was answered, and by whom.
import path from 'node:path';
import { readCsv } from './csv.ts';
import { readJsonl } from './jsonl.ts';
import { asRow, badRow, isText, mapRow, optionalText, requiredText, type RowError } from './rows.ts';

export interface CompletionRow {
  line: number;
  prompt: string;
  /** as given, leading space and all; may be empty, for a model may answer nothing */
  completion: string;
  policy: string | null;
}

/** What a completion's columns may be called, and what --map and the window let one name otherwise. */
export const COMPLETION_FIELDS = ['prompt', 'completion', 'policy'];

function readCompletion(value: unknown, line: number): CompletionRow {
  const row = asRow(value);
  const { completion } = row;
  if (!isText(completion)) throw badRow(completion === undefined ? '"completion" is missing.' : '"completion" is not text.');
  return { line, prompt: requiredText(row, 'prompt'), completion, policy: optionalText(row, 'policy') };
}

/** Reads {"prompt", "completion"} rows with an optional "policy", as JSON lines or (.csv, .tsv) a table. `map` names columns that are called otherwise. A bad row is left out and named by its line. */
export function readCompletions(file: string, { map = {} }: { map?: Record<string, string> } = {}): { completions: CompletionRow[]; errors: RowError[] } {
  const table = ['.csv', '.tsv'].includes(path.extname(file).toLowerCase());
  mapRow(null, map, COMPLETION_FIELDS); // a wrong map is one error, not one a row
  const check = (row: unknown, line: number) => readCompletion(mapRow(row, map, COMPLETION_FIELDS), line);
  const { rows, errors } = table ? readCsv(file, check) : readJsonl(file, check);
  return { completions: rows, errors };
}
