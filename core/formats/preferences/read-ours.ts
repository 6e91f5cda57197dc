// Our own files: several completions with ranks, by text or by number, with everything that a preference may have.

import { checkAgrees } from './prompt-part.ts';
import { conversationText, messagesOf } from './conversation.ts';
import {
  answer,
  carriedExtra,
  extraOf,
  isId,
  listOf,
  optionalNumber,
  OWN_FIELDS,
  ownFields,
  preference,
  textOf,
} from './format.ts';
import type { Format, NumberedRanking, ReadContext } from './format.ts';
import { quoteOf, spanOf, unitOf } from './mark-offsets.ts';
import type { OffsetUnit } from './mark-offsets.ts';
import type { Answer, Preference } from './preference.ts';
import { readPair } from './read-pairs.ts';
import { badRow, isRow, isText, optionalText, requiredText } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';

function ranksOf(row: Row, completions: number): number[] {
  if (completions < 2) throw badRow(`A ranking needs two completions at least; this one has ${completions}.`);
  const ranks = listOf(row, 'ranks', isId, 'a whole number from 1');
  if (ranks.length !== completions)
    throw badRow(`There are ${completions} completions but ${ranks.length} ranks.`, 'Give every completion its rank.');
  return ranks;
}

function readNumbered(row: Row, line: number): NumberedRanking {
  const promptId = row['prompt_id'];
  if (!isId(promptId)) throw badRow('"prompt_id" is not the number of a prompt.');
  const completionIds = listOf(row, 'completion_ids', isId, 'the number of a completion');
  const twice = completionIds.find((id, i) => completionIds.indexOf(id) !== i);
  if (twice !== undefined) throw badRow(`Completion ${twice} is ranked twice.`);
  const { labeler, confidence, note } = ownFields(row);
  return { line, promptId, completionIds, ranks: ranksOf(row, completionIds.length), labeler, confidence, note };
}

const isTokenIds = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((id) => Number.isSafeInteger(id) && id >= 0);
const textOrNull = (value: unknown): value is string | null => value === null || isText(value);

/** One of the lists that go with the completions, one entry each; an absent list is all null. */
function beside<T>(
  row: Row,
  field: string,
  count: number,
  is: (value: unknown) => value is T,
  what: string,
): (T | null)[] {
  if (row[field] === undefined || row[field] === null) return Array<null>(count).fill(null);
  const list = listOf(row, field, is, what);
  if (list.length !== count) throw badRow(`There are ${count} completions but ${list.length} entries in "${field}".`);
  return list;
}

function answersOf(row: Row): Answer[] {
  const completions = listOf(row, 'completions', isText, 'text');
  const writers = beside(row, 'writers', completions.length, textOrNull, 'text or null');
  const tokens = beside(
    row,
    'token_ids',
    completions.length,
    (value): value is number[] | null => value === null || isTokenIds(value),
    'a list of token ids or null',
  );
  const again = completions.findIndex((text, i) =>
    completions.some((other, j) => j < i && other === text && writers[j] === writers[i] && writers[i] === null),
  );
  if (again >= 0)
    throw badRow(
      `Completions ${completions.indexOf(completions[again]!) + 1} and ${again + 1} are the same text.`,
      'Rank each text once, or say who wrote each.',
    );
  return completions.map((text, i) => ({
    ...answer(text, writers[i] === '' ? null : writers[i]!),
    tokenIds: tokens[i]!,
  }));
}

const isIndex = (value: unknown, count: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < count;
const itemsOf = (row: Row, field: string) =>
  row[field] === undefined || row[field] === null ? [] : listOf(row, field, isRow, 'an object');

/** Entries of "ratings" and "marks" as we write them; `where` names one in an error. */
function ratingOf(entry: Row, where: string, answers: readonly Answer[]): Preference['ratings'][number] {
  const { answer: of, axis } = entry;
  if (!isIndex(of, answers.length)) throw badRow(`${where} is of no answer of the row.`);
  if (!isText(axis) || axis.trim() === '') throw badRow(`${where} has no axis.`);
  const low = optionalNumber(entry, 'low') ?? 1;
  const high = optionalNumber(entry, 'high') ?? 7;
  const value = optionalNumber(entry, 'value', Math.min(low, high), Math.max(low, high));
  if (value === null || low === high) throw badRow(`${where} has no value on its scale.`);
  return { answer: of, axis, value, low, high, labeler: optionalText(entry, 'labeler') };
}
const isOffset = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function markOf(
  entry: Row,
  where: string,
  answers: readonly Answer[],
  rowUnit: OffsetUnit | null,
  { warn }: ReadContext,
): Preference['marks'][number] {
  const { answer: of, start, end, label } = entry;
  if (!isIndex(of, answers.length)) throw badRow(`${where} is of no answer of the row.`);
  if (!isOffset(start) || !isOffset(end)) throw badRow(`${where} does not lie in its answer.`);
  const { isGuess, ...span } = spanOf(
    answers[of]!.text,
    [start, end],
    unitOf(entry, where) ?? rowUnit,
    quoteOf(entry),
    where,
  );
  if (isGuess)
    warn(
      `${where} does not say what its offsets count, and its answer has characters that programs count differently; they are taken for UTF-16.`,
    );
  if (!isText(label) || label.trim() === '') throw badRow(`${where} has no label.`);
  return { answer: of, ...span, label, note: optionalText(entry, 'note'), labeler: optionalText(entry, 'labeler') };
}

const USED = [
  'prompt',
  'messages',
  'completions',
  'ranks',
  'writers',
  'token_ids',
  'ratings',
  'marks',
  'mark_offsets',
  'extra',
  'extra_json',
  ...OWN_FIELDS,
];

/** A row of ours; {"prompt", "chosen", "rejected"} may stand among them. */
function readOurs(row: Row, line: number, context: ReadContext): Preference | NumberedRanking {
  if ('chosen' in row || 'rejected' in row) return readPair(row, line, context);
  if ('completion_ids' in row || 'prompt_id' in row) return readNumbered(row, line);
  const messages =
    row['messages'] === undefined || row['messages'] === null ? null : messagesOf(row['messages'], 'messages');
  const prompt =
    messages && (row['prompt'] === undefined || row['prompt'] === null)
      ? conversationText(messages)
      : requiredText(row, 'prompt');
  if (messages) checkAgrees(prompt, messages, '"messages"');
  const answers = answersOf(row);
  const unit = unitOf({ mark_offsets: row['mark_offsets'] }, 'The row');
  return preference({
    line,
    prompt,
    messages,
    answers,
    ...ownFields(row),
    // null says that nobody has ranked them; absent is a mistake
    ranks: row['ranks'] === null ? null : ranksOf(row, answers.length),
    ratings: itemsOf(row, 'ratings').map((entry, i) => ratingOf(entry, `Rating ${i + 1}`, answers)),
    marks: itemsOf(row, 'marks').map((entry, i) => markOf(entry, `Mark ${i + 1}`, answers, unit, context)),
    extra: { ...extraOf(row, USED), ...carriedExtra(row) },
  });
}

/**
 * Steps of one answer, each right or wrong (TRL's stepwise supervision): one answer, its steps marked. TRL puts a line
 * break between steps.
 */
function readSteps(row: Row, line: number): Preference {
  const steps = listOf(row, 'completions', isText, 'text');
  const labels = listOf(row, 'labels', (value): value is boolean => typeof value === 'boolean', 'true or false');
  if (steps.length !== labels.length) throw badRow(`There are ${steps.length} steps but ${labels.length} labels.`);
  if (steps.length === 0) throw badRow('"completions" is empty.');
  const { labeler, ...own } = ownFields(row);
  const starts = steps.map((_, i) => steps.slice(0, i).reduce((at, step) => at + step.length + 1, 0));
  const marks = steps.flatMap((step, i) =>
    step === ''
      ? []
      : [
          {
            answer: 0,
            start: starts[i]!,
            end: starts[i]! + step.length,
            label: labels[i] ? 'good' : 'bad',
            note: null,
            labeler,
          },
        ],
  );
  return preference({
    line,
    prompt: requiredText(row, 'prompt'),
    answers: [answer(steps.join('\n'))],
    labeler,
    ...own,
    marks,
    extra: extraOf(row, ['prompt', 'completions', 'labels', ...OWN_FIELDS]),
  });
}

/**
 * One answer, good or bad (TRL's unpaired preference, KTO): a rating from 0 to 1, until `gather` puts it beside the
 * others.
 */
function readUnpaired(row: Row, line: number): Preference {
  const { label } = row;
  if (typeof label !== 'boolean' && label !== 0 && label !== 1)
    throw badRow(label === undefined ? '"label" is missing.' : '"label" is neither true nor false.');
  const isChat = Array.isArray(row['prompt']);
  const messages = isChat ? messagesOf(row['prompt'], 'prompt') : null;
  const said = Array.isArray(row['completion']) ? messagesOf(row['completion'], 'completion') : null;
  if (said && said.length !== 1) throw badRow(`"completion" has ${said.length} messages; an answer is one.`);
  const { labeler, ...own } = ownFields(row);
  return preference({
    line,
    prompt: messages ? conversationText(messages) : requiredText(row, 'prompt'),
    messages,
    answers: [answer(said ? said[0]!.content : textOf(row, 'completion'))],
    labeler,
    ...own,
    ratings: [{ answer: 0, axis: 'label', value: Number(label), low: 0, high: 1, labeler }],
    extra: extraOf(row, ['prompt', 'completion', 'label', ...OWN_FIELDS]),
  });
}

/**
 * The answers of one prompt and labeler together: the good ones rank before the bad. Where all are the same nothing is
 * ranked, and the ratings say which.
 */
function gatherUnpaired(rows: Preference[]): Preference[] {
  return [
    ...Map.groupBy(rows, ({ prompt, messages, labeler }) => JSON.stringify([prompt, messages, labeler])).values(),
  ].map((group) => {
    // a text twice, once good and once bad, stays twice: that is what the file says
    const unique = [
      ...Map.groupBy(group, ({ answers, ratings }) => JSON.stringify([answers[0]!.text, ratings[0]!.value])).values(),
    ].map(([first]) => first!);
    const labels = unique.map(({ ratings }) => ratings[0]!.value);
    return {
      ...unique[0]!,
      answers: unique.map(({ answers }) => answers[0]!),
      extra: Object.assign({}, ...unique.map(({ extra }) => extra).toReversed()) as Preference['extra'],
      ranks: new Set(labels).size === 2 ? labels.map((label) => (label === 1 ? 1 : 2)) : null,
      ratings: unique.flatMap(({ ratings }, i) => ratings.map((rating) => ({ ...rating, answer: i }))),
    };
  });
}

export const OUR_FORMATS: readonly Format[] = [
  {
    name: 'tastemaker',
    title: 'Tastemaker',
    fits: (row) => ('completions' in row && 'ranks' in row) || 'completion_ids' in row,
    uses: (row) => ('chosen' in row ? ['prompt', 'chosen', 'rejected'] : [...USED, 'prompt_id', 'completion_ids']),
    exact: true,
    read: readOurs,
  },
  {
    name: 'trl-unpaired',
    title: 'TRL, answers that are good or bad',
    fits: (row) => 'completion' in row && 'label' in row && 'prompt' in row && !('chosen' in row),
    bestFirst: true,
    uses: ['prompt', 'completion', 'label'],
    read: readUnpaired,
    gather: (rows) => gatherUnpaired(rows as Preference[]),
  },
  {
    name: 'trl-stepwise',
    title: 'TRL, steps that are right or wrong',
    fits: (row) => Array.isArray(row['completions']) && Array.isArray(row['labels']) && !('ranks' in row),
    uses: ['prompt', 'completions', 'labels'],
    exact: true,
    read: readSteps,
  },
];
