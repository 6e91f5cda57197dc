// Conversations in other people's files: lists of messages by whatever names, and the text that stands for one.

import type { Message } from './preference.ts';
import { badRow, isRow, isText } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';
import { spokenText } from '#core/spelling.ts';

const ROLES: Readonly<Record<string, Message['role']>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  human: 'user',
  prompter: 'user',
  assistant: 'assistant',
  gpt: 'assistant',
  chatgpt: 'assistant',
  bot: 'assistant',
  model: 'assistant',
};

/** {role, content} as most write it, {from, value} as ShareGPT does. */
const isMessage = (value: unknown): value is Row =>
  isRow(value) && (('role' in value && 'content' in value) || ('from' in value && 'value' in value));
export const isMessageList = (value: unknown): value is Row[] =>
  Array.isArray(value) && value.length > 0 && value.every(isMessage);

/** Text, or a list of parts that are all text (OpenAI's newer way). */
function contentOf(value: unknown): string | null {
  if (isText(value)) return value;
  if (!Array.isArray(value) || !value.every((part) => isRow(part) && isText(part['text']))) return null;
  return value.map((part: Row) => part['text'] as string).join('');
}

/** One message; `where` names it in an error. */
export function messageOf(value: unknown, where: string): Message {
  if (!isMessage(value))
    throw badRow(`${where} is not a message.`, 'Write each message as {"role": "user", "content": "…"}.');
  const role = value['role'] ?? value['from'];
  const content = contentOf('content' in value ? value['content'] : value['value']);
  if (!isText(role) || !Object.hasOwn(ROLES, role))
    throw badRow(
      `${where} has the role ${JSON.stringify(role)?.slice(0, 40)}, which is none of system, user and assistant.`,
    );
  if (content === null) throw badRow(`${where} has no text.`);
  return { role: ROLES[role]!, content };
}

/** A list of messages, one at least. */
export function messagesOf(value: unknown, field: string): Message[] {
  if (!Array.isArray(value))
    throw badRow(value === undefined ? `"${field}" is missing.` : `"${field}" is not a list of messages.`);
  if (value.length === 0) throw badRow(`"${field}" has no messages.`);
  return value.map((message, i) => messageOf(message, `Message ${i + 1} of "${field}"`));
}

/** What stands for a conversation where only text can; a prompt that says nothing is a bad row. */
export function conversationText(messages: readonly Message[]): string {
  const text = spokenText(messages);
  if (text.trim() === '') throw badRow('The prompt is empty.');
  return text;
}

/** How many messages two conversations share from the start. */
export function sharedMessages(a: readonly Message[], b: readonly Message[]): number {
  const differ = a.findIndex((message, i) => message.role !== b[i]?.role || message.content !== b[i]?.content);
  return differ < 0 ? a.length : differ;
}
