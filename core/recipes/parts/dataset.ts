// What a run learns from: one selection of the project's judgements, said in words and frozen with the run; never the
// test split.

import type { Prompt, Split } from '#core/contract/prompts.ts';
import type { Selection } from '#core/contract/rankings.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { EVERYTHING, REASONS, selectRankings } from '#core/store/selection.ts';
import type { LeftOut, Reason, SelectedRanking } from '#core/store/selection.ts';
import { choice, count, words } from '#core/recipes/settings.ts';
import type { Config } from '#core/recipes/settings.ts';

/** The selection as settings, the same in every recipe that learns from rankings. */
export const SELECTION_SETTINGS = {
  labelers: words('', 'Only rankings by these labelers, separated by commas; empty = everybody.', {
    group: 'data',
    main: true,
  }),
  policies: words('', 'Only answers by these models or writers, separated by commas; empty = all.', { group: 'data' }),
  rounds: words('', 'Only answers that these runs drew (their ids), separated by commas; empty = all.', {
    group: 'data',
  }),
  min_confidence: count(
    0,
    [0, 9],
    'Only rankings with at least this confidence; one without a confidence stays. 0 = all.',
    { group: 'data' },
  ),
  flagged: choice(
    'answers',
    ['answers', 'items'],
    'What a flag leaves out: the answer that bears it, or also every ranking of a flagged item.',
    { group: 'data' },
  ),
  without_marks: words(
    '',
    'Leave out answers that bear a mark with one of these labels, separated by commas; empty = none.',
    { group: 'data' },
  ),
} as const;
type SelectionConfig = Config<typeof SELECTION_SETTINGS>;

const listed = (names: string): string[] =>
  names
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);

/** The record that the settings stand for; learning and choosing see train and validation, never test. */
export const selectionOf = (config: SelectionConfig): Selection => ({
  ...EVERYTHING,
  labelers: listed(config.labelers),
  policies: listed(config.policies),
  rounds: listed(config.rounds),
  confidence: config.min_confidence,
  flagged: config.flagged,
  marks: listed(config.without_marks),
});

/** A selection in words: "rankings of the train and validation prompts by anna, with a confidence of 5 or more". */
export function describeSelection({
  labelers,
  policies,
  rounds,
  splits,
  confidence,
  flagged,
  marks,
}: Selection): string {
  const list = (names: readonly string[], last = 'and') =>
    names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} ${last} ${names.at(-1)}`;
  return [
    `rankings of the ${list(splits)} prompts`,
    ...(labelers.length ? [` by ${list(labelers)}`] : []),
    ...(policies.length ? [`, answers of ${list(policies)} only`] : []),
    ...(rounds.length ? [`, answers drawn by ${list(rounds)} only`] : []),
    ...(confidence ? [`, with a confidence of ${confidence} or more where one was given`] : []),
    ...(flagged === 'items' ? [', flagged items left out'] : []),
    ...(marks.length ? [`, answers marked ${list(marks, 'or')} left out`] : []),
  ].join('');
}

/** What was left out, in words: "3 hidden repeats, 1 flagged answers"; empty where nothing was. */
export const describeLeftOut = (leftOut: LeftOut): string =>
  (Object.keys(REASONS) as Reason[])
    .flatMap((reason) => (leftOut[reason] ? [`${leftOut[reason]} ${REASONS[reason]}`] : []))
    .join(', ');

/** What a manifest says of the selection that its rows came from. */
export interface Frozen {
  selection: Selection;
  words: string;
  leftOut: LeftOut;
}

/**
 * The rankings that `selection` leaves, and what the manifest is to say of it. Test prompts are left out whatever it
 * says.
 */
export function rankedRows(project: Project, selection: Selection): { rankings: SelectedRanking[]; frozen: Frozen } {
  const learnt = { ...selection, splits: selection.splits.filter((split) => split !== 'test') };
  const { rankings, leftOut } = selectRankings(project, learnt);
  return { rankings, frozen: { selection: learnt, words: describeSelection(learnt), leftOut } };
}

export type LearningPrompt = Prompt & { split: Exclude<Split, 'test'> };

/** The prompts that a run may see, in id order: those of train and validation. */
export const learningPrompts = (project: Project): LearningPrompt[] =>
  listPrompts(project).filter((prompt): prompt is LearningPrompt => prompt.split !== 'test');
