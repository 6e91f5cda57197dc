// Rankings as annotation tools export them: Label Studio's tasks (labelstud.io/guide/task_format) and Argilla's records
// (versions 2 and 1).

import type { Preference } from './preference.ts';
import { idOf, pairsOf, ranksOf } from './writer.ts';
import type { Leave, WriteOptions, Writer } from './writer.ts';

type Row = Record<string, unknown>;

/**
 * Whole orders where a tool knows no ties: a ranking without one as it is, one with ties as its pairs, which say the
 * same
 * and no more. Each is a list of answers from best to worst.
 */
function strictOrders(preference: Preference, { pairs }: WriteOptions, leave: Leave): number[][] {
  const ranks = ranksOf(preference, leave);
  if (!ranks) return [];
  if (pairs === 'all' && new Set(ranks).size === ranks.length)
    return [ranks.map((_, i) => i).sort((a, b) => ranks[a]! - ranks[b]!)];
  return pairsOf(preference, pairs, leave).map(({ chosen, rejected }) => [chosen, rejected]);
}

/**
 * One task with one person's annotation; Label Studio counts time in seconds and knows people by their mail address.
 */
function task(preference: Preference, data: Row, result: Row): Row {
  const { labeler, durationMs, split, prompt } = preference;
  return {
    data: {
      prompt,
      ...data,
      ...(preference.extra['id'] === undefined ? {} : { id: idOf(preference) }),
      ...(split ? { split } : {}),
    },
    annotations: [
      {
        ...(labeler === null ? {} : { completed_by: { email: labeler } }),
        ...(durationMs === null ? {} : { lead_time: durationMs / 1000 }),
        was_cancelled: false,
        result: [result],
      },
    ],
  };
}

function labelStudioRanker(preference: Preference, options: WriteOptions, leave: Leave): Row[] {
  return strictOrders(preference, options, leave).map((order) => {
    const shown = order.toSorted((a, b) => a - b);
    const items = shown.map((answer) => ({
      id: `s${answer}`,
      title: preference.answers[answer]!.writer ?? '',
      body: preference.answers[answer]!.text,
    }));
    return task(
      preference,
      { items },
      {
        from_name: 'rank',
        to_name: 'results',
        type: 'ranker',
        value: { ranker: { rank: order.map((answer) => `s${answer}`) } },
      },
    );
  });
}

function labelStudioPairwise(preference: Preference, { pairs }: WriteOptions, leave: Leave): Row[] {
  return pairsOf(preference, pairs, leave).map(({ chosen, rejected }) => {
    // as given: the better one is not always left
    const [left, right] = [chosen, rejected].sort((a, b) => a - b).map((answer) => preference.answers[answer]!.text);
    return task(
      preference,
      { text1: left, text2: right },
      {
        from_name: 'pw',
        to_name: ['text1', 'text2'],
        type: 'pairwise',
        value: { selected: chosen < rejected ? 'left' : 'right' },
      },
    );
  });
}

const letter = (i: number) => `response_${i < 26 ? String.fromCharCode(97 + i) : i + 1}`;

function argilla2(preference: Preference, options: WriteOptions, leave: Leave): Row[] {
  const { prompt, answers, labeler, split } = preference;
  return strictOrders(preference, options, leave).map((order) => {
    const names = new Map(order.toSorted((a, b) => a - b).map((answer, i) => [answer, letter(i)]));
    return {
      id: idOf(preference),
      prompt,
      ...Object.fromEntries([...names].map(([answer, name]) => [name, answers[answer]!.text])),
      ...(split ? { 'metadata.split': split } : {}),
      'preference.responses': [order.map((answer) => names.get(answer))],
      'preference.responses.users': [labeler ?? ''],
      'preference.responses.status': ['submitted'],
      'preference.suggestion': null,
      'preference.suggestion.score': null,
      'preference.suggestion.agent': null,
    };
  });
}

/** Argilla 1 numbers the ranks, so that ties have a place. */
function argilla1(preference: Preference, _options: WriteOptions, leave: Leave): Row[] {
  const ranks = ranksOf(preference, leave);
  if (!ranks) return [];
  const { prompt, answers, labeler, split } = preference;
  const names = answers.map((_, i) => `response${i + 1}`);
  return [
    {
      prompt,
      ...Object.fromEntries(answers.map(({ text }, i) => [names[i], text])),
      preference: [{ user_id: labeler, value: { rank: ranks, value: names }, status: 'submitted' }],
      'preference-suggestion': null,
      'preference-suggestion-metadata': { type: null, score: null, agent: null },
      external_id: idOf(preference),
      metadata: JSON.stringify(split ? { split } : {}),
    },
  ];
}

const LOST = 'confidence, notes, references, ratings and marks';
export const TOOL_WRITERS: readonly Writer[] = [
  {
    name: 'label-studio-ranker',
    title: 'Label Studio, ranker',
    container: 'json',
    holds: `Rankings with their prompt, who wrote the answers, labeler, duration and split, one task each. Loses ties (a ranking with ties becomes its pairs), ${LOST}. A conversation becomes plain text.`,
    write: labelStudioRanker,
  },
  {
    name: 'label-studio-pairwise',
    title: 'Label Studio, pairwise',
    container: 'json',
    holds: `Pairs with their prompt, labeler, duration and split, one task each. Loses ties, who wrote the answers, ${LOST}. A conversation becomes plain text.`,
    write: labelStudioPairwise,
  },
  {
    name: 'argilla-2',
    title: 'Argilla 2, flattened',
    container: 'jsonl',
    holds: `Rankings with their prompt, labeler and split. Loses ties (a ranking with ties becomes its pairs), who wrote the answers, durations, ${LOST}. A conversation becomes plain text.`,
    write: argilla2,
  },
  {
    name: 'argilla-1',
    title: 'Argilla 1',
    container: 'jsonl',
    whole: true,
    holds: `Whole rankings, ties too, with their prompt, labeler and split. Loses who wrote the answers, durations, ${LOST}. A conversation becomes plain text.`,
    write: argilla1,
  },
];
