// Taking preferences into a project: prompts, completions, rankings, ratings and marks of a file's rows, each once.

import type { Extra } from '#core/contract/prompts.ts';
import type { Ranking } from '#core/contract/rankings.ts';
import { isNumbered } from '#core/formats/preferences/format.ts';
import type { NumberedRanking, PreferenceRow } from '#core/formats/preferences/format.ts';
import type { Preference } from '#core/formats/preferences/preference.ts';
import { tiedWhereEqual } from '#core/store/answers.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import { addItems, itemOf } from '#core/store/items.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { addMarks } from '#core/store/marks.ts';
import type { NewMark } from '#core/store/marks.ts';
import type { Project } from '#core/store/project.ts';
import { importPrompts, listPrompts } from '#core/store/prompts.ts';
import { addRankings } from '#core/store/rankings.ts';
import type { NewRanking } from '#core/store/rankings.ts';
import { addRatings } from '#core/store/ratings.ts';
import type { NewRating } from '#core/store/ratings.ts';
import { importedCompletion } from './imported-completion.ts';
import type { ImportOptions, Judgement } from './import-into.ts';
import { markKey, matchAnswers, rankingKey, ratingKey } from './known-rows.ts';
import type { LookUp } from './known-rows.ts';

const MOST_IN_ITEM = 9;

/** A name that is blank is none. */
const nameOr = (name: string | null, otherwise: string) => (name === null || name.trim() === '' ? otherwise : name);

/** How a person judged the answers, or null where nobody has. */
const statusOf = ({ ranks, extra }: Preference): Ranking['status'] | null =>
  extra['status'] === 'none-acceptable' ? 'none-acceptable' : ranks ? 'ranked' : null;

/** What our own files put into `extra` has columns here; the rest stays what it is. */
function placed({ extra }: Preference): {
  naive: string | null;
  createdAt: number | null;
  source: string | null;
  rest: Extra | null;
} {
  const { naive, created_at: createdAt, source, status } = extra;
  const own = {
    naive: isFull(naive),
    created_at: isTime(createdAt),
    source: isFull(source),
    status: status === 'none-acceptable',
  };
  const rest = Object.entries(extra).filter(([field]) => !Object.hasOwn(own, field) || !own[field as keyof typeof own]);
  return {
    naive: isFull(naive) ? naive : null,
    createdAt: isTime(createdAt) ? createdAt : null,
    source: isFull(source) ? source : null,
    rest: rest.length > 0 ? Object.fromEntries(rest) : null,
  };
}
const isFull = (value: unknown): value is string => typeof value === 'string' && value.trim() !== '';
const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** What is wrong with a ranking that names the project's own numbers, or null. */
function problemOfNumbers({ promptId, completionIds }: NumberedRanking, know: LookUp, project: Project): string | null {
  const own = new Set(know.completions(promptId).map(({ id }) => id));
  const foreign = completionIds.filter((id) => !own.has(id));
  if (foreign.length === 0) return null;
  if (listPrompts(project, { ids: [promptId] }).length === 0) return `The project has no prompt ${promptId}.`;
  const owners = new Map(
    listCompletions(project, { ids: foreign }).map((completion) => [completion.id, completion.promptId]),
  );
  const unknown = foreign.find((id) => !owners.has(id));
  return unknown !== undefined
    ? `The project has no completion ${unknown}.`
    : `Completion ${foreign[0]} belongs to prompt ${owners.get(foreign[0]!)}, not to prompt ${promptId}.`;
}

function judgeNumbered(row: NumberedRanking, know: LookUp, { labeler }: ImportOptions, project: Project): Judgement {
  const name = nameOr(row.labeler, labeler);
  const labelerId = know.labeler(name)?.id;
  const problem = problemOfNumbers(row, know, project);
  const texts = new Map(know.completions(row.promptId).map(({ id, text }) => [id, text]));
  const tied = tiedWhereEqual(
    row.completionIds.map((id) => texts.get(id) ?? `#${id}`),
    row.ranks,
  );
  const ranks = row.completionIds.map((completionId, i) => ({ completionId, rank: tied[i]! }));
  const known =
    problem === null &&
    labelerId !== undefined &&
    know.rankings(row.promptId).has(rankingKey(labelerId, 'ranked', ranks));
  return {
    problem,
    known,
    tied: tied.some((rank, i) => rank !== row.ranks[i]),
    key: JSON.stringify([
      row.promptId,
      name,
      ranks.map(({ completionId, rank }) => [completionId, rank]).sort((a, b) => a[0]! - b[0]!),
    ]),
  };
}

/**
 * Values that rows of the same import give, by prompt, answer, labeler and axis: the same axis twice can only be the
 * same value.
 */
export type SeenRatings = Map<string, number>;

function judgePreference(
  row: Preference,
  know: LookUp,
  { addPrompts, labeler, hints }: ImportOptions,
  seen: SeenRatings,
): Judgement {
  const name = nameOr(row.labeler, labeler);
  const status = statusOf(row);
  const promptId = know.prompt(row.prompt, row.messages);
  const asked = JSON.stringify([row.prompt, row.messages]);
  const key = JSON.stringify([
    asked,
    status && name,
    status,
    row.answers
      .map(({ text, writer }, i) => [text, writer, row.ranks?.[i]])
      .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    row.ratings,
    row.marks,
  ]);
  if (promptId === undefined && !addPrompts)
    return { problem: `The project does not have its prompt (${hints.prompt}).`, known: false, key };
  const found =
    promptId === undefined
      ? row.answers.map(() => undefined)
      : matchAnswers(row.answers, know.completions(promptId), know.policyId);
  // -1: new, so nothing of it can be known
  const idOf = (by: string | null) => know.labeler(nameOr(by, name))?.id ?? -1;
  let isKnown = found.every((one) => one !== undefined);
  for (const { answer, axis, value, labeler: by } of row.ratings) {
    const { text, writer } = row.answers[answer]!;
    const one = found[answer];
    const before = one && know.ratings(promptId!).get(ratingKey(one.id, idOf(by), axis));
    const place = JSON.stringify([
      asked,
      text,
      writer,
      row.answers.slice(0, answer).filter((other) => other.text === text && other.writer === writer).length,
      nameOr(by, name),
      axis,
    ]);
    const said = before ?? seen.get(place);
    if (said !== undefined && said !== value)
      return {
        problem: `"${nameOr(by, name)}" rated the same answer ${said} on "${axis}" before, and now ${value}.`,
        known: false,
        key,
      };
    seen.set(place, value);
    isKnown &&= before !== undefined;
  }
  isKnown &&= row.marks.every(({ answer, labeler: by, ...mark }) =>
    know.marks(promptId!).has(markKey({ ...mark, completionId: found[answer]!.id, labelerId: idOf(by) })),
  );
  isKnown &&=
    status === null ||
    know.rankings(promptId!).has(
      rankingKey(
        idOf(null),
        status,
        ranksOf(
          row,
          found.map((one) => one!.id),
        ),
      ),
    );
  return {
    problem: null,
    known: isKnown,
    key,
    tied:
      row.ranks !== null &&
      ranksOf(
        row,
        row.answers.map((_, i) => i),
      ).some(({ rank }, i) => rank !== row.ranks![i]),
  };
}

/** Ranks as they are kept: equal texts share the best of theirs. */
const ranksOf = ({ ranks, answers }: Preference, completionIds: readonly number[]) =>
  tiedWhereEqual(
    answers.map(({ text }) => text),
    ranks ?? [],
  )
    .slice(0, ranks?.length ?? 0)
    .map((rank, i) => ({ completionId: completionIds[i]!, rank }));

/** What would become of a row. */
export const judgeRow = (
  row: PreferenceRow,
  know: LookUp,
  options: ImportOptions,
  project: Project,
  seen: SeenRatings,
): Judgement =>
  isNumbered(row) ? judgeNumbered(row, know, options, project) : judgePreference(row, know, options, seen);

/**
 * Completion ids of each row's answers: those that the project has, and those that are added for it. All at once, for
 * the text index is flushed at every statement.
 */
function completionsOf(
  project: Project,
  rows: readonly Preference[],
  promptIds: readonly number[],
  know: LookUp,
): number[][] {
  const lists = new Map<number, { id: number; text: string; policyId: number | null; writer: string | null }[]>();
  const fresh: Parameters<typeof addCompletions>[1][number][] = [];
  const places = rows.map((row, i) => {
    const promptId = promptIds[i]!;
    if (!lists.has(promptId)) lists.set(promptId, [...know.completions(promptId)]);
    const list = lists.get(promptId)!;
    return matchAnswers(row.answers, list, know.policyId).map((found, at) => {
      if (found) return found.id;
      const { text, writer } = row.answers[at]!;
      const policyId = writer === null ? null : (know.policyId(writer) ?? null);
      // its place among the new, until it has an id
      const id = -fresh.push(importedCompletion(promptId, text, policyId, writer));
      list.push({ id, text, policyId, writer });
      return id;
    });
  });
  const ids = addCompletions(project, fresh);
  return places.map((list) => list.map((id) => (id < 0 ? ids[-id - 1]! : id)));
}

/**
 * The item that each row's completions belong to: the smallest that holds them all, which is made where there is none
 * (larger ones first, so that smaller sets find theirs among them); null for more completions than an item may have.
 */
function itemsFor(
  project: Project,
  rows: readonly { promptId: number; completionIds: readonly number[] }[],
): (completionIds: readonly number[]) => number | null {
  const keyOf = (completionIds: readonly number[]) => completionIds.toSorted((a, b) => a - b).join();
  const sets = new Map(
    rows.map(({ promptId, completionIds }) => [keyOf(completionIds), { promptId, completionIds: [...completionIds] }]),
  );
  const found = new Map<string, number | null>();
  const made = new Map<number, { set: Set<number>; place: number }[]>();
  const fresh: { promptId: number; completionIds: number[]; source: 'import' }[] = [];
  const waiting: [key: string, place: number][] = [];
  for (const [key, { promptId, completionIds }] of [...sets].sort(
    ([, a], [, b]) => b.completionIds.length - a.completionIds.length,
  )) {
    const known = itemOf(project, completionIds);
    if (known !== null || completionIds.length < 2 || completionIds.length > MOST_IN_ITEM) {
      found.set(key, known);
      continue;
    }
    const ofPrompt = made.get(promptId) ?? [];
    // the last is the smallest
    let place = ofPrompt.findLast(({ set }) => completionIds.every((id) => set.has(id)))?.place;
    if (place === undefined)
      ofPrompt.push({
        set: new Set(completionIds),
        place: (place = fresh.push({ promptId, completionIds, source: 'import' }) - 1),
      });
    made.set(promptId, ofPrompt);
    waiting.push([key, place]);
  }
  const ids = addItems(project, fresh);
  for (const [key, place] of waiting) found.set(key, ids[place]!);
  return (completionIds) => found.get(keyOf(completionIds)) ?? null;
}

/**
 * Adds rows; what the project has of one already is left as it is. Returns how many new prompts went to the split of
 * another spelling of theirs.
 */
export function writeRows(
  project: Project,
  all: readonly PreferenceRow[],
  know: LookUp,
  options: ImportOptions,
): number {
  const rows = all.filter((row): row is Preference => !isNumbered(row));
  const numbered = all.filter(isNumbered);
  const { ids: promptIds, settled } = promptsOf(project, rows, options);
  const answers = completionsOf(project, rows, promptIds, know);
  const itemFor = itemsFor(project, [
    ...rows.map((_, i) => ({ promptId: promptIds[i]!, completionIds: answers[i]! })),
    ...numbered,
  ]);
  const labelerId = labelersOf(project, know);
  const fresh = gatherUnknown(know);
  for (const [i, row] of rows.entries()) {
    const promptId = promptIds[i]!;
    const completionIds = answers[i]!;
    const name = nameOr(row.labeler, options.labeler);
    const status = statusOf(row);
    const by = (own: string | null) => labelerId(nameOr(own, name));
    if (status) {
      const { naive, createdAt, rest } = placed(row);
      fresh.rank({
        promptId,
        labelerId: labelerId(name),
        itemId: itemFor(completionIds),
        status,
        ranks: ranksOf(row, completionIds),
        confidence: row.confidence,
        durationMs: row.durationMs,
        note: row.note,
        naive,
        extra: rest,
        shownOrder: completionIds,
        ...(createdAt === null ? {} : { createdAt }),
      });
    }
    for (const { answer, labeler, ...rating } of row.ratings)
      fresh.rate(promptId, { ...rating, completionId: completionIds[answer]!, labelerId: by(labeler) });
    for (const { answer, labeler, ...mark } of row.marks)
      fresh.mark(promptId, { ...mark, completionId: completionIds[answer]!, labelerId: by(labeler) });
  }
  for (const { promptId, completionIds, ranks, labeler, confidence, note } of numbered)
    fresh.rank({
      promptId,
      labelerId: labelerId(nameOr(labeler, options.labeler)),
      itemId: itemFor(completionIds),
      status: 'ranked',
      ranks: completionIds.map((completionId, i) => ({ completionId, rank: ranks[i]! })),
      confidence,
      note,
    });
  fresh.addTo(project);
  return settled;
}

/** The prompt of each row, added where the project has none of it. */
const promptsOf = (project: Project, rows: readonly Preference[], options: ImportOptions) =>
  importPrompts(
    project,
    rows.map((row) => {
      const { source, rest } = placed(row);
      // a ranking keeps what its row says besides; where there is none, the prompt does
      return {
        text: row.prompt,
        messages: row.messages,
        split: options.split(row.prompt, row.messages, row.split),
        source: source ?? options.source,
        reference: row.reference,
        extra: statusOf(row) ? null : rest,
      };
    }),
  );

/** The labeler of each name: one the project knows keeps its kind; a new one is a person. */
function labelersOf(project: Project, know: LookUp): (name: string) => number {
  const known = new Map<string, number>();
  return (name) => {
    if (!known.has(name)) known.set(name, ensureLabeler(project, name, know.labeler(name)?.kind ?? 'person').id);
    return known.get(name)!;
  };
}

/** Gathers the rankings, ratings and marks of an import that the project has not yet, to be added at once. */
function gatherUnknown(know: LookUp) {
  const rankings = new Map<string, NewRanking>();
  const ratings = new Map<string, NewRating>();
  const marks: NewMark[] = [];
  return {
    rank: (ranking: NewRanking) => {
      const key = rankingKey(ranking.labelerId, ranking.status, ranking.ranks);
      const place = `${ranking.promptId}/${key}`;
      if (!know.rankings(ranking.promptId).has(key) && !rankings.has(place)) rankings.set(place, ranking);
    },
    rate: (promptId: number, rating: NewRating) => {
      const key = ratingKey(rating.completionId, rating.labelerId, rating.axis);
      if (!know.ratings(promptId).has(key)) ratings.set(key, rating);
    },
    mark: (promptId: number, mark: Required<NewMark>) => {
      if (!know.marks(promptId).has(markKey(mark))) marks.push(mark);
    },
    addTo: (project: Project) => {
      addRankings(project, [...rankings.values()], { events: false });
      addRatings(project, [...ratings.values()]);
      addMarks(project, marks);
    },
  };
}
