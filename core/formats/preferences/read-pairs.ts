// Pairs of a chosen and a rejected answer, in every way that training programs write them: TRL, OpenRLHF,
// LLaMA-Factory, H2O, HH-RLHF.

import { checkAgrees, short } from './prompt-part.ts';
import type { PromptPart } from './prompt-part.ts';
import { conversationText, isMessageList, messageOf, messagesOf, sharedMessages } from './conversation.ts';
import { answer, extraOf, OWN_FIELDS, ownFields, preference, textOf } from './format.ts';
import type { Format, ReadContext } from './format.ts';
import type { Message, Preference } from './preference.ts';
import { sharedStart, turnEnd, withoutTurns } from './turn-markers.ts';
import { badRow, isRow, isText, optionalText, requiredText } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';
import { normalForm } from '#core/spelling.ts';

const asked = (messages: Message[]): PromptPart => ({ prompt: conversationText(messages), messages });
const askedText = (row: Row, field: string): PromptPart =>
  Array.isArray(row[field])
    ? asked(messagesOf(row[field], field))
    : { prompt: requiredText(row, field), messages: null };

/** The record of a pair, better one first. */
function pairOf(
  row: Row,
  line: number,
  { prompt, messages }: PromptPart,
  [chosen, rejected]: readonly [string, string],
  used: readonly string[],
): Preference {
  if (chosen === rejected) throw badRow('"chosen" and "rejected" are the same text.');
  return preference({
    line,
    prompt,
    messages,
    answers: [answer(chosen), answer(rejected)],
    ranks: [1, 2],
    ...ownFields(row),
    extra: extraOf(row, [...used, ...OWN_FIELDS]),
  });
}

const PAIR = ['prompt', 'chosen', 'rejected'] as const;

/** A text that goes on until only one answer is left: the last message, which is the assistant's. */
function lastAnswer(messages: readonly Message[], field: string): string {
  const last = messages.at(-1);
  if (!last || messages.length !== 1)
    throw badRow(`"${field}" has ${messages.length} messages after the prompt; an answer is one.`);
  if (last.role !== 'assistant') throw badRow(`The answer in "${field}" is by the ${last.role}, not by the assistant.`);
  return last.content;
}

const withoutSystem = (messages: readonly Message[]) => messages.filter(({ role }, i) => i > 0 || role !== 'system');
/**
 * How many messages of `all` say what `before` says, a system message that only one of them has apart; 0 where they
 * differ.
 */
function repeated(before: readonly Message[], all: readonly Message[]): number {
  if (sharedMessages(before, all) === before.length) return before.length;
  const bare = withoutSystem(before);
  const rest = withoutSystem(all);
  const hasOneSystem = bare.length === before.length || rest.length === all.length;
  return hasOneSystem && bare.length > 0 && sharedMessages(bare, rest) === bare.length
    ? bare.length + all.length - rest.length
    : 0;
}

/** The conversation before the answers: what "prompt" says, and what both lists begin with, once. */
function conversationBefore(before: readonly Message[], shared: readonly Message[]): Message[] {
  if (before.length === 0 || shared.length === 0) return [...before, ...shared];
  const again = repeated(before, shared);
  if (again > 0)
    return [
      ...(shared[0]!.role === 'system' ? [] : before.slice(0, before.length - withoutSystem(before).length)),
      ...shared,
    ];
  if (before.at(-1)!.role === 'user' && withoutSystem(shared)[0]?.role === 'user') {
    throw badRow(
      `"prompt" asks ${short(before.at(-1)!.content)}, but the conversation in "chosen" and "rejected" asks ${short(shared.findLast(({ role }) => role === 'user')!.content)}.`,
      'Correct the prompt, or leave it out.',
    );
  }
  return [...before, ...shared]; // the conversation goes on
}

/** Lists of messages: what both begin with, and what "prompt" says before, is the conversation. */
function conversations(row: Row, line: number): Preference {
  const chosen = messagesOf(row['chosen'], 'chosen');
  const rejected = messagesOf(row['rejected'], 'rejected');
  const shared = Math.min(sharedMessages(chosen, rejected), chosen.length - 1, rejected.length - 1);
  if (shared === 0 && chosen[0]!.role === 'user' && rejected[0]!.role === 'user') {
    throw badRow(
      `"chosen" answers ${short(chosen[0]!.content)} and "rejected" ${short(rejected[0]!.content)}: a pair answers one prompt.`,
    );
  }
  const messages = conversationBefore(
    Array.isArray(row['prompt']) ? messagesOf(row['prompt'], 'prompt') : [],
    chosen.slice(0, shared),
  );
  const answers = [lastAnswer(chosen.slice(shared), 'chosen'), lastAnswer(rejected.slice(shared), 'rejected')] as const;
  // without any message by the user before the answer, a plain text is what was asked
  if (isText(row['prompt']) && row['prompt'].trim() !== '') {
    if (!messages.some(({ role }) => role === 'user'))
      return pairOf(
        row,
        line,
        messages.length === 0
          ? askedText(row, 'prompt')
          : asked([...messages, { role: 'user', content: row['prompt'] }]),
        answers,
        PAIR,
      );
    checkAgrees(row['prompt'], messages, 'the conversation in "chosen" and "rejected"');
  }
  return pairOf(row, line, messages.length > 0 ? asked(messages) : askedText(row, 'prompt'), answers, PAIR);
}

/**
 * Two answers that both begin with a transcript of what was asked: the answers after it. One that asks something else
 * is a bad row.
 */
function afterTranscript(
  { prompt, messages }: PromptPart,
  [chosen, rejected]: readonly [string, string],
  { warn }: ReadContext,
): readonly [string, string] {
  const end = turnEnd(sharedStart(chosen, rejected));
  const said = withoutTurns(chosen.slice(0, end));
  if (said === '') return [chosen, rejected]; // no transcript, or one of a turn that says nothing
  const asks = messages?.findLast(({ role }) => role === 'user')?.content ?? prompt;
  if (!normalForm(said).includes(withoutTurns(asks)))
    throw badRow(
      `"prompt" is ${short(asks)}, but "chosen" and "rejected" begin with the conversation ${short(said)}.`,
      'Correct the prompt, or leave it out.',
    );
  warn('"chosen" and "rejected" begin with the prompt once more, as a conversation; it was taken off.');
  return [chosen.slice(end), rejected.slice(end)];
}

/** What the prompt of a pair is called where it is not "prompt" (Intel's Orca pairs, Axolotl, distilabel). */
const PROMPTS = ['question', 'query', 'input'] as const;
const otherPrompt = (row: Row) => PROMPTS.find((field) => isText(row[field]) && row[field].trim() !== '');

/**
 * "prompt", "chosen" and "rejected", each as text or as messages; a "question", "query" or "input" is the prompt where
 * there is none by that name, and without any it is what the two texts begin with.
 */
export function readPair(row: Row, line: number, context: ReadContext): Preference {
  for (const [field, other] of [
    ['chosen', 'rejected'],
    ['rejected', 'chosen'],
  ] as const)
    if (Array.isArray(row[field]) && isText(row[other]))
      throw badRow(`"${field}" is a list of messages, "${other}" is text.`, 'Give both as texts, or both as messages.');
  if (Array.isArray(row['chosen'])) return conversations(row, line);
  const chosen = textOf(row, 'chosen');
  const rejected = textOf(row, 'rejected');
  if (row['prompt'] !== undefined && row['prompt'] !== null) {
    const from = askedText(row, 'prompt');
    return pairOf(row, line, from, afterTranscript(from, [chosen, rejected], context), PAIR);
  }
  const other = otherPrompt(row);
  if (other !== undefined) {
    const from = askedText(row, other);
    return pairOf(row, line, from, afterTranscript(from, [chosen, rejected], context), [...PAIR, other]);
  }
  const end = promptEnd(chosen, rejected);
  const prompt = chosen.slice(0, end);
  if (prompt.trim() === '')
    throw badRow(
      '"prompt" is missing, and "chosen" and "rejected" do not begin with the same words.',
      'Give the prompt in a column of its own, and name it with map.',
    );
  return pairOf(row, line, { prompt, messages: null }, [chosen.slice(end), rejected.slice(end)], PAIR);
}

/**
 * Where a prompt ends that two texts begin with: after the last sign of an answer's turn, else before the last white
 * space, else nowhere (0).
 */
export function promptEnd(a: string, b: string): number {
  const shared = sharedStart(a, b);
  const turn = turnEnd(shared);
  if (turn > 0) return turn;
  let end = shared.length;
  while (end > 0 && !/\s/.test(shared[end - 1]!)) end--; // back to the last white space,
  while (end > 0 && /\s/.test(shared[end - 1]!)) end--; // all of which belongs to the answer
  return end;
}

const HUMAN = '\n\nHuman:';
const ASSISTANT = '\n\nAssistant:';

/** The turns of a dialogue; a space after the colon is not part of what was said. */
function dialogue(text: string): Message[] {
  const parts = text.split(/\n\n(Human|Assistant):/);
  if (parts[0]!.trim() !== '') throw badRow('The dialogue does not begin with "\\n\\nHuman:".');
  return Array.from({ length: (parts.length - 1) / 2 }, (_, i): Message => ({
    role: parts[2 * i + 1] === 'Human' ? 'user' : 'assistant',
    content: parts[2 * i + 2]!.replace(/^ /, ''),
  }));
}

/** Dialogues as Anthropic published them: the prompt is what both have before the last "\n\nAssistant:" in common. */
function readDialogues(row: Row, line: number, { warn }: ReadContext): Preference {
  const chosen = textOf(row, 'chosen');
  const rejected = textOf(row, 'rejected');
  const at = sharedStart(chosen, rejected).lastIndexOf(ASSISTANT);
  if (at < 0) throw badRow('"chosen" and "rejected" have no dialogue up to an "\\n\\nAssistant:" in common.');
  const said = (text: string) => text.slice(at + ASSISTANT.length).replace(/^ /, '');
  const further = (['chosen', 'rejected'] as const).filter((field) =>
    /\n\n(?:Human|Assistant):/.test(said(row[field] as string)),
  );
  if (further.length > 0)
    warn(
      `The two dialogues part before their last answer: the answer in ${further.map((field) => `"${field}"`).join(' and in ')} holds further turns.`,
    );
  return pairOf(row, line, asked(dialogue(chosen.slice(0, at))), [said(chosen), said(rejected)], PAIR);
}

const ALPACA = ['instruction', 'input', 'chosen', 'rejected', 'history'] as const;

/**
 * "instruction" and "input" are what the user says (LF joins them with a line break); "history" makes it a
 * conversation.
 */
function readAlpaca(row: Row, line: number): Preference {
  const instruction = requiredText(row, 'instruction');
  const input = optionalText(row, 'input');
  const prompt = input === null ? instruction : `${instruction}\n${input}`;
  const history = row['history'] ?? [];
  if (
    !Array.isArray(history) ||
    !history.every((turn) => Array.isArray(turn) && turn.length === 2 && turn.every(isText))
  )
    throw badRow('"history" is not a list of pairs of texts.');
  const turns = (history as [string, string][]).flatMap(([user, assistant]): Message[] => [
    { role: 'user', content: user },
    { role: 'assistant', content: assistant },
  ]);
  const messages: Message[] = [...turns, { role: 'user', content: prompt }];
  const read = pairOf(
    row,
    line,
    messages.length > 1 ? asked(messages) : { prompt, messages: null },
    [textOf(row, 'chosen'), textOf(row, 'rejected')],
    ALPACA,
  );
  return { ...read, extra: { ...(input === null ? {} : { input }), ...read.extra } };
}

const SHAREGPT = ['conversations', 'messages', 'chosen', 'rejected'] as const;

function readShareGpt(row: Row, line: number): Preference {
  const field = 'conversations' in row ? 'conversations' : 'messages';
  const said = messagesOf(row[field], field);
  const answers = (['chosen', 'rejected'] as const).map((name) =>
    lastAnswer([messageOf(row[name], `"${name}"`)], name),
  ) as [string, string];
  if (isText(row['prompt'])) checkAgrees(row['prompt'], said, `the conversation in "${field}"`);
  return pairOf(row, line, asked(said), answers, SHAREGPT);
}

/** H2O LLM Studio lets columns be called anything; these are the names of its own examples. */
const H2O = {
  prompt: ['prompt', 'instruction', 'question'],
  chosen: ['answer', 'chosen_answer', 'chosen_response', 'response', 'output'],
  rejected: ['rejected_answer', 'rejected_response', 'rejected_output'],
} as const;
const columnFor = (row: Row, names: readonly string[]) => names.find((name) => name in row);

const h2oColumns = (row: Row): string[] => Object.values(H2O).map((names) => columnFor(row, names) ?? names[0]!);

function readH2o(row: Row, line: number): Preference {
  const used = h2oColumns(row);
  const [prompt, chosen, rejected] = used as [string, string, string];
  return pairOf(
    row,
    line,
    { prompt: requiredText(row, prompt), messages: null },
    [textOf(row, chosen), textOf(row, rejected)],
    used,
  );
}

const isDialogue = (value: unknown) => isText(value) && value.startsWith(HUMAN) && value.includes(ASSISTANT);
const isOfDialogues = (row: Row) => isDialogue(row['chosen']) && isDialogue(row['rejected']);
const hasPrompt = (row: Row) => row['prompt'] !== undefined && row['prompt'] !== null;
const isAsked = (row: Row) => hasPrompt(row) || otherPrompt(row) !== undefined;
/** {"chosen", "rejected"} rows that none of the formats with more fields claims. */
const isPair = (row: Row) => 'chosen' in row && 'rejected' in row && !('instruction' in row) && !isRow(row['chosen']);
const isOfTexts = (row: Row) => isPair(row) && !isMessageList(row['chosen']) && !isMessageList(row['rejected']);

/** A pair says which answer is better by where it stands, so its order says nothing of how the two were shown. */
const bestFirst = true;
export const PAIR_FORMATS: readonly Format[] = [
  {
    name: 'trl-explicit',
    title: 'TRL, prompt, chosen and rejected',
    fits: (row) => isOfTexts(row) && isAsked(row) && (hasPrompt(row) || !isOfDialogues(row)),
    bestFirst,
    uses: PAIR,
    read: readPair,
  },
  {
    name: 'trl-implicit',
    title: 'TRL, prompt inside chosen and rejected',
    fits: (row) => isOfTexts(row) && !isAsked(row) && !isOfDialogues(row),
    bestFirst,
    uses: PAIR,
    read: readPair,
  },
  {
    name: 'trl-conversational',
    title: 'TRL, conversations',
    fits: (row) => isPair(row) && (isMessageList(row['chosen']) || isMessageList(row['rejected'])),
    bestFirst,
    uses: PAIR,
    read: readPair,
  },
  // the same columns as TRL's, which it is taken for unless it is called by its name
  { name: 'openrlhf', title: 'OpenRLHF', fits: () => false, bestFirst, uses: PAIR, read: readPair },
  {
    name: 'llama-factory-alpaca',
    title: 'LLaMA-Factory, alpaca',
    fits: (row) => 'instruction' in row && 'chosen' in row && 'rejected' in row && !isRow(row['chosen']),
    bestFirst,
    uses: ALPACA,
    read: readAlpaca,
  },
  {
    name: 'llama-factory-sharegpt',
    title: 'LLaMA-Factory, sharegpt',
    fits: (row) => ('conversations' in row || 'messages' in row) && isRow(row['chosen']) && isRow(row['rejected']),
    bestFirst,
    uses: [...SHAREGPT, 'prompt'],
    read: readShareGpt,
  },
  {
    name: 'h2o',
    title: 'H2O LLM Studio',
    fits: (row) =>
      !('rejected' in row) &&
      [H2O.prompt, H2O.chosen, H2O.rejected].every((names) => columnFor(row, names) !== undefined),
    bestFirst,
    uses: h2oColumns,
    read: readH2o,
  },
  {
    name: 'hh-rlhf',
    title: 'HH-RLHF dialogues',
    fits: (row) => isPair(row) && !hasPrompt(row) && isOfDialogues(row),
    bestFirst,
    uses: PAIR,
    read: readDialogues,
  },
];
