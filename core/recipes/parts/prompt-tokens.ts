// Text to token ids, the one place: a conversation goes through the model's chat template, a plain text stays as it is
// (D7).
//
// One rule holds for both: the ids of an answer are those of prompt + answer after the prompt's. A plain prompt begins
// as the
// tokenizer's post-processor has it, a conversation as its template writes it. An answer that has ended has one end:
// the one
// that its text spells, else the template's end of the turn or the end-of-text. The way back is answer-text.ts.

import type { Message } from '#core/contract/prompts.ts';
import { TastemakerError } from '#core/errors.ts';
import type { Architecture } from '#core/models/architecture.ts';
import { renderChat } from '#core/tokenizer/chat-template.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { idsInTheMiddle } from '#core/tokenizer/in-the-middle.ts';
import { asCompletion } from './completion-text.ts';

/** A prompt as the project has it. */
export interface AskedPrompt {
  text: string;
  /** the conversation up to the answer; null or absent for plain text */
  messages?: Message[] | null;
}

/** Ids that a model wrote. */
export interface SampledIds {
  ids: readonly number[];
  /** hash of the tokenizer they are of; null: no one knows */
  tokenizer: string | null;
  /**
   * where no one knows: hash of the tokenizer that lies beside the model that wrote them now, null where it cannot be
   * read
   */
  likely?: string | null;
}

export interface Answer {
  prompt: AskedPrompt;
  text: string;
  /**
   * whether the token that ends an answer follows, where the text does not spell one; sampled ids are without theirs
   * where it does not
   */
  ended: boolean;
  /** written for the prompt rather than after it, so that a plain prompt wants a space between */
  written?: boolean;
  /** used as they are where they are this tokenizer's, and made again from the text where they are not */
  sampled?: SampledIds;
}

/**
 * An answer that shares a token with the end of its prompt: its place in the list, and that token as the vocabulary
 * spells it.
 */
export interface SharedToken {
  answer: number;
  token: string;
}

/** What a prompt or answer is called in errors, by its place in the list. */
type Called = (index: number) => string;

/** Whether the prompt goes through the chat template. */
export const isConversation = (tokenizer: Tokenizer, { messages }: AskedPrompt): boolean =>
  messages != null && tokenizer.chatTemplate !== null;
const write = (tokenizer: Tokenizer, messages: readonly Message[], addGenerationPrompt: boolean): string =>
  renderChat(tokenizer.chatTemplate!, messages, {
    addGenerationPrompt,
    specialTokens: tokenizer.specialTokens,
    name: tokenizer.file,
  });

/**
 * The text that the model goes on from: the conversation as its template writes it, or the plain text where there is no
 * template or no conversation.
 */
export const promptText = (tokenizer: Tokenizer, prompt: AskedPrompt): string =>
  isConversation(tokenizer, prompt) ? write(tokenizer, prompt.messages!, true) : prompt.text;

const startsWith = (ids: readonly number[], start: readonly number[]): boolean => start.every((id, i) => id === ids[i]);
/** Ids of a plain text with what the tokenizer puts before one, unless the text spells it. */
const begun = ({ begin }: Tokenizer, ids: number[]): number[] => (startsWith(ids, begin) ? ids : [...begin, ...ids]);
const endsItself = ({ stops }: Tokenizer, ids: readonly number[]): boolean => stops.includes(ids.at(-1)!);

/**
 * Ids of prompts, in order. 'bad-data' names the first that the template refuses, 'bad-file' a template that does not
 * work.
 */
export async function encodePrompts(
  tokenizer: Tokenizer,
  prompts: readonly AskedPrompt[],
  called: Called = (i) => `Prompt ${i + 1}`,
): Promise<number[][]> {
  const lists = await tokenizer.encodeBatch(
    prompts.map((prompt, i) => naming(called(i), () => promptText(tokenizer, prompt))),
  );
  return lists.map((ids, i) => (isConversation(tokenizer, prompts[i]!) ? ids : begun(tokenizer, ids)));
}

/** Ids of whole texts, each with its beginning and one end. */
export async function encodeDocuments(tokenizer: Tokenizer, texts: readonly string[]): Promise<number[][]> {
  return (await tokenizer.encodeBatch(texts)).map((ids) =>
    begun(tokenizer, endsItself(tokenizer, ids) ? ids : [...ids, tokenizer.endOfText]),
  );
}

/**
 * Ids of answers, in order: with a template what it writes after the prompt, blanks taken off where it takes them off;
 * else the
 * text as given, a written one after a space. Where a token would hold the prompt's end and the answer's beginning the
 * prompt
 * keeps its own, the answer is cut by itself, and `shared` is told. 'bad-data' where the template writes answers in a
 * way that
 * can not follow its prompts, or ends them with no token.
 */
export async function encodeAnswers(
  tokenizer: Tokenizer,
  answers: readonly Answer[],
  called: Called = (i) => `Answer ${i + 1}`,
  shared: SharedToken[] = [],
): Promise<number[][]> {
  const known = await Promise.all(answers.map((answer) => sampledIds(tokenizer, answer)));
  const unknown = [...answers.keys()].filter((i) => known[i] === null);
  const texts = unknown.map((i) => textsOf(tokenizer, answers[i]!, called(i)));
  const prompts = [...new Set(texts.map(({ prompt }) => prompt))];
  const [before, wholes] = await Promise.all([
    tokenizer.encodeBatch(prompts),
    tokenizer.encodeBatch(texts.map(({ prompt, answer }) => prompt + answer)),
  ]);
  const idsBefore = new Map(prompts.map((prompt, i) => [prompt, before[i]!]));
  for (const [at, i] of unknown.entries()) {
    const { prompt, answer, chat } = texts[at]!;
    const start = idsBefore.get(prompt)!;
    const whole = wholes[at]!;
    const { ended } = answers[i]!;
    const follows = startsWith(whole, start);
    const ids = follows ? whole.slice(start.length) : await idsInTheMiddle(tokenizer, answer);
    if (!follows)
      shared.push({
        answer: i,
        token: tokenizer.token(whole[start.findIndex((id, n) => id !== whole[n])] ?? start.at(-1)!),
      });
    known[i] = chat
      ? ended
        ? ids
        : ids.slice(0, ids.lastIndexOf(tokenizer.answerShape!.endId))
      : ended && !endsItself(tokenizer, ids)
        ? [...ids, tokenizer.endOfText]
        : ids;
  }
  return known as number[][];
}

/** What is to be said of answers that share a token with their prompt; null where none does. */
export function sharedTokens(
  shared: readonly SharedToken[],
  of: number,
  called: Called = (i) => `answer ${i + 1}`,
): string | null {
  const [first] = shared;
  if (!first) return null;
  const some = shared.length === 1 ? `1 of ${of} answers shares` : `${shared.length} of ${of} answers share`;
  return `${some} a token with the end of ${shared.length === 1 ? 'its' : 'their'} prompt (${JSON.stringify(first.token)} in ${called(first.answer)}): there the prompt keeps its own tokens, and the answer is cut by itself.`;
}

/** The text that stands before an answer, and the answer's own. */
function textsOf(
  tokenizer: Tokenizer,
  answer: Answer,
  name: string,
): { prompt: string; answer: string; chat: boolean } {
  if (isConversation(tokenizer, answer.prompt))
    return { ...naming(name, () => chatAnswer(tokenizer, answer)), chat: true };
  return {
    prompt: answer.prompt.text,
    answer: answer.written ? asCompletion(answer.prompt.text, answer.text) : answer.text,
    chat: false,
  };
}

/**
 * The ids that were sampled, where they are this tokenizer's; those that no one knows the tokenizer of have to give the
 * text, and to be by a model that has this tokenizer beside it.
 */
async function sampledIds(tokenizer: Tokenizer, answer: Answer): Promise<number[] | null> {
  const { sampled } = answer;
  if (!sampled || sampled.ids.length === 0) return null;
  const own =
    sampled.tokenizer === null
      ? sampled.likely === tokenizer.hash && (await givesText(tokenizer, sampled.ids, answer))
      : sampled.tokenizer === tokenizer.hash;
  if (!own || !sampled.ids.every((id) => tokenizer.isToken(id))) return null;
  return answer.ended || !endsItself(tokenizer, sampled.ids) ? [...sampled.ids] : sampled.ids.slice(0, -1);
}

/** Whether these ids are what older versions read as this text, with a stop at their end where the answer has ended. */
async function givesText(tokenizer: Tokenizer, ids: readonly number[], { text, ended }: Answer): Promise<boolean> {
  return (!ended || endsItself(tokenizer, ids)) && (await tokenizer.decode(ids)) === text;
}

/** What the template writes for the prompt, and after it for the answer with its end. */
function chatAnswer(
  tokenizer: Tokenizer,
  { prompt: { messages }, text: given, ended }: Answer,
): { prompt: string; answer: string } {
  const shape = tokenizer.answerShape;
  const prompt = write(tokenizer, messages!, true);
  if (!shape)
    throw unfit(tokenizer, 'ends an answer with no token of its own, so that a model could not learn where to stop');
  const text = ended ? withoutEnd(tokenizer, given) : given; // the template writes the end itself
  const whole = write(tokenizer, [...messages!, { role: 'assistant', content: text }], false);
  if (!whole.startsWith(prompt)) {
    let at = 0;
    while (prompt[at] === whole[at]) at++;
    throw unfit(
      tokenizer,
      `asks for an answer in other words than it writes one: ${brief(prompt.slice(at))} there, ${brief(whole.slice(at))} here`,
    );
  }
  const rest = whole.slice(prompt.length);
  const ending = shape.upToEnd + shape.after;
  if (!rest.endsWith(ending))
    throw unfit(
      tokenizer,
      `ends this answer with ${JSON.stringify(rest.slice(-40))}, and others with ${JSON.stringify(ending)}`,
    );
  const body = rest.slice(0, rest.length - ending.length);
  if (body.trim() !== text.toWellFormed().trim())
    throw unfit(tokenizer, `changes the answer: it writes ${brief(body)} for ${brief(text)}`);
  return { prompt, answer: body + shape.upToEnd };
}

/** A text without the stop that it spells at its end. */
function withoutEnd(tokenizer: Tokenizer, text: string): string {
  const end = tokenizer.stops
    .filter((id) => tokenizer.isWritten(id))
    .map((id) => tokenizer.token(id))
    .find((token) => text.endsWith(token));
  return end === undefined ? text : text.slice(0, text.length - end.length);
}

const brief = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
const unfit = (tokenizer: Tokenizer, what: string): TastemakerError =>
  new TastemakerError(
    'bad-data',
    `The chat template of ${tokenizer.file} ${what}.`,
    'Give the prompts as plain text, or use a model whose template writes a finished answer right after the prompt.',
  );

/** Runs `work`; what it refuses is said of `name`. */
function naming<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TastemakerError) || error.code !== 'bad-data') throw error;
    throw new TastemakerError(error.code, `${name}: ${error.message}`, error.hint);
  }
}

/**
 * The architecture with every token at which its tokenizer says a text or a turn ends, and the rows that stand for no
 * token of it; to be sampled with.
 */
export function withStops(architecture: Architecture, tokenizer: Tokenizer): Architecture {
  const { vocabulary } = architecture;
  const stops = [...new Set([architecture.endOfText, ...architecture.stops, ...tokenizer.stops])];
  const silent = Array.from({ length: vocabulary }, (_, id) => id).filter((id) => !tokenizer.isToken(id));
  return { ...architecture, stops: stops.filter((id) => id < vocabulary), silent };
}
