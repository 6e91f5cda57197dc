// SQuALITY's human evaluation: of every question about a passage several systems' answers, each reviewed by several
// people.

import { answer, cutsCharacter, nameOf, optionalNumber, preference, rowOf, textOf } from './format.ts';
import type { Format } from './format.ts';
import type { Preference } from './preference.ts';
import { badRow, isRow, isText } from '#core/formats/rows.ts';
import type { Row } from '#core/formats/rows.ts';

const RATED = ['correctness', 'selection', 'overall'] as const;
/** Ranks other than the overall one, which is the ranking itself. */
const RANKED = ['correctness', 'selection'] as const;
const HUMAN = 'human';

/** The file holds no text of passages or questions, only their numbers. */
const aboutOf = (passage: string, question: string) => ({
  prompt: `Passage ${passage}, question ${question}`,
  extra: { 'passage-id': passage, question },
});

interface Review {
  writer: string;
  row: Row;
}

const bare = (text: string): string => text.replace(/\s+/g, '');

/**
 * Finds selections in a text, white space apart: at their next place from `from` on, else at their first; null for one
 * that is nowhere.
 */
export function finderIn(text: string): (selection: string, from?: number) => { start: number; end: number } | null {
  const letters = bare(text);
  const places = new Uint32Array(letters.length); // where each letter stands in the text
  for (let at = 0, i = 0; i < letters.length; at++) if (!/\s/.test(text[at]!)) places[i++] = at;
  return (selection, from = 0) => {
    const wanted = bare(selection);
    if (wanted === '') return null;
    let first = from === 0 ? 0 : places.findIndex((at) => at >= from);
    if (first < 0) first = letters.length;
    const later = letters.indexOf(wanted, first);
    const at = later >= 0 ? later : letters.indexOf(wanted);
    if (at < 0) return null;
    const start = places[at]!;
    const end = places[at + wanted.length - 1]! + 1;
    return cutsCharacter(text, start) || cutsCharacter(text, end) ? null : { start, end };
  };
}

function commentOf(annotation: Row): string | null {
  const { annotation: said } = annotation;
  const lines = Array.isArray(said) ? said.filter(isText) : isText(said) ? [said] : [];
  return lines.join('\n') || null;
}

/** The marks of one review, and what could not be found in the answer. */
function marksOf(
  review: Row,
  text: string,
  answerAt: number,
  writer: string,
  labeler: string,
): { marks: Preference['marks']; lost: string[] } {
  const marks: Preference['marks'] = [];
  const lost: string[] = [];
  const find = finderIn(text);
  const next = new Map<string, number>(); // a selection that comes again means its next place
  const annotations = review['annotations'] ?? [];
  if (!Array.isArray(annotations)) throw badRow(`The annotations of ${writer} by worker ${labeler} are not a list.`);
  for (const one of annotations) {
    const selection = isRow(one) ? one['selection'] : null;
    const note = isRow(one) ? commentOf(one) : null;
    const found = isText(selection) ? find(selection, next.get(bare(selection)) ?? 0) : null;
    if (found) {
      marks.push({ answer: answerAt, ...found, label: 'annotation', note, labeler });
      next.set(bare(selection as string), found.end);
    } else if (note !== null || (isText(selection) && selection.trim() !== ''))
      lost.push(
        `${writer}: ${isText(selection) && selection.trim() !== '' ? `"${selection}" ` : ''}${note ?? ''}`.trim(),
      );
    else lost.push(`${writer}: an annotation of nothing`);
  }
  return { marks, lost };
}

/**
 * One worker's judgement of a question: a ranking by the overall rank, ratings of 0 to 100, the two other ranks as
 * ratings, and marks.
 */
function judgement(
  line: number,
  passage: string,
  question: string,
  systems: ReadonlyMap<string, string>,
  worker: string,
  reviews: readonly Review[],
): Preference {
  const names = [...systems.keys()];
  const answers = names.map((name) => answer(systems.get(name)!, name));
  const twice = reviews.find(({ writer }, i) => reviews.findIndex((other) => other.writer === writer) < i);
  if (twice) throw badRow(`Worker ${worker} reviewed ${twice.writer} twice in question ${question}.`);
  const of = new Map(reviews.map(({ writer, row }) => [writer, row]));
  const rank = (row: Row, field: string) => {
    const value = optionalNumber(row, field, 1, names.length);
    if (value !== null && !Number.isInteger(value))
      throw badRow(`"${field}" of question ${question} is ${value}, not a whole number.`);
    return value;
  };
  const overall = names.map((name) => (of.has(name) ? rank(of.get(name)!, 'overall-rank') : null));
  const isRanked = overall.filter((value) => value !== null).length >= 2;
  // a ranking is of what was ranked
  const kept = names.flatMap((name, i) => (of.has(name) && (!isRanked || overall[i] !== null) ? [i] : []));
  const ratings: Preference['ratings'] = [];
  const marks: Preference['marks'] = [];
  const lost: string[] = [];
  for (const [place, i] of kept.entries()) {
    const name = names[i]!;
    const row = of.get(name)!;
    for (const axis of RATED) {
      const value = optionalNumber(row, `${axis}-rating`, 0, 100);
      if (value !== null) ratings.push({ answer: place, axis, value, low: 0, high: 100, labeler: worker });
    }
    for (const axis of RANKED) {
      const value = rank(row, `${axis}-rank`);
      if (value !== null && names.length > 1)
        ratings.push({ answer: place, axis: `${axis}-rank`, value, low: names.length, high: 1, labeler: worker });
    }
    const found = marksOf(row, answers[i]!.text, place, name, worker);
    marks.push(...found.marks);
    lost.push(...found.lost);
  }
  return preference({
    line,
    ...aboutOf(passage, question),
    answers: kept.map((i) => answers[i]!),
    ranks: isRanked ? kept.map((i) => overall[i]!) : null,
    labeler: worker,
    note: lost.length > 0 ? `Annotations that are at no place of the answers:\n${lost.join('\n')}` : null,
    reference: systems.get(HUMAN) ?? null,
    ratings,
    marks,
  });
}

function readPassage(row: Row, line: number): Preference[] {
  const passage = nameOf(row, 'passage-id');
  const questions = rowOf(row, 'questions');
  if (passage === null) throw badRow('"passage-id" is missing.');
  return Object.keys(questions).flatMap((question) => {
    const given = rowOf(questions, question);
    const systems = new Map(Object.keys(given).map((name) => [name, textOf(rowOf(given, name), 'response')]));
    const reviews = new Map<string, Review[]>();
    for (const [writer, system] of Object.entries(given)) {
      const list = (system as Row)['reviews'] ?? [];
      if (!Array.isArray(list) || !list.every(isRow))
        throw badRow(`The reviews of ${writer} in question ${question} are not a list.`);
      for (const one of list) {
        const worker = nameOf(one, 'worker_id');
        if (worker === null) throw badRow(`A review of ${writer} in question ${question} has no "worker_id".`);
        reviews.set(worker, [...(reviews.get(worker) ?? []), { writer, row: one }]);
      }
    }
    if (systems.size === 0) return [];
    const judged = [...reviews].map(([worker, of]) => judgement(line, passage, question, systems, worker, of));
    const isMissed = [...systems.keys()].some(
      (name) => !judged.some(({ answers }) => answers.some(({ writer }) => writer === name)),
    );
    const { prompt, extra } = aboutOf(passage, question);
    return isMissed
      ? [
          ...judged,
          preference({
            line,
            prompt,
            answers: [...systems].map(([name, text]) => answer(text, name)),
            reference: systems.get(HUMAN) ?? null,
            extra,
          }),
        ]
      : judged; // what nobody reviewed comes too
  });
}

export const SQUALITY_FORMATS: readonly Format[] = [
  {
    name: 'squality',
    title: 'SQuALITY, human evaluation',
    fits: (row) => 'passage-id' in row && isRow(row['questions']),
    uses: ['passage-id', 'questions'],
    exact: true,
    read: readPassage,
  },
];
