// SQuALITY's human evaluation comes in whole: counted here once more from the raw file, without the reader.

import fs from 'node:fs';
import { expect, test } from 'vitest';
import type { Preference } from '#core/formats/preferences/preference.ts';
import { readPreferences } from '#core/formats/preferences/read-preferences.ts';
import { shared } from '#tests/core/formats/folder.ts';
import { preferencesOf } from './read-file.ts';

const file = shared('data', 'squality', 'human-eval.jsonl');

interface Review {
  system: string;
  worker_id: string;
  annotations: { annotation: string[]; selection: string }[];
  [rated: `${string}-rating` | `${string}-rank`]: number;
}
interface Passage {
  'passage-id': string;
  questions: Record<string, Record<string, { response: string; reviews: Review[] }>>;
}
interface Said {
  prompt: string;
  system: string;
  response: string;
  review: Review;
}

/** Every review with what it is of. */
function reviewsOf(path: string): Said[] {
  const passages = fs
    .readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Passage);
  return passages.flatMap((passage) =>
    Object.entries(passage.questions).flatMap(([question, systems]) =>
      Object.entries(systems).flatMap(([system, { response, reviews }]) =>
        reviews.map((review) => ({
          prompt: `Passage ${passage['passage-id']}, question ${question}`,
          system,
          response,
          review,
        })),
      ),
    ),
  );
}
const squeezed = (text: string) => text.replace(/\s+/g, '');
const find = (rows: readonly Preference[], { prompt, review }: Said) =>
  rows.filter((row) => row.prompt === prompt && row.labeler === review.worker_id);

test.skipIf(file === null)(
  'every summary, ranking, rating and annotation of SQuALITY (skipped where ../shared/data/squality is absent)',
  async () => {
    const said = reviewsOf(file!);
    const { format, rows: read, errors, warnings } = await readPreferences(file!);
    const rows = preferencesOf(read);
    expect([format, errors, warnings]).toEqual(['squality', [], []]);
    const judgements = new Set(said.map(({ prompt, review }) => `${prompt}/${review.worker_id}`));
    expect([
      judgements.size,
      rows.length,
      new Set(rows.map(({ prompt, labeler }) => `${prompt}/${labeler}`)).size,
    ]).toEqual([150, 150, 150]);
    const texts = new Set(said.map(({ prompt, system, response }) => JSON.stringify([prompt, system, response])));
    expect(
      new Set(
        rows.flatMap(({ prompt, answers }) =>
          answers.map(({ writer, text }) => JSON.stringify([prompt, writer, text])),
        ),
      ),
    ).toEqual(texts);
    expect(texts.size).toBe(150);

    let annotations = 0;
    let marks = 0;
    let kept = 0;
    let ratings = 0;
    for (const one of said) {
      const { system, response, review } = one;
      const matching = find(rows, one);
      expect(matching).toHaveLength(1);
      const row = matching[0]!;
      const at = row.answers.findIndex(({ writer }) => writer === system);
      expect(row.answers[at]!.text).toBe(response);
      expect(row.ranks![at]).toBe(review['overall-rank']);
      const ofAnswer = row.ratings.filter(({ answer, labeler }) => answer === at && labeler === review.worker_id);
      expect(Object.fromEntries(ofAnswer.map(({ axis, value, low, high }) => [axis, [value, low, high]]))).toEqual({
        correctness: [review['correctness-rating'], 0, 100],
        selection: [review['selection-rating'], 0, 100],
        overall: [review['overall-rating'], 0, 100],
        'correctness-rank': [review['correctness-rank'], 3, 1],
        'selection-rank': [review['selection-rank'], 3, 1],
      });
      ratings += ofAnswer.length;
      const own = row.marks.filter(({ answer, labeler }) => answer === at && labeler === review.worker_id);
      // each mark is the characters that its annotation selected, with its comment; they come in the order of the file
      const placed = review.annotations.filter(({ selection }) => squeezed(selection) !== '');
      expect(own.map(({ start, end, note, label }) => [squeezed(response.slice(start, end)), note, label])).toEqual(
        placed.map(({ selection, annotation }) => [squeezed(selection), annotation.join('\n') || null, 'annotation']),
      );
      expect(own.every(({ start, end }) => /\S/.test(response[start]!) && /\S/.test(response[end - 1]!))).toBe(true);
      const lost = review.annotations.filter(({ selection }) => squeezed(selection) === '');
      for (const { annotation } of lost)
        expect(row.note).toContain(`${system}: ${annotation.join('\n') || 'an annotation of nothing'}`);
      annotations += review.annotations.length;
      marks += own.length;
      kept += lost.length;
    }
    expect({ annotations, marks, kept, ratings }).toEqual({ annotations: 1527, marks: 1523, kept: 4, ratings: 2250 });
    expect([rows.flatMap((row) => row.marks).length, rows.flatMap((row) => row.ratings).length]).toEqual([
      marks,
      ratings,
    ]); // and no more than that
    expect(
      rows.every(({ answers, reference }) => answers.find(({ writer }) => writer === 'human')!.text === reference),
    ).toBe(true);
  },
);
