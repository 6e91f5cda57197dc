// Pairs of a chosen and a rejected answer, in every way that training programs write them: TRL, OpenRLHF, LLaMA-Factory, H2O, HH-RLHF.

import { conversationText, isMessageList, messageOf, messagesOf, sharedMessages } from './conversation.ts';
import { answer, extraOf, OWN_FIELDS, ownFields, preference, textOf } from './format.ts';
import type { Format } from './format.ts';
import type { Message, Preference } from './preference.ts';
import { badRow, isRow, isText, optionalText, requiredText } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';

interface Asked { prompt: string; messages: Message[] | null }

const asked = (messages: Message[]): Asked => ({ prompt: conversationText(messages), messages });
const askedText = (row: Row, field: string): Asked => (Array.isArray(row[field]) ? asked(messagesOf(row[field], field)) : { prompt: requiredText(row, field), messages: null });

/** The record of a pair, better one first. */
function pairOf(row: Row, line: number, { prompt, messages }: Asked, [chosen, rejected]: readonly [string, string], used: readonly string[]): Preference {
  if (chosen === rejected) throw badRow('"chosen" and "rejected" are the same text.');
  return preference({ line, prompt, messages, answers: [answer(chosen), answer(rejected)], ranks: [1, 2], ...ownFields(row), extra: extraOf(row, [...used, ...OWN_FIELDS]) });
}

const PAIR = ['prompt', 'chosen', 'rejected'] as const;

/** What an answer's turn begins with where the whole conversation is one text (HH-RLHF, ChatML, Zephyr, Llama 2 and 3, Alpaca). */
const TURNS = ['\n\nAssistant:', '<|im_start|>assistant\n', '<|assistant|>\n', '[/INST]', '<|start_header_id|>assistant<|end_header_id|>\n\n', '### Response:\n'];

function sharedStart(a: string, b: string): string {
  let common = 0;
  while (common < a.length && common < b.length && a[common] === b[common]) common++;
  return a.slice(0, common);
}

/** Where a prompt ends that two texts begin with: after the last sign of an answer's turn, else before the last white space, else nowhere (0). */
export function promptEnd(a: string, b: string): number {
  const shared = sharedStart(a, b);
  const turn = Math.max(...TURNS.map((sign) => (shared.includes(sign) ? shared.lastIndexOf(sign) + sign.length : 0)));
  if (turn > 0) return turn;
  let end = shared.length;
  while (end > 0 && !/\s/.test(shared[end - 1]!)) end--; // back to the last white space,
  while (end > 0 && /\s/.test(shared[end - 1]!)) end--; // all of which belongs to the answer
  return end;
}

/** A text that goes on until only one answer is left: the last message, which is the assistant's. */
function lastAnswer(messages: readonly Message[], field: string): string {
  const last = messages.at(-1);
  if (!last || messages.length !== 1) throw badRow(`"${field}" has ${messages.length} messages after the prompt; an answer is one.`);
  if (last.role !== 'assistant') throw badRow(`The answer in "${field}" is by the ${last.role}, not by the assistant.`);
  return last.content;
}

/** Lists of messages: what both begin with, and what "prompt" says before, is the conversation. */
function conversations(row: Row, line: number): Preference {
  const chosen = messagesOf(row['chosen'], 'chosen'), rejected = messagesOf(row['rejected'], 'rejected');
  const shared = Math.min(sharedMessages(chosen, rejected), chosen.length - 1, rejected.length - 1);
  const before = Array.isArray(row['prompt']) ? messagesOf(row['prompt'], 'prompt') : [];
  const repeats = shared > 0 && before.length > 0 && sharedMessages(before, chosen) === before.length; // the prompt stands in the answers once more
  const messages = [...(repeats ? [] : before), ...chosen.slice(0, shared)];
  const answers = [lastAnswer(chosen.slice(shared), 'chosen'), lastAnswer(rejected.slice(shared), 'rejected')] as const;
  // without any message before the answer, a plain text is what was asked
  const from = messages.length > 0 ? asked(messages) : askedText(row, 'prompt');
  return pairOf(row, line, from, answers, PAIR);
}

/** "prompt", "chosen" and "rejected", each as text or as messages; without "prompt" it is what the two begin with. */
export function readPair(row: Row, line: number): Preference {
  for (const [field, other] of [['chosen', 'rejected'], ['rejected', 'chosen']] as const)
    if (Array.isArray(row[field]) && isText(row[other])) throw badRow(`"${field}" is a list of messages, "${other}" is text.`, 'Give both as texts, or both as messages.');
  if (Array.isArray(row['chosen'])) return conversations(row, line);
  const chosen = textOf(row, 'chosen'), rejected = textOf(row, 'rejected');
  if (row['prompt'] !== undefined && row['prompt'] !== null) return pairOf(row, line, askedText(row, 'prompt'), [chosen, rejected], PAIR);
  const end = promptEnd(chosen, rejected), prompt = chosen.slice(0, end);
  if (prompt.trim() === '') throw badRow('"prompt" is missing, and "chosen" and "rejected" do not begin with the same words.', 'Give the prompt in a column of its own, and name it with map.');
  return pairOf(row, line, { prompt, messages: null }, [chosen.slice(end), rejected.slice(end)], PAIR);
}

const HUMAN = '\n\nHuman:', ASSISTANT = '\n\nAssistant:';

/** The turns of a dialogue; a space after the colon is not part of what was said. */
function dialogue(text: string): Message[] {
  const parts = text.split(/\n\n(Human|Assistant):/);
  if (parts[0]!.trim() !== '') throw badRow('The dialogue does not begin with "\\n\\nHuman:".');
  return Array.from({ length: (parts.length - 1) / 2 }, (_, i): Message => ({ role: parts[2 * i + 1] === 'Human' ? 'user' : 'assistant', content: parts[2 * i + 2]!.replace(/^ /, '') }));
}

/** Dialogues as Anthropic published them: the prompt is what both have before the last "\n\nAssistant:" in common. */
function readDialogues(row: Row, line: number): Preference {
  const chosen = textOf(row, 'chosen'), rejected = textOf(row, 'rejected');
  const at = sharedStart(chosen, rejected).lastIndexOf(ASSISTANT);
  if (at < 0) throw badRow('"chosen" and "rejected" have no dialogue up to an "\\n\\nAssistant:" in common.');
  const said = (text: string) => text.slice(at + ASSISTANT.length).replace(/^ /, '');
  return pairOf(row, line, asked(dialogue(chosen.slice(0, at))), [said(chosen), said(rejected)], PAIR);
}


const ALPACA = ['instruction', 'input', 'chosen', 'rejected', 'system', 'history'] as const;

/** "instruction" and "input" are what the user says (LF joins them with a line break); "system" and "history" make it a conversation. */
function readAlpaca(row: Row, line: number): Preference {
  const instruction = requiredText(row, 'instruction'), input = optionalText(row, 'input'), system = optionalText(row, 'system');
  const prompt = input === null ? instruction : `${instruction}\n${input}`;
  const history = row['history'] ?? [];
  if (!Array.isArray(history) || !history.every((turn) => Array.isArray(turn) && turn.length === 2 && turn.every(isText))) throw badRow('"history" is not a list of pairs of texts.');
  const turns = (history as [string, string][]).flatMap(([user, assistant]): Message[] => [{ role: 'user', content: user }, { role: 'assistant', content: assistant }]);
  const messages: Message[] = [...(system === null ? [] : [{ role: 'system' as const, content: system }]), ...turns, { role: 'user', content: prompt }];
  const read = pairOf(row, line, messages.length > 1 ? asked(messages) : { prompt, messages: null }, [textOf(row, 'chosen'), textOf(row, 'rejected')], ALPACA);
  return { ...read, extra: { ...(input === null ? {} : { input }), ...read.extra } };
}

const SHAREGPT = ['conversations', 'messages', 'chosen', 'rejected', 'system', 'tools'] as const;

function readShareGpt(row: Row, line: number): Preference {
  const field = 'conversations' in row ? 'conversations' : 'messages';
  const system = optionalText(row, 'system'), said = messagesOf(row[field], field);
  const answers = (['chosen', 'rejected'] as const).map((name) => lastAnswer([messageOf(row[name], `"${name}"`)], name)) as [string, string];
  return pairOf(row, line, asked([...(system === null ? [] : [{ role: 'system' as const, content: system }]), ...said]), answers, SHAREGPT);
}

/** H2O LLM Studio lets columns be called anything; these are the names of its own examples. */
const H2O = { prompt: ['prompt', 'instruction', 'question'], chosen: ['answer', 'chosen_answer', 'chosen_response', 'response', 'output'], rejected: ['rejected_answer', 'rejected_response', 'rejected_output'] } as const;
const columnFor = (row: Row, names: readonly string[]) => names.find((name) => name in row);

function readH2o(row: Row, line: number): Preference {
  const used = Object.values(H2O).map((names) => columnFor(row, names) ?? names[0]!);
  const [prompt, chosen, rejected] = used as [string, string, string];
  return pairOf(row, line, { prompt: requiredText(row, prompt), messages: null }, [textOf(row, chosen), textOf(row, rejected)], used);
}

const isDialogue = (value: unknown) => isText(value) && value.startsWith(HUMAN) && value.includes(ASSISTANT);
const hasPrompt = (row: Row) => row['prompt'] !== undefined && row['prompt'] !== null;
/** {"chosen", "rejected"} rows that none of the formats with more fields claims. */
const isPair = (row: Row) => 'chosen' in row && 'rejected' in row && !('instruction' in row) && !isRow(row['chosen']);
const isOfTexts = (row: Row) => isPair(row) && !isMessageList(row['chosen']) && !isMessageList(row['rejected']);

export const PAIR_FORMATS: readonly Format[] = [
  { name: 'trl-explicit', title: 'TRL, prompt, chosen and rejected', fits: (row) => isOfTexts(row) && hasPrompt(row), read: readPair },
  { name: 'trl-implicit', title: 'TRL, prompt inside chosen and rejected', fits: (row) => isOfTexts(row) && !hasPrompt(row) && !(isDialogue(row['chosen']) && isDialogue(row['rejected'])), read: readPair },
  { name: 'trl-conversational', title: 'TRL, conversations', fits: (row) => isPair(row) && (isMessageList(row['chosen']) || isMessageList(row['rejected'])), read: readPair },
  // the same columns as TRL's, which it is taken for unless it is called by its name
  { name: 'openrlhf', title: 'OpenRLHF', fits: () => false, read: readPair },
  { name: 'llama-factory-alpaca', title: 'LLaMA-Factory, alpaca', fits: (row) => 'instruction' in row && 'chosen' in row && 'rejected' in row && !isRow(row['chosen']), read: readAlpaca },
  { name: 'llama-factory-sharegpt', title: 'LLaMA-Factory, sharegpt', fits: (row) => ('conversations' in row || 'messages' in row) && isRow(row['chosen']) && isRow(row['rejected']), read: readShareGpt },
  { name: 'h2o', title: 'H2O LLM Studio', fits: (row) => !('rejected' in row) && [H2O.prompt, H2O.chosen, H2O.rejected].every((names) => columnFor(row, names) !== undefined), read: readH2o },
  { name: 'hh-rlhf', title: 'HH-RLHF dialogues', fits: (row) => isPair(row) && !hasPrompt(row) && isDialogue(row['chosen']) && isDialogue(row['rejected']), read: readDialogues },
];
