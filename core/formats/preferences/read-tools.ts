// What annotation tools export: Label Studio's tasks with their annotations, and Argilla's records (versions 2 and 1).

import { answer, extraOf, nameOf, optionalNumber, preference, splitOf } from './format.ts';
import type { Format, ReadContext } from './format.ts';
import type { Answer, Preference } from './preference.ts';
import { badRow, isRow, isText } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';

const PROMPTS = ['prompt', 'question', 'instruction', 'query', 'text', 'context', 'title', 'source', 'document'];
const isFull = (value: unknown): value is string => isText(value) && value.trim() !== '';

/** What was asked: the first field of a well-known name, else the first text that is no answer. */
function promptOf(data: Row, answers: readonly string[]): { field: string; prompt: string } {
  const fields = [...PROMPTS, ...Object.keys(data)].filter((field) => !answers.includes(field));
  const field = fields.find((name) => isFull(data[name]));
  if (field === undefined) throw badRow('No field holds a prompt.', 'Call the field of the task "prompt".');
  return { field, prompt: data[field] as string };
}

// ---- Label Studio

interface Task {
  data: Row;
  annotations: Row[];
  extra: Preference['extra'];
}

function taskOf(row: Row): Task {
  if (!isRow(row['data'])) throw badRow('"data" is missing: the row is no task of Label Studio.');
  const annotations = row['annotations'] ?? row['completions'] ?? [];
  if (!Array.isArray(annotations) || !annotations.every(isRow))
    throw badRow('"annotations" is not a list of annotations.');
  return { data: row['data'], annotations, extra: 'id' in row ? extraOf({ id: row['id'] }, []) : {} };
}

const resultsOf = (annotation: Row): Row[] =>
  Array.isArray(annotation['result']) ? annotation['result'].filter(isRow) : [];
const hasResult = (row: Row, type: string) =>
  Array.isArray(row['annotations']) &&
  row['annotations'].some(
    (annotation) => isRow(annotation) && resultsOf(annotation).some((result) => result['type'] === type),
  );
/** The list that is ranked: the first list of objects with ids. */
const itemsOf = (data: Row): [field: string, items: Row[]] | undefined =>
  Object.entries(data).find(
    (entry): entry is [string, Row[]] =>
      Array.isArray(entry[1]) &&
      entry[1].length > 0 &&
      entry[1].every((item) => isRow(item) && (isText(item['id']) || typeof item['id'] === 'number')),
  );

/** Who annotated, and in how many seconds. */
function workOf(annotation: Row): Pick<Preference, 'labeler' | 'durationMs'> {
  const by = annotation['completed_by'];
  const seconds = optionalNumber(annotation, 'lead_time', 0);
  return {
    labeler: isRow(by)
      ? (nameOf(by, 'email') ?? nameOf(by, 'username') ?? nameOf(by, 'id'))
      : nameOf(annotation, 'completed_by'),
    durationMs: seconds === null ? null : seconds * 1000,
  };
}

/**
 * One preference an annotation that was not cancelled; a task that nobody has annotated is its answers without ranks.
 */
function readTask(
  task: Task,
  line: number,
  asked: Pick<Preference, 'prompt' | 'answers' | 'split'>,
  extra: Preference['extra'],
  ranksOf: (annotation: Row) => number[] | null,
): Preference[] {
  const all = { ...task.extra, ...extra };
  const read = task.annotations
    .filter((annotation) => annotation['was_cancelled'] !== true)
    .flatMap((annotation) => {
      const ranks = ranksOf(annotation);
      return ranks ? [preference({ line, ...asked, ranks, ...workOf(annotation), extra: all })] : [];
    });
  return read.length > 0 ? read : [preference({ line, ...asked, extra: all })];
}

/**
 * Ids in their order, or by buckets, of which the first is the best and each is a tie; "_" holds what was put in none
 * (LS:Ranker.jsx).
 */
function ranksOfRanker(value: unknown, ids: readonly string[]): number[] {
  const ranker = isRow(value) ? value['ranker'] : null;
  if (!isRow(ranker)) throw badRow('The result of the ranker has no "ranker".');
  const columns = Object.entries(ranker)
    .filter(([, list]) => !Array.isArray(list) || list.length > 0)
    .sort(([a], [b]) => Number(a === '_') - Number(b === '_'));
  const ranks = new Map<string, number>();
  const isOrder = Object.keys(ranker).length === 1;
  for (const [place, [name, list]] of columns.entries()) {
    if (!Array.isArray(list)) throw badRow(`The bucket ${JSON.stringify(name.slice(0, 40))} is not a list of ids.`);
    for (const [i, id] of list.map(String).entries()) {
      if (!ids.includes(id))
        throw badRow(`The ranker names ${JSON.stringify(id.slice(0, 40))}, which is no item of the task.`);
      if (ranks.has(id)) throw badRow(`The ranker names ${JSON.stringify(id.slice(0, 40))} twice.`);
      ranks.set(id, isOrder ? i + 1 : place + 1);
    }
  }
  // what stands in no bucket comes after all
  return ids.map((id) => ranks.get(id) ?? Math.max(0, ...ranks.values(), columns.length) + 1);
}

function readRanker(row: Row, line: number): Preference[] {
  const task = taskOf(row);
  const found = itemsOf(task.data);
  if (!found) throw badRow('The task has no list of items with ids.');
  const [field, items] = found;
  const ids = items.map(({ id }) => String(id));
  if (new Set(ids).size < ids.length) throw badRow('Two items of the task have the same id.');
  if (items.length < 2) throw badRow(`A ranking needs two items at least; this one has ${items.length}.`);
  const answers = items.map((item, i): Answer => {
    const text = ['body', 'html', 'text', 'title'].find((name) => isText(item[name]));
    if (text === undefined) throw badRow(`Item ${i + 1} of "${field}" has no text.`);
    return answer(item[text] as string, text !== 'title' && isFull(item['title']) ? item['title'] : null);
  });
  const asked = promptOf(task.data, [field]);
  const extra = extraOf(task.data, [asked.field, 'split']);
  return readTask(
    task,
    line,
    { prompt: asked.prompt, answers, split: splitOf(task.data['split']) },
    extra,
    (annotation) => {
      const result = resultsOf(annotation).find(({ type }) => type === 'ranker');
      return result ? ranksOfRanker(result['value'], ids) : null;
    },
  );
}

/** What the two sides of a pairwise task may be called in its data, where the names of its tags do not say. */
const SIDES = [
  ['text1', 'text2'],
  ['answer1', 'answer2'],
  ['response1', 'response2'],
  ['option1', 'option2'],
  ['left', 'right'],
  ['answer_a', 'answer_b'],
  ['response_a', 'response_b'],
  ['text_a', 'text_b'],
  ['a', 'b'],
] as const;

function sidesOf({ data, annotations }: Task): readonly [string, string] {
  const named = annotations.flatMap(resultsOf).find(({ type }) => type === 'pairwise')?.['to_name'];
  const known = [
    ...(Array.isArray(named) && named.length === 2 && named.every(isText) ? [named as [string, string]] : []),
    ...SIDES,
  ].find(([left, right]) => isText(data[left]) && isText(data[right]));
  if (known) return known;
  const texts = Object.keys(data).filter(
    (field) => isText(data[field]) && !PROMPTS.includes(field) && field !== 'id' && field !== 'split',
  );
  if (texts.length !== 2)
    throw badRow('The task does not say which two texts were compared.', 'Call them "text1" and "text2" in the task.');
  return texts as [string, string];
}

function readPairwise(row: Row, line: number): Preference[] {
  const task = taskOf(row);
  const sides = sidesOf(task);
  const asked = promptOf(task.data, sides);
  const answers = sides.map((side) => answer(task.data[side] as string));
  const extra = extraOf(task.data, [asked.field, ...sides, 'split']);
  return readTask(
    task,
    line,
    { prompt: asked.prompt, answers, split: splitOf(task.data['split']) },
    extra,
    (annotation) => {
      const value = resultsOf(annotation).find(({ type }) => type === 'pairwise')?.['value'];
      if (value === undefined) return null;
      const selected = isRow(value) ? value['selected'] : null;
      if (selected !== 'left' && selected !== 'right')
        throw badRow('The result of the pairwise comparison selects neither "left" nor "right".');
      return selected === 'left' ? [1, 2] : [2, 1];
    },
  );
}

// ---- Argilla

/** One person's answer to a ranking question: names of the answers, and their ranks. */
interface Response {
  user: string | null;
  status: string | null;
  names: string[];
  ranks: number[];
}

/** An order of names (rank 1 first), or {value, rank} for each. */
function orderOf(value: unknown, question: string): { names: string[]; ranks: number[] } {
  const list = Array.isArray(value) ? value : isRow(value) && Array.isArray(value['value']) ? value['value'] : null;
  if (!list) throw badRow(`A response to "${question}" is not a list.`);
  const names = list.map((entry) => (isRow(entry) ? entry['value'] : entry));
  const given: unknown[] | null =
    isRow(value) && Array.isArray(value['rank'])
      ? value['rank']
      : list.every(isRow)
        ? list.map((entry: Row) => entry['rank'])
        : null;
  const ranks: unknown[] = given ?? names.map((_, i) => i + 1);
  if (
    !names.every(isText) ||
    ranks.length !== names.length ||
    !ranks.every((rank) => Number.isSafeInteger(rank) && (rank as number) >= 1)
  )
    throw badRow(`A response to "${question}" has no names with ranks.`);
  if (new Set(names).size < names.length) throw badRow(`A response to "${question}" names an answer twice.`);
  return { names, ranks: ranks as number[] };
}

/**
 * Every submitted response as one ranking of the fields that it names; a record without one is its answers without
 * ranks.
 */
function readRecord(
  row: Row,
  line: number,
  question: string,
  responses: readonly Response[],
  used: readonly string[],
  { warn }: ReadContext,
): Preference[] {
  const submitted = responses.filter(({ status }) => status === null || status === 'submitted');
  if (submitted.length < responses.length)
    warn(
      `${responses.length - submitted.length} of ${responses.length} responses to "${question}" were not submitted, and are left out.`,
    );
  const answers = answerFields(row, responses);
  for (const { names } of submitted) {
    const unknown = names.find((name) => !answers.includes(name));
    if (unknown !== undefined)
      throw badRow(
        `A response to "${question}" names ${JSON.stringify(unknown.slice(0, 40))}, which is no text of the record.`,
      );
    if (names.length < 2)
      throw badRow(`A ranking needs two answers at least; a response to "${question}" has ${names.length}.`);
  }
  const { field, prompt } = promptOf(
    Object.fromEntries(
      Object.entries(row).filter(
        ([name]) => !used.includes(name) && name !== 'id' && name !== 'status' && name !== '_server_id',
      ),
    ),
    answers,
  );
  const split = splitOf(row['metadata.split']) ?? splitOf(metadataOf(row)['split']);
  const shared = {
    line,
    prompt,
    split,
    extra: {
      ...extraOf(row, [field, ...answers, ...used, 'metadata', 'metadata.split']),
      ...extraOf(metadataOf(row), ['split']),
    },
  };
  const of = (names: readonly string[]) => names.map((name) => answer(row[name] as string));
  if (submitted.length === 0) return answers.length > 0 ? [preference({ ...shared, answers: of(answers) })] : [];
  return submitted.map(({ user, names, ranks }) => {
    const inOrder = answers.filter((name) => names.includes(name)); // as the record has them, not as they were ranked
    return preference({
      ...shared,
      answers: of(inOrder),
      ranks: inOrder.map((name) => ranks[names.indexOf(name)]!),
      labeler: user,
    });
  });
}

const ANSWER_FIELD = /^(response|answer|completion|reply|generation|output)[-_ ]?([a-z]|\d+)$/i;
/** The fields that responses name, or where there are none, those that are called as answers are. */
function answerFields(row: Row, responses: readonly Response[]): string[] {
  const named = new Set(responses.flatMap(({ names }) => names));
  return Object.keys(row).filter(
    (field) => isText(row[field]) && (named.size > 0 ? named.has(field) : ANSWER_FIELD.test(field)),
  );
}

/** Metadata is an object, or its JSON. */
function metadataOf(row: Row): Row {
  const { metadata } = row;
  if (!isText(metadata)) return isRow(metadata) ? metadata : {};
  try {
    const value: unknown = JSON.parse(metadata);
    return isRow(value) ? value : {};
  } catch {
    return {};
  }
}

const RESPONSES = '.responses';
const isOrders = (value: unknown) =>
  Array.isArray(value) &&
  value.every((one) => Array.isArray(one) && one.every((entry) => isText(entry) || (isRow(entry) && 'rank' in entry)));
/** The ranking question of a flattened record. */
const questionOf2 = (row: Row) =>
  Object.keys(row)
    .find((field) => field.endsWith(RESPONSES) && isOrders(row[field]))
    ?.slice(0, -RESPONSES.length);

function readArgilla2(row: Row, line: number, context: ReadContext): Preference[] {
  const question = questionOf2(row);
  if (question === undefined) throw badRow('No field "….responses" holds rankings.');
  const values = row[`${question}${RESPONSES}`] as unknown[];
  const at = (field: string, i: number) =>
    Array.isArray(row[field]) && isText(row[field][i]) && row[field][i] !== '' ? row[field][i] : null;
  const responses = values.map((value, i): Response => ({
    ...orderOf(value, question),
    user: at(`${question}${RESPONSES}.users`, i),
    status: at(`${question}${RESPONSES}.status`, i),
  }));
  const used = [
    `${question}${RESPONSES}`,
    `${question}${RESPONSES}.users`,
    `${question}${RESPONSES}.status`,
    `${question}.suggestion`,
  ];
  return readRecord(row, line, question, responses, used, context);
}

const isResponse = (value: unknown): value is Row =>
  isRow(value) && 'value' in value && ('user_id' in value || 'status' in value);
const questionOf1 = (row: Row) =>
  Object.keys(row).find(
    (field) =>
      Array.isArray(row[field]) &&
      (row[field].length > 0
        ? row[field].every(isResponse) && row[field].some(({ value }: Row) => isRow(value) && 'rank' in value)
        : `${field}-suggestion` in row),
  );

function readArgilla1(row: Row, line: number, context: ReadContext): Preference[] {
  const question = questionOf1(row);
  if (question === undefined) throw badRow('No field holds a list of {user_id, value, status} with ranks.');
  const responses = (row[question] as Row[])
    .filter(({ value, status }) => value !== null || status === 'submitted')
    .map((response): Response => ({
      ...orderOf(response['value'], question),
      user: nameOf(response, 'user_id'),
      status: nameOf(response, 'status'),
    }));
  const { external_id: id } = row;
  const read = readRecord(
    row,
    line,
    question,
    responses,
    [question, `${question}-suggestion`, `${question}-suggestion-metadata`, 'external_id'],
    context,
  );
  return isFull(id) || typeof id === 'number' ? read.map((one) => ({ ...one, extra: { id, ...one.extra } })) : read;
}

/** What Label Studio writes around a task's data. */
const TASK = [
  'id',
  'data',
  'annotations',
  'completions',
  'predictions',
  'meta',
  'created_at',
  'updated_at',
  'inner_id',
  'total_annotations',
  'cancelled_annotations',
  'total_predictions',
  'comment_count',
  'unresolved_comment_count',
  'last_comment_updated_at',
  'project',
  'updated_by',
  'comment_authors',
  'file_upload',
  'drafts',
  'is_labeled',
  'overlap',
  'avg_lead_time',
  'draft_exists',
];
/** A task's data: the list that is ranked, the sides that are compared, and the split. */
const innerOf = (row: Row, sides: readonly string[]) => ({
  row: row['data'] as Row,
  used: [...sides, 'split', ...((itemsOf(row['data'] as Row)?.slice(0, 1) as string[] | undefined) ?? [])],
});
/** What Argilla writes of its own, and the answers. */
const usedByArgilla = (row: Row): string[] => {
  const question = questionOf2(row) ?? questionOf1(row) ?? '';
  const own = Object.keys(row).filter(
    (field) =>
      field === question ||
      field.startsWith(`${question}.`) ||
      field.startsWith(`${question}-`) ||
      field.startsWith('metadata') ||
      field.startsWith('vectors'),
  );
  return [
    ...own,
    'id',
    'status',
    '_server_id',
    'external_id',
    ...Object.keys(row).filter((field) => isText(row[field]) && ANSWER_FIELD.test(field)),
  ];
};

const isTask = (row: Row) => isRow(row['data']) && Array.isArray(row['annotations']);
export const TOOL_FORMATS: readonly Format[] = [
  {
    name: 'label-studio-ranker',
    title: 'Label Studio, ranker',
    fits: (row) =>
      isTask(row) &&
      !hasResult(row, 'pairwise') &&
      (hasResult(row, 'ranker') || itemsOf(row['data'] as Row) !== undefined),
    uses: TASK,
    inner: (row) => innerOf(row, []),
    read: readRanker,
  },
  {
    name: 'label-studio-pairwise',
    title: 'Label Studio, pairwise',
    fits: (row) =>
      isTask(row) &&
      (hasResult(row, 'pairwise') || (!hasResult(row, 'ranker') && itemsOf(row['data'] as Row) === undefined)),
    uses: TASK,
    inner: (row) => innerOf(row, sidesOf(taskOf(row))),
    read: readPairwise,
  },
  {
    name: 'argilla-2',
    title: 'Argilla 2, flattened',
    fits: (row) => questionOf2(row) !== undefined,
    uses: usedByArgilla,
    read: readArgilla2,
  },
  {
    name: 'argilla-1',
    title: 'Argilla 1',
    fits: (row) => questionOf2(row) === undefined && questionOf1(row) !== undefined,
    uses: usedByArgilla,
    read: readArgilla1,
  },
];
