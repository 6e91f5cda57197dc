// The rows that score, logprobs and generate read and write: texts in, the same rows with more fields out.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { eachLine, readJsonl } from '#core/formats/jsonl.ts';
import { asRow, badRow, isText } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';
import type { Architecture } from '#core/models/architecture.ts';
import type { Group } from '#core/models/rows.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { refuseBadRows } from './bad-rows.ts';
import { requiredText } from './command.ts';
import { createProgress } from './progress.ts';
import { projectOption } from './project-option.ts';

export const fileOptions = {
  in: requiredText('FILE', 'JSON lines to read.'),
  out: requiredText('FILE', 'Where the rows go, with the new fields; whole or not at all.'),
  project: projectOption,
};

export interface TextRow<Field extends string> {
  line: number;
  /** the row as it was, every field of it */
  row: Row & Record<Field, string>;
}

/** Every row with its line; one bad row refuses the file. A prompt may not be empty, a completion may. */
export function readTextRows<Field extends 'prompt' | 'completion'>(file: string, fields: readonly Field[]): TextRow<Field>[] {
  const { rows, errors } = readJsonl(file, (value, line): TextRow<Field> => {
    const row = asRow(value);
    for (const field of fields) {
      if (!isText(row[field])) throw badRow(row[field] === undefined ? `"${field}" is missing.` : `"${field}" is not text.`);
      if (field === 'prompt' && row[field] === '') throw badRow('"prompt" is empty.');
    }
    return { line, row: row as Row & Record<Field, string> };
  });
  refuseBadRows(file, errors);
  if (rows.length === 0) throw new TastemakerError('bad-file', `${file} ${isEmpty(file) ? 'is empty' : 'has no rows'}.`, `Give it one JSON object a line, with ${fields.map((field) => `"${field}"`).join(' and ')}.`);
  return rows;
}

/** Refuses an --out that could not be written before any work is done for it. */
export function checkOut(file: string): void {
  const folder = path.dirname(path.resolve(file));
  if (!fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new TastemakerError('bad-argument', `--out ${file} cannot be written: there is no folder ${folder}.`, 'Make the folder first, or name another.');
  if (fs.statSync(file, { throwIfNoEntry: false })?.isDirectory()) throw new TastemakerError('bad-argument', `--out ${file} is a folder.`, 'Name a file in it.');
}

function isEmpty(file: string): boolean {
  let empty = true;
  eachLine(file, () => (empty = false));
  return empty;
}

/** Prompts and completions tokenised separately, as given. 'too-long' and 'bad-data' name the line. */
export async function tokenise(file: string, rows: readonly TextRow<'prompt' | 'completion'>[], tokenizer: Tokenizer, architecture: Architecture, addEnd: boolean): Promise<Group[]> {
  const prompts = await tokenizer.encodeBatch(rows.map(({ row }) => row.prompt));
  const completions = (await tokenizer.encodeBatch(rows.map(({ row }) => row.completion))).map((ids) => (addEnd ? [...ids, tokenizer.endOfText] : ids));
  rows.forEach(({ line }, i) => checkLength(file, line, prompts[i]!.length, completions[i]!.length, architecture.context));
  return rows.map((_, i) => ({ prompt: prompts[i]!, completions: [completions[i]!] }));
}

/** `more` tokens are to follow the prompt's. */
export function checkLength(file: string, line: number, prompt: number, more: number, context: number): void {
  if (prompt === 0) throw new TastemakerError('bad-data', `The prompt in line ${line} of ${file} has no tokens.`, 'Give every prompt some text.');
  if (prompt + more > context) {
    throw new TastemakerError('too-long', `Line ${line} of ${file} does not fit: its prompt has ${prompt} tokens, ${more} more follow, and the model's context is ${context}.`, 'Shorten the texts, ask for fewer new tokens, or use a model with a longer context.');
  }
}

/** 'not-finite' naming the first line whose numbers cannot be written. */
export function checkFinite(file: string, { line }: { line: number }, numbers: readonly number[]): void {
  if (numbers.every(Number.isFinite)) return;
  throw new TastemakerError('not-finite', `The model's numbers for line ${line} of ${file} are not finite.`, 'The weights are damaged or overflow: check them with another text.');
}

/** Runs `work` on some rows at a time, so that progress can be shown. */
export async function inPortions<T, R>(what: string, items: readonly T[], portion: number, work: (items: readonly T[], first: number) => Promise<readonly R[]>): Promise<R[]> {
  const progress = createProgress(what), results: R[] = [];
  for (let at = 0; at < items.length; at += portion) {
    results.push(...(await work(items.slice(at, at + portion), at)));
    if (items.length > portion) progress.onReport(results.length, items.length, {});
  }
  progress.finish();
  return results;
}
