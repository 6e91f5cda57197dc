// What was asked, where a file says it in several places: a system message in a column of its own, a prompt beside a
// conversation, a prompt that the answers repeat.

import { conversationText } from './conversation.ts';
import type { Message } from './preference.ts';
import { badRow, isText } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';
import { normalForm } from '#core/spelling.ts';

export interface PromptPart {
  /** what stands for a conversation where only text can */
  prompt: string;
  messages: Message[] | null;
}

/** Columns that hold a system message. */
export const SYSTEM_COLUMNS = ['system', 'system_prompt', 'system_message'] as const;

/** The system message that a row has in a column of its own; null where there is none. */
function systemOf(row: Row): string | null {
  const given = SYSTEM_COLUMNS.flatMap((column) =>
    row[column] === undefined || row[column] === null ? [] : [{ column, value: row[column] }],
  );
  const wrong = given.find(({ value }) => !isText(value));
  if (wrong)
    throw badRow(
      `"${wrong.column}" is not text.`,
      'Give the system message as text, or as the first message of the conversation.',
    );
  const full = given.filter(({ value }) => (value as string).trim() !== '') as { column: string; value: string }[];
  if (full.length > 1 && full.some(({ value }) => normalForm(value) !== normalForm(full[0]!.value)))
    throw badRow(`"${full[0]!.column}" and "${full[1]!.column}" are two different system messages.`);
  return full[0]?.value ?? null;
}

/**
 * A system message in a column of its own becomes the first of the conversation. One that the conversation begins with
 * already stays once; another is a bad row.
 */
export function withSystem(asked: PromptPart, row: Row): PromptPart {
  const system = systemOf(row);
  if (system === null) return asked;
  const messages = asked.messages ?? [{ role: 'user' as const, content: asked.prompt }];
  const first = messages[0]!;
  if (first.role !== 'system') {
    const all: Message[] = [{ role: 'system', content: system }, ...messages];
    return { prompt: conversationText(all), messages: all };
  }
  if (normalForm(first.content) === normalForm(system)) return asked;
  throw badRow(
    `The system message in a column of its own is ${short(system)}, the one in the conversation is ${short(first.content)}.`,
    'Leave one of the two out.',
  );
}

/** A text in a sentence. */
export const short = (text: string): string =>
  JSON.stringify(text.length > 60 ? `${text.slice(0, 59).toWellFormed()}…` : text);

/**
 * Throws for a prompt beside a conversation that asks something else: it is none of what the user says there, nor all
 * of it.
 */
export function checkAgrees(prompt: string, messages: readonly Message[], where: string): void {
  const wanted = normalForm(prompt);
  const said = messages.filter(({ role }) => role === 'user').map(({ content }) => normalForm(content));
  if (
    wanted === '' ||
    [...said, said.join('\n'), said.join('\n\n'), normalForm(conversationText(messages))].includes(wanted)
  )
    return;
  const asks = messages.findLast(({ role }) => role === 'user')?.content;
  throw badRow(
    `"prompt" is ${short(prompt)}, but ${where} ${asks === undefined ? 'asks nothing' : `asks ${short(asks)}`}.`,
    'Correct the prompt, or leave the column out.',
  );
}

/** So many characters of a prompt are no chance at the start of an answer; of fewer, a word must end there. */
const NO_CHANCE = 8;
const isWord = (character: string | undefined) => character !== undefined && /[\p{L}\p{N}]/u.test(character);

/** How long the white space at the start of a text is that spells the same as another, whatever the line ends. */
function spaceAlike(text: string, space: string): number {
  const wanted = space.replace(/\r\n?/g, '\n');
  const found = /^\s*/.exec(text)![0];
  for (let at = 1; at <= found.length; at++)
    if (found.slice(0, at).replace(/\r\n?/g, '\n') === wanted && found.slice(at - 1, at + 1) !== '\r\n') return at;
  return 0;
}

/** Where a prompt ends that a text begins with, however it is spelled; 0 where it does not. */
function endOfPrompt(prompt: string, text: string): number {
  const asked = prompt.trim();
  if (asked === '') return 0;
  const from = text.length - text.trimStart().length;
  const isExact = text.startsWith(prompt);
  let end = isExact ? prompt.length : text.startsWith(asked, from) ? from + asked.length : 0;
  if (end === 0) {
    const wanted = normalForm(asked);
    if (!normalForm(text).startsWith(wanted)) return 0;
    const longest = Math.min(text.length, from + asked.length * 4);
    for (let at = from + Math.ceil(asked.length / 4); at <= longest && end === 0; at++)
      if (normalForm(text.slice(0, at)) === wanted) end = at;
    while (end > 0 && /\p{M}/u.test(text[end] ?? '')) end++; // an accent that stands alone belongs to the letter before
  }
  if (!isExact && end > 0) end += spaceAlike(text.slice(end), prompt.slice(prompt.trimEnd().length));
  const isAll = asked.length >= NO_CHANCE || !isWord(asked.at(-1)) || !isWord(text[end]);
  return isAll ? end : 0;
}

/** Which answers begin with the prompt and go on, counted from 0. */
export const repeatingPrompt = (prompt: string, answers: readonly string[]): number[] =>
  answers.flatMap((text, i) => {
    const end = endOfPrompt(prompt, text);
    return end > 0 && text.slice(end).trim() !== '' ? [i] : [];
  });

/** The answers without the prompt, where all of them begin with it and one at least goes on; else null. */
export function withoutPrompt(prompt: string, answers: readonly string[]): string[] | null {
  const ends = answers.map((text) => endOfPrompt(prompt, text));
  if (answers.length === 0 || ends.some((end) => end === 0)) return null;
  const rests = answers.map((text, i) => text.slice(ends[i]));
  return rests.every((rest) => rest.trim() === '') ? null : rests;
}
