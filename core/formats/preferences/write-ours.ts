// Our own format: everything a preference has, one line each.

import type { Preference } from './preference.ts';
import { present } from './writer.ts';
import type { Writer } from './writer.ts';

/** Fields that hold nothing are left out, so that a file of plain rankings stays short. */
function rowOf({
  prompt,
  messages,
  answers,
  ranks,
  labeler,
  confidence,
  note,
  durationMs,
  split,
  reference,
  ratings,
  marks,
  flagged,
  extra,
}: Preference): Record<string, unknown> {
  const unlessNone = <T>(list: readonly T[], is: boolean) => (is ? list : null);
  return {
    prompt,
    ...present({ messages }),
    completions: answers.map(({ text }) => text),
    ranks,
    ...present({
      writers: unlessNone(
        answers.map(({ writer }) => writer),
        answers.some(({ writer }) => writer !== null),
      ),
      token_ids: unlessNone(
        answers.map(({ tokenIds }) => tokenIds),
        answers.some(({ tokenIds }) => tokenIds !== null),
      ),
      labeler,
      confidence,
      note,
      duration_ms: durationMs,
      split,
      reference,
      ratings: unlessNone(ratings, ratings.length > 0),
      marks: unlessNone(
        marks.map((mark) => ({ ...mark, text: answers[mark.answer]!.text.slice(mark.start, mark.end) })),
        marks.length > 0,
      ),
      mark_offsets: marks.length > 0 ? 'utf-16' : null,
      flagged: flagged ? answers.map((_, i) => flagged.includes(i)) : null,
      extra: Object.keys(extra).length > 0 ? extra : null,
    }),
  };
}

export const OUR_WRITERS: readonly Writer[] = [
  {
    name: 'tastemaker',
    title: 'Tastemaker',
    container: 'jsonl',
    whole: true,
    flags: true,
    holds:
      'Everything: conversations, whole rankings with ties, who wrote and who ranked, confidence, notes, durations, splits, references, ratings, marks (with what they are of, and what their offsets count), which answers are flagged, and the fields of the file that it came from.',
    shape: { floats: ['margin', 'value', 'low', 'high', 'duration_ms'] },
    write: (preference) => [rowOf(preference)],
  },
];
