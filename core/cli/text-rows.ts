// The rows that score, logprobs and generate read and write: texts in, the same rows with more fields out.

import fs from 'node:fs';
import path from 'node:path';
import type { Finish } from '#core/contract/samples.ts';
import type { Message } from '#core/contract/prompts.ts';
import { TastemakerError } from '#core/errors.ts';
import { eachLine, readJsonl } from '#core/formats/jsonl.ts';
import { refuseOverwriting } from '#core/formats/output-place.ts';
import { asRow, badRow, isRow, isText } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';
import { answerTexts } from '#core/recipes/parts/answer-text.ts';
import { encodeAnswers, encodePrompts, sharedTokens } from '#core/recipes/parts/prompt-tokens.ts';
import type { Answer, AskedPrompt, SampledIds, SharedToken } from '#core/recipes/parts/prompt-tokens.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { refusePlace } from '#core/service/data/export-place.ts';
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

export interface TextRow {
  line: number;
  /** the row as it was, every field of it */
  row: Row;
  /** "prompt", a text or a list of messages, or "messages" */
  prompt: AskedPrompt;
  /**
   * "completion", a text or a list of one message by the assistant, or the last of "messages"; '' where none is asked
   * for
   */
  completion: string;
}

/** Every row with its line; one bad row refuses the file. A prompt may not be empty, a completion may. */
export function readTextRows(file: string, fields: readonly ('prompt' | 'completion')[]): TextRow[] {
  const withCompletion = fields.includes('completion');
  const { rows, errors, unlisted } = readJsonl(file, (value, line): TextRow => {
    const row = asRow(value);
    const inMessages = row.prompt === undefined && row.messages !== undefined;
    const given = inMessages
      ? messagesOf(row.messages, 'messages')
      : Array.isArray(row.prompt)
        ? messagesOf(row.prompt, 'prompt')
        : textOf(row.prompt, 'prompt');
    if (given === '') throw badRow('"prompt" is empty.');
    const answered =
      inMessages &&
      withCompletion &&
      row.completion === undefined &&
      given.length > 1 &&
      (given as Message[]).at(-1)!.role === 'assistant';
    const messages = isText(given) ? null : answered ? given.slice(0, -1) : given;
    if (messages?.at(-1)!.role === 'assistant')
      throw badRow(
        `"${inMessages ? 'messages' : 'prompt'}" ends with a message by the assistant, which leaves nothing to answer.`,
      );
    const completion = answered
      ? (given as Message[]).at(-1)!.content
      : withCompletion
        ? completionOf(row.completion)
        : '';
    return { line, row, prompt: { text: isText(given) ? given : messages!.at(-1)!.content, messages }, completion };
  });
  refuseBadRows(file, errors, { unlisted });
  if (rows.length === 0)
    throw new TastemakerError(
      'bad-file',
      `${file} ${isEmpty(file) ? 'is empty' : 'has no rows'}.`,
      `Give it one JSON object a line, with ${fields.map((field) => `"${field}"`).join(' and ')}.`,
    );
  return rows;
}

function textOf(value: unknown, field: string): string {
  if (!isText(value)) throw badRow(value === undefined ? `"${field}" is missing.` : `"${field}" is not text.`);
  return value;
}
function completionOf(value: unknown): string {
  if (!Array.isArray(value)) return textOf(value, 'completion');
  const [message, ...more] = messagesOf(value, 'completion') as [Message, ...Message[]];
  if (more.length || message.role !== 'assistant')
    throw badRow('"completion" is a list, and not of one message by the assistant.');
  return message.content;
}
const ROLES: readonly unknown[] = ['system', 'user', 'assistant'];
function messagesOf(value: unknown, field: string): Message[] {
  if (!Array.isArray(value) || value.length === 0) throw badRow(`"${field}" is not a list of messages.`);
  return value.map((item: unknown, i) => {
    const { role, content } = isRow(item) ? item : {};
    if (!ROLES.includes(role))
      throw badRow(
        `Message ${i + 1} of "${field}" has the role ${JSON.stringify(role) ?? 'missing'}, not system, user or assistant.`,
      );
    if (!isText(content)) throw badRow(`Message ${i + 1} of "${field}" has no text as its "content".`);
    return { role: role as Message['role'], content };
  });
}

/** Refuses an --out that could not be written before any work is done for it. */
export function checkOut(file: string): void {
  const folder = path.dirname(path.resolve(file));
  if (!fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new TastemakerError(
      'bad-argument',
      `--out ${file} cannot be written: there is no folder ${folder}.`,
      'Make the folder first, or name another.',
    );
  if (fs.statSync(file, { throwIfNoEntry: false })?.isDirectory())
    throw new TastemakerError('bad-argument', `--out ${file} is a folder.`, 'Name a file in it.');
  refuseOverwriting(file);
  refusePlace(file);
}

function isEmpty(file: string): boolean {
  let empty = true;
  eachLine(file, () => (empty = false));
  return empty;
}

/**
 * Ids of the rows' prompts; conversations go through the model's chat template. 'bad-data' names a line that holds one
 * where there is no template, or that it refuses.
 */
export async function tokenisePrompts(
  file: string,
  rows: readonly TextRow[],
  tokenizer: Tokenizer,
): Promise<number[][]> {
  const conversation = rows.find(({ prompt }) => prompt.messages);
  if (conversation && tokenizer.chatTemplate === null)
    throw new TastemakerError(
      'bad-data',
      `Line ${conversation.line} of ${file} holds a conversation, and the model has no chat template to write it out with.`,
      'Give the prompt as text, or use a model that was tuned for chat.',
    );
  return encodePrompts(
    tokenizer,
    rows.map(({ prompt }) => prompt),
    (i) => `Line ${rows[i]!.line} of ${file}`,
  );
}

/** Rows as token ids, with what is to be said of them. */
export interface TokenRows {
  prompts: number[][];
  completions: number[][];
  notes: string[];
}

const finishOf = ({ row }: TextRow): Finish | null =>
  row.finish === 'stop' || row.finish === 'length' ? row.finish : null;

/**
 * The ids that `generate` wrote beside each completion, where they are this tokenizer's and still say what the
 * completion says; null elsewhere.
 */
async function sampledIn(
  rows: readonly TextRow[],
  prompts: readonly number[][],
  tokenizer: Tokenizer,
): Promise<(SampledIds | null)[]> {
  const ids = rows.map(({ row: { token_ids: list, tokenizer: hash } }) =>
    hash === tokenizer.hash &&
    Array.isArray(list) &&
    list.length > 0 &&
    list.every((id) => tokenizer.isToken(id as number))
      ? (list as number[])
      : null,
  );
  const known = [...rows.keys()].filter((i) => ids[i] !== null);
  const texts = await answerTexts(
    tokenizer,
    known.map((i) => ({ prompt: prompts[i]!, ids: ids[i]! })),
  );
  const kept = new Set(known.filter((i, at) => texts[at] === rows[i]!.completion));
  return rows.map((_, i) => (kept.has(i) ? { ids: ids[i]!, tokenizer: tokenizer.hash } : null));
}

/**
 * Prompts, and completions as the ids that follow them: those that `generate` wrote where they are this tokenizer's,
 * else those
 * of the text. `ended` says whether a completion gets the token that ends one, given what its row says of its finish;
 * one that
 * was cut off gets none. 'too-long' and 'bad-data' name the line.
 */
export async function tokenise(
  file: string,
  rows: readonly TextRow[],
  tokenizer: Tokenizer,
  architecture: Architecture,
  ended: (row: TextRow, finish: Finish | null) => boolean,
): Promise<TokenRows> {
  const prompts = await tokenisePrompts(file, rows, tokenizer);
  const shared: SharedToken[] = [];
  const called = (i: number) => `Line ${rows[i]!.line} of ${file}`;
  const sampled = await sampledIn(rows, prompts, tokenizer);
  const answers = rows.map((row, i): Answer => ({
    prompt: row.prompt,
    text: row.completion,
    ended: finishOf(row) !== 'length' && ended(row, finishOf(row)),
    ...(sampled[i] ? { sampled: sampled[i] } : {}),
  }));
  const completions = await encodeAnswers(tokenizer, answers, called, shared);
  rows.forEach(({ line }, i) =>
    checkLength(file, line, prompts[i]!.length, completions[i]!.length, architecture.context),
  );
  return {
    prompts,
    completions,
    notes: [sharedTokens(shared, rows.length, (i) => `line ${rows[i]!.line}`)].filter((note) => note !== null),
  };
}

/** `more` tokens are to follow the prompt's. */
export function checkLength(file: string, line: number, prompt: number, more: number, context: number): void {
  if (prompt === 0)
    throw new TastemakerError(
      'bad-data',
      `The prompt in line ${line} of ${file} has no tokens.`,
      'Give every prompt some text.',
    );
  if (prompt + more > context) {
    throw new TastemakerError(
      'too-long',
      `Line ${line} of ${file} does not fit: its prompt has ${prompt} tokens, ${more} more follow, and the model's context is ${context}.`,
      'Shorten the texts, ask for fewer new tokens, or use a model with a longer context.',
    );
  }
}

/** 'not-finite' naming the first line whose numbers cannot be written. */
export function checkFinite(file: string, { line }: { line: number }, numbers: readonly number[]): void {
  if (numbers.every(Number.isFinite)) return;
  throw new TastemakerError(
    'not-finite',
    `The model's numbers for line ${line} of ${file} are not finite.`,
    'Its weights are damaged or too large: look at it with `tastemaker model add`, or take an earlier checkpoint.',
  );
}

/** Runs `work` on some rows at a time, so that progress can be shown. */
export async function inPortions<T, R>(
  what: string,
  items: readonly T[],
  portion: number,
  work: (items: readonly T[], first: number) => Promise<readonly R[]>,
): Promise<R[]> {
  const progress = createProgress(what);
  const results: R[] = [];
  for (let at = 0; at < items.length; at += portion) {
    results.push(...(await work(items.slice(at, at + portion), at)));
    if (items.length > portion) progress.onReport(results.length, items.length, {});
  }
  progress.finish();
  return results;
}
