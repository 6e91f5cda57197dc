// OpenAI's data of 2020 (20:README.md): comparisons of two summaries, ratings of one summary by axis, and dumps of
// samples.

import { answer, extraOf, isId, nameOf, optionalNumber, preference, rowOf, splitOf, textOf } from './format.ts';
import type { Format, ReadContext } from './format.ts';
import type { Preference } from './preference.ts';
import { tldrPrompt } from '#core/formats/prompts.ts';
import { badRow, isRow, isText, optionalText, requiredText } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';

/** The prompt of a CNN/DM article, letter by letter as P20 gives it to the model (20:utils/experiment_helpers.py). */
export const articlePrompt = (article: string): string => `Article:\n${article}\n\nTL;DR:\n`;

/** What was summarised: a Reddit post, a news article, or a prompt of another kind that our own files put there. */
function subjectOf(row: Row): { prompt: string; extra: Preference['extra'] } {
  const info = rowOf(row, 'info');
  if ('article' in info)
    return { prompt: articlePrompt(requiredText(info, 'article')), extra: extraOf(info, ['article']) };
  if (!('post' in info)) return { prompt: requiredText(info, 'prompt'), extra: extraOf(info, ['prompt']) };
  const prompt = tldrPrompt({
    subreddit: requiredText(info, 'subreddit'),
    title: optionalText(info, 'title') ?? '',
    post: requiredText(info, 'post'),
  });
  return { prompt, extra: extraOf(info, ['post', 'title', 'subreddit']) };
}

const noteOf = (row: Row, field: string) => (isText(row[field]) && row[field] !== '' ? row[field] : null);

/**
 * Their nine points go from the first summary (1) over a toss-up (5) to the second (9); ours from unsure (1) to sure
 * (9).
 */
const sureness = (confidence: number): number => 1 + 2 * Math.abs(confidence - 5);

/**
 * A choice between two summaries. One that its confidence contradicts is taken with no confidence, and says so in its
 * note.
 */
function readComparison(row: Row, line: number, { warn }: ReadContext): Preference {
  const { prompt, extra: info } = subjectOf(row);
  const { summaries, choice } = row;
  if (!Array.isArray(summaries) || summaries.length !== 2 || !summaries.every(isRow))
    throw badRow('"summaries" is not a list of two summaries.');
  if (choice !== 0 && choice !== 1)
    throw badRow(choice === undefined ? '"choice" is missing.' : '"choice" is neither 0 nor 1.');
  const texts = summaries.map((summary) => textOf(summary, 'text'));
  const writers = summaries.map((summary) => nameOf(summary, 'policy'));
  const more = isRow(row['extra']) ? row['extra'] : {};
  const confidence = optionalNumber(more, 'confidence');
  if (confidence !== null && !(isId(confidence) && confidence <= 9))
    throw badRow('"extra.confidence" is not a whole number from 1 to 9.');
  const contradicts = confidence !== null && (choice === 1) !== confidence > 5;
  const doubt = contradicts
    ? `The choice is ${choice}, but the confidence ${confidence} of 9 is on the other side.`
    : null;
  if (doubt) warn(doubt);
  const notes = summaries.flatMap((summary, i): [string, string][] =>
    noteOf(summary, 'note') === null ? [] : [[`note_${i}`, noteOf(summary, 'note')!]],
  );
  const reference = writers.indexOf('ref');
  return preference({
    line,
    prompt,
    answers: texts.map((text, i) => answer(text, writers[i]!)),
    ranks: choice === 0 ? [1, 2] : [2, 1],
    labeler: nameOf(row, 'worker'),
    confidence: confidence === null || contradicts ? null : sureness(confidence),
    split: splitOf(row['split']),
    reference: reference < 0 ? null : texts[reference]!,
    note: [noteOf(more, 'note'), doubt].filter((text) => text !== null).join('\n') || null,
    // `split` and `confidence` stay as the file has them: they say more than ours
    extra: {
      ...info,
      ...extraOf(row, ['info', 'summaries', 'choice', 'worker']),
      ...extraOf(more, ['note']),
      ...Object.fromEntries(notes),
    },
  });
}

/** Ratings of one summary from 1 to 7; an axis that was not rated is null, and one of true or false is no rating. */
function readAxes(row: Row, line: number): Preference {
  const { prompt, extra: info } = subjectOf(row);
  const summary = rowOf(row, 'summary');
  const axes = rowOf(summary, 'axes');
  const text = textOf(summary, 'text');
  const writer = nameOf(summary, 'policy');
  const labeler = nameOf(row, 'worker');
  const ratings = Object.keys(axes)
    .filter((axis) => typeof axes[axis] !== 'boolean' && axis.trim() !== '')
    .flatMap((axis) => {
      const value = optionalNumber(axes, axis, 1, 7);
      return value === null ? [] : [{ answer: 0, axis, value, low: 1, high: 7, labeler }];
    });
  const flags = Object.fromEntries(
    Object.entries(axes).filter((entry): entry is [string, boolean] => typeof entry[1] === 'boolean'),
  );
  return preference({
    line,
    prompt,
    answers: [answer(text, writer)],
    labeler,
    ratings,
    split: splitOf(row['split']),
    reference: writer === 'ref' ? text : null,
    note: noteOf(summary, 'note'),
    extra: { ...info, ...extraOf(row, ['info', 'summary', 'worker']), ...flags },
  });
}

/**
 * A line of samples.N.jsonl (20:sample.py): what was sampled for a context, which nobody has ranked. Arrays of tokens
 * and log-probabilities stay behind.
 */
function readSamples(row: Row, line: number): Preference {
  const samples = isText(row['samples']) ? [row['samples']] : row['samples'];
  if (!Array.isArray(samples) || samples.length === 0 || !samples.every(isText))
    throw badRow('"samples" is not a list of texts.');
  const more = isRow(row['extra_fields']) ? extraOf(row['extra_fields'], []) : {};
  return preference({
    line,
    prompt: requiredText(row, 'context'),
    answers: samples.map((text) => answer(text)),
    reference: optionalText(row, 'ref'),
    extra: { ...extraOf(row, ['context', 'samples', 'ref']), ...more },
  });
}

export const OPENAI_FORMATS: readonly Format[] = [
  {
    name: 'openai-comparisons',
    title: 'OpenAI 2020, comparisons',
    fits: (row) => isRow(row['info']) && Array.isArray(row['summaries']),
    uses: ['info', 'summaries', 'choice', 'worker', 'extra'],
    read: readComparison,
  },
  {
    name: 'openai-axis',
    title: 'OpenAI 2020, ratings by axis',
    fits: (row) => isRow(row['info']) && isRow(row['summary']),
    uses: ['info', 'summary', 'worker'],
    read: readAxes,
  },
  {
    name: 'openai-samples',
    title: 'OpenAI 2020, samples',
    fits: (row) => 'context' in row && 'samples' in row,
    uses: ['context', 'samples', 'ref', 'extra_fields'],
    read: readSamples,
  },
];
