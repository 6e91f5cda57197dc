// OpenAI's two formats for people's judgements of summaries (20:README.md) and the one of token ids before them
// (19:label_types.py).

import type { Preference } from './preference.ts';
import { idOf, pairsOf, ranksOf } from './writer.ts';
import type { Leave, WriteOptions, Writer } from './writer.ts';
import { parseTldrPrompt } from '#core/formats/prompts.ts';

/** The prompt of a CNN/DM article, letter by letter as P20 gives it to the model (20:utils/experiment_helpers.py). */
const ARTICLE = /^Article:\n([^]*)\n\nTL;DR:\n$/;

/** What was summarised; a prompt that is neither a Reddit post nor a news article stands whole under "prompt". */
function infoOf(preference: Preference): Record<string, unknown> {
  const { prompt, extra } = preference;
  const id = idOf(preference);
  const post = parseTldrPrompt(prompt);
  const article = ARTICLE.exec(prompt);
  return post && post.subreddit.trim() !== '' && post.post.trim() !== ''
    ? { id, post: post.post, title: post.title, subreddit: post.subreddit }
    : article && article[1]!.trim() !== ''
      ? { id, site: textOrNull(extra['site']), title: textOrNull(extra['title']), article: article[1] }
      : { id, prompt };
}

/** One kind of value a column, whatever the file held that it came from. */
const textOrNull = (value: unknown): string | null => (value === undefined || value === null ? null : String(value));

const COMPARISON_SPLITS = { train: 'train', validation: 'valid1', test: 'valid2' } as const;
const AXIS_SPLITS = { train: 'train', validation: 'valid', test: 'test' } as const;
const common = ({ labeler, extra }: Preference) => ({ worker: labeler ?? '', batch: String(extra['batch'] ?? '') });
/** The split by their names; the one that such a file gave says more than ours, as long as it means the same. */
function splitOf(
  { split, extra }: Preference,
  names: Readonly<Record<'train' | 'validation' | 'test', string>>,
): { split?: string } {
  const own = extra['split'];
  if (split === null) return {};
  return { split: typeof own === 'string' && GROUPS[split].includes(own) ? own : names[split] };
}
const GROUPS: Readonly<Record<'train' | 'validation' | 'test', readonly string[]>> = {
  train: ['train'],
  validation: ['valid1', 'valid'],
  test: ['valid2', 'test'],
};

/**
 * Their nine points go from the first answer (1) to the second (9), with 5 for a toss-up; ours from unsure (1) to sure
 * (9).
 */
export function confidenceOnNinePoints(confidence: number, choice: 0 | 1): number {
  const strength = Math.max(choice, Math.round((confidence - 1) / 2)); // above 5 where the second was chosen
  return choice === 1 ? 5 + strength : 5 - strength;
}

function comparisons(preference: Preference, { pairs }: WriteOptions, leave: Leave): Record<string, unknown>[] {
  const { answers, confidence, note, extra } = preference;
  return pairsOf(preference, pairs, leave).map(({ chosen, rejected }) => {
    // they stand in the order they were given in, so that the better one is not always first
    const choice = chosen < rejected ? 0 : 1;
    const summaries = [chosen, rejected]
      .sort((a, b) => a - b)
      .map((i) => ({ text: answers[i]!.text, policy: answers[i]!.writer ?? '', note: textOrNull(extra[`note_${i}`]) }));
    return {
      info: infoOf(preference),
      summaries,
      choice,
      ...common(preference),
      ...splitOf(preference, COMPARISON_SPLITS),
      extra: {
        ...(confidence === null ? {} : { confidence: confidenceOnNinePoints(confidence, choice) }),
        ...(note === null ? {} : { note }),
      },
    };
  });
}

/** A rating on another scale, on theirs of 1 to 7. */
const onSevenPoints = ({ value, low, high }: { value: number; low: number; high: number }) =>
  low === 1 && high === 7 ? value : Math.round(1 + (6 * (value - low)) / (high - low));

function axes(preference: Preference, _options: WriteOptions, leave: Leave): Record<string, unknown>[] {
  const { answers, ratings } = preference;
  if (ratings.length === 0) leave('unrated');
  return [...Map.groupBy(ratings, ({ answer, labeler }) => JSON.stringify([answer, labeler])).values()].map((own) => {
    const { answer, labeler } = own[0]!;
    const { text, writer } = answers[answer]!;
    return {
      info: infoOf(preference),
      ...splitOf(preference, AXIS_SPLITS),
      summary: {
        text,
        policy: writer ?? '',
        note: '',
        axes: Object.fromEntries(own.map((rating) => [rating.axis, onSevenPoints(rating)])),
      },
      ...common({ ...preference, labeler: labeler ?? preference.labeler }),
    };
  });
}

/**
 * Their code takes rows of one length only: what is longer is cut, what is shorter is filled up with an id beyond the
 * vocabulary.
 */
const ofLength = (ids: readonly number[], length: number, pad: number): number[] => [
  ...ids.slice(0, length),
  ...Array<number>(Math.max(0, length - ids.length)).fill(pad),
];

function bestOf(
  preference: Preference,
  { encode, queryLength, responseLength, responses, pad }: WriteOptions,
  leave: Leave,
): Record<string, unknown>[] {
  const ranks = ranksOf(preference, leave);
  if (!ranks) return [];
  const best = Math.min(...ranks);
  const first = ranks.indexOf(best);
  if (ranks.length < responses || ranks.lastIndexOf(best) !== first) {
    leave(ranks.length < responses ? 'tooFew' : 'ties');
    return [];
  }
  // of more answers than places, the best and the first of the others: the best of all is the best of any of them
  const others = ranks
    .map((_, i) => i)
    .filter((i) => i !== first)
    .slice(0, responses - 1);
  const kept = [first, ...others].sort((a, b) => a - b);
  const idsOf = ({ text, tokenIds }: Preference['answers'][number]) =>
    ofLength(tokenIds ?? encode(text), responseLength, pad);
  return [
    {
      query: ofLength(encode(preference.prompt), queryLength, pad),
      ...Object.fromEntries(kept.map((answer, i) => [`sample${i}`, idsOf(preference.answers[answer]!)])),
      best: kept.indexOf(first),
    },
  ];
}

export const OPENAI_WRITERS: readonly Writer[] = [
  {
    name: 'openai-comparisons',
    title: 'OpenAI 2020, comparisons',
    container: 'jsonl',
    holds:
      'Pairs with who wrote each answer, labeler, batch, split, confidence and note; Reddit posts and news articles in their parts. Loses ties, ratings, marks, durations and references; nine degrees of confidence become five; a conversation becomes plain text.',
    write: comparisons,
  },
  {
    name: 'openai-axis',
    title: 'OpenAI 2020, ratings by axis',
    container: 'jsonl',
    whole: true,
    holds:
      'Ratings of each answer by axis, on a scale of whole numbers from 1 to 7, with who wrote it, labeler, batch and split. Loses rankings and their ties, confidence, notes, durations, marks and references; a conversation becomes plain text.',
    write: axes,
  },
  {
    name: 'openai-2019',
    title: 'OpenAI 2019, token ids',
    container: 'json',
    whole: true,
    tokens: true,
    holds:
      'Token ids of the prompt and of a fixed number of answers (4), and which answer is best. Loses the order of the others, rankings whose best is a tie or of fewer answers, and everything else.',
    write: bestOf,
  },
];
