// A project's rankings, ratings and marks as the record that every format is written from, a portion at a time.

import type { Prompt } from '#core/contract/prompts.ts';
import type { Preference } from '#core/formats/preferences/preference.ts';
import { flaggedAmong } from '#core/store/flags.ts';
import {
  answersOf,
  completionsOfItems,
  countJudgements,
  firstRankings,
  judgedOutsideRankings,
  judgementsAfter,
  ratingsAndMarks,
} from '#core/store/judgements.ts';
import type { Answered, Judgement, JudgementFilter, NamedMark, NamedRating } from '#core/store/judgements.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';

/** Rankings read at once: a few megabytes even where posts are long. */
const PORTION = 500;

export interface Gathered {
  preferences: Preference[];
  /** rankings read so far, and all there are */
  done: number;
  total: number;
}

/** What a selection leaves: of each ranking the completions that count. */
export type Kept = ReadonlyMap<number, ReadonlySet<number>>;

/** The ranking with the answers that count, or none of it. */
function narrowed(ranking: Judgement, only: Kept): Judgement[] {
  const kept = only.get(ranking.id);
  return kept ? [{ ...ranking, ranks: ranking.ranks.filter(({ completionId }) => kept.has(completionId)) }] : [];
}

interface Judged {
  ratings: readonly NamedRating[];
  marks: readonly NamedMark[];
  flagged: ReadonlySet<number>;
}

/** In the order they were shown, the rest by their ids: never by rank, which would put the best first. */
function inShownOrder(ids: readonly number[], shownOrder: readonly number[]): number[] {
  const wanted = new Set(ids);
  return [...new Set([...shownOrder.filter((id) => wanted.has(id)), ...ids.toSorted((a, b) => a - b)])];
}

/** What the labeler judged, best or not: the ranked completions, else what was shown, else what the item holds. */
function judgedIds({ ranks, shownOrder, itemId }: Judgement, items: Map<number, number[]>): number[] {
  const ids =
    ranks.length > 0
      ? ranks.map(({ completionId }) => completionId)
      : shownOrder.length > 0
        ? shownOrder
        : ((itemId === null ? undefined : items.get(itemId)) ?? []);
  return inShownOrder(ids, shownOrder);
}

/** The parts of a preference that come from a prompt, its answers and what was said of each. */
function judgedPart(
  prompt: Prompt,
  ids: readonly number[],
  answers: Map<number, Answered>,
  { ratings, marks, flagged }: Judged,
) {
  const place = new Map(ids.map((id, i) => [id, i]));
  return {
    prompt: prompt.text,
    messages: prompt.messages,
    split: prompt.split,
    reference: prompt.reference,
    answers: ids.map((id) => ({ text: answers.get(id)!.text, writer: answers.get(id)!.writer, tokenIds: null })),
    ratings: ratings.map(({ completionId, axis, value, low, high, labeler }) => ({
      answer: place.get(completionId)!,
      axis,
      value,
      low,
      high,
      labeler,
    })),
    marks: marks.map(({ completionId, start, end, label, note, labeler }) => ({
      answer: place.get(completionId)!,
      start,
      end,
      label,
      note,
      labeler,
    })),
    ...(ids.some((id) => flagged.has(id)) ? { flagged: ids.flatMap((id, i) => (flagged.has(id) ? [i] : [])) } : {}),
  };
}

/** What has no place of its own in the record; what a file said itself comes last and so stands. */
function extraOf(
  prompt: Prompt,
  { status, naive, guidelines, repeatOf, createdAt, extra }: Judgement,
): Preference['extra'] {
  return {
    ...prompt.extra,
    source: prompt.source,
    created_at: createdAt,
    ...(naive === null ? {} : { naive }),
    ...(guidelines === null ? {} : { guidelines }),
    ...(repeatOf === null ? {} : { hidden_repeat: true }),
    ...extra,
    ...(status === 'none-acceptable' ? { status } : {}),
  };
}

/**
 * Every ranking that fits, in id order, then the completions that have ratings or marks and no ranking. A rating or
 * mark stands once: with its own labeler's first ranking of that completion, else with the first of anybody's. With
 * `only` nothing but the rankings that a selection left.
 */
export function* gatherPreferences(
  project: Project,
  filter: JudgementFilter,
  only: Kept | null = null,
): Generator<Gathered> {
  const total = countJudgements(project, filter).rankings;
  let after = 0;
  let done = 0;
  let line = 0;
  const numbered = (gathered: readonly Unnumbered[]): Preference[] => gathered.map((one) => ({ line: ++line, ...one }));
  for (;;) {
    const read = judgementsAfter(project, filter, after, PORTION);
    if (read.length === 0) break;
    after = read.at(-1)!.id;
    done += read.length;
    const rankings = only ? read.flatMap((ranking) => narrowed(ranking, only)) : read;
    yield { done, total, preferences: numbered(ranked(project, filter, rankings)) };
  }
  if (only) return;
  const loose = judgedOutsideRankings(project, filter);
  for (let at = 0; at < loose.length; at += PORTION) {
    const part = loose.slice(at, at + PORTION);
    yield { done, total, preferences: numbered(unranked(project, filter, part)) };
  }
}

type Unnumbered = Omit<Preference, 'line'>;

/** Rankings as the record, each with the ratings and marks that stand with it. */
function ranked(project: Project, filter: JudgementFilter, rankings: readonly Judgement[]): Unnumbered[] {
  const items = completionsOfItems(
    project,
    rankings.flatMap(({ itemId, ranks, shownOrder }) =>
      itemId !== null && ranks.length === 0 && shownOrder.length === 0 ? [itemId] : [],
    ),
  );
  const judged = rankings.map((ranking) => ({ ranking, ids: judgedIds(ranking, items) }));
  const all = [...new Set(judged.flatMap(({ ids }) => ids))];
  const answers = answersOf(project, all);
  const flagged = flaggedAmong(project, all);
  const prompts = promptsOf(project, rankings);
  const said = ratingsAndMarks(project, all, filter.labelerIds);
  const firsts = firstRankings(project, filter, [
    ...new Set([...said.ratings, ...said.marks].map(({ completionId }) => completionId)),
  ]);
  const home = ({ completionId, labelerId }: { completionId: number; labelerId: number }): number | undefined => {
    const own = firsts.get(completionId);
    return own?.get(labelerId) ?? own?.values().next().value;
  };
  const ratings = Map.groupBy(said.ratings, home);
  const marks = Map.groupBy(said.marks, home);
  return judged.map(({ ranking, ids }) => {
    const { id, promptId, status, ranks, labeler, confidence, durationMs, note } = ranking;
    const rankOf = new Map(ranks.map(({ completionId, rank }) => [completionId, rank]));
    const prompt = prompts.get(promptId)!;
    return {
      ...judgedPart(prompt, ids, answers, { ratings: ratings.get(id) ?? [], marks: marks.get(id) ?? [], flagged }),
      ranks: status === 'ranked' && ids.length > 1 ? ids.map((completionId) => rankOf.get(completionId)!) : null,
      labeler,
      confidence,
      durationMs,
      note,
      extra: extraOf(prompt, ranking),
    };
  });
}

/** What was said of completions that nobody has ranked, by prompt. */
function unranked(
  project: Project,
  filter: JudgementFilter,
  loose: readonly { promptId: number; ids: number[] }[],
): Unnumbered[] {
  const all = loose.flatMap(({ ids }) => ids);
  const answers = answersOf(project, all);
  const flagged = flaggedAmong(project, all);
  const prompts = promptsOf(project, loose);
  const said = ratingsAndMarks(project, all, filter.labelerIds);
  const promptOf = ({ completionId }: { completionId: number }) => answers.get(completionId)!.promptId;
  const ratings = Map.groupBy(said.ratings, promptOf);
  const marks = Map.groupBy(said.marks, promptOf);
  return loose.map(({ promptId, ids }) => {
    const prompt = prompts.get(promptId)!;
    const judged = { ratings: ratings.get(promptId) ?? [], marks: marks.get(promptId) ?? [], flagged };
    return {
      ...judgedPart(prompt, ids, answers, judged),
      ranks: null,
      labeler: null,
      confidence: null,
      durationMs: null,
      note: null,
      extra: { ...prompt.extra, source: prompt.source },
    };
  });
}

const promptsOf = (project: Project, of: readonly { promptId: number }[]): Map<number, Prompt> =>
  new Map(
    listPrompts(project, { ids: [...new Set(of.map(({ promptId }) => promptId))] }).map((prompt) => [
      prompt.id,
      prompt,
    ]),
  );
