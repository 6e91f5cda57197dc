// What a selection leaves of the rankings: which are learnt from, with which answers, and how many were left out for
// what reason.

import type { Completion } from '#core/contract/samples.ts';
import type { Prompt } from '#core/contract/prompts.ts';
import type { Ranking, Selection } from '#core/contract/rankings.ts';
import { tiedWhereEqual } from './answers.ts';
import { listCompletions } from './completions.ts';
import { listLabelers } from './labelers.ts';
import { listPolicies } from './policies.ts';
import { query } from './project.ts';
import type { Project } from './project.ts';
import { listPrompts } from './prompts.ts';
import { listRankings } from './rankings.ts';
import { refuseUnknownNames } from './selection-names.ts';

/** What is learnt from where nobody said otherwise: everything but the test split. */
export const EVERYTHING: Selection = {
  labelers: [],
  policies: [],
  rounds: [],
  splits: ['train', 'validation'],
  confidence: 0,
  flagged: 'answers',
  marks: [],
};

/** A ranking that a selection holds; `answers` and `ranks` go together, best first, equal texts with one rank. */
export interface SelectedRanking {
  rankingId: number;
  labeler: string;
  confidence: number | null;
  prompt: Prompt;
  answers: (Completion & { /** the model that wrote it, or the writer that its file gives */ by: string | null })[];
  ranks: number[];
}

/** Why a ranking, or one of its answers, is left out; in the order in which they are asked. */
export const REASONS = {
  repeat: 'hidden repeats',
  unranked: 'skipped or with nothing acceptable',
  split: 'of other splits',
  labeler: 'by other labelers',
  confidence: 'with too little confidence',
  item: 'of flagged items',
  flagged: 'flagged answers',
  writer: 'answers by other models',
  round: 'answers of other runs',
  mark: 'answers with a mark that was named',
  even: 'without a preference',
} as const;
export type Reason = keyof typeof REASONS;
export type LeftOut = Partial<Record<Reason, number>>;

/**
 * The rankings that `selection` holds, in id order, and what it leaves out: rankings by their first reason, answers by
 * theirs. 'bad-argument' for a name that the project does not know.
 */
export function selectRankings(
  project: Project,
  selection: Selection,
): { rankings: SelectedRanking[]; leftOut: LeftOut } {
  refuseUnknownNames(project, selection);
  const leftOut: LeftOut = {};
  const leave = (reason: Reason): null => {
    leftOut[reason] = (leftOut[reason] ?? 0) + 1;
    return null;
  };
  const prompts = new Map(listPrompts(project).map((prompt) => [prompt.id, prompt]));
  const labelers = new Map(listLabelers(project).map(({ id, name }) => [id, name]));
  const flags = flagged(project);
  const all = listRankings(project);
  const kept = all.filter((ranking) => {
    const reason = reasonOf(ranking, selection, { prompts, labelers, items: flags.items });
    return reason ? leave(reason) : true;
  });
  const ids = [...new Set(kept.flatMap(({ ranks }) => ranks.map(({ completionId }) => completionId)))];
  const completions = new Map(listCompletions(project, { ids }).map((completion) => [completion.id, completion]));
  const names = new Map(listPolicies(project).map(({ id, name }) => [id, name]));
  const marked = bearing(project, selection.marks);
  const answerReason = (completion: Completion, by: string | null): Reason | null => {
    if (flags.completions.has(completion.id)) return 'flagged';
    if (selection.policies.length && !selection.policies.includes(by ?? '')) return 'writer';
    if (selection.rounds.length && !selection.rounds.includes(completion.runId ?? '')) return 'round';
    return marked.has(completion.id) ? 'mark' : null;
  };
  const rankings = kept.flatMap((ranking): SelectedRanking[] => {
    const placed = ranking.ranks.flatMap(({ completionId, rank }) => {
      const completion = completions.get(completionId)!;
      const by = names.get(completion.policyId ?? -1) ?? completion.writer;
      const reason = answerReason(completion, by);
      return reason ? (leave(reason), []) : [{ answer: { ...completion, by }, rank }];
    });
    const ranks = tiedWhereEqual(
      placed.map(({ answer }) => answer.text),
      placed.map(({ rank }) => rank),
    );
    if (new Set(ranks).size < 2) return (leave('even'), []);
    return [
      {
        rankingId: ranking.id,
        labeler: labelers.get(ranking.labelerId)!,
        confidence: ranking.confidence,
        prompt: prompts.get(ranking.promptId)!,
        answers: placed.map(({ answer }) => answer),
        ranks,
      },
    ];
  });
  return { rankings, leftOut };
}

interface ProjectRows {
  prompts: Map<number, Prompt>;
  labelers: Map<number, string>;
  items: ReadonlySet<number>;
}

function reasonOf(
  { repeatOf, status, promptId, labelerId, itemId, confidence }: Ranking,
  selection: Selection,
  { prompts, labelers, items }: ProjectRows,
): Reason | null {
  if (repeatOf !== null) return 'repeat';
  if (status !== 'ranked') return 'unranked';
  if (!selection.splits.includes(prompts.get(promptId)!.split)) return 'split';
  if (selection.labelers.length && !selection.labelers.includes(labelers.get(labelerId)!)) return 'labeler';
  if (confidence !== null && confidence < selection.confidence) return 'confidence';
  return selection.flagged === 'items' && itemId !== null && items.has(itemId) ? 'item' : null;
}

function flagged(project: Project): { items: Set<number>; completions: Set<number> } {
  const ids = (sql: string) =>
    new Set(
      query<{ id: number }>(project, sql)
        .all()
        .map(({ id }) => id),
    );
  return {
    items: ids('SELECT item_id AS id FROM flags WHERE item_id IS NOT NULL'),
    // and what says the same, which is the same answer
    completions: ids(`SELECT coalesce(o.id, c.id) AS id FROM flags f JOIN completions c ON c.id = f.completion_id
      LEFT JOIN completions o ON o.prompt_id = c.prompt_id AND o.answer = c.answer`),
  };
}

/** Completions that bear a mark with one of these labels. */
function bearing(project: Project, labels: readonly string[]): Set<number> {
  if (labels.length === 0) return new Set();
  const sql = 'SELECT DISTINCT completion_id AS id FROM marks WHERE label IN (SELECT value FROM json_each(?))';
  return new Set(
    query<{ id: number }>(project, sql)
      .all(JSON.stringify(labels))
      .map(({ id }) => id),
  );
}
