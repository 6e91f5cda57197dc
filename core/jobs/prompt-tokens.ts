// Prompts and answers as token ids: a conversation goes through the model's chat template, a plain text stays as it is (D7).
//
// For a conversation, prompt ids + answer ids are the ids of the whole conversation as the template writes it, up to and with
// the token that ends the turn. So one rule holds for both kinds: what is learnt, scored and sampled comes after the prompt ids.

import type { Message } from '#core/contract.ts';
import { TastemakerError } from '#core/errors.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { renderChat } from '#core/tokenizer/chat-template.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { asCompletion } from './completion-text.ts';

/** A prompt as the project has it. */
export interface AskedPrompt {
  text: string;
  /** the conversation up to the answer; null or absent for plain text */
  messages?: Message[] | null;
}

export interface Answer {
  prompt: AskedPrompt;
  text: string;
  /** whether the token that ends an answer follows */
  ended: boolean;
  /** written for the prompt rather than after it, so that a plain prompt wants a space between */
  written?: boolean;
  /** the ids that a model wrote, with the hash of the tokenizer they are of (null: no one knows); used as they are where this tokenizer is the same, and made again from the text where it is not */
  sampled?: { ids: readonly number[]; tokenizer: string | null };
}

/** What a prompt or answer is called in errors, by its place in the list. */
type Called = (index: number) => string;

const isConversation = (tokenizer: Tokenizer, { messages }: AskedPrompt): boolean => messages != null && tokenizer.chatTemplate !== null;
const write = (tokenizer: Tokenizer, messages: readonly Message[], addGenerationPrompt: boolean): string =>
  renderChat(tokenizer.chatTemplate!, messages, { addGenerationPrompt, specialTokens: tokenizer.specialTokens, name: tokenizer.file });

/** The text that the model goes on from: the conversation as its template writes it, or the plain text where there is no template or no conversation. */
export const promptText = (tokenizer: Tokenizer, prompt: AskedPrompt): string => (isConversation(tokenizer, prompt) ? write(tokenizer, prompt.messages!, true) : prompt.text);

/** Ids of prompts, in order. 'bad-data' names the first that the template refuses, 'bad-file' a template that does not work. */
export async function encodePrompts(tokenizer: Tokenizer, prompts: readonly AskedPrompt[], called: Called = (i) => `Prompt ${i + 1}`): Promise<number[][]> {
  return tokenizer.encodeBatch(prompts.map((prompt, i) => naming(called(i), () => promptText(tokenizer, prompt))));
}

/**
 * Ids of answers, in order: with a template what it writes after the prompt, blanks taken off where it takes them off; else the
 * text as given, a written one after a space. 'bad-data' where the template writes answers in a way that can not follow its
 * prompts, or ends them with no token.
 */
export async function encodeAnswers(tokenizer: Tokenizer, answers: readonly Answer[], called: Called = (i) => `Answer ${i + 1}`): Promise<number[][]> {
  const known = await Promise.all(answers.map((answer) => sampledIds(tokenizer, answer))), unknown = [...answers.keys()].filter((i) => known[i] === null);
  const encoded = await encodeTexts(tokenizer, unknown.map((i) => answers[i]!), (at) => called(unknown[at]!));
  unknown.forEach((i, at) => (known[i] = encoded[at]!));
  return known as number[][];
}

/** The ids that were sampled, where they are this tokenizer's; those that no one knows the tokenizer of have to give the text. */
async function sampledIds(tokenizer: Tokenizer, answer: Answer): Promise<number[] | null> {
  const { sampled } = answer;
  if (!sampled || sampled.ids.length === 0) return null;
  const own = sampled.tokenizer === null ? await givesText(tokenizer, sampled.ids, answer) : sampled.tokenizer === tokenizer.hash;
  return own ? [...sampled.ids] : null;
}

/** Whether these ids are tokens that older versions read as this text, with a stop at their end where the answer has ended. */
async function givesText(tokenizer: Tokenizer, ids: readonly number[], { text, ended }: Answer): Promise<boolean> {
  return ids.every((id) => tokenizer.isToken(id)) && (!ended || tokenizer.stops.includes(ids.at(-1)!)) && (await tokenizer.decode(ids)) === text;
}

async function encodeTexts(tokenizer: Tokenizer, answers: readonly Answer[], called: Called): Promise<number[][]> {
  const chat = answers.map((answer, i) => (isConversation(tokenizer, answer.prompt) ? naming(called(i), () => chatAnswer(tokenizer, answer)) : null));
  const plain = await tokenizer.encodeBatch(answers.map(({ text, written }, i) => chat[i]?.answer ?? (written ? asCompletion(text) : text)));
  const inChat = chat.filter((texts) => texts !== null);
  const [prompts, wholes] = await Promise.all([tokenizer.encodeBatch(inChat.map(({ prompt }) => prompt)), tokenizer.encodeBatch(inChat.map(({ prompt, answer }) => prompt + answer))]);
  let at = 0;
  return answers.map(({ ended }, i) => {
    if (!chat[i]) return ended ? [...plain[i]!, tokenizer.endOfText] : plain[i]!;
    // a tokenizer may cut the beginning of a text in another way than its middle; where prompt and answer share a token the prompt keeps its own
    const prompt = prompts[at]!, whole = wholes[at++]!, ids = prompt.every((id, n) => id === whole[n]) ? whole.slice(prompt.length) : plain[i]!;
    return ended ? ids : ids.slice(0, ids.lastIndexOf(tokenizer.answerShape!.endId));
  });
}

/** What the template writes for the prompt, and after it for the answer with its end. */
function chatAnswer(tokenizer: Tokenizer, { prompt: { messages }, text }: Answer): { prompt: string; answer: string } {
  const shape = tokenizer.answerShape, prompt = write(tokenizer, messages!, true);
  if (!shape) throw unfit(tokenizer, 'ends an answer with no token of its own, so that a model could not learn where to stop');
  const whole = write(tokenizer, [...messages!, { role: 'assistant', content: text }], false);
  if (!whole.startsWith(prompt)) {
    let at = 0;
    while (prompt[at] === whole[at]) at++;
    throw unfit(tokenizer, `asks for an answer in other words than it writes one: ${brief(prompt.slice(at))} there, ${brief(whole.slice(at))} here`);
  }
  const rest = whole.slice(prompt.length), ending = shape.upToEnd + shape.after;
  if (!rest.endsWith(ending)) throw unfit(tokenizer, `ends this answer with ${JSON.stringify(rest.slice(-40))}, and others with ${JSON.stringify(ending)}`);
  const body = rest.slice(0, rest.length - ending.length);
  if (body.trim() !== text.toWellFormed().trim()) throw unfit(tokenizer, `changes the answer: it writes ${brief(body)} for ${brief(text)}`);
  return { prompt, answer: body + shape.upToEnd };
}

const brief = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
const unfit = (tokenizer: Tokenizer, what: string): TastemakerError =>
  new TastemakerError('bad-data', `The chat template of ${tokenizer.file} ${what}.`, 'Give the prompts as plain text, or use a model whose template writes a finished answer right after the prompt.');

/** Runs `work`; what it refuses is said of `name`. */
function naming<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TastemakerError) || error.code !== 'bad-data') throw error;
    throw new TastemakerError(error.code, `${name}: ${error.message}`, error.hint);
  }
}

/** The architecture with every token at which its tokenizer says a text or a turn ends; to be sampled with. */
export function withStops(architecture: Architecture, tokenizer: Tokenizer): Architecture {
  const stops = [...new Set([architecture.endOfText, ...architecture.stops, ...tokenizer.stops])];
  return { ...architecture, stops: stops.filter((id) => id < architecture.vocabulary) };
}
