// Completions from other people's files: rows of a prompt, what was answered, and by whom.
import path from 'node:path';
import { readCsv } from './csv.ts';
import { readJsonl } from './jsonl.ts';
import { asRow, badRow, isText, optionalText, requiredText, type RowError } from './rows.ts';

export interface CompletionRow {
  line: number;
  prompt: string;
  /** as given, leading space and all; may be empty, for a model may answer nothing */
  completion: string;
  policy: string | null;
}

function readCompletion(value: unknown, line: number): CompletionRow {
  const row = asRow(value);
  const { completion } = row;
  if (!isText(completion)) throw badRow(completion === undefined ? '"completion" is missing.' : '"completion" is not text.');
  return { line, prompt: requiredText(row, 'prompt'), completion, policy: optionalText(row, 'policy') };
}

/** Reads {"prompt", "completion"} rows with an optional "policy", as JSON lines or (.csv, .tsv) a table. A bad row is left out and named by its line. */
export function readCompletions(file: string): { completions: CompletionRow[]; errors: RowError[] } {
  const table = ['.csv', '.tsv'].includes(path.extname(file).toLowerCase());
  const { rows, errors } = table ? readCsv(file, readCompletion) : readJsonl(file, readCompletion);
  return { completions: rows, errors };
}
