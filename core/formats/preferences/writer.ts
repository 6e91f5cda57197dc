// What a writer of preference data is, and what several of them share: pairs of a ranking, and the turns of a
// conversation.

import type { Message, Preference } from './preference.ts';
import type { RowColumns, RowFileContainer } from '#core/formats/row-encoders.ts';
import type { RowShape } from '#core/formats/row-shape.ts';

/** Which pairs of a ranking become rows: every one, the best against the worst, or each rank against the next. */
export const PAIRS = ['all', 'best-worst', 'neighbours'] as const;
export type Pairs = (typeof PAIRS)[number];

/** Why something of the project is not in a file: what one of it is called, and several. */
export const LEFT_OUT = {
  ties: ['pair that is a tie', 'pairs that are ties'],
  noneAcceptable: ['ranking that finds no answer acceptable', 'rankings that find no answer acceptable'],
  unranked: ['prompt whose answers nobody has ranked', 'prompts whose answers nobody has ranked'],
  sameText: ['pair of two answers with the same text', 'pairs of two answers with the same text'],
  emptyText: [
    'pair with an empty answer, which a table cannot tell from a missing one',
    'pairs with an empty answer, which a table cannot tell from a missing one',
  ],
  middle: ['answer that is neither best nor worst', 'answers that are neither best nor worst'],
  tooFew: ['ranking of fewer answers than the file has places', 'rankings of fewer answers than the file has places'],
  unrated: ['ranking whose answers have no ratings', 'rankings whose answers have no ratings'],
  skipped: ['skipped ranking', 'skipped rankings'],
  repeats: ['hidden repeat', 'hidden repeats'],
  flagged: ['flagged answer', 'flagged answers'],
} as const satisfies Record<string, readonly [one: string, many: string]>;
export type Reason = keyof typeof LEFT_OUT;
export type Leave = (reason: Reason) => void;

export interface WriteOptions {
  pairs: Pairs;
  /** token ids of a text, with nothing added; only formats of token ids ask */
  encode: (text: string) => readonly number[];
  /**
   * formats of token ids: how long every query and every response is, how many responses a row has, and what fills them
   * up
   */
  queryLength: number;
  responseLength: number;
  responses: number;
  pad: number;
}

/** lm-human-preferences' own settings for its book tasks, with GPT-2's tokenizer (19:launch.py). */
export const WRITE_DEFAULTS: Omit<WriteOptions, 'encode'> = {
  pairs: 'all',
  queryLength: 64,
  responseLength: 24,
  responses: 4,
  pad: 50259,
};

export interface Writer {
  name: string;
  title: string;
  container: RowFileContainer;
  /** what a file of this format keeps of the record, and what it loses */
  holds: string;
  /** of a table or a Parquet file */
  columns?: RowColumns;
  /** of rows of JSON */
  shape?: RowShape;
  /** it takes rankings, ratings or answers as they are, and makes no pairs of them */
  whole?: true;
  /** it says which answers are flagged, so that they need not be left out */
  flags?: true;
  /** it writes token ids, so it needs a tokenizer */
  tokens?: true;
  /** The rows of one preference; says of each thing that has no place in the format why it is left out. */
  write(preference: Preference, options: WriteOptions, leave: Leave): Record<string, unknown>[];
  /** its entry in a file that lies beside the data and describes it */
  beside?: { file: string; entry: (fileName: string) => Record<string, unknown> };
}

/** A preference without the answers that are flagged as broken; whoever learns from it is not to learn from those. */
export function withoutFlagged({ flagged = [], ...preference }: Preference, leave: Leave): Preference {
  if (flagged.length === 0) return preference;
  const { answers, ranks, ratings, marks } = preference;
  const kept = answers.map((_, i) => i).filter((i) => !flagged.includes(i));
  const place = new Map(kept.map((i, at) => [i, at]));
  for (const _ of flagged) leave('flagged');
  const of = <T extends { answer: number }>(list: T[]): T[] =>
    list.filter(({ answer }) => place.has(answer)).map((one) => ({ ...one, answer: place.get(one.answer)! }));
  return {
    ...preference,
    answers: kept.map((i) => answers[i]!),
    ranks: ranks && kept.length > 1 ? kept.map((i) => ranks[i]!) : null,
    ratings: of(ratings),
    marks: of(marks),
  };
}

/** The rows of all preferences, one preference at a time. */
export function* writePreferences(
  writer: Writer,
  preferences: Iterable<Preference>,
  options: WriteOptions,
  leave: Leave = () => {},
): Generator<Record<string, unknown>> {
  for (const preference of preferences) yield* writer.write(preference, options, leave);
}

/** Whether the labeler found no answer acceptable: an order among bad answers is no preference. */
export const isNoneAcceptable = ({ extra }: Preference): boolean => extra['status'] === 'none-acceptable';

/** The ranks, or null with the reason why there are none. */
export function ranksOf(preference: Preference, leave: Leave): number[] | null {
  if (preference.ranks !== null && !isNoneAcceptable(preference)) return preference.ranks;
  leave(isNoneAcceptable(preference) ? 'noneAcceptable' : 'unranked');
  return null;
}

/** Indexes of two answers of a preference, and their texts. */
export interface Pair {
  chosen: number;
  rejected: number;
  chosenText: string;
  rejectedText: string;
}

/** The pairs that a ranking makes, best first; ties make none, and neither do two answers that read the same. */
export function pairsOf(preference: Preference, pairs: Pairs, leave: Leave): Pair[] {
  const ranks = ranksOf(preference, leave);
  if (!ranks) return [];
  const order = ranks.map((_, i) => i).sort((a, b) => ranks[a]! - ranks[b]! || a - b);
  const levels = [...Map.groupBy(order, (i) => ranks[i]!).values()];
  for (const { length } of levels) for (let tie = (length * (length - 1)) / 2; tie > 0; tie--) leave('ties');
  const between = (from: number, to: number): [number, number][] =>
    levels[from]!.flatMap((chosen) => levels[to]!.map((rejected): [number, number] => [chosen, rejected]));
  const last = levels.length - 1;
  const found: Record<Pairs, () => [number, number][]> = {
    all: () => levels.flatMap((_, from) => levels.slice(from + 1).flatMap((_, i) => between(from, from + 1 + i))),
    'best-worst': () => (last > 0 ? [[levels[0]![0]!, levels[last]![0]!]] : []),
    neighbours: () => levels.slice(1).flatMap((_, from) => between(from, from + 1)),
  };
  return found[pairs]().flatMap(([chosen, rejected]) => {
    const chosenText = preference.answers[chosen]!.text;
    const rejectedText = preference.answers[rejected]!.text;
    if (chosenText !== rejectedText) return [{ chosen, rejected, chosenText, rejectedText }];
    leave('sameText');
    return [];
  });
}

/** The conversation up to the answer; a plain prompt is one message by the user. */
export const conversationOf = ({ messages, prompt }: Preference): Message[] =>
  messages ?? [{ role: 'user', content: prompt }];

export interface Turns {
  system: string | null;
  /** what the user said and what the assistant answered, before */
  history: [user: string, assistant: string][];
  /** what the user said last */
  last: string;
}

/** A conversation as turns of user and assistant, or null where they do not take turns. */
export function turnsOf(messages: readonly Message[]): Turns | null {
  const [first] = messages;
  const said = first?.role === 'system' ? messages.slice(1) : messages;
  const takeTurns = said.length % 2 === 1 && said.every(({ role }, i) => role === (i % 2 === 0 ? 'user' : 'assistant'));
  if (!takeTurns) return null;
  const history = Array.from({ length: (said.length - 1) / 2 }, (_, i): [string, string] => [
    said[2 * i]!.content,
    said[2 * i + 1]!.content,
  ]);
  return { system: first?.role === 'system' ? first.content : null, history, last: said.at(-1)!.content };
}

/** The margin that a file gave for its one pair; a ranking of more answers has no one margin. */
export const marginOf = ({ extra, answers }: Preference): { margin?: number } =>
  typeof extra['margin'] === 'number' && answers.length === 2 ? { margin: extra['margin'] } : {};

/** What names a row in other people's tools: the file's own id, or where it stands. */
export const idOf = ({ extra, line }: Preference): string => String(extra['id'] ?? line);

/** Fields that are there. */
export const present = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
